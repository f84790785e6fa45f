"""The stages that stand on the starter set: its prompts, a model's own answers as a control, outputs to be ranked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tutelage.errors import DataError, SettingsError
from tutelage.evaluate.people import Asking
from tutelage.evaluate.records import Output
from tutelage.feedback import instructions
from tutelage.files import content_hash, read_json, write_json
from tutelage.labelers.rubric import RubricLabeler, make_labelers
from tutelage.models.load import load_tokenizer
from tutelage.pipeline import starter, training
from tutelage.pipeline.checking import check_data
from tutelage.pipeline.chosen import choose, chosen, ppo_prompts, write_rules
from tutelage.pipeline.recipe import Recipe, StarterSettings
from tutelage.pipeline.source import register
from tutelage.pipeline.stages import Workspace
from tutelage.pipeline.training import Maker, model_of, open_store
from tutelage.records import Completion, Group, Prompt
from tutelage.sample import Policy
from tutelage.starter import rows, rubric
from tutelage.starter.rows import Row, Rubric
from tutelage.store import prompts
from tutelage.train.batching import Example
from tutelage.train.sft import SFTData, train_sft


class Starter:
    """The starter set with its rubrics, and labelers that read them."""

    groups: tuple[Group, ...] = ("training", "heldout")

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.starter is not None
        self.settings: StarterSettings = recipe.starter
        self.seed = recipe.seed

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Return every row by the id of its prompt."""
        return {rows.prompt_of(row).id: row for row in rows.load()}

    @cached_property
    def rubrics(self) -> dict[str, Rubric]:
        """Return every rubric by the text of its prompt, which is all that a labeler sees."""
        return {row.prompt: row.rubric for row in rows.load()}

    def labelers(self, group: str) -> list[RubricLabeler]:
        """Deal the labelers of a group."""
        counts = {"training": self.settings.training_labelers, "heldout": self.settings.heldout_labelers}
        return make_labelers(self.rubrics, self.seed, group, counts[group])

    def askings(self, outputs: Sequence[Output]) -> list[tuple[Asking, list[Output]]]:
        """Ask held-out labelers about everything."""
        version, overlap = instructions.EVALUATION, self.settings.overlap
        return [(Asking(instruction_version=version, group="heldout", overlap=overlap), list(outputs))]

    def verdict(self, prompt: Prompt, completion: Completion) -> rubric.Verdict:
        """Check one completion against the rubric of its prompt."""
        return rubric.judge(self.rows[prompt.id], completion.text)


def take_prompts(source: Starter, recipe: Recipe) -> Maker:
    """Take the starter set in, choose what each stage asks, and register the labelers."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        wanted = source.settings
        with open_store(space) as store:
            report = starter.take_in(store, recipe.intake, now=datetime.now(UTC))
            write_rules(out / "intake.json", report)
            register(source, store)
            kept = [prompt for prompt in prompts.usable(store) if prompt.source == "starter"]
        train = [prompt for prompt in kept if prompt.split == "train"]
        ranked = some(train, wanted.ranked)
        groups = {
            "sft": [prompt for prompt in train if prompt.stage == "sft"],
            "reward": ranked,
            "ppo": [prompt for prompt in train if prompt not in ranked],
            "validation": some([prompt for prompt in kept if prompt.split == "validation"], wanted.validation),
            "test": some([prompt for prompt in kept if prompt.split == "test"], wanted.test),
        }
        return choose(out, kept, groups)

    return run


def some(found: Sequence[Prompt], count: int) -> list[Prompt]:
    """Take so many prompts, spread over all use cases and always the same ones, in their order; 0 takes all."""
    first = {prompt.id for prompt in sorted(found, key=lambda prompt: content_hash(prompt.id))[: count or None]}
    return [prompt for prompt in found if prompt.id in first]


def check_run(recipe: Recipe) -> Maker:
    """Look at the model, the demonstrations and the prompts before anything is trained."""
    data = check_data(recipe, ppo_prompts, "model", None)

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        base = model_of(space, "base")
        if not load_tokenizer(base).chat_template:
            raise SettingsError(
                f"The tokenizer in {base} has no chat template, and the recipe compares with the model in its own; "
                "choose a model that was tuned on instructions."
            )
        return data(space, out)

    return run


def answer_itself(recipe: Recipe) -> Maker:
    """Let the model that the run begins with answer the prompts of the demonstrations, in its own chat template."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        with open_store(space) as store:
            asked = chosen(space, store, "sft")
        policy, tell = Policy("start_prompted", model_of(space, "base")), training.telling(space, 0, len(asked))
        made = training.draw(policy, asked, recipe, tell, template="chat")
        answers = [
            {"prompt": prompt.text, "completion": one.text, "ended": one.finish_reason == "stop"}
            for prompt, one in zip(asked, made, strict=True)
            if one.text.strip()
        ]
        if not answers:
            raise DataError("The model answers none of the prompts with any text; choose another model.")
        write_json(out / "answers.json", answers)
        return {"answers": len(answers), "ended": sum(bool(row["ended"]) for row in answers)}

    return run


def tune_on_itself(recipe: Recipe) -> Maker:
    """Fine-tune the model on its own answers, with as many steps as SFT has.

    What SFT gains only because it moves weights that were rounded to four bits, this gains too.
    """

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        answers = [Example(**row) for row in read_json(space.directory("answers") / "answers.json")]
        epochs = recipe.start.epochs * int(space.facts("start")["demonstrations"]) / len(answers)
        settings = recipe.start.model_copy(update={"epochs": epochs, "seed": recipe.seed, "template": recipe.template})
        training.share_threads(recipe, settings.loop)
        mix = training.texts_of(space) if settings.pretraining_mix > 0 else []
        model = train_sft(
            out / "run", settings, SFTData(answers, (), mix), model_of(space, "base"), training.watch(space)
        )
        return {"model": str(model.relative_to(space.root)), "answers": len(answers)}

    return run


def sample_start(recipe: Recipe) -> Maker:
    """Sample what labelers rank from the model that PPO starts from: the answers that it will have to tell apart."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        # A stage's directory is named by what it was made from, and an output's id by its policy's name.
        policy = Policy(space.directory("start").name, model_of(space, "start"))
        with open_store(space) as store:
            asked = chosen(space, store, "reward") + chosen(space, store, "validation")[: recipe.sample.validation]
        made = training.sample_for_ranking(space, recipe, asked, [policy])
        write_json(out / "completions.json", made)
        return {"completions": len(made)}

    return run
