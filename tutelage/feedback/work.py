"""The queue of work for labelers, the same for people and simulated ones: file, lease, hand in, skip.

A labeler sees texts under opaque ids in a random order, never who wrote them. Time is an argument: leases end when the
caller says so, and an expired or skipped assignment stays as a record while its task is handed out again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from tutelage.core import rankings
from tutelage.errors import DataError, MissingError
from tutelage.files import content_hash
from tutelage.records import FLAGS, Demonstration, Instructions, Purpose, Ranking, Rating
from tutelage.store import Store, completions, labelers, labels, prompts, receipts, tasks
from tutelage.store.tasks import Count, Holding, State, Task, TaskKind

LEASE_SECONDS = 1800.0
SkipReason = Literal["pii", "unclear", "unsafe", "language", "other"]
#: Which instructions fit a purpose; the priorities of training and of final evaluation differ (paper, 3.4 and B.2).
INSTRUCTIONS: dict[Purpose, tuple[str, ...]] = {
    "train": ("demonstration", "comparison"),
    "evaluation": ("evaluation", "toxicity"),
}

__all__ = [
    "Assignment",
    "Count",
    "Judgement",
    "Output",
    "Submission",
    "Task",
    "TaskKind",
    "file_tasks",
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
    outputs: tuple[Output, ...]
    instruction_version: str
    instructions: str
    state: State
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Overall quality from 1 to 7, and the flags of the paper's Table 3: yes, no, or None for not answered."""

    quality: int
    flags: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a labeler hands in; `id` is made by the client, so that handing in twice counts once.

    `text` is the demonstration. `groups` holds output ids, best group first, tied ids together. `ratings` is by output
    id: all outputs for the kind `rate`, all or none for `rank`. `supersedes` names the submission that is corrected.
    """

    id: str
    assignment_id: str
    labeler: str
    text: str = ""
    groups: Sequence[Sequence[str]] = ()
    ratings: Mapping[str, Judgement] = field(default_factory=dict)
    seeded: bool = False
    note: str = ""
    active_ms: int = 0
    idle_ms: int = 0
    supersedes: str = ""


def file_tasks(store: Store, new: Sequence[Task], *, now: datetime) -> None:
    """Put tasks at the end of the queue; filing the same task again changes nothing."""
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
    tasks.add(store, new, now=now)


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
    return _views(store, take(store, labeler, now=now, kind=kind, limit=limit, seconds=seconds))


def take(
    store: Store,
    labeler: str,
    *,
    now: datetime,
    kind: TaskKind | None = None,
    limit: int = 1,
    seconds: float = LEASE_SECONDS,
) -> list[Holding]:
    """Do what `lease` does and return what was given without its texts: the next page will show them."""
    who = labelers.get(store, labeler)
    return tasks.offer(store, who, kind=kind, limit=limit, now=now, until=now + timedelta(seconds=seconds))


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


def expire(store: Store, *, now: datetime) -> int:
    """End all leases that ran out (`lease` does so too); return how many."""
    return tasks.expire(store, now=now)


def progress(store: Store) -> list[Count]:
    """Return how many tasks of each kind, purpose and group there are and how many have all their labels."""
    return tasks.counts(store)


def submit(store: Store, submissions: Sequence[Submission], *, now: datetime) -> int:
    """Hand in a batch: all of it is recorded, or nothing and one sentence says why. Return how many are new."""
    _check_distinct(submissions)
    holdings = tasks.holdings(store, sorted({submission.assignment_id for submission in submissions}))
    batch = []
    for submission in submissions:
        holding = holdings.get(submission.assignment_id)
        if holding is None or holding.labeler != submission.labeler:
            raise DataError(
                f"The submission {submission.id} is for {submission.assignment_id}, which is no assignment of labeler "
                f"{submission.labeler}; ask for work first."
            )
        batch.append(receipts.Handed(receipt=_receipt(submission), judgements=_judged(store, submission, holding)))
    return receipts.accept(store, batch, now=now)


def _check_shape(task: Task) -> None:
    k, least = len(task.completion_ids), {"demonstrate": 0, "rate": 1, "rank": 2}[task.kind]
    if k < least or (task.kind == "demonstrate" and k):
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
    fitting = INSTRUCTIONS.get(task.purpose)
    if (told.task == "demonstration") != (task.kind == "demonstrate") or (fitting and told.task not in fitting):
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


def _check_distinct(submissions: Sequence[Submission]) -> None:
    for what in ("id", "assignment_id"):
        seen: set[str] = set()
        for submission in submissions:
            value = getattr(submission, what)
            if not value:
                raise DataError(f"A submission of labeler {submission.labeler} has no {what}.")
            if value in seen:
                raise DataError(f"Two submissions of one batch have the {what} {value}; hand in one.")
            seen.add(value)


def _receipt(submission: Submission) -> receipts.Receipt:
    content = {
        "assignment": submission.assignment_id,
        "text": submission.text,
        "groups": [list(group) for group in submission.groups],
        "ratings": {output: [rating.quality, dict(rating.flags)] for output, rating in submission.ratings.items()},
        "seeded": submission.seeded,
        "supersedes": submission.supersedes,
    }
    return receipts.Receipt(
        id=submission.id,
        assignment_id=submission.assignment_id,
        labeler=submission.labeler,
        sha256=content_hash(content),
        active_ms=submission.active_ms,
        idle_ms=submission.idle_ms,
        note=submission.note,
        supersedes=submission.supersedes,
    )


def _judged(store: Store, submission: Submission, holding: Holding) -> labels.Judgements:
    """Check a submission against what was shown; return its judgements, with completion ids for the blind ones."""
    _check_parts(submission, holding)
    shown = {_blind(store, holding, output): output for output in holding.presented}
    demonstrations = [_demonstration(submission, holding)] if holding.kind == "demonstrate" else []
    ratings = _ratings(submission, holding, shown)
    made = [_ranking(submission, holding, shown)] if holding.kind == "rank" else []
    return labels.Judgements(
        demonstrations=demonstrations,
        ratings=ratings,
        rankings=made,
        assignments=dict.fromkeys([submission.id, *(rating.id for rating in ratings)], holding.id),
        positions={rating.id: holding.presented.index(rating.completion_id) for rating in ratings},
    )


def _check_parts(submission: Submission, holding: Holding) -> None:
    wanted = {"demonstrate": ("text",), "rate": ("ratings",), "rank": ("groups", "ratings")}[holding.kind]
    for part in ("text", "groups", "ratings"):
        if getattr(submission, part) and part not in wanted:
            raise DataError(
                f"The submission {submission.id} has {part}, which the task {holding.task_id} did not ask for."
            )
    if holding.kind == "demonstrate" and not submission.text.strip():
        raise DataError(f"The demonstration {submission.id} is empty; write an answer or skip the task.")
    if holding.kind == "rate" and not submission.ratings:
        raise DataError(f"The submission {submission.id} has no ratings; rate every output or skip the task.")


def _demonstration(submission: Submission, holding: Holding) -> Demonstration:
    return Demonstration(
        id=submission.id,
        prompt_id=holding.prompt_id,
        text=submission.text,
        labeler=holding.labeler,
        kind=holding.labeler_kind,
        instruction_version=holding.instruction_version,
        purpose=holding.purpose,
        supersedes=submission.supersedes,
    )


def _ratings(submission: Submission, holding: Holding, shown: Mapping[str, str]) -> list[Rating]:
    if not submission.ratings:
        return []
    if set(submission.ratings) != set(shown):
        raise DataError(
            f"The submission {submission.id} rates {len(submission.ratings)} outputs that are not exactly the "
            f"{len(shown)} shown; rate every one once."
        )
    return [
        Rating(
            id=f"{submission.id}:{number}",
            completion_id=shown[output],
            labeler=holding.labeler,
            kind=holding.labeler_kind,
            instruction_version=holding.instruction_version,
            purpose=holding.purpose,
            quality=_quality(submission, submission.ratings[output]),
            flags=_flags(submission, submission.ratings[output]),
            supersedes=f"{submission.supersedes}:{number}" if submission.supersedes else "",
        )
        for number, output in enumerate(shown)
    ]


def _quality(submission: Submission, rating: Judgement) -> int:
    if type(rating.quality) is not int or not 1 <= rating.quality <= 7:
        raise DataError(
            f"The submission {submission.id} has the quality {rating.quality!r}; give a whole number, 1 to 7."
        )
    return rating.quality


def _flags(submission: Submission, rating: Judgement) -> dict[str, bool | None]:
    for name, value in rating.flags.items():
        if name not in FLAGS:
            raise DataError(
                f"The submission {submission.id} has the unknown flag {name!r}; there are: {', '.join(FLAGS)}."
            )
        if value is not None and type(value) is not bool:
            raise DataError(
                f"The flag {name} of {submission.id} is {value!r}; answer True, False or None for unanswered."
            )
    return dict(rating.flags)


def _ranking(submission: Submission, holding: Holding, shown: Mapping[str, str]) -> Ranking:
    try:
        rankings.validate(submission.groups, list(shown))
    except ValueError as error:
        raise DataError(f"The submission {submission.id}: {error}") from error
    return Ranking(
        id=submission.id,
        prompt_id=holding.prompt_id,
        labeler=holding.labeler,
        kind=holding.labeler_kind,
        instruction_version=holding.instruction_version,
        purpose=holding.purpose,
        groups=tuple(tuple(shown[output] for output in group) for group in submission.groups),
        presented=holding.presented,
        seeded=submission.seeded,
        supersedes=submission.supersedes,
    )
