"""A person's desk: take work, keep a draft of it, hold the lease, hand in, skip. Pages and the API call the same rules.

Work is named by its draft, whose id is random: it tells neither the task nor its purpose, so that gold and repeated
items look like all others. Facts (taking, giving back, handing in) are audited; drafts and heartbeats are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, get_args

from tutelage.errors import ConflictError, DataError
from tutelage.feedback import work
from tutelage.feedback.actor import Actor
from tutelage.feedback.work import Assignment, Submission, TaskKind
from tutelage.store import Store, drafts, guidance, returns, submitted, tasks
from tutelage.store.accounts import Person
from tutelage.store.drafts import Draft
from tutelage.store.returns import Returned
from tutelage.store.submitted import Content, Submitted
from tutelage.store.tasks import HELD

KINDS: tuple[TaskKind, ...] = get_args(TaskKind)
#: How exactly the end of a lease is kept; every save of a draft would write twice otherwise.
_BEAT = timedelta(minutes=1)


class UnreadError(ConflictError):
    """Work whose instructions the labeler has not read yet; `param` names their version."""

    code = "instructions_unread"

    def __init__(self, version: str) -> None:
        super().__init__(f"Read the instructions {version!r} first and say so; then the work is shown.")
        self.param: str = version


class LeaseOverError(ConflictError):
    """Work that is no longer held."""

    code = "lease_over"

    def __init__(self) -> None:
        super().__init__("The lease of this work ran out; hand it in at once, or take it again if nobody else did.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A piece of work: its draft, the task as the labeler sees it, and the submission that stands, "" before one.

    `returned` are the returns that wait for a new revision.
    """

    draft: Draft
    held: Assignment
    latest: str
    returned: Sequence[Returned]


def kind_of(name: str) -> TaskKind:
    """Return the kind of work of this name."""
    for kind in KINDS:
        if kind == name:
            return kind
    raise DataError(f"{name!r} is no kind of work; choose one of {', '.join(KINDS)}.")


def take(store: Store, actor: Actor, kind: TaskKind, *, now: datetime) -> Draft | None:
    """Return work of this kind: what the labeler holds already, else a task from the queue, None when there is none."""
    labeler = actor.person.labeler
    held = [one for one in tasks.held(store, labeler) if one.kind == kind and one.lease_until > now]
    if not held:
        audited = actor.audited(store, "work.take", labeler, now=now, kind=kind)
        held = work.take(audited, labeler, now=now, kind=kind)
    return drafts.begin(store, held[0].id, labeler, now=now) if held else None


def shown(store: Store, person: Person, draft: str) -> Work:
    """Return a labeler's own work; what is not handed in yet is shown after its instructions were read."""
    kept = drafts.get(store, draft, person.labeler)
    held = work.shown(store, kept.assignment_id, person.labeler)
    if held.state in HELD and held.instruction_version not in guidance.acknowledged(store, person.labeler):
        raise UnreadError(held.instruction_version)
    waiting = [one for one in returns.of_assignment(store, held.id) if not one.answer]
    return Work(draft=kept, held=held, latest=drafts.latest_submission(store, held.id), returned=waiting)


def keep(store: Store, person: Person, draft: str, *, now: datetime) -> datetime:
    """Say that the labeler is still at work; return the new end of the lease."""
    return _prolonged(store, drafts.get(store, draft, person.labeler), now)


def save(
    store: Store, person: Person, draft: str, content: str, *, base: int, now: datetime
) -> tuple[Draft, datetime | None]:
    """Save a draft over the version it began from, and keep the lease; return both, None for a lease that is over."""
    saved = drafts.save(store, draft, person.labeler, content, base=base, now=now)
    try:
        return saved, _prolonged(store, saved, now)
    except LeaseOverError:
        # Without one, work counts as long as nobody took the task.
        return saved, None


def release(store: Store, actor: Actor, draft: str, *, now: datetime) -> None:
    """Give work back without a reason; its draft stays."""
    kept = drafts.get(store, draft, actor.person.labeler)
    audited = actor.audited(store, "work.release", kept.assignment_id, now=now)
    work.release(audited, kept.assignment_id, actor.person.labeler, now=now)


def skip(store: Store, actor: Actor, draft: str, *, reason: Any, note: str, now: datetime) -> TaskKind:
    """Give work back with a reason; return its kind."""
    kept = drafts.get(store, draft, actor.person.labeler)
    audited = actor.audited(store, "work.skip", kept.assignment_id, now=now, reason=str(reason))
    work.skip(audited, kept.assignment_id, actor.person.labeler, reason=reason, now=now, note=note)
    return kept.kind


def hand_in(store: Store, actor: Actor, draft: str, given: Submission, *, now: datetime) -> TaskKind:
    """Hand work in; return its kind. `given` has no assignment, labeler or token yet. The same again counts once."""
    kept = drafts.get(store, draft, actor.person.labeler)
    mine = replace(given, assignment_id=kept.assignment_id, labeler=actor.person.labeler, token=actor.token)
    details = {"submission": mine.id, "supersedes": mine.supersedes}
    audited = actor.audited(store, "work.submit", kept.assignment_id, now=now, **details)
    work.submit(audited, [mine], now=now)
    return kept.kind


def revisions(store: Store, person: Person, draft: str) -> list[Submitted]:
    """Return what a labeler handed in for a piece of work, oldest first, with the outputs' blind ids."""
    kept = drafts.get(store, draft, person.labeler)
    held = work.shown(store, kept.assignment_id, person.labeler)
    return [_blind(one, held) for one in submitted.of_assignment(store, kept.assignment_id)]


def _prolonged(store: Store, draft: Draft, now: datetime) -> datetime:
    """Renew a lease older than `_BEAT`; return its end."""
    if draft.state == "open" and draft.lease_until >= now + timedelta(seconds=work.LEASE_SECONDS) - _BEAT:
        return draft.lease_until
    try:
        return work.heartbeat(store, draft.assignment_id, draft.labeler, now=now)
    except DataError as error:
        raise LeaseOverError from error


def _blind(one: Submitted, held: Assignment) -> Submitted:
    # Both are in the order of the labeler's screen.
    blind = dict(zip(one.presented, (output.id for output in held.outputs), strict=True))
    content = Content(
        text=one.content.text,
        groups=[[blind[output] for output in group] for group in one.content.groups],
        ratings={blind[output]: rated for output, rated in one.content.ratings.items()},
        seeded=one.content.seeded,
        others=[
            {**other, "completion_id": blind[other["completion_id"]]} if "completion_id" in other else other
            for other in one.content.others
        ],
    )
    return replace(one, presented=tuple(blind.values()), content=content)
