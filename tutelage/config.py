"""Settings: frozen, typed and explained where they are declared.

Defaults are overridden by a TOML file, and that by `--set section.name=value`. A name that does not exist is refused
with a suggestion, and a value of the wrong type with the place it came from. Secrets never come from here: they are
read from the environment by whoever needs them.
"""

from __future__ import annotations

import difflib
import json
import math
import textwrap
import tomllib
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tutelage.errors import DataError, MissingError, SettingsError

S = TypeVar("S", bound="Settings")
#: Set in front of every description in a template, and the width its lines are wrapped at.
COMMENT, WIDTH = "# ", 100


class Settings(BaseModel):
    """A group of settings. The docstring under each field says what it does, in which unit and from which source."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )


def load(cls: type[S], path: Path | str | None = None, overrides: Sequence[str] = ()) -> S:
    """Read settings: the defaults of `cls`, overridden by the TOML file `path`, overridden by `a.b=value` strings."""
    tree = read_toml(Path(path)) if path is not None else {}
    for override in overrides:
        name, value = parse_override(override)
        _put(tree, name, value)
    return _validate(cls, tree, str(path) if path is not None else "", overrides)


def from_dict(cls: type[S], tree: Mapping[str, Any], source: str) -> S:
    """Make settings from a tree that was read elsewhere; `source` names it in error messages."""
    return _validate(cls, tree, source, ())


def override(settings: S, overrides: Sequence[str]) -> S:
    """Apply `a.b=value` strings to settings that were made elsewhere."""
    tree = settings.model_dump(mode="json")
    for one in overrides:
        name, value = parse_override(one)
        _put(tree, name, value)
    return _validate(type(settings), tree, "", overrides)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; a missing one is answered with the recipes that exist."""
    if not path.is_file():
        raise MissingError(_missing_recipe(path))
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None


