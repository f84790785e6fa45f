"""Simulated labelers work through the queue that people use: lease, judge, hand in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tutelage.feedback import work
from tutelage.feedback.work import Assignment, Judgement, Submission
from tutelage.labelers.village import Instructions, VillageLabeler
from tutelage.store import Store

#: What villagers can do; what else waits in their group's queue is for people.
KINDS = ("demonstrate", "rate", "rank")
#: Tasks that a simulated labeler takes at once: small enough that all get a share.
TAKE = 20


def work_through(
    store: Store, labelers: Sequence[VillageLabeler], instructions: Instructions, tell: Callable[[int], None]
) -> int:
    """Let labelers take turns until the queue has nothing left for them; return how many tasks were handed in."""
    done, idle = 0, 0
    while idle < len(labelers):
        idle = 0
        for labeler in labelers:
            now = datetime.now(UTC)
            taken = work.held(store, labeler.id) + work.lease(store, labeler.id, now=now, limit=TAKE)
            if not taken:
                idle += 1
                continue
            handed = [made for one in taken if (made := _judge(store, labeler, one, instructions)) is not None]
            work.submit(store, handed, now=datetime.now(UTC))
            done += len(handed)
            tell(done)
    return done


def _judge(store: Store, labeler: VillageLabeler, one: Assignment, instructions: Instructions) -> Submission | None:
    if one.kind not in KINDS:
        note = "Simulated labelers do not do this kind of work."
        work.skip(store, one.id, labeler.id, reason="other", note=note, now=datetime.now(UTC))
        return None
    key = f"{one.id}/{labeler.id}"
    if one.kind == "demonstrate":
        text = labeler.demonstrate(one.prompt)
        if text is None:
            work.skip(store, one.id, labeler.id, reason="unclear", now=datetime.now(UTC))
            return None
        return Submission(id=key, assignment_id=one.id, labeler=labeler.id, text=text)
    texts = [output.text for output in one.outputs]
    ratings = {}
    for output in one.outputs:
        quality, flags = labeler.rate(one.prompt, output.text, instructions)
        ratings[output.id] = Judgement(quality=quality, flags=flags)
    ranks = labeler.rank(one.prompt, texts, instructions)
    groups = [
        [output.id for output, rank in zip(one.outputs, ranks, strict=True) if rank == level]
        for level in sorted(set(ranks))
    ]
    return Submission(id=key, assignment_id=one.id, labeler=labeler.id, groups=groups, ratings=ratings)
