"""The floors of the code: a unit imports lower floors and itself, lazy imports included (docs/architecture.md)."""

from __future__ import annotations

import ast
import functools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tutelage"
FLOORS = (
    ("core", "records", "errors"),
    ("config", "files", "logs"),
    ("runs", "store", "models", "pii", "village", "starter"),
    ("generate", "safety", "web", "labelers"),
    ("prompts", "feedback", "sample", "train", "evaluate", "serve", "govern", "release"),
    ("pipeline",),
    ("claims", "work", "service"),
    ("cli",),
)
FLOOR = {unit: number for number, units in enumerate(FLOORS) for unit in units}
#: The embedded world, the starter set and the labelers that are not people must not leak into the product's path.
CHOSEN_BY_RECIPES = {"village", "starter", "labelers"}
MAY_CHOOSE = {"pipeline", "claims", "work", "cli"}
#: The village is made from a seed: it knows no settings, no files and no store.
VILLAGE_KNOWS = {"core", "records", "errors"}
WITHOUT_TORCH = {
    "logs",
    "prompts",
    "feedback",
    "govern",
    "release",
    "web",
    "store",
    "safety",
    "serve",
    "pii",
    "labelers",
    "runs",
    "cli",
}


def unit_of(path: Path, package: Path) -> str:
    """Name the unit that a file belongs to: the first part of its path in the package."""
    return path.relative_to(package).parts[0].removesuffix(".py")


def imports(path: Path, package: Path) -> list[tuple[int, str]]:
    """List line and dotted name of everything that a file imports from the package, at any depth."""
    return imported(path.read_bytes(), ("tutelage", *path.relative_to(package).parent.parts))


@functools.cache
def imported(source: bytes, inside: tuple[str, ...]) -> list[tuple[int, str]]:
    """List the imports of a source that lies in a package; copies of it are read once."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = inside[: len(inside) - node.level + 1] if node.level else ()
            module = ".".join([*parts, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tutelage":
            names = [f"tutelage.{node.attr}"]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            names = [argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)]
        for name in names:
            parts = tuple(name.split("."))
            if parts[0] == "tutelage" and len(parts) > 1 and not parts[1].startswith("__"):
                found.append((node.lineno, name))
    return found


def violations(package: Path) -> list[str]:
    """Check every file of a package; a unit without a floor raises KeyError: a new name must choose its floor."""
    found = []
    for path in sorted(package.rglob("*.py")):
        own = unit_of(path, package)
        if own == "__init__":
            continue
        for line, name in imports(path, package):
            unit = name.split(".")[1]
            if unit != own and not may_import(own, unit):
                found.append(f"{path}:{line}: {own} must not import {unit}")
    return found


def may_import(own: str, unit: str) -> bool:
    """Say whether one unit may import another."""
    if FLOOR[unit] >= FLOOR[own]:
        return False
    if own == "village":
        return unit in VILLAGE_KNOWS
    # The labelers of the village have read its pages; they themselves are chosen by recipes only.
    return unit not in CHOSEN_BY_RECIPES or own in MAY_CHOOSE or own in CHOSEN_BY_RECIPES


def test_every_unit_imports_lower_floors_only() -> None:
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("files.py", "import tutelage.runs", "files must not import runs"),
        ("files.py", "from tutelage.config import load", "files must not import config"),
        ("files.py", "from tutelage import store", "files must not import store"),
        ("runs.py", "def f():\n    import tutelage.cli", "runs must not import cli"),
        ("runs.py", "class A:\n    def f(self):\n        from tutelage import cli as c", "runs must not import cli"),
        ("runs.py", "def f():\n    from .store import Store", "runs must not import store"),
        ("core/extra.py", "def f():\n    from .. import config", "core must not import config"),
        ("core/extra.py", "from ..records import Prompt", "core must not import records"),
        ("runs.py", "def f():\n    import importlib\n    importlib.import_module('tutelage.cli')", "not import cli"),
        ("runs.py", "import tutelage\ndef f():\n    tutelage.store.open()", "runs must not import store"),
        ("serve/extra.py", "from tutelage.village import world", "serve must not import village"),
        ("evaluate/extra.py", "def f():\n    import tutelage.labelers", "evaluate must not import labelers"),
        ("village/extra.py", "from tutelage import files", "village must not import files"),
        ("village/extra.py", "import tutelage.models.load", "village must not import models"),
    ],
)
def test_a_forbidden_import_is_found_wherever_it_hides(tmp_path: Path, file: str, line: str, told: str) -> None:
    package = tmp_path / "tutelage"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    path = package / file
    path.parent.mkdir(exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{before}\n{line}\n", encoding="utf-8")
    (violation,) = set(violations(package)) - {text.replace(str(PACKAGE), str(package)) for text in violations(PACKAGE)}
    assert violation.startswith(f"{path}:")
    assert told in violation


@pytest.mark.parametrize("line", ["import tutelage", "from tutelage import __version__", "from tutelage import errors"])
def test_what_lies_lower_may_be_imported(tmp_path: Path, line: str) -> None:
    (tmp_path / "files.py").write_text(f"{line}\ndef f():\n    {line}\n", encoding="utf-8")
    assert violations(tmp_path) == []


def test_only_the_choosers_import_what_recipes_choose() -> None:
    choosers = {own for own in FLOOR for unit in CHOSEN_BY_RECIPES if own != unit and may_import(own, unit)}
    assert choosers == {"pipeline", "claims", "work", "cli", "labelers"}


def test_labelers_never_read_the_judge() -> None:
    read = {name for path in (PACKAGE / "labelers").rglob("*.py") for _, name in imports(path, PACKAGE)}
    assert [name for name in read if name.startswith("tutelage.village.judge")] == []


def test_a_unit_without_a_floor_must_choose_one(tmp_path: Path) -> None:
    (tmp_path / "novelty.py").write_text("import tutelage.core", encoding="utf-8")
    with pytest.raises(KeyError, match="novelty"):
        violations(tmp_path)


@pytest.mark.parametrize("unit", sorted({unit_of(path, PACKAGE) for path in PACKAGE.rglob("*.py")} & WITHOUT_TORCH))
def test_what_serves_people_does_not_load_torch(unit: str) -> None:
    program = f"""
