"""Blind comparisons: which two arms answered a prompt and on which side they stood, and one vote of each who looked.

A vote is a customer's word. It never counts as a labeler's, and what it may be used for beside being counted was
written down with the comparison, before anybody voted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Row, select

from tutelage.errors import ConflictError, DataError, MissingError
from tutelage.store import batches, prompts
from tutelage.store.application_forms import DataUse
from tutelage.store.application_tables import applications
from tutelage.store.contents import DISTRUSTED, withdrawn_since
from tutelage.store.database import Store
from tutelage.store.tables import withdrawals
from tutelage.store.vote_tables import comparisons, votes

Choice = Literal["left", "right", "tie", "both_bad"]
#: Why an answer is better: it helps, is true, does what was asked, does no harm, reads well, or something else.
Reason = Literal["helpful", "true", "asked", "harmless", "written", "other"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two answers: the arm as the operator calls it, the version that wrote it, and the request it came with."""

    arm: str
    model: str
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two answers as somebody saw them. `voter` is a salted hash of the person, `prompt` (`prompt_of`) of the text."""

    id: str
    voter: str
    application_id: str
    prompt: str
    left: Side
    right: Side
    data_use: DataUse
    notice_version: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What somebody said of a comparison."""

    comparison_id: str
    choice: Choice
    reasons: tuple[Reason, ...] = ()
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """A comparison with its vote."""

    comparison: Comparison
    vote: Vote


def prompt_of(store: Store, text: str) -> str:
    """Return what stands for a prompt: the same for texts that differ in white space alone."""
    return store.digest("compared", prompts.normalise(text))[:32]


def add(store: Store, new: Comparison) -> None:
    """Keep what somebody is shown."""
    row = {
        "id": new.id,
        "voter": new.voter,
        "application_id": new.application_id,
        "prompt": new.prompt,
        "data_use": new.data_use,
        "notice_version": new.notice_version,
        "created": new.created,
    }
    for name, side in (("left", new.left), ("right", new.right)):
        row |= {f"{name}_arm": side.arm, f"{name}_model": side.model, f"{name}_request": side.request}
    with store.write() as connection:
        connection.execute(comparisons.insert(), row)


def get(store: Store, id: str, *, voter: str, application_id: str) -> Comparison:
    """Return a comparison of one's own; anybody else's is as if it were not there."""
    with store.read() as connection:
        row = connection.execute(select(comparisons).where(comparisons.c.id == id)).one_or_none()
    if row is None or (row.voter, row.application_id) != (voter, application_id):
        raise MissingError("There is no such comparison of yours; compare two answers first.")
    return _comparison(row)


def voted(store: Store, *, voter: str, prompt: str) -> set[frozenset[str]]:
    """Return the pairs of arms on which somebody voted with this prompt."""
    query = select(comparisons.c.left_arm, comparisons.c.right_arm).join(votes)
    query = query.where(votes.c.voter == voter, comparisons.c.prompt == prompt)
    with store.read() as connection:
        return {frozenset((row.left_arm, row.right_arm)) for row in connection.execute(query)}


def vote(store: Store, about: Comparison, new: Vote) -> None:
    """Keep a vote: one for each comparison, and one of each person for a prompt and two arms.

    The same vote again changes nothing; another one raises ConflictError.
    """
    if new.choice not in CHOICES or not set(new.reasons) <= set(REASONS):
        raise DataError(f"A vote is one of {', '.join(CHOICES)}, for reasons of {', '.join(REASONS)}.")
    row = {
        "comparison_id": about.id,
        "voter": about.voter,
        "pair": _pair(store, about),
        "choice": new.choice,
        "reasons": new.reasons,
        "created": new.created,
    }
    with store.write() as connection:
        batches.insert_new(connection, votes, [row])
        there = connection.execute(select(votes).where(votes.c.comparison_id == about.id)).one_or_none()
        if there is None:
            raise ConflictError("You voted on these two with this prompt before; compare another prompt.")
        if (there.choice, tuple(there.reasons)) != (new.choice, new.reasons):
            raise ConflictError("You voted on these answers already; your first vote counts.")


def counted(store: Store) -> list[Cast]:
    """Return the votes that count, in the order of their comparisons' ids.

    Left out are those of people and applications who withdrew since, and of applications that were stopped for misuse.
    """
    query = (
        select(comparisons, votes.c.choice, votes.c.reasons, votes.c.created.label("voted"))
        .join(votes, votes.c.comparison_id == comparisons.c.id)
        .where(
            comparisons.c.voter.not_in(select(withdrawals.c.user)),
            ~withdrawn_since(comparisons.c.application_id, comparisons.c.created),
            comparisons.c.application_id.not_in(select(applications.c.id).where(applications.c.state.in_(DISTRUSTED))),
        )
        .order_by(comparisons.c.id)
    )
    with store.read() as connection:
        return [_cast(row) for row in connection.execute(query)]


def _pair(store: Store, about: Comparison) -> str:
    """Name a prompt and two arms, the same whichever of them stood on the left."""
    return store.digest("pair", about.prompt, *sorted((about.left.arm, about.right.arm)))[:32]


def _cast(row: Row[Any]) -> Cast:
    made = Vote(comparison_id=row.id, choice=row.choice, reasons=tuple(row.reasons), created=row.voted)
    return Cast(comparison=_comparison(row), vote=made)


def _comparison(row: Row[Any]) -> Comparison:
    found: Sequence[Side] = [
        Side(
            arm=getattr(row, f"{name}_arm"),
            model=getattr(row, f"{name}_model"),
            request=getattr(row, f"{name}_request"),
        )
        for name in ("left", "right")
    ]
    return Comparison(
        id=row.id,
        voter=row.voter,
        application_id=row.application_id,
        prompt=row.prompt,
        left=found[0],
        right=found[1],
        data_use=row.data_use,
        notice_version=row.notice_version,
        created=row.created,
    )
