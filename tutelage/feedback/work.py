"""The queue of work for labelers, the same for people and simulated ones: file, lease, hand in, skip.

A labeler sees texts under opaque ids in a random order, never who wrote them. Time is an argument: leases end when the
caller says so, and an expired or skipped assignment stays as a record while its task is handed out again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from tutelage.errors import DataError, MissingError
from tutelage.feedback import judging, submissions
from tutelage.feedback.submissions import Judgement, Submission
from tutelage.records import Instructions, Prompt, PromptForm, Purpose
from tutelage.store import Store, completions, filing, labelers, labels, prompts, receipts, tasks
from tutelage.store.tasks import Count, Holding, State, Task, TaskKind, Wish

LEASE_SECONDS = 1800.0
SkipReason = Literal["pii", "unclear", "unsafe", "language", "other"]
#: Which instructions fit a kind of work, and which of these a purpose: the priorities of training and of the final
#: evaluation differ (paper, 3.4 and B.2), and judgements of toxicity train nothing.
INSTRUCTIONS: dict[TaskKind, tuple[str, ...]] = {
    "demonstrate": ("demonstration",),
    "rate": ("comparison", "evaluation"),
    "rank": ("comparison", "evaluation"),
    "write": ("prompt",),
    "review": ("privacy",),
    "toxicity": ("toxicity",),
}
UNFIT: dict[Purpose, tuple[str, ...]] = {
    "train": ("evaluation", "toxicity"),
    "evaluation": ("demonstration", "comparison", "prompt", "privacy"),
}
#: How many completions each kind of work shows, at least; those without show none.
LEAST: dict[TaskKind, int] = {"rate": 1, "rank": 2, "toxicity": 1}

__all__ = [
    "Assignment",
    "Count",
    "Judgement",
    "Output",
    "Submission",
    "Task",
    "TaskKind",
    "file_tasks",
    "file_unasked",
    "lease",
    "submit",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A text to judge; its id says nothing about who wrote it and holds for one assignment only."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A task as one labeler sees it; `outputs` are in the order of the screen."""

    id: str
    task_id: str
    labeler: str
    kind: TaskKind
    purpose: Purpose
    prompt_id: str
    prompt: str
    form: PromptForm
    use_case: str
    outputs: tuple[Output, ...]
    instruction_version: str
    instructions: str
    state: State
    lease_until: datetime


def file_tasks(store: Store, new: Sequence[Task], *, now: datetime) -> None:
    """Put tasks at the end of the queue; filing the same task again changes nothing."""
    _check_tasks(store, new)
    filing.add(store, new, now=now)


def file_unasked(store: Store, new: Sequence[Task], *, now: datetime) -> int:
    """Put those tasks at the end of the queue that no open task asks yet; return how many there are of them then.

    Who chooses prompts files so: a page and a worker may choose the same ones at the same time.
    """
    _check_tasks(store, new)
    return filing.add_unasked(store, new, now=now)


def fits(kind: TaskKind, purpose: Purpose, told: Instructions) -> bool:
    """Say whether a kind of work can be done for a purpose under these instructions."""
    return told.task in INSTRUCTIONS[kind] and told.task not in UNFIT.get(purpose, ())


def lease(
    store: Store,
    labeler: str,
    *,
    now: datetime,
    kind: TaskKind | None = None,
    limit: int = 1,
    seconds: float = LEASE_SECONDS,
) -> list[Assignment]:
    """Give a labeler up to `limit` tasks of the own group to work on until `now` + `seconds`; none left gives []."""
    wish = Wish(until=now + timedelta(seconds=seconds), kind=kind, limit=limit)
    return _views(store, tasks.offer(store, labelers.get(store, labeler), wish, now=now))


def take(store: Store, labeler: str, *, now: datetime, kind: TaskKind | None = None) -> list[Holding]:
    """Put the next task on a labeler's desk and return it without its texts: the page will show them; none gives []."""
    wish = Wish(until=now + timedelta(seconds=LEASE_SECONDS), kind=kind, is_for_desk=True)
    return tasks.offer(store, labelers.get(store, labeler), wish, now=now)


def held(store: Store, labeler: str) -> list[Assignment]:
    """Return what a labeler has leased and not handed in: where to go on after an interruption."""
    return _views(store, tasks.held(store, labeler))


def shown(store: Store, assignment: str, labeler: str) -> Assignment:
    """Return a labeler's own assignment in whatever state it is: to look at, to go on with, or to correct."""
    holding = tasks.holdings(store, [assignment]).get(assignment)
    if holding is None or holding.labeler != labeler:
        raise DataError(f"Labeler {labeler} has no assignment {assignment}; ask for work first.")
    return _views(store, [holding])[0]


def available(store: Store, labeler: str, *, now: datetime) -> dict[TaskKind, int]:
    """Count by kind the tasks that a labeler could take now; a kind without any is left out."""
    return tasks.available(store, labelers.get(store, labeler), now=now)


def heartbeat(
    store: Store, assignment: str, labeler: str, *, now: datetime, seconds: float = LEASE_SECONDS
) -> datetime:
    """Say that the labeler is still at work; return the new end of the lease."""
    until = now + timedelta(seconds=seconds)
    tasks.prolong(store, assignment, labeler, now=now, until=until)
    return until


