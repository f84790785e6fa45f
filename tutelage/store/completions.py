"""Texts that policies sampled, or people wrote, for prompts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from tutelage.errors import DataError
from tutelage.records import Completion
from tutelage.store import batches
from tutelage.store.database import Store
from tutelage.store.tables import completions


def add(store: Store, new: Sequence[Completion], *, now: datetime, authors: Mapping[str, str] | None = None) -> None:
    """Add completions; `authors` names, by completion id, the labeler who wrote the text.

    A completion that is there already must be the same text for the same prompt (a stage that was killed runs again).
    """
    authors = authors or {}
    rows = [
        {
            "id": completion.id,
            "prompt_id": completion.prompt_id,
            "text": completion.text,
            "policy": completion.policy,
            "finish_reason": completion.finish_reason,
            "sampling": completion.sampling,
            "authored_by": authors.get(completion.id, ""),
            "created": now,
        }
        for completion in new
    ]
    with store.write() as connection:
        batches.insert_new(connection, completions, rows)
        for part in batches.of(new):
            query = select(completions.c.id, completions.c.prompt_id, completions.c.text)
            there = {row.id: row for row in connection.execute(query.where(completions.c.id.in_([c.id for c in part])))}
            for completion in part:
                row = there[completion.id]
                if (row.prompt_id, row.text) != (completion.prompt_id, completion.text):
                    raise DataError(f"The completion {completion.id} is in the store with another text or prompt.")


def get(store: Store, ids: Iterable[str]) -> dict[str, Completion]:
    """Return the completions of these ids; unknown ids are left out."""
    found: dict[str, Completion] = {}
    with store.read() as connection:
        for part in batches.of(sorted(set(ids))):
            for row in connection.execute(select(completions).where(completions.c.id.in_(part))):
                found[row.id] = _completion(row)
    return found


def of_policy(store: Store, policy: str) -> list[Completion]:
    """Return everything that a policy wrote, by id."""
    query = select(completions).where(completions.c.policy == policy).order_by(completions.c.id)
    with store.read() as connection:
        return [_completion(row) for row in connection.execute(query)]


def of_prompts(store: Store, prompt_ids: Iterable[str]) -> dict[str, list[Completion]]:
    """Return the completions of each prompt, by id."""
    found: dict[str, list[Completion]] = {prompt: [] for prompt in prompt_ids}
    with store.read() as connection:
        for part in batches.of(sorted(found)):
            query = select(completions).where(completions.c.prompt_id.in_(part)).order_by(completions.c.id)
            for row in connection.execute(query):
                found[row.prompt_id].append(_completion(row))
    return found


def _completion(row: Row[Any]) -> Completion:
    return Completion(
        id=row.id,
        prompt_id=row.prompt_id,
        text=row.text,
        policy=row.policy,
        finish_reason=row.finish_reason,
        sampling=row.sampling,
    )
