"""Column types that mean the same in SQLite and PostgreSQL."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

from tutelage.errors import DataError

# Model output may hold a NUL, which PostgreSQL refuses in text. It travels as two characters, an escape from the
# private-use area and a letter, and the escape itself is escaped, so every string comes back as it went in.
_ESCAPE = "\uf0f0"


class AnyText(TypeDecorator[str]):
    """Store any Unicode string unchanged, NUL included; a lone surrogate is refused."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if not value.isascii():
            _refuse_surrogates(value)
            value = value.replace(_ESCAPE, _ESCAPE + "e")
        return value.replace("\0", _ESCAPE + "0")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or value.isascii():
            return value
        return value.replace(_ESCAPE + "0", "\0").replace(_ESCAPE + "e", _ESCAPE)


class UtcDateTime(TypeDecorator[datetime]):
    """Store an aware time as UTC; a naive time is a bug and is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError(f"the store takes times with a time zone, got the naive {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _refuse_surrogates(value: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"The text {value[:40]!r} holds half of a character at position {error.start}; decode it as UTF-8 first."
        ) from error