def skip(store: Store, assignment: str, labeler: str, *, reason: SkipReason, now: datetime, note: str = "") -> None:
    """Give a task back; another labeler may take it. The reason `pii` also puts the prompt out of use."""
    if reason not in get_args(SkipReason):
        raise DataError(f"{reason!r} is no reason to skip; choose one of {', '.join(get_args(SkipReason))}.")
    tasks.skip(store, assignment, labeler, reason=reason, note=note, now=now)


def release(store: Store, assignment: str, labeler: str, *, now: datetime) -> None:
    """Give a task back without a reason; its draft stays, and anybody may take the task."""
    tasks.release(store, assignment, labeler, now=now)


def expire(store: Store, *, now: datetime) -> int:
    """End all leases that ran out (`lease` does so too); return how many."""
    return tasks.expire(store, now=now)


def progress(store: Store) -> list[Count]:
    """Return how many tasks of each kind, purpose and group there are and how many have all their labels."""
    return tasks.counts(store)


def submit(store: Store, handed: Sequence[Submission], *, now: datetime) -> int:
    """Hand in a batch: all of it is recorded, or nothing and one sentence says why. Return how many are new."""
    _check_distinct(handed)
    holdings = tasks.holdings(store, sorted({one.assignment_id for one in handed}))
    texts = prompts.get(store, (holding.prompt_id for holding in holdings.values()))
    batch = []
    for one in handed:
        holding = holdings.get(one.assignment_id)
        if holding is None or holding.labeler != one.labeler:
            raise DataError(
                f"The submission {one.id} is for {one.assignment_id}, which is no assignment of labeler "
                f"{one.labeler}; ask for work first."
            )
        batch.append(
            receipts.Handed(
                receipt=submissions.receipt(one), judgements=_judged(store, one, holding, texts[holding.prompt_id])
            )
        )
    return receipts.accept(store, batch, now=now)


def _check_tasks(store: Store, new: Sequence[Task]) -> None:
    known_prompts = prompts.get(store, (task.prompt_id for task in new))
    known_outputs = completions.get(store, (output for task in new for output in task.completion_ids))
    versions = labelers.instructions(store)
    for task in new:
        if task.prompt_id not in known_prompts:
            raise MissingError(f"The task {task.id} asks about the prompt {task.prompt_id}, which is not in the store.")
        for output in task.completion_ids:
            if output not in known_outputs or known_outputs[output].prompt_id != task.prompt_id:
                raise DataError(f"The task {task.id} shows {output}, which is no completion of its prompt.")
        _check_shape(task)
        _check_purpose(task, versions)


def _check_shape(task: Task) -> None:
    k, least = len(task.completion_ids), LEAST.get(task.kind, 0)
    if k < least or (k and not least):
        raise DataError(f"The task {task.id} ({task.kind}) has {k} completions; it needs {least or 'none'}.")
    if len(set(task.completion_ids)) != k:
        raise DataError(f"The task {task.id} shows the same completion twice.")
    if task.overlap < 1:
        raise DataError(f"The task {task.id} asks for {task.overlap} labelers; ask for at least 1.")


def _check_purpose(task: Task, versions: Mapping[str, Instructions]) -> None:
    if task.purpose == "train" and task.group != "training":
        raise DataError(f"The task {task.id} makes training data, so its group must be 'training', not {task.group!r}.")
    told = versions.get(task.instruction_version)
    if told is None:
        raise MissingError(
            f"The task {task.id} names the instructions {task.instruction_version!r}; publish them first."
        )
    if not fits(task.kind, task.purpose, told):
        raise DataError(
            f"The task {task.id} ({task.kind}, for {task.purpose}) cannot be done under the instructions "
            f"{told.version!r} for {told.task}."
        )


def _views(store: Store, holdings: Sequence[Holding]) -> list[Assignment]:
    texts = prompts.get(store, (holding.prompt_id for holding in holdings))
    outputs = completions.get(store, (output for holding in holdings for output in holding.presented))
    versions = labelers.instructions(store, (holding.instruction_version for holding in holdings))
    return [
        Assignment(
            id=holding.id,
            task_id=holding.task_id,
            labeler=holding.labeler,
            kind=holding.kind,
            purpose=holding.purpose,
            prompt_id=holding.prompt_id,
            prompt=texts[holding.prompt_id].text,
            form=texts[holding.prompt_id].form,
            use_case=texts[holding.prompt_id].use_case,
            outputs=tuple(
                Output(id=_blind(store, holding, output), text=outputs[output].text) for output in holding.presented
            ),
            instruction_version=holding.instruction_version,
            instructions=versions[holding.instruction_version].text,
            state=holding.state,
            lease_until=holding.lease_until,
        )
        for holding in holdings
    ]


def _blind(store: Store, holding: Holding, output: str) -> str:
    """Return the id under which a labeler sees an output; a completion's own id may name its policy."""
    return store.digest("output", holding.id, output)[:16]


def _judged(store: Store, one: Submission, holding: Holding, prompt: Prompt) -> labels.Judgements:
    shown = judging.Shown(
        holding=holding,
        prompt=prompt,
        outputs={_blind(store, holding, output): output for output in holding.presented},
    )
    return judging.judged(one, shown)


def _check_distinct(handed: Sequence[Submission]) -> None:
    for what in ("id", "assignment_id"):
        seen: set[str] = set()
        for one in handed:
            value = getattr(one, what)
            if not value:
                raise DataError(f"A submission of labeler {one.labeler} has no {what}.")
            if value in seen:
                raise DataError(f"Two submissions of one batch have the {what} {value}; hand in one.")
            seen.add(value)
