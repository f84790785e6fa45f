"""Rows of a published set as a task reads them, whatever the form of their file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from tutelage.errors import DataError

T = TypeVar("T")
#: A label that is 0 or 1, also as a text, as CSV has it; test splits without labels have -1.
Binary = Annotated[int, Field(ge=0, le=1)]


def checked(where: str, rows: Iterable[tuple[int, Mapping[str, Any]]], record: type[T]) -> list[T]:
    """Check rows with their numbers; what a record does not know is left out, and a row without an id is its number.

    DataError names the first row that lacks a field or holds another kind of value, and a file without any row.
    """
    adapter = TypeAdapter(record)
    found: list[T] = []
    for number, row in rows:
        name = row.get("id")
        named = {**row, "id": f"row {number}" if name is None or name == "" else str(name)}
        try:
            found.append(adapter.validate_python(named))
        except ValidationError as error:
            raise DataError(f"{where}:{number}: {_reason(error, row)}.") from None
        except DataError as error:  # a record that checks itself
            raise DataError(f"{where}:{number}: {error}") from None
    if not found:
        raise DataError(f"{where} holds no row; give the published set, one item per row.")
    return found


def _reason(error: ValidationError, row: Mapping[str, Any]) -> str:
    detail = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"the field {field} is missing; the row has {', '.join(map(str, row)) or 'none'}"
    message = detail["msg"].replace("Input should", "should", 1)
    return f"{field} {message}, got {detail['input']!r:.80}"
