"""What all kinds of judgement have in common: their columns, and which ones count."""

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Row, Table, select

from tutelage.records import Kind, Purpose
from tutelage.store.withdrawal_tables import labeler_withdrawals

_NAMES = ("id", "labeler", "kind", "instruction_version", "purpose", "supersedes")


class Judgement(Protocol):
    """Any record of a judgement."""

    @property
    def id(self) -> str: ...
    @property
    def labeler(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def instruction_version(self) -> str: ...
    @property
    def purpose(self) -> Purpose: ...
    @property
    def supersedes(self) -> str: ...


def current(table: Table) -> Any:
    """Return the condition under which a row counts: nothing later supersedes it, and its labeler did not withdraw."""
    later = table.alias("later")
    superseded = select(later.c.id).where(later.c.supersedes == table.c.id).exists()
    return ~superseded & table.c.labeler.not_in(select(labeler_withdrawals.c.labeler))


def common(row: Row[Any]) -> dict[str, Any]:
    """Return the fields that every record has, from a row."""
    return {name: getattr(row, name) for name in _NAMES}


def row(made: Judgement, assignment: str | None, now: datetime) -> dict[str, Any]:
    """Return the columns that every table has, from a record; imported judgements have no assignment."""
    return {**{name: getattr(made, name) for name in _NAMES}, "assignment_id": assignment, "created": now}
