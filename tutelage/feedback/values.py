"""The values of a row that somebody else wrote: each is what it must be, or a DataError says what it is instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tutelage.errors import DataError


class Values:
    """A row's values by our names; `names` maps those to the file's, where they differ."""

    def __init__(self, fields: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self._fields, self._names = fields, names

    def __contains__(self, name: str) -> bool:
        """Say whether there is a value."""
        return self.get(name) is not None

    def get(self, name: str) -> Any:
        """Return a value as it is, None where there is none."""
        return self._fields.get(self._names.get(name, name))

    def called(self, name: str) -> str:
        """Return what the file calls a field, in quotes."""
        return repr(self._names.get(name, name))

    def text(self, name: str) -> str:
        """Return a text that is not empty."""
        value = self.get(name)
        if value is None:
            raise DataError(f"the field {self.called(name)} is missing")
        return checked(value, self.called(name))

    def label(self, name: str) -> str:
        """Return a name, which may be a whole number, or "" where there is none."""
        value = self.get(name)
        if value is None or value == "":
            return ""
        return str(value) if type(value) is int else checked(value, self.called(name))

    def is_true(self, name: str) -> bool:
        """Return a truth value; none is no."""
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            raise DataError(f"the field {self.called(name)} must be true or false, not {value!r:.40}")
        return bool(value)

    def rank(self, name: str) -> int:
        """Return a rank: 0 is the best."""
        return rank(self.get(name), self.called(name))

    def items(self, name: str) -> list[Any]:
        """Return a list; in a table of texts it is written as JSON."""
        value = self.get(name)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                pass
        if not isinstance(value, list):
            told = "is missing" if value is None else f"must be a list, not {value!r:.40}"
            raise DataError(f"the field {self.called(name)} {told}")
        return value

    def inside(self, value: Any, name: str) -> Values:
        """Return the values of an object in the list `name`; its fields have other names there too."""
        if not isinstance(value, dict):
            raise DataError(f"the field {self.called(name)} must hold objects, not {value!r:.40}")
        return Values(value, self._names)


def rank(value: Any, called: str) -> int:
    """Check a rank."""
    if type(value) is not int or value < 0:
        raise DataError(f"the field {called} must be a whole number from 0 (best), not {value!r:.40}")
    return value


def checked(value: Any, called: str) -> str:
    """Check a text: it holds something, and can be written."""
    if not isinstance(value, str):
        raise DataError(f"the field {called} must be a text, not {value!r:.40}")
    if not value.strip():
        raise DataError(f"the field {called} is empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(f"the field {called} holds half of a character") from None
    return value
