"""What a version would have answered: kept apart from completions, so that no queue, export or caller ever sees it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from tutelage.records import FinishReason, Prompt
from tutelage.store import batches, prompts
from tutelage.store.database import Store
from tutelage.store.registry import Version
from tutelage.store.release_tables import shadow_answers
from tutelage.store.tables import prompts as prompt_table


class Shadow(NamedTuple):
    """An answer that nobody was sent."""

    text: str
    finish_reason: FinishReason


def chosen(store: Store, rows: int, *, before: datetime) -> list[Prompt]:
    """Return the newest prompts until then whose users consented, at most so many; a withdrawal takes one out."""
    query = (
        select(prompt_table.c.id)
        .where(prompts.allowed(), prompt_table.c.created <= before)
        .order_by(prompt_table.c.created.desc(), prompt_table.c.id)
        .limit(rows)
    )
    with store.read() as connection:
        ids = list(connection.scalars(query))
    return prompts.usable_of(store, ids)


def add(store: Store, version: Version, prompt: str, answer: Shadow, *, now: datetime) -> bool:
    """Keep an answer, and say so; to a prompt whose user withdrew meanwhile none is kept."""
    with store.write() as connection:
        if connection.scalar(select(prompt_table.c.id).where(prompt_table.c.id == prompt, prompts.allowed())) is None:
            return False
        row = {"prompt_id": prompt, **version._asdict(), **answer._asdict(), "created": now}
        batches.insert_new(connection, shadow_answers, [row])
    return True


def answers(store: Store, version: Version, ids: Sequence[str]) -> dict[str, Shadow]:
    """Return a version's answers to those of these prompts whose users still consent."""
    found: dict[str, Shadow] = {}
    joined = shadow_answers.join(prompt_table, prompt_table.c.id == shadow_answers.c.prompt_id)
    mine = (shadow_answers.c.name == version.name, shadow_answers.c.version == version.version)
    columns = shadow_answers.c["prompt_id", "text", "finish_reason"]
    with store.read() as connection:
        for part in batches.of(ids):
            query = select(*columns).select_from(joined).where(*mine, prompts.allowed())
            for row in connection.execute(query.where(shadow_answers.c.prompt_id.in_(part))):
                found[row.prompt_id] = Shadow(row.text, row.finish_reason)
    return found
