"""Labelers that are not people work through the queue that people use: lease, judge, hand in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tutelage.feedback import work
from tutelage.feedback.work import Assignment, Judgement, Submission, TaskKind
from tutelage.labelers.protocol import Demonstrator, Instructions, Labeler
from tutelage.store import Store

#: Tasks that a simulated labeler takes at once: small enough that all get a share.
TAKE = 20


def kinds_of(labeler: Labeler) -> tuple[TaskKind, ...]:
    """Return the kinds of work that a labeler can do; what else waits in its group's queue is for people."""
    return ("demonstrate", "rate", "rank") if isinstance(labeler, Demonstrator) else ("rate", "rank")


def work_through(
    store: Store, labelers: Sequence[Labeler], instructions: Instructions, tell: Callable[[int], None]
) -> int:
    """Let labelers take turns until the queue has nothing left for them; return how many tasks were handed in."""
    done, idle = 0, 0
    while idle < len(labelers):
        idle = 0
        for labeler in labelers:
            taken = take(store, labeler, TAKE)
            if not taken:
                idle += 1
                continue
            handed = [made for one in taken if (made := _do(store, labeler, one, instructions)) is not None]
            work.submit(store, handed, now=datetime.now(UTC))
            done += len(handed)
            tell(done)
    return done


def take(store: Store, labeler: Labeler, limit: int) -> list[Assignment]:
    """Return what a labeler has in hand, and up to `limit` tasks more that it can do."""
    taken = work.held(store, labeler.id)
    for kind in kinds_of(labeler):
        if limit > 0:
            found = work.lease(store, labeler.id, now=datetime.now(UTC), kind=kind, limit=limit)
            taken, limit = [*taken, *found], limit - len(found)
    return taken


def judge(labeler: Labeler, one: Assignment, instructions: Instructions) -> Submission:
    """Let a labeler rate every output of a task by itself and then, where that was asked, rank all."""
    ratings = {}
    for output in one.outputs:
        quality, flags = labeler.rate(one.prompt, output.text, instructions)
        ratings[output.id] = Judgement(quality=quality, flags=flags)
    groups: list[list[str]] = []
    if one.kind == "rank":
        ranks = labeler.rank(one.prompt, [output.text for output in one.outputs], instructions)
        groups = [
            [output.id for output, rank in zip(one.outputs, ranks, strict=True) if rank == level]
            for level in sorted(set(ranks))
        ]
    key = f"{one.id}/{labeler.id}"
    return Submission(id=key, assignment_id=one.id, labeler=labeler.id, groups=groups, ratings=ratings)


def _do(store: Store, labeler: Labeler, one: Assignment, instructions: Instructions) -> Submission | None:
    if one.kind != "demonstrate" or not isinstance(labeler, Demonstrator):
        return judge(labeler, one, instructions)
    text = labeler.demonstrate(one.prompt)
    if text is None:
        work.skip(store, one.id, labeler.id, reason="unclear", now=datetime.now(UTC))
        return None
    return Submission(id=f"{one.id}/{labeler.id}", assignment_id=one.id, labeler=labeler.id, text=text)
