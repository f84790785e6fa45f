"""What people made and no arm is trained on: a reward model of their rankings as a witness, taxes, their texts' loss.

The rankings are read into a training of their own and never into the run's store, so that nothing else can learn from
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tutelage.core.choosing import place
from tutelage.errors import DataError, MissingError
from tutelage.evaluate.records import OutputScore
from tutelage.evaluate.tasks import crows_pairs, losses, rows, truthfulqa, winogender
from tutelage.evaluate.tasks import scores as task_scores
from tutelage.evaluate.tasks.losses import Text
from tutelage.evaluate.tasks.task import How, Task
from tutelage.files import read_records, sha256_of, write_json
from tutelage.models.narrow import is_bf16
from tutelage.models.scoring import Answer, Scorer
from tutelage.pipeline import training
from tutelage.pipeline.arms import arms_of
from tutelage.pipeline.benchmarks import file_rows
from tutelage.pipeline.chosen import chosen
from tutelage.pipeline.evaluation import read_outputs
from tutelage.pipeline.recipe import Recipe, StarterSettings, parts
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import Maker, model_of, open_store
from tutelage.records import RankedGroup
from tutelage.train.batching import Example
from tutelage.train.reward import RewardData, RewardSettings, train_reward

RANKED, SHOWN = "oasst_ranked.jsonl", "oasst_demonstrations.jsonl"
TRUTHFUL_QA, CROWS_PAIRS, WINOGENDER = "truthfulqa.jsonl", "crows_pairs.jsonl", "winogender.jsonl"
FILES = (RANKED, SHOWN, TRUTHFUL_QA, CROWS_PAIRS, WINOGENDER)
#: Share of conversations that the witness is measured on.
HELDOUT = 0.2
#: How a prompt stands in the conversations that the witness reads.
FRAME = "\n\nHuman: {prompt}\n\nAssistant:"
#: Demonstrations that the witness is centred on, and answers that it scores between two looks at the time.
DEMONSTRATIONS, PART = 64, 64
#: Characters of a prompt with all its answers that the witness reads; all of them lie in memory at once.
LONGEST_RANKED = 8000
#: Arms whose taxes are measured, and characters of a text whose loss is measured.
TAXED, LONGEST = ("start", "sft", "ppo", "ppo_ptx"), 1200
#: Which pronoun is the likelier one is neither gain nor loss.
NO_TAX = "winogender_she"


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedText:
    """One of the answers that people ranked."""

    text: str
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedRow:
    """People's order of the answers to a prompt; rows of one `tree` share text."""

    id: str
    tree: str
    prompt: str
    completions: tuple[RankedText, ...]

    @property
    def size(self) -> int:
        """Count the characters of the prompt and all answers."""
        return len(self.prompt) + sum(len(one.text) for one in self.completions)

    def group(self) -> RankedGroup:
        """Return the row as a reward model learns from it."""
        texts, ranks = (tuple(getattr(one, name) for one in self.completions) for name in ("text", "rank"))
        return RankedGroup(prompt=self.prompt, completions=texts, ranks=ranks, prompt_id=self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """An answer that somebody wrote in a conversation; `synthetic` ones were written by a model."""

    id: str
    prompt: str
    completion: str
    synthetic: bool = False


def check_folder(folder: Path) -> None:
    """Refuse a folder that lacks a file or holds a broken row: what is found later has cost an hour."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise MissingError(
            f"starter.data = {folder} lacks {missing[0]} ({len(missing)} of {len(FILES)} files are missing); put it "
            "there, or leave starter.data empty to go without witnesses and taxes."
        )
    if not _written(folder):
        raise DataError(f"{folder / SHOWN} holds no answer that somebody wrote; give the published set.")
    read_records(folder / RANKED, RankedRow, others=True)
    _tasks(folder, 1)


def human_stages(recipe: Recipe, settings: StarterSettings) -> list[Stage]:
    """Return the stages that need people's data; none where the recipe names none."""
    if not settings.data:
        return []
    folder = Path(settings.data)
    check_folder(folder)
    data = {"data": {name: sha256_of(folder / name) for name in FILES}}
    return [
        Stage(
            "witness",
            "Train a witness on people's rankings",
            train_witness(recipe, folder),
            parts(recipe, "reward") | data,
            ("base",),
        ),
        Stage("testimony", "Let the witness score", score_outputs(recipe), parts(recipe), ("witness", "outputs")),
        Stage(
            "taxes",
            "Measure the tax",
            measure_taxes(recipe, folder, settings.tax_items),
            parts(recipe) | data | {"items": settings.tax_items},
            ("base", "start", "start_self", "ppo", "ppo_ptx"),
        ),
    ]


def train_witness(recipe: Recipe, folder: Path) -> Maker:
    """Train a reward model on people's rankings alone, from the model that the run begins with."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        rows = [row for row in read_records(folder / RANKED, RankedRow, others=True) if row.size <= LONGEST_RANKED]
        held = {row.tree for row in rows if place("witness", recipe.seed, row.tree) < HELDOUT}
        train = [row.group() for row in rows if row.tree not in held]
        heldout = [row.group() for row in rows if row.tree in held]
        shown = [Example(row.prompt, row.completion) for row in _written(folder)]
        lean = recipe.reward.loop.model_copy(update={"gradient_checkpointing": True})  # conversations are long
        own = {"seed": recipe.seed, "template": "plain", "loop": lean}
        settings: RewardSettings = recipe.reward.model_copy(update=own)
        training.share_threads(recipe, settings.loop)
        data = RewardData(train, heldout, shown[:DEMONSTRATIONS])
        model = train_reward(out / "run", settings, data, model_of(space, "base"), training.watch(space))
        accuracy = training.last(out / "run", "heldout/accuracy")
        return {
            "model": str(model.relative_to(space.root)),
            "rankings": len(train),
            "heldout": len(heldout),
            "heldout_accuracy": accuracy,
        }

    return run


def score_outputs(recipe: Recipe) -> Maker:
    """Let the witness score the first answer of every arm to every held-out prompt, as a turn of a conversation."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        torch.set_num_threads(recipe.threads)
        scorer = Scorer(model_of(space, "witness"), "plain")
        outputs = [one for one in read_outputs(space) if one.sample == 0 and one.text.strip()]
        with open_store(space) as store:
            asked = {prompt.id: prompt for prompt in chosen(space, store, "test")}
        found: list[OutputScore] = []
        with computing(recipe):
            for first in range(0, len(outputs), PART):
                part = outputs[first : first + PART]
                scores = scorer.score(
                    [Answer(FRAME.replace("{prompt}", asked[one.prompt_id].text), one.text, one.finish_reason == "stop")
                     for one in part]
                )  # fmt: skip
                found += [
                    OutputScore(seed=one.seed, prompt_id=one.prompt_id, model=one.model, score=score)
                    for one, score in zip(part, scores, strict=True)
                ]
                space.observer.advance(first + len(part), len(outputs), {})
        write_json(out / "scores.json", [asdict(one) for one in found])
        return {"scores": len(found)}

    return run


def measure_taxes(recipe: Recipe, folder: Path, items: int) -> Maker:
    """Ask the published sets, and measure the loss on what people wrote."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        torch.set_num_threads(recipe.threads)
        arms = arms_of(space, recipe)
        asked = _tasks(folder, items)
        texts = [Text(row.id, row.completion[:LONGEST]) for row in _written(folder)]
        scores, lost = [], []
        with computing(recipe):
            for number, name in enumerate(TAXED, start=1):
                model = {name: arms[name].policy.path}
                scores += [row for row in task_scores.run(asked, model, seed=recipe.seed) if row.task != NO_TAX]
                lost += losses.run(texts, model, seed=recipe.seed)
                space.observer.advance(number, len(TAXED), {})
        write_json(out / "scores.json", [asdict(one) for one in scores])
        write_json(out / "losses.json", [asdict(one) for one in lost])
        return {"scores": len(scores), "texts": len(texts)}

    return run


@contextmanager
def computing(recipe: Recipe) -> Iterator[None]:
    """Compute in the precision that models are sampled in."""
    with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16(recipe.sample.precision)):
        yield


def _tasks(folder: Path, items: int) -> list[Task]:
    """Read the published sets, so many items of each, without solved examples or instructions."""
    return [
        one.task(
            rows.checked(str(folder / name), file_rows(folder / name), one.row),
            How(conditions=("plain",), items=items),
        )
        for name, one in (
            (TRUTHFUL_QA, truthfulqa.CHOICE),
            (CROWS_PAIRS, crows_pairs.BENCHMARK),
            (WINOGENDER, winogender.BENCHMARK),
        )
    ]


def _written(folder: Path) -> Sequence[ShownRow]:
    """Read the answers that people wrote."""
    return [
        row
        for row in read_records(folder / SHOWN, ShownRow, others=True)
        if not row.synthetic and row.completion.strip()
    ]
