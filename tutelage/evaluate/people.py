"""Have the arms judged through the queue that people use, and collect what was handed in.

A labeler sees the outputs of a prompt under opaque ids in an order of their own; which arm wrote which is known only
here, by the completion's id. The queue itself is another stage: `ask` makes its tasks, whoever runs the evaluation
files them, and `collect` reads the judgements from the store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    """Who is asked, under which instructions, and by how many of them each prompt is judged.

    With another `name` the same outputs are judged anew.
    """

    instruction_version: str
    group: Group = "heldout"
    overlap: int = 3
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownOnce:
    """Outputs of which no two of a prompt have the same text, and {(prompt, arm): the arm whose text stands for it}."""

    outputs: tuple[Output, ...]
    stands_for: dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was handed in, and of which kind of labeler it is; `missing` counts judgements still to come."""

    rankings: tuple[ArmRanking, ...]
    ratings: tuple[ArmRating, ...]
    sources: tuple[LabelSource, ...]
    missing: int = 0


def batch_of(outputs: Sequence[Output], name: str = "") -> str:
    """Name a batch of outputs by what it holds: other texts, of a run with other settings say, are judged anew."""
    held = [[_place(one.prompt_id, one.sample), one.model, one.text, one.finish_reason] for one in outputs]
    return content_hash([name, held] if name else held)[:10]


def completion_id(output: Output, batch: str) -> str:
    """Name an arm's output in the store: one per run, batch, prompt, sample and arm."""
    return f"evaluation-{output.seed}-{batch}/{_place(output.prompt_id, output.sample)}/{output.model}"


def _place(prompt: str, sample: int) -> str:
    """Name a prompt's sample; the first has the name of the prompt alone."""
    return f"{prompt}/{sample}" if sample else prompt


def shown_once(outputs: Sequence[Output]) -> ShownOnce:
    """Let equal texts of a prompt be judged once: nobody can tell them apart, so they are tied by construction.

    Every arm must have written one output for every prompt.
    """
    _check_arms(outputs)
    first: dict[tuple[str, str], Output] = {}
    for output in outputs:
        first.setdefault((output.prompt_id, output.text), output)
    stands_for = {(one.prompt_id, one.model): first[one.prompt_id, one.text].model for one in outputs}
    return ShownOnce(outputs=tuple(first.values()), stands_for=stands_for)


def spread(found: Collected, shown: ShownOnce) -> Collected:
    """Give every arm the rank and the rating of the text that it wrote.

    Where all arms wrote the same, its text was rated and there was nothing to rank: they are tied by each who rated it.
    """
    arms: dict[str, dict[str, str]] = defaultdict(dict)
    for (prompt, arm), judged in shown.stands_for.items():
        arms[prompt][arm] = judged
    rankings = [
        replace(row, ranks={arm: row.ranks[judged] for arm, judged in arms[row.prompt_id].items()})
        for row in found.rankings
    ]
    rankings += [
        ArmRanking(
            seed=row.seed,
            prompt_id=row.prompt_id,
            labeler=row.labeler,
            group=row.group,
            ranks=dict.fromkeys(arms[row.prompt_id], 0),
        )
        for row in found.ratings
        if len(set(arms[row.prompt_id].values())) == 1
    ]
    ratings = [
        replace(row, model=arm)
        for row in found.ratings
        for arm, judged in arms[row.prompt_id].items()
        if judged == row.model
    ]
    return replace(found, rankings=tuple(rankings), ratings=tuple(ratings))


def ask(store: Store, outputs: Sequence[Output], how: Asking, *, now: datetime) -> list[Task]:
    """Put the outputs in the store and make one ranking task per prompt and sample, of all its arms.

    Doing it again is harmless. File the tasks with `tutelage.feedback.work.file_tasks`.
    """
    _check_arms(outputs)
    return ask_about(store, outputs, how, now=now)


def ask_about(store: Store, outputs: Sequence[Output], how: Asking, *, now: datetime) -> list[Task]:
    """Make the tasks of outputs that are no longer one of each arm (`shown_once`); a single one of a prompt is rated.

    Where there are several, labelers rate each by itself and then rank all.
    """
    by_prompt, batch = _grouped(outputs), batch_of(outputs, how.name)
    completions.add(store, [_completion(output, batch) for output in outputs], now=now)
    return [
        Task(
            id=f"evaluation-{arms[0].seed}-{batch}/{_place(prompt, sample)}/{how.group}",
            kind="rank" if len(arms) > 1 else "rate",
            purpose="evaluation",
            prompt_id=prompt,
            instruction_version=how.instruction_version,
            completion_ids=tuple(completion_id(arm, batch) for arm in arms),
            group=how.group,
            overlap=how.overlap,
        )
        for (prompt, sample), arms in by_prompt.items()
    ]


def collect(store: Store, outputs: Sequence[Output], how: Asking, kind: Kind | None = None) -> Collected:
    """Read the judgements of these outputs by a group, or by those of one kind in it, in the arms' names."""
    batch = batch_of(outputs, how.name)
    known = {completion_id(output, batch): output for output in outputs}
    which = Which(purpose="evaluation", group=how.group, kind=kind)
    ranked = [row for row in labels.rankings_of(store, which) if row.groups[0][0] in known]
    rated = [row for row in labels.ratings_of(store, which) if row.completion_id in known]
    alone = {place for place, arms in _grouped(outputs).items() if len(arms) == 1}
    judged = len(ranked) + sum(_key(known[row.completion_id]) in alone for row in rated)
    return Collected(
        rankings=tuple(_ranking(row, known, how.group) for row in ranked),
        ratings=tuple(_rating(row, known[row.completion_id], how.group) for row in rated),
        sources=_sources(ranked, rated, how.group),
        missing=len(_grouped(outputs)) * how.overlap - judged,
    )


def _key(output: Output) -> tuple[str, int]:
    return output.prompt_id, output.sample


def _grouped(outputs: Sequence[Output]) -> dict[tuple[str, int], list[Output]]:
    """Gather the outputs that are held against each other: those of one prompt and sample."""
    grouped: dict[tuple[str, int], list[Output]] = defaultdict(list)
    for output in outputs:
        grouped[_key(output)].append(output)
    return grouped


def _check_arms(outputs: Sequence[Output]) -> None:
    """Refuse outputs that are not one of each arm for every prompt."""
    arms = list(dict.fromkeys(output.model for output in outputs))
    for (prompt, _), some in _grouped(outputs).items():
        if sorted(output.model for output in some) != sorted(arms) or len({output.seed for output in some}) > 1:
            raise DataError(
                f"The prompt {prompt} has outputs of {', '.join(sorted(output.model for output in some))}; labelers "
                f"compare {', '.join(sorted(arms))}, so give each of them exactly once, from one run."
            )


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
    one = known[row.groups[0][0]]
    return ArmRanking(
        seed=one.seed, prompt_id=row.prompt_id, labeler=row.labeler, group=group, ranks=ranks, sample=one.sample
    )


def _rating(row: Rating, output: Output, group: Group) -> ArmRating:
    return ArmRating(
        seed=output.seed,
        prompt_id=output.prompt_id,
        labeler=row.labeler,
        group=group,
        model=output.model,
        quality=row.quality,
        flags=dict(row.flags),
        sample=output.sample,
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
