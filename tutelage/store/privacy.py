"""People's looks through prompts for personal data: what they take out is gone, and what they passed is marked.

The text before a redaction is kept nowhere: its hash stays, so that lineage still finds the models that saw it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from tutelage.errors import DataError
from tutelage.records import PrivacyReview, Redaction
from tutelage.store import batches
from tutelage.store import prompts as stored
from tutelage.store.database import Store
from tutelage.store.judgements import common, current, row
from tutelage.store.kind_tables import privacy_reviews
from tutelage.store.tables import facts, prompts

_RULE = "training waits for privacy review"


def is_required(store: Store) -> bool:
    """Say whether prompts are trained on only after a person has looked through them."""
    with store.read() as connection:
        return connection.scalar(_rule()) is not None


def require(store: Store, is_required: bool) -> None:
    """Let training wait for people's reviews, or not; the queries that feed trainers obey at once."""
    with store.write() as connection:
        connection.execute(delete(facts).where(facts.c.name == _RULE))
        if is_required:
            connection.execute(facts.insert(), {"name": _RULE, "value": "required"})


def cleared() -> Any:
    """Return the condition under which the store's rule lets a prompt be trained on."""
    return or_(~_rule().exists(), prompts.c.pii == "reviewed")


def redacted(text: str, redactions: Sequence[Redaction]) -> str:
    """Return a text with each redaction replaced by its kind in brackets, such as [name]."""
    for one in sorted(redactions, key=lambda one: one.start, reverse=True):
        text = f"{text[: one.start]}[{one.kind}]{text[one.end :]}"
    return text


def insert(
    connection: Connection, new: Sequence[PrivacyReview], assignments: Mapping[str, str], *, now: datetime
) -> None:
    """Add reviews and do what they say to their prompts, as part of the caller's transaction."""
    for made in new:
        _apply(connection, made, now)
    rows = [
        {
            **row(made, assignments.get(made.id), now),
            "prompt_id": made.prompt_id,
            "redactions": [[one.start, one.end, one.kind] for one in made.redactions],
            "is_usable": made.is_usable,
            "before": made.before,
        }
        for made in new
    ]
    batches.insert(connection, privacy_reviews, rows)


def reviews(store: Store) -> list[PrivacyReview]:
    """Return the reviews that count, by id."""
    query = select(privacy_reviews).where(current(privacy_reviews)).order_by(privacy_reviews.c.id)
    with store.read() as connection:
        return [
            PrivacyReview(
                **common(found),
                prompt_id=found.prompt_id,
                redactions=tuple(Redaction(start=start, end=end, kind=kind) for start, end, kind in found.redactions),
                is_usable=found.is_usable,
                before=found.before,
            )
            for found in connection.execute(query)
        ]


def _apply(connection: Connection, made: PrivacyReview, now: datetime) -> None:
    text = connection.scalar(select(prompts.c.text).where(prompts.c.id == made.prompt_id).with_for_update())
    if stored.text_hash(str(text)) != made.before:
        raise DataError("Somebody else changed this text since you opened it; reload the page and look again.")
    if any(one.end > len(str(text)) for one in made.redactions):
        raise DataError(f"The review {made.id} takes out more than the text has; it has {len(str(text))} characters.")
    after = redacted(str(text), made.redactions)
    status = "reviewed" if made.is_usable else "quarantined"
    values = {"text": after, "text_hash": stored.text_hash(after), "pii": status}
    connection.execute(update(prompts).where(prompts.c.id == made.prompt_id).values(values))
    found = [
        stored.Found(
            prompt_id=made.prompt_id,
            kind=one.kind,
            start=one.start,
            end=one.end,
            detector=f"labeler:{made.labeler}",
            action="redacted",
        )
        for one in made.redactions
    ]
    stored.add_findings(connection, found, now)


def _rule() -> Any:
    return select(facts.c.value).where(facts.c.name == _RULE)
