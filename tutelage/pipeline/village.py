"""The stages that stand on the village: its texts, its customers' prompts, its labelers' demonstrations."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tutelage.feedback import instructions, people, work
from tutelage.feedback.work import Task as WorkTask
from tutelage.files import read_json, write_json
from tutelage.labelers.village import VillageLabeler, make_labelers
from tutelage.pipeline.labeling import work_through
from tutelage.pipeline.recipe import Recipe, VillageSettings
from tutelage.pipeline.stages import Workspace
from tutelage.pipeline.training import open_store
from tutelage.prompts import intake, similarity
from tutelage.prompts import split as splitting
from tutelage.records import USE_CASE_SHARES, Completion, Group, Labeler, Prompt
from tutelage.store import Store, prompts
from tutelage.village import answers, corpus, customers, sampling
from tutelage.village.grammar import Grammar
from tutelage.village.judge import Judge, Verdict
from tutelage.village.prompts import Counts
from tutelage.village.tasks import Task
from tutelage.village.world import World, make_world

#: Held-out documents for the loss, and true answers that teach the judge what well-formed English is.
HELDOUT_DOCUMENTS, GRAMMAR_ANSWERS = 400, 30_000


class Village:
    """One village, dealt from the recipe's seed: what a recipe with this source builds on."""

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
        chosen = village.settings
        counts = Counts(chosen.demonstrated, chosen.ranked, chosen.ppo, chosen.validation, chosen.test)
        with open_store(space) as store:
            if not prompts.usable(store):
                traffic = customers.make_traffic(village.world, village.seed, counts, splitting.rule(store))
                report = intake.intake(store, traffic, recipe.intake, now=datetime.now(UTC))
                write_json(out / "intake.json", [vars_of(rule) for rule in report.rules])
            kept = prompts.usable(store)
        training = {prompt.id: prompt.text for prompt in kept if prompt.split == "train"}
        tested = {prompt.id: prompt.text for prompt in kept if prompt.split == "test"}
        overlap = similarity.overlap(tested, training)
        wanted = {"sft": chosen.demonstrated, "reward": chosen.ranked, "ppo": chosen.ppo}
        chosen_ids: dict[str, list[str]] = {
            stage: [p.id for p in kept if p.split == "train" and p.stage == stage][:count]
            for stage, count in wanted.items()
        }
        chosen_ids["validation"] = [p.id for p in kept if p.split == "validation"][: chosen.validation]
        chosen_ids["test"] = [p.id for p in kept if p.split == "test"][: chosen.test]
        write_json(out / "chosen.json", chosen_ids)
        return {"kept": len(kept), "overlap": overlap.share, "tested": len(tested)} | {
            k: len(v) for k, v in chosen_ids.items()
        }

    return run


def vars_of(rule: intake.Rule) -> dict[str, Any]:
    """Return what one rule of intake did, as JSON."""
    return {
        "name": rule.name,
        "before": rule.before,
        "after": rule.after,
        "dropped": len(rule.dropped),
        "proof": rule.proof,
    }


def chosen(space: Workspace, store: Store, group: str) -> list[Prompt]:
    """Return the prompts that intake chose for a purpose, in order."""
    ids = read_json(space.directory("prompts") / "chosen.json")[group]
    found = prompts.get(store, ids)
    return [found[name] for name in ids]


def register_people(village: Village, store: Store) -> None:
    """Register the simulated labelers and publish the shipped instructions."""
    now = datetime.now(UTC)
    instructions.publish_defaults(store, now=now)
    groups: tuple[Group, ...] = ("training", "heldout", "opposed")
    people.register(
        store,
        [Labeler(id=one.id, group=group, kind="simulated") for group in groups for one in village.labelers(group)],
        now=now,
    )  # fmt: skip


def demonstrate(village: Village) -> Callable[[Workspace, Path], dict[str, Any]]:
    """Let training labelers answer the prompts set aside for it, and some validation prompts."""

    def run(space: Workspace, _: Path) -> dict[str, Any]:
        with open_store(space) as store:
            register_people(village, store)
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
