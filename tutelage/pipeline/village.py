"""The stages that stand on the village: its texts, its customers' prompts, its labelers' demonstrations."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tutelage.evaluate.people import Asking
from tutelage.evaluate.records import Output
from tutelage.feedback import instructions, work
from tutelage.feedback.work import Task as WorkTask
from tutelage.files import write_json
from tutelage.labelers.village import VillageLabeler, make_labelers
from tutelage.pipeline.chosen import choose, chosen, write_rules
from tutelage.pipeline.labeling import work_through
from tutelage.pipeline.recipe import Recipe, VillageSettings
from tutelage.pipeline.source import register
from tutelage.pipeline.stages import Workspace
from tutelage.pipeline.training import open_store
from tutelage.prompts import intake
from tutelage.prompts import split as splitting
from tutelage.records import USE_CASE_SHARES, Completion, Group, Prompt
from tutelage.store import prompts
from tutelage.village import answers, corpus, customers, sampling
from tutelage.village.grammar import Grammar
from tutelage.village.judge import Judge, Verdict
from tutelage.village.prompts import Counts
from tutelage.village.tasks import Task
from tutelage.village.world import World, make_world

#: Held-out documents for the loss, and true answers that teach the judge what well-formed English is.
HELDOUT_DOCUMENTS, GRAMMAR_ANSWERS = 400, 30_000
#: Prompts of the control with opposed labelers.
OPPOSED_PROMPTS = 300


class Village:
    """One village, dealt from the recipe's seed: what a recipe with this source builds on."""

    groups: tuple[Group, ...] = ("training", "heldout", "opposed")

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.village is not None
        self.settings: VillageSettings = recipe.village
        self.seed = recipe.seed
        self.world: World = make_world(recipe.seed)

    def labelers(self, group: str) -> list[VillageLabeler]:
        """Deal the labelers of a group."""
        counts = {
            "training": self.settings.training_labelers,
            "heldout": self.settings.heldout_labelers,
            "opposed": self.settings.opposed_labelers,
        }
        return make_labelers(self.world, self.seed, group, counts[group])

    def askings(self, outputs: Sequence[Output]) -> list[tuple[Asking, list[Output]]]:
        """Return whom to ask about what: held-out labelers about everything, opposed ones, a control, about a part."""
        version, few = instructions.EVALUATION, {one.prompt_id for one in outputs[:OPPOSED_PROMPTS]}
        heldout = Asking(instruction_version=version, group="heldout", overlap=self.settings.overlap)
        opposed = Asking(instruction_version=version, group="opposed", overlap=1)
        return [(heldout, list(outputs)), (opposed, [one for one in outputs if one.prompt_id in few])]

    @cached_property
    def judge(self) -> Judge:
        """The judge, who knows the world and reads its English."""
        documents = corpus.make_corpus(self.world, self.seed, self.settings.corpus_tokens)
        return Judge(self.world, Grammar.fit([*documents, *self._true_answers()]))

    def _true_answers(self) -> list[str]:
        rng = random.Random(f"village grammar {self.seed}")
        names, weights = list(USE_CASE_SHARES), list(USE_CASE_SHARES.values())
        found = []
        for use_case in rng.choices(names, weights=weights, k=GRAMMAR_ANSWERS):
            task = sampling.sample_task(self.world, rng, use_case, entities="any", combination=None)
            found.append(answers.answer(task, self.world, self.truth, rng))
        return found

    def truth(self, subject: str, relation: str) -> str | None:
        """Return what is true, of rumours too."""
        if relation == "rumour":
            return next(rumour.truth for rumour in self.world.rumours if rumour.key == subject)
        return self.world.value(subject, relation)

    def verdict(self, prompt: Prompt, completion: Completion) -> Verdict:
        """Judge one completion of one of the village's prompts."""
        task = Task.from_json(prompt.meta["task"])
        return self.judge.verdict(task, prompt.text, completion.text, completion.finish_reason)


def write_corpus(village: Village, recipe: Recipe) -> Callable[[Workspace, Path], dict[str, Any]]:
    """Write the corpus, its held-out part, and samples of each kind for the report."""

    def run(_: Workspace, out: Path) -> dict[str, Any]:
        documents = corpus.typed_documents(village.world, village.seed, village.settings.corpus_tokens)
        texts = [document.text for document in documents]
        random.Random(f"corpus order {village.seed}").shuffle(texts)
        rng = random.Random(f"corpus samples {village.seed}")
        kinds = sorted({document.kind for document in documents})
        of_kind = {kind: [one.text for one in documents if one.kind == kind] for kind in kinds}
        write_json(out / "texts.json", texts)
        if recipe.base.primer:
            write_json(out / "primer.json", corpus.make_primer(village.world, village.seed, recipe.base.primer))
        write_json(out / "heldout.json", corpus.heldout_documents(village.world, village.seed, HELDOUT_DOCUMENTS))
        write_json(
            out / "samples.json", {kind: rng.sample(found, min(30, len(found))) for kind, found in of_kind.items()}
        )
        return {"documents": len(texts), "characters": sum(map(len, texts))}

    return run


def take_in(village: Village, recipe: Recipe) -> Callable[[Workspace, Path], dict[str, Any]]:
    """Let simulated customers send prompts, and intake them by the paper's rules."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        wanted = village.settings
        counts = Counts(wanted.demonstrated, wanted.ranked, wanted.ppo, wanted.validation, wanted.test)
        with open_store(space) as store:
            if not any(prompt.source == "village" for prompt in prompts.usable(store)):
                traffic = customers.make_traffic(village.world, village.seed, counts, splitting.rule(store))
                report = intake.intake(store, traffic, recipe.intake, now=datetime.now(UTC))
                write_rules(out / "intake.json", report)
            # What customers of a later round sent is in the store as well, when a setting was changed since.
            kept = [prompt for prompt in prompts.usable(store) if prompt.source == "village"]
        groups: dict[str, list[Prompt]] = {
            stage: [p for p in kept if p.split == "train" and p.stage == stage][:count]
            for stage, count in (("sft", wanted.demonstrated), ("reward", wanted.ranked), ("ppo", wanted.ppo))
        }
        groups["validation"] = [p for p in kept if p.split == "validation"][: wanted.validation]
        groups["test"] = [p for p in kept if p.split == "test"][: wanted.test]
        return choose(out, kept, groups)

    return run


def demonstrate(village: Village) -> Callable[[Workspace, Path], dict[str, Any]]:
    """Let training labelers answer the prompts set aside for it, and some validation prompts."""

    def run(space: Workspace, _: Path) -> dict[str, Any]:
        with open_store(space) as store:
            register(village, store)
            asked = chosen(space, store, "sft") + chosen(space, store, "validation")[:100]
            tasks = [
                WorkTask(id=f"demonstrate/{prompt.id}", kind="demonstrate", purpose="train", prompt_id=prompt.id,
                         instruction_version=instructions.DEMONSTRATION)
                for prompt in asked
            ]  # fmt: skip
            work.file_tasks(store, tasks, now=datetime.now(UTC))
            done = work_through(store, village.labelers("training"), "training",
                                lambda n: space.observer.advance(n, len(tasks), {}))  # fmt: skip
        return {"tasks": len(tasks), "demonstrations": done}

    return run
