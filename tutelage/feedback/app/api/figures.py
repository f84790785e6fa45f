"""Figures: progress, agreement, disagreements, labelers, monitors. Each says whose labels it counts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from tutelage.core.statistics import Estimate
from tutelage.errors import DataError
from tutelage.feedback.app.api import cursors
from tutelage.feedback.app.api.access import By, only
from tutelage.feedback.app.api.cursors import After, Limit
from tutelage.feedback.app.api.schema import refusals
from tutelage.feedback.app.lead.asked import JudgingTask
from tutelage.feedback.leading import SEES
from tutelage.feedback.views import agreement, disagreements, labelers, monitors, progress
from tutelage.feedback.views.disagreements import Case, Item
from tutelage.feedback.wire import figures as wire
from tutelage.feedback.wire.parts import Name, Page
from tutelage.feedback.wire.work import Output, Rated
from tutelage.records import FLAGS, Group, Kind, UseCase
from tutelage.store import withdrawals
from tutelage.store.judged import Looked

TAG = "figures"

router = APIRouter(dependencies=[Depends(only(*SEES))], responses=refusals(403))
Task = Annotated[JudgingTask, Query(description="The task of the instructions under which labels were made.")]
Who = Annotated[Kind, Query(description="Which kind of labelers made them.")]
OfGroup = Annotated[Group, Query(description="Whose labels are looked at.")]
OfUse = Annotated[UseCase | Literal[""], Query(description="One use case; empty for all.")]
Answered = Annotated[Name, Query(description="A flag that was answered both ways; empty for all.")]


@router.get("/progress")
def read_progress(asking: By, by: Literal["purpose", "use_case", "source"] = "purpose") -> list[wire.Progress]:
    """Count labels done of those wanted, and the time left: by kind of work and purpose, use case or source."""
    found, names = progress.of(asking.store, now=asking.now), progress.BY[by]
    return [wire.Progress.model_validate(_line(line, names)) for line in found.lines(*names)]


@router.get("/queue")
def read_queue(asking: By) -> wire.Queue:
    """Count where the queue stands: labels that nobody has begun, assignments by state, reasons for skipping."""
    found = progress.queue(asking.store, now=asking.now)
    kinds = [
        wire.Queued(
            kind=kind,
            free=found.free.get(kind, 0),
            assignments={state: count for (of, state), count in sorted(found.states.items()) if of == kind},
        )
        for kind in found.kinds
    ]
    return wire.Queue(kinds=kinds, skipped=dict(sorted(found.reasons.items())))


@router.get("/agreement")
def read_agreement(
    asking: By, task: Task = "comparison", kind: Who = "human", group: OfGroup = "training", use_case: OfUse = ""
) -> wire.Agreement:
    """Measure how far labelers agree, with intervals; use cases, flags and weeks are of one group."""
    views = agreement.of(asking.store, Looked(task=task, kind=kind, use_case=use_case))
    return wire.Agreement(
        groups=[wire.Agreeing.model_validate(one) for one in views.groups()],
        use_cases=[wire.Agreeing.model_validate(one) for one in views.use_cases(group)],
        labelers=[wire.Agreeing.model_validate(one) for one in views.labelers()],
        oneself=[wire.Agreeing.model_validate(one) for one in views.oneself()],
        scales=[wire.Scale.model_validate(one) for one in views.scales()],
        flags=[wire.Flag.model_validate(one) for one in views.flags(group)],
        weeks=[wire.Week.model_validate(one) for one in views.weeks(group)],
        withdrew=len(withdrawals.withdrawn(asking.store)),
        paper={"training": agreement.PAPER_TRAINING, "heldout": agreement.PAPER_HELDOUT},
    )


@router.get("/disagreements")
def list_disagreements(  # noqa: PLR0913 - one parameter per filter
    asking: By,
    after: After = "",
    limit: Limit = 50,
    task: Task = "comparison",
    kind: Who = "human",
    group: Annotated[Group | Literal[""], Query(description="One group; empty for all together.")] = "training",
    use_case: OfUse = "",
    flag: Answered = "",
) -> Page[wire.Disagreement]:
    """List prompts by how far two labelers or more differ on them, the largest difference first."""
    place = cursors.read(after, 2)
    if flag and flag not in FLAGS:
        raise DataError(f"{flag!r} is no flag; choose one of {', '.join(FLAGS)}.")
    which = Looked(task=task, kind=kind, use_case=use_case)
    items = disagreements.find(asking.store, which, group=group or None, flag=flag)
    begin = (_number(place[0]), place[1]) if place else None
    found = [item for item in items if begin is None or (-item.size, item.prompt_id) > begin][: limit + 1]
    texts = disagreements.beginnings(asking.store, found)

    def tell(item: Item) -> wire.Disagreement:
        told = {**asdict(item), "flags": list(item.flags), "size": item.size}
        return wire.Disagreement(beginning=texts[item.prompt_id], **told)

    return cursors.page(found, limit, lambda item: [repr(-item.size), item.prompt_id], tell)


@router.get("/judgements", responses=refusals(404))
def read_judgements(asking: By, prompt: Name, task: Task = "comparison", kind: Who = "human") -> wire.Case:
    """Return one prompt with everybody's orders and ratings side by side."""
    found = disagreements.open_case(asking.store, Looked(task=task, kind=kind, prompt_id=prompt))
    return _case(found, disagreements.submissions(asking.store, found))


