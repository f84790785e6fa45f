"""A store in which several labelers judged the same prompts, for the tests of what leads look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.feedback.conftest import Desk
from tutelage.feedback import work
from tutelage.feedback.work import Judgement, Submission


def hand_in(desk: Desk, labeler: str, task: str, *, at: float = 60, name: str = "", **parts: Any) -> Submission:
    """Take a task, which must be free for this labeler, and hand it in.

    `order` gives groups of numbers of the task's outputs, best first; `ratings` a judgement by such a number.
    """
    desk.lease(labeler, at=at)
    held = next(one for one in work.held(desk.store, labeler) if one.task_id == task)
    by_number = {int(output.text.rsplit(" ", 1)[1]): output.id for output in held.outputs}
    order: Sequence[Sequence[int]] = parts.pop("order", ())
    ratings: Mapping[int, Judgement] = parts.pop("ratings", {})
    made = Submission(
        id=name or f"{labeler}-{task}",
        assignment_id=held.id,
        labeler=labeler,
        groups=[[by_number[number] for number in tied] for tied in order],
        ratings={by_number[number]: rated for number, rated in ratings.items()},
        **parts,
    )
    desk.submit(made, at=at)
    return made


def rated(*qualities: int, **flags: bool | None) -> dict[int, Judgement]:
    """Give outputs 0, 1, ... these qualities, and all of them the same flags."""
    return {number: Judgement(quality=quality, flags=flags) for number, quality in enumerate(qualities)}