def shipped_recipes() -> Path:
    """Find the folder of recipes that came with the program: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def find_recipe(name: str) -> Path:
    """Find a recipe by path, or by the bare name of a shipped one (`village` is `recipes/village.toml`)."""
    path = Path(name)
    shipped = shipped_recipes() / f"{name}.toml"
    if path.is_file() or path.suffix == ".toml" or len(path.parts) != 1 or not shipped.is_file():
        return path
    return shipped


def parse_override(text: str) -> tuple[str, Any]:
    """Split `a.b=value`; the value is read as TOML, and as a plain string where it is not TOML."""
    name, separator, raw = text.partition("=")
    name = name.strip()
    if not separator or not all(part.isidentifier() or part.isdigit() for part in name.split(".")):
        raise SettingsError(f"--set {text}: write it as section.name=value.")
    try:
        parsed = tomllib.loads(f"value = {raw}")
    except tomllib.TOMLDecodeError:
        return name, raw
    return name, parsed["value"] if parsed.keys() == {"value"} else raw


def template(settings: type[Settings] | Settings) -> str:
    """Write settings as TOML, every field explained by a comment; a class is written with its defaults."""
    values = None if isinstance(settings, type) else settings
    cls = settings if isinstance(settings, type) else type(settings)
    lines = [*_comment(cls.__doc__ or ""), ""] if cls.__doc__ else []
    return "\n".join([*lines, *_section_lines(cls, values, "")]).strip() + "\n"


def dotted_names(cls: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """List every setting of `cls` by its dotted name, sections included."""
    for name, field in cls.model_fields.items():
        yield prefix + name
        section = _section_of(field.annotation)
        if section is not None and typing.get_origin(field.annotation) is not dict:
            yield from dotted_names(section, f"{prefix}{name}.")


def _validate(cls: type[S], tree: Mapping[str, Any], source: str, overrides: Sequence[str]) -> S:
    # JSON, because pydantic's strict mode then still reads lists as tuples and strings as paths, but no string as a
    # number: `steps = "100"` is a mistake and is told.
    try:
        return cls.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        problems = [_problem(cls, detail, source, overrides) for detail in error.errors(include_url=False)]
        text = "; ".join(problems)
        raise SettingsError(text if text.endswith("?") else text + ".") from None


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *sections, leaf = name.split(".")
    for depth, section in enumerate(sections):
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise SettingsError(f"--set {name}: {'.'.join(sections[: depth + 1])} is a value and not a section.")
    tree[leaf] = value


def _missing_recipe(path: Path) -> str:
    folders = {folder.resolve(): folder for folder in (path.parent, Path("recipes"), shipped_recipes())}
    found = {file for folder in folders.values() for file in folder.glob("*.toml") if file.name != "pyproject.toml"}
    recipes = sorted(map(str, found))
    if path.is_dir():
        return f"{path} is a directory; name a TOML file in it."
    if not recipes:
        return f"There is no recipe {path}, and no other recipe beside it; `tutelage init DIR` writes one."
    by_stem = {Path(recipe).stem: recipe for recipe in recipes}
    guess = [by_stem[stem] for stem in difflib.get_close_matches(path.stem, by_stem, n=1)]
    hint = f" Did you mean {guess[0]}?" if guess else ""
    return f"There is no recipe {path}.{hint} The recipes that exist: {', '.join(recipes)}."


def _problem(cls: type[BaseModel], detail: ErrorDetails, source: str, overrides: Sequence[str]) -> str:
    name = ".".join(str(part) for part in detail["loc"]) or "the settings"
    place = _place(name, source, overrides)
    if detail["type"] == "extra_forbidden":
        return f"{place}there is no setting {name}{_suggestion(cls, detail['loc'])}"
    if detail["type"] == "missing":
        return f"{place}{name} has no default and must be set"
    if detail["type"] in ("model_type", "dict_type", "model_attributes_type"):
        section = _section_at(cls, detail["loc"])
        inside = ", ".join(f"{name}.{field}" for field in section.model_fields) if section else f"{name}.NAME"
        return f"{place}{name} is a section; set one of {inside}"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message.replace("Input should", "should", 1)
    if detail["type"] == "value_error" and isinstance(detail["input"], dict):  # a section whose settings do not fit
        return f"{place}{name + ': ' if detail['loc'] else ''}{message}"
    shown = "" if isinstance(detail["input"], dict) else f", got {detail['input']!r}"
    return f"{place}{name} {message}{shown}"


def _place(name: str, source: str, overrides: Sequence[str]) -> str:
    for override in reversed(overrides):
        key = override.partition("=")[0].strip()
        if name == key or name.startswith(key + ".") or key.startswith(name + "."):
            return f"--set {override}: "
    return f"{source}: " if source else ""


def _suggestion(cls: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    wrong = str(loc[-1])
    section = _section_at(cls, loc[:-1])
    here = list(section.model_fields) if section else []
    prefix = "".join(f"{part}." for part in loc[:-1])
    close = [prefix + name for name in difflib.get_close_matches(wrong, here, n=1)]
    if not close:
        anywhere = {name.rpartition(".")[2]: name for name in dotted_names(cls)}
        close = [anywhere[leaf] for leaf in difflib.get_close_matches(wrong, anywhere, n=1)]
    if close:
        return f"; did you mean {close[0]}?"
    return f"; {'the section ' + prefix[:-1] if prefix else 'the file'} knows {', '.join(here)}" if here else ""


def _section_at(cls: type[BaseModel], loc: Iterable[int | str]) -> type[BaseModel] | None:
    section: type[BaseModel] | None = cls
    in_mapping = False
    for part in loc:
        if in_mapping or isinstance(part, int):
            in_mapping = False
            continue
        field = section.model_fields.get(part) if section else None
        if field is None:
            return None
        in_mapping = typing.get_origin(field.annotation) is dict
        section = _section_of(field.annotation)
    return section


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_section_of(argument) for argument in typing.get_args(annotation))
    return next((section for section in found if section is not None), None)


def _section_lines(cls: type[BaseModel], values: BaseModel | None, prefix: str) -> list[str]:
    lines: list[str] = []
    sections: list[str] = []
    for name, field in cls.model_fields.items():
        value = getattr(values, name) if values is not None else _default(field)
        section = _section_of(field.annotation)
        if isinstance(value, BaseModel) or (field.is_required() and section is field.annotation and section):
            inner = value if isinstance(value, BaseModel) else None
            inner_class = type(inner) if inner is not None else typing.cast(type[BaseModel], section)
            sections += ["", *_comment(field.description or inner_class.__doc__ or ""), f"[{prefix}{name}]"]
            sections += _section_lines(inner_class, inner, f"{prefix}{name}.")
            continue
        lines += _comment(_explain(field))
        lines.append(f"{name} = {to_toml(value)}" if value is not None else f"# {name} =")
    return lines + sections


def _explain(field: FieldInfo) -> str:
    text = " ".join((field.description or "").split())
    if typing.get_origin(field.annotation) is typing.Literal:
        text += f" One of: {', '.join(map(str, typing.get_args(field.annotation)))}."
    return f"{text} Must be set.".strip() if field.is_required() else text


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})


def to_toml(value: Any) -> str:
    """Write one value as TOML. There is no TOML for None: an unset value is left out by the caller."""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_quote(str(key))} = {to_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        return "[" + ", ".join(to_toml(item) for item in value) + "]"
    return _quote(str(value))


def _quote(text: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped, and surrogate pairs, which it does not know.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> list[str]:
    return [COMMENT + line for line in textwrap.wrap(" ".join(text.split()), WIDTH - len(COMMENT))]
