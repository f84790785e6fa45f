"""Have the arms judged through the queue that people use, and collect what was handed in.

A labeler sees the outputs of a prompt under opaque ids in an order of their own; which arm wrote which is known only
here, by the completion's id. The queue itself is another stage: `ask` makes its tasks, whoever runs the evaluation
files them, and `collect` reads the judgements from the store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tutelage.errors import DataError
from tutelage.evaluate.records import ArmRanking, ArmRating, LabelSource, Output
from tutelage.files import content_hash
from tutelage.records import Completion, Group, Kind, Ranking, Rating
from tutelage.store import Store, completions, labels
from tutelage.store.labels import Which
from tutelage.store.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who is asked, under which instructions, and by how many of them each prompt is judged."""

    instruction_version: str
    group: Group = "heldout"
    overlap: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was handed in, and of which kind of labeler it is; `missing` counts judgements still to come."""

    rankings: tuple[ArmRanking, ...]
    ratings: tuple[ArmRating, ...]
    sources: tuple[LabelSource, ...]
    missing: int = 0


def batch_of(outputs: Sequence[Output]) -> str:
    """Name a batch of outputs by what it holds: other texts, of a run with other settings say, are judged anew."""
    return content_hash([[one.prompt_id, one.model, one.text, one.finish_reason] for one in outputs])[:10]


def completion_id(output: Output, batch: str) -> str:
    """Name an arm's output in the store: one per run, batch, prompt and arm."""
    return f"evaluation-{output.seed}-{batch}/{output.prompt_id}/{output.model}"


def ask(store: Store, outputs: Sequence[Output], how: Asking, *, now: datetime) -> list[Task]:
    """Put the outputs in the store and make one ranking task per prompt, of all its arms; doing it again is harmless.

    File the tasks with `tutelage.feedback.work.file_tasks`.
    """
    by_prompt, batch = _by_prompt(outputs), batch_of(outputs)
    completions.add(store, [_completion(output, batch) for output in outputs], now=now)
    return [
        Task(
            id=f"evaluation-{arms[0].seed}-{batch}/{prompt}/{how.group}",
            kind="rank",
            purpose="evaluation",
            prompt_id=prompt,
            instruction_version=how.instruction_version,
            completion_ids=tuple(completion_id(arm, batch) for arm in arms),
            group=how.group,
            overlap=how.overlap,
        )
        for prompt, arms in by_prompt.items()
    ]


def collect(store: Store, outputs: Sequence[Output], how: Asking) -> Collected:
    """Read the judgements of these outputs by a group, in the arms' names."""
    batch = batch_of(outputs)
    known = {completion_id(output, batch): output for output in outputs}
    which = Which(purpose="evaluation", group=how.group)
    ranked = [row for row in labels.rankings_of(store, which) if row.groups[0][0] in known]
    rated = [row for row in labels.ratings_of(store, which) if row.completion_id in known]
    return Collected(
        rankings=tuple(_ranking(row, known, how.group) for row in ranked),
        ratings=tuple(_rating(row, known[row.completion_id], how.group) for row in rated),
        sources=_sources(ranked, rated, how.group),
        missing=len(_by_prompt(outputs)) * how.overlap - len(ranked),
    )


def _by_prompt(outputs: Sequence[Output]) -> dict[str, list[Output]]:
    """Gather the outputs of each prompt, which must be of the same arms everywhere."""
    arms = list(dict.fromkeys(output.model for output in outputs))
    grouped: dict[str, list[Output]] = defaultdict(list)
    for output in outputs:
        grouped[output.prompt_id].append(output)
    for prompt, some in grouped.items():
        if sorted(output.model for output in some) != sorted(arms) or len({output.seed for output in some}) > 1:
            raise DataError(
                f"The prompt {prompt} has outputs of {', '.join(sorted(output.model for output in some))}; labelers "
                f"compare {', '.join(sorted(arms))}, so give each of them exactly once, from one run."
            )
    return grouped


def _completion(output: Output, batch: str) -> Completion:
    return Completion(
        id=completion_id(output, batch),
        prompt_id=output.prompt_id,
        text=output.text,
        policy=output.model,
        finish_reason=output.finish_reason,
        sampling={"for": "evaluation", "seed": output.seed},
    )


def _ranking(row: Ranking, known: dict[str, Output], group: Group) -> ArmRanking:
    ranks = {known[completion].model: rank for rank, tied in enumerate(row.groups) for completion in tied}
    seed = known[row.groups[0][0]].seed
    return ArmRanking(seed=seed, prompt_id=row.prompt_id, labeler=row.labeler, group=group, ranks=ranks)


def _rating(row: Rating, output: Output, group: Group) -> ArmRating:
    return ArmRating(
        seed=output.seed,
        prompt_id=output.prompt_id,
        labeler=row.labeler,
        group=group,
        model=output.model,
        quality=row.quality,
        flags=dict(row.flags),
    )


def _sources(ranked: Sequence[Ranking], rated: Sequence[Rating], group: Group) -> tuple[LabelSource, ...]:
    """Count the judgements by who made them, people apart from all others."""
    found: dict[tuple[str, Kind, str], list[str]] = defaultdict(list)
    for what, rows in (("evaluation rankings", ranked), ("evaluation ratings", rated)):
        for row in rows:
            found[what, row.kind, row.instruction_version].append(row.labeler)
    return tuple(
        LabelSource(
            what=what,
            kind=kind,
            group=group,
            count=len(made),
            labelers=len(set(made)),
            instruction_version=version,
        )
        for (what, kind, version), made in sorted(found.items())
    )
