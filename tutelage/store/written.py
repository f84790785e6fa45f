"""Prompts that labelers wrote: kept as judgements first, and as prompts once intake has taken them in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from tutelage.records import WrittenPrompt
from tutelage.store import batches
from tutelage.store.database import Store
from tutelage.store.judgements import common, current, row
from tutelage.store.kind_tables import written_prompts
from tutelage.store.tables import prompts


def insert(
    connection: Connection, new: Sequence[WrittenPrompt], assignments: Mapping[str, str], *, now: datetime
) -> None:
    """Add written prompts as part of the caller's transaction."""
    rows = [
        {
            **row(made, assignments.get(made.id), now),
            "prompt_id": made.prompt_id,
            "form": made.form,
            "use_case": made.use_case,
            "text": made.text,
            "pairs": made.pairs,
        }
        for made in new
    ]
    batches.insert(connection, written_prompts, rows)


def current_ones(store: Store) -> list[tuple[WrittenPrompt, str | None]]:
    """Return the written prompts that count, by id, each with the assignment it came from."""
    query = select(written_prompts).where(current(written_prompts)).order_by(written_prompts.c.id)
    with store.read() as connection:
        return [(_written(found), found.assignment_id) for found in connection.execute(query)]


def prompt_ids(made: WrittenPrompt) -> list[str]:
    """Return the ids of the prompts that a written one becomes: a few-shot one becomes as many as it has pairs."""
    return [f"{made.id}/{number}" for number in range(1, len(made.pairs) + 1)] or [made.id]


def retire_corrected(store: Store) -> int:
    """Put prompts out of use whose labeler wrote a later revision; return how many."""
    query = select(written_prompts).where(~current(written_prompts))
    with store.write() as connection:
        old = [name for found in connection.execute(query).all() for name in prompt_ids(_written(found))]
        count = 0
        for part in batches.of(old):
            stale = update(prompts).where(prompts.c.id.in_(part), prompts.c.status == "kept")
            count += connection.execute(stale.values(status="corrected")).rowcount
        return count


def _written(found: Row[Any]) -> WrittenPrompt:
    return WrittenPrompt(
        **common(found),
        prompt_id=found.prompt_id,
        form=found.form,
        use_case=found.use_case,
        text=found.text,
        pairs=tuple((query, response) for query, response in found.pairs),
    )
