"""Installing: exact pins for every range, and a sentence where the machine lacks something."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINES = [
    line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
]
PINS = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in LINES)}


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    declared = [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]
    return [found for found in map(Requirement, declared) if found.name != "tutelage"]


@pytest.mark.parametrize("line", LINES)
def test_a_constraint_is_one_exact_public_version(line: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.!]*", line)


def test_the_package_does_not_constrain_itself() -> None:
    assert "tutelage" not in PINS
    assert len(PINS) == len(LINES)


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_range_has_a_pin_inside_it(requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_torch_is_pinned_once_and_for_all() -> None:
    (torch,) = [found for found in requirements() if found.name == "torch"]
    assert str(torch.specifier) == f"=={PINS['torch']}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what the set-up reads to an empty folder."""
    for name in ("pyproject.toml", "constraints.txt", "scripts/setup.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def set_up(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "scripts/setup.sh"],
        cwd=checkout,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def interpreter(folder: Path, body: str) -> str:
    """Write a stand-in for an interpreter that this machine does not have."""
    path = folder / "python-stand-in"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_an_old_python_is_refused_with_a_sentence(checkout: Path) -> None:
    old = interpreter(checkout, "exit 1")
    done = set_up(checkout, PYTHON=old)
    assert done.returncode == 2
    assert done.stderr == f"PYTHON={old} is not Python 3.11 or newer; name one that is.\n"


def test_a_machine_without_a_new_python_is_told_the_package(checkout: Path) -> None:
    programs = checkout / "programs"
    programs.mkdir()
    for name in ("sh", "dirname"):
        (programs / name).symlink_to(Path("/bin") / name)
    done = set_up(checkout, PYTHON="", PATH=str(programs))
    assert done.returncode == 2
    assert "apt-get install python3.11 python3.11-venv" in done.stderr


def test_a_python_without_venv_is_told_the_package(checkout: Path) -> None:
    lacking = interpreter(checkout, 'case "$2" in *ensurepip*) exit 1;; esac\nexec python3 "$@"')
    done = set_up(checkout, PYTHON=lacking)
    assert done.returncode == 2
    assert re.search(r"install the package python3\.\d+-venv", done.stderr)
    assert not (checkout / ".venv").exists()


def test_a_ready_environment_is_left_alone_and_any_other_is_made_anew(checkout: Path) -> None:
    # The second interpreter can say versions and hashes but cannot make an environment: reaching that is the proof.
    lacking = interpreter(checkout, 'case "$1 $2" in "-m venv") exit 7;; esac\nexec python3 "$@"')
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "leftover").touch()
    assert set_up(checkout, PYTHON=lacking).returncode == 7
    assert not (checkout / ".venv").exists()

    ready = subprocess.run(
        ["sh", "-c", "cat pyproject.toml constraints.txt | sha256sum | cut -c1-16"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / f".ready-{ready}").touch()
    assert set_up(checkout, PYTHON=lacking).returncode == 0
    with (checkout / "constraints.txt").open("a", encoding="utf-8") as file:
        file.write("another==1.0\n")
    assert set_up(checkout, PYTHON=lacking).returncode == 7
