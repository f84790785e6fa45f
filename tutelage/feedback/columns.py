"""The columns of an export with their types, for Parquet and for the card, which tells the library `datasets`.

Without types a reader guesses them from the first rows, and takes a flag that nobody answered there for something that
is never answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from tutelage.feedback.export import ROWS, What
from tutelage.records import FLAGS

#: Types by the names that Arrow and `datasets` give them; `flags` is a struct of every flag, each true, false or null.
Type = Literal["string", "int64", "bool", "flags"]
_NUMBERS = ("ranks", "ratings", "quality", "beginning", "toxicity", "relative", "continuity", "rank")
_TYPES: Mapping[str, Type] = {**dict.fromkeys(_NUMBERS, "int64"), "cut": "bool", "flags": "flags"}
#: What a ranking holds of each of its outputs.
_LISTS = ("completions", "policies", "ranks", "cut", "ratings", "flags")
_OF_SEVERAL: tuple[What, ...] = ("reward", "comparisons")


class Column(NamedTuple):
    """A column: its name and type, and whether a row holds a list of it."""

    name: str
    type: Type
    is_list: bool


def of(what: What) -> list[Column]:
    """Return the columns of an export in the order of its rows."""
    return [
        Column(name, _TYPES.get(name, "string"), what in _OF_SEVERAL and name in _LISTS)
        for name in ROWS[what].__dataclass_fields__
    ]


def in_yaml(what: What) -> list[str]:
    """Return the lines of a card's head that tell `datasets` the types."""
    lines = ["dataset_info:", "- config_name: default", "  features:"]
    for column in of(what):
        lines.append(f"  - name: {column.name}")
        if column.type == "flags":
            lines.append("    list:" if column.is_list else "    struct:")
            lines += [line for flag in FLAGS for line in (f"    - name: {flag}", "      dtype: bool")]
        else:
            lines.append(f"    {'list' if column.is_list else 'dtype'}: {column.type}")
    return lines
