"""What a source with labelers that are not people gives the stages: who ranks, and who is asked at the end."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from tutelage.evaluate import people as evaluation_people
from tutelage.evaluate.people import Asking
from tutelage.evaluate.records import ArmRanking, ArmRating, LabelSource, Output
from tutelage.feedback import export, instructions, people, work
from tutelage.feedback.work import Task as WorkTask
from tutelage.files import content_hash, read_json
from tutelage.labelers.protocol import Labeler
from tutelage.pipeline.chosen import chosen
from tutelage.pipeline.labeling import work_through
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.stages import Workspace
from tutelage.pipeline.training import Maker, open_store
from tutelage.records import Group, Kind, Prompt
from tutelage.records import Labeler as Registered
from tutelage.store import Store, completions, prompts


class Source(Protocol):
    """Where a recipe's labelers come from."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """Name the groups of labelers that there are."""

    def labelers(self, group: str) -> Sequence[Labeler]:
        """Deal the labelers of a group."""

    def askings(self, outputs: Sequence[Output]) -> list[tuple[Asking, list[Output]]]:
        """Return whom to ask about which of the arms' outputs."""


def register(source: Source, store: Store) -> None:
    """Register the labelers under what they are, and publish the shipped instructions."""
    now = datetime.now(UTC)
    instructions.publish_defaults(store, now=now)
    known = [Registered(id=one.id, group=group, kind=one.kind)
             for group in source.groups for one in source.labelers(group)]  # fmt: skip
    people.register(store, known, now=now)


def to_rank(space: Workspace, store: Store, recipe: Recipe, stage: str = "prompts") -> list[Prompt]:
    """Return the prompts of a stage whose outputs labelers rank: those to train on, and some to measure on.

    A prompt that may not be used any more, because somebody withdrew meanwhile, is none of them.
    """
    found = (
        chosen(space, store, "reward", stage) + chosen(space, store, "validation", stage)[: recipe.sample.validation]
    )
    allowed = {prompt.id for prompt in prompts.usable_of(store, [prompt.id for prompt in found])}
    return [prompt for prompt in found if prompt.id in allowed]


def rank(
    source: Source, recipe: Recipe, stage: str = "prompts", samples: str = "samples", *, overlap: int = 1
) -> Maker:
    """Let training labelers rate and rank what was sampled for the prompts of a stage, `overlap` of them each."""

    def run(space: Workspace, _: Path) -> dict[str, Any]:
        with open_store(space) as store:
            asked = to_rank(space, store, recipe, stage)
            made = completions.of_prompts(store, [prompt.id for prompt in asked])
            sampled = read_json(space.directory(samples) / "completions.json")
            # What changed settings give is ranked anew, apart from what the store still has of the old ones.
            batch, current = f"rank/{content_hash([sampled, overlap])[:10]}/", set(sampled)
            tasks = [
                WorkTask(id=f"{batch}{prompt.id}", kind="rank", purpose="train", prompt_id=prompt.id,
                         instruction_version=instructions.COMPARISON, overlap=overlap,
                         completion_ids=tuple(one.id for one in made[prompt.id] if one.id in current))
                for prompt in asked
            ]  # fmt: skip
            work.file_tasks(store, tasks, now=datetime.now(UTC))
            done = work_through(store, source.labelers("training"), "training",
                                lambda n: space.observer.advance(n, len(tasks) * overlap, {}))  # fmt: skip
        return {"rankings": done, "tasks": batch}

    return run


def judge_arms(source: Source, read: Callable[[Workspace], Sequence[Output]]) -> Maker:
    """Let the labelers whom the source names rank all arms' outputs under the evaluation instructions."""

    def run(space: Workspace, _: Path) -> dict[str, Any]:
        done = 0
        with open_store(space) as store:
            for asking, part in source.askings(read(space)):
                tasks = evaluation_people.ask(store, part, asking, now=datetime.now(UTC))
                work.file_tasks(store, tasks, now=datetime.now(UTC))
                tell = functools.partial(_tell, space, len(tasks) * asking.overlap)
                done += work_through(store, source.labelers(asking.group), "evaluation", tell)
        return {"rankings": done}

    return run


def _tell(space: Workspace, total: int, done: int) -> None:
    space.observer.advance(done, total, {})


def judgements(
    source: Source, store: Store, outputs: Sequence[Output]
) -> tuple[list[ArmRanking], list[ArmRating], list[LabelSource]]:
    """Collect what the source's labelers judged of the arms' outputs, in the arms' names, and who judged.

    What others judge through the same queue, people or models, is read apart from it (`tutelage.evaluate.people`).
    """
    rankings: list[ArmRanking] = []
    ratings: list[ArmRating] = []
    sources: list[LabelSource] = []
    for asking, part in source.askings(outputs):
        found = evaluation_people.collect(store, part, asking, "simulated")
        rankings += found.rankings
        ratings += found.ratings
        sources += found.sources
    return rankings, ratings, sources


def training_sources(store: Store, shown: Kind, ranked: Kind) -> list[LabelSource]:
    """Return who made the labels that models were trained on: who wrote demonstrations, and who ranked."""
    made: dict[str, tuple[Kind, list[tuple[str, str]]]] = {
        "demonstrations": (shown, [(row.labeler, row.instruction_version) for row in export.sft(store, kind=shown)]),
        "rankings": (ranked, [(row.labeler, row.instruction_version) for row in export.reward(store, kind=ranked)]),
    }
    return [
        LabelSource(what=what, kind=kind, group="training", count=len(rows),
                    labelers=len({labeler for labeler, _ in rows}),
                    instruction_version=min((version for _, version in rows), default=""))
        for what, (kind, rows) in made.items()
    ]  # fmt: skip