import importlib, pkgutil, sys
unit = importlib.import_module("tutelage.{unit}")
for module in pkgutil.walk_packages(getattr(unit, "__path__", []), unit.__name__ + "."):
    if not module.name.endswith((".env", "__main__")):
        importlib.import_module(module.name)
sys.exit("torch was loaded" if "torch" in sys.modules else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


#: Where `.generate` is a method of ours: the front of an engine process, and what an engine process asks.
ENGINES_ARE_ASKED = {
    "serve/stream/answers.py",
    "serve/golden.py",
    "serve/guard.py",
    "release/shadow.py",
    "generate/server.py",
}


def foreign_generation(package: Path) -> list[str]:
    """Find calls of the generation that transformers models bring along."""
    found = []
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).as_posix() not in ENGINES_ARE_ASKED:
            found += [f"{path}:{line}" for line in generating(path.read_bytes())]
    return found


@functools.cache
def generating(source: bytes) -> list[int]:
    """List the lines of a source that name such a generation; copies of it are read once."""
    found = []
    for node in ast.walk(ast.parse(source)):
        named = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if named in ("generate", "generate_batch", "TextGenerationPipeline"):
            found.append(node.lineno)
    return found


def test_the_engine_is_the_only_way_to_generate() -> None:
    assert foreign_generation(PACKAGE) == []


@pytest.mark.parametrize("line", ["model.generate(ids)", "draw = policy.model.generate", "f = model.generate_batch"])
def test_the_generation_of_transformers_is_found(tmp_path: Path, line: str) -> None:
    package = tmp_path / "tutelage"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    path = package / "train/rollout.py"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n\ndef f(model, policy, ids):\n    {line}\n", encoding="utf-8")
    (place,) = foreign_generation(package)
    assert place.startswith(f"{path}:")
