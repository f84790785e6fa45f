"""Write docs/reference/python.md from the docstrings of the public names: `python -m tutelage.cli.api FILE`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import tutelage.core
from tutelage.config import Settings
from tutelage.files import write_text

HEAD = """\
# Python

Written by `make fix` from the docstrings; change them there. These names are public: a change of their meaning or of
their arguments is told in the [changelog](../../CHANGELOG.md). All others may change at any time. How they fit
together: [training from Python](../guide/python.md).
"""

#: Of modules outside the core, the names that are public; of the core, all are.
CHOSEN = {
    "tutelage.train.pretrain": ("train_pretrain", "PretrainSettings", "Texts"),
    "tutelage.train.sft": ("train_sft", "SFTSettings", "BaselineSettings", "SFTData"),
    "tutelage.train.reward": ("train_reward", "RewardSettings", "RewardData"),
    "tutelage.train.ppo": ("train_ppo", "PPOSettings", "KLSettings", "PPOData"),
    "tutelage.train.batching": ("Example",),
    "tutelage.train.four": ("Parents",),
    "tutelage.train.experience": ("AdvantageSettings",),
    "tutelage.train.layout": ("LayoutSettings",),
    "tutelage.train.loop": ("LoopSettings",),
    "tutelage.train.optimizers": ("Adam",),
    "tutelage.records": ("RankedGroup",),
    "tutelage.models.load": ("load_policy", "save", "fresh", "Shape"),
    "tutelage.models.tokenizer": ("train_tokenizer",),
    "tutelage.models.scoring": ("Scorer", "Answer"),
    "tutelage.runs": ("Run", "lineage", "list_runs"),
    "tutelage.errors": (
        "UserError",
        "SettingsError",
        "MissingError",
        "DataError",
        "UnavailableError",
        "InvariantError",
    ),
}
#: Of these classes, which programs get from functions and do not make, the methods that are public.
METHODS = {"Run": ("open", "output", "read_metrics", "read_samples")}


def page() -> str:
    """Return the page: every public name with its arguments and its docstring."""
    lines = [HEAD]
    for name, names in public().items():
        module = importlib.import_module(name)
        lines += [f"## {name}\n", *_paragraphs(module)]
        for one in names:
            lines += _entry(one, getattr(module, one))
    return "\n".join(lines).rstrip() + "\n"


def public() -> dict[str, tuple[str, ...]]:
    """List the public names by module, in the order in which they are written there."""
    core = [
        importlib.import_module(f"tutelage.core.{found.name}") for found in pkgutil.iter_modules(tutelage.core.__path__)
    ]
    return {module.__name__: _defined(module) for module in core} | CHOSEN


def _defined(module: ModuleType) -> tuple[str, ...]:
    """Name the functions and classes that a module itself defines."""
    found = [(name, value) for name, value in vars(module).items() if not name.startswith("_")]
    return tuple(
        name
        for name, value in found
        if inspect.isroutine(value) or inspect.isclass(value)
        if getattr(value, "__module__", "") == module.__name__
    )


def _entry(name: str, value: Any) -> Iterator[str]:
    yield f"### {name}\n"
    if inspect.isclass(value):
        yield from _class(name, value)
        return
    yield f"```python\n{name}{_arguments(value)}\n```\n"
    yield from _paragraphs(value)


def _class(name: str, value: type[Any]) -> Iterator[str]:
    fields = getattr(value, "_fields", None) or tuple(getattr(value, "__dataclass_fields__", ()))
    if issubclass(value, Settings):
        yield f"Settings: {', '.join(f'`{field}`' for field in value.model_fields)}.\n"
    elif fields:
        yield f"Fields: {', '.join(f'`{field}`' for field in fields)}.\n"
    yield from _paragraphs(value)
    own = vars(value)
    if "__init__" in own and not (fields or issubclass(value, Settings) or name in METHODS):
        yield f"```python\n{name}{_arguments(value.__init__)}\n```\n"
    names = METHODS.get(name, tuple(one for one in own if inspect.isfunction(own[one]) and not one.startswith("_")))
    for one in names:
        method = getattr(value, one)
        text = " ".join((inspect.getdoc(method) or "").split("\n\n")[0].split())
        yield f"* `{one}{_arguments(method)}`: {text}"
    if names:
        yield ""


def _arguments(function: Any) -> str:
    """Write the arguments and what is returned as they stand in the code, without the object itself."""
    signature = inspect.signature(function)
    kept = [one for name, one in signature.parameters.items() if name != "self"]
    # Annotations are text here, and text is written in quotes.
    return str(signature.replace(parameters=kept)).replace("'", "").removesuffix(" -> None")


def _paragraphs(value: Any) -> Iterator[str]:
    for paragraph in (inspect.getdoc(value) or "").split("\n\n"):
        yield " ".join(paragraph.split()) + "\n"


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), page())