@router.get("/labelers")
def list_labelers(
    asking: By, task: Task = "comparison", kind: Who = "human", use_case: OfUse = ""
) -> list[wire.Labeler]:
    """List what each labeler did: pace, agreement with others and with keys, hard reading."""
    which = Looked(task=task, kind=kind, use_case=use_case)
    return [_labeler(one) for one in labelers.lines(asking.store, which)]


@router.get("/labelers/{labeler}", responses=refusals(404))
def read_labeler(asking: By, labeler: Name, task: Task = "comparison") -> wire.Labeler:
    """Return what one labeler did, whatever the kind."""
    return _labeler(labelers.of_one(asking.store, labeler, task))


@router.get("/monitors")
def read_monitors(
    asking: By, task: Task = "comparison", kind: Who = "human", group: OfGroup = "training", use_case: OfUse = ""
) -> wire.Monitors:
    """Say whether the place on the screen, length or haste bends the labels of a group."""
    which = Looked(task=task, kind=kind, use_case=use_case)
    return wire.Monitors(
        position=wire.Bias.model_validate(monitors.position(asking.store, which, group)),
        length=wire.Bias.model_validate(monitors.length(asking.store, which, group)),
        haste=[
            wire.Haste(
                labeler=one.pace.labeler, labels=one.pace.labels, hurried=_told(one.hurried), revised=_told(one.revised)
            )
            for one in monitors.haste(asking.store, kind, group)
        ],
        enough=monitors.ENOUGH,
    )


def _line(line: progress.Line, names: tuple[str, ...]) -> dict[str, Any]:
    counts = ("tasks", "closed", "wanted", "left", "out_of_use", "recent", "left_ms", "left_days")
    told = {name: getattr(line, name) for name in counts}
    return {**dict(zip(names, line.names, strict=True)), **told, "done": dict(line.done)}


def _labeler(line: labelers.Line) -> wire.Labeler:
    told = asdict(line.pace)
    for name in ("last", "seen"):
        told.pop(name)
    figures = {
        name: getattr(line, name) for name in ("hours", "per_hour", "gold_share", "gold_items", "exposed", "seen")
    }
    return wire.Labeler(**told, **figures, agreement=_told(line.agreement))


def _told(found: Estimate | None) -> wire.Estimate | None:
    return None if found is None else wire.Estimate.model_validate(found)


def _case(found: Case, submissions: dict[str, str]) -> wire.Case:
    ids = {output.letter: output.completion.id for output in found.outputs}
    sides = [
        wire.Side(
            labeler=side.context.labeler,
            group=side.context.group,
            purpose=side.context.purpose,
            created=side.context.created,
            submission=submissions.get(side.context.labeler, ""),
            groups=[[ids[letter] for letter in tied] for tied in side.groups],
            ratings={ids[letter]: Rated(quality=one.quality, flags=one.flags) for letter, one in side.ratings.items()},
        )
        for side in found.sides
    ]
    return wire.Case(
        prompt_id=found.prompt.id,
        prompt=found.prompt.text,
        use_case=found.prompt.use_case,
        outputs=[Output(id=one.completion.id, text=one.completion.text) for one in found.outputs],
        sides=sides,
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(cursors.REFUSED) from error
