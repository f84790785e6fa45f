"""A content filter learns what a text is about, is calibrated, and comes back as it was written."""

from __future__ import annotations

import asyncio
import json
import math
import random
from pathlib import Path

import pytest
import torch

from tests.train.conftest import World
from tutelage.errors import DataError, SettingsError, UserError
from tutelage.generate.process import EngineProcess
from tutelage.models.classifier import Labeller, load_labels
from tutelage.models.fetch import add
from tutelage.models.scalar import load_scalar
from tutelage.pipeline import filtering, labelled
from tutelage.train.content_filter import FilterData, FilterSettings, Labelled, categories_of, train_filter
from tutelage.train.layout import LayoutSettings
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam

#: With this word a text is hateful; every other one of the rest is asked about something else.
HATE, WORDS = "cab", ["ab", "ba", "dad", "bed", "fade", "face"]


def texts(count: int, seed: int) -> list[Labelled]:
    """Make texts, half of which hold the word."""
    rng, found = random.Random(seed), []
    for number in range(count):
        words = rng.choices(WORDS, k=rng.randint(2, 6))
        if number % 2:
            words.insert(rng.randrange(len(words) + 1), HATE)
        labels = {"hate": float(number % 2)} | ({"offensive": float(len(words) > 4)} if number % 3 else {})
        found.append(Labelled(text=" ".join(words), labels=labels))
    return found


SETTINGS = FilterSettings(
    epochs=16, batch=16, longest=24, adam=Adam(lr=1e-2), loop=LoopSettings(evaluate_every=1000, checkpoint_every=1000)
)
DATA = FilterData(texts(120, 1), texts(60, 2))


@pytest.fixture(scope="module")
def made(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_filter(tmp_path_factory.mktemp("filter") / "run", SETTINGS, DATA, world.policy)


def test_it_learns_and_is_calibrated(made: Path) -> None:
    labeller = Labeller(*load_labels(made))
    fresh = texts(60, 3)
    scores = labeller.classify([one.text for one in fresh])
    right = [(score["hate"] >= 0.5) == (one.labels["hate"] >= 0.5) for one, score in zip(fresh, scores, strict=True)]
    assert sum(right) >= 54
    assert labeller.model.labels == ("hate", "offensive")
    rows = (made.parent / "metrics.jsonl").read_text().splitlines()
    assert '"calibration/temperature/hate"' in rows[-1]


def test_a_temperature_is_folded_into_the_head(world: World, made: Path, tmp_path: Path) -> None:
    """Calibration divides logits and changes no order: on the calibration texts no other temperature fits better."""
    labeller = Labeller(*load_labels(made))
    scores = [score["hate"] for score in labeller.classify([one.text for one in DATA.heldout])]
    labels = [one.labels["hate"] for one in DATA.heldout]

    def loss(scale: float) -> float:
        logits = [math.log(score / (1 - score)) * scale for score in scores]
        return sum(math.log1p(math.exp(-z if t else z)) for z, t in zip(logits, labels, strict=True))

    assert loss(1.0) <= min(loss(0.8), loss(1.25)) + 1e-6


def test_a_long_text_is_read_in_pieces(made: Path) -> None:
    labeller = Labeller(*load_labels(made))
    (short, long) = labeller.classify([HATE + " ab ba", "ab ba " * 60 + HATE])
    assert long["hate"] > 0.5 < short["hate"]
    assert labeller.classify([""])[0].keys() == {"hate", "offensive"}


def test_layers_can_be_left_out_and_frozen(world: World, tmp_path: Path) -> None:
    shallow = SETTINGS.model_copy(update={"layers": 1, "epochs": 1})
    model, _ = load_labels(train_filter(tmp_path / "one", shallow, DATA, world.policy))
    assert len(model.trunk.layers) == 1
    frozen = SETTINGS.model_copy(update={"epochs": 1, "layout": LayoutSettings(kind="shared_trunk", frozen_share=0.5)})
    first, _ = load_labels(train_filter(tmp_path / "frozen", frozen, DATA, world.policy))
    from tutelage.models.load import load_policy

    before = load_policy(world.policy)[0].get_decoder().layers[0].state_dict()
    assert all(torch.equal(before[name], tensor) for name, tensor in first.trunk.layers[0].state_dict().items())


def test_it_answers_from_an_engine_process_and_from_the_folder_of_models(made: Path, tmp_path: Path) -> None:
    asked = [one.text for one in DATA.heldout[:5]] + [""]
    own = Labeller(*load_labels(made)).classify(asked)
    copied = add(str(made), "filter", tmp_path)

    async def run() -> list[dict[str, float]]:
        engine = EngineProcess(copied)
        await engine.start()
        try:
            found = await asyncio.gather(*(engine.classify([text]) for text in asked))
            with pytest.raises(UserError, match="writes no text"):
                from tutelage.generate.wire import Ask

                async for _ in engine.generate(Ask(text="ab")):
                    pass
            return [scores for (scores,) in found]
        finally:
            await engine.stop()

    for mine, theirs in zip(own, asyncio.run(run()), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)


def test_a_filter_is_no_reward_model(made: Path) -> None:
    with pytest.raises(DataError, match="content filter and no reward model"):
        load_scalar(made)


def test_given_again_it_returns_what_it_made(world: World, made: Path) -> None:
    assert train_filter(made.parent, SETTINGS, DATA, world.policy) == made


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "no training texts with a label"),
        ([Labelled(text="a", labels={"hat": 1.0})], "no category 'hat'"),
        ([Labelled(text="a", labels={"hate": 2.0})], "not from 0 to 1"),
        ([Labelled(text="a", labels={"hate": 1.0})], "on one side only"),
    ],
)
def test_labels_that_cannot_be_learned_are_told(rows: list[Labelled], told: str) -> None:
    with pytest.raises(DataError, match=told):
        categories_of(rows)


def test_settings_that_do_not_fit_are_told(world: World, tmp_path: Path) -> None:
    for change, told in (
        ({"longest": 64}, "choose at most 56"),
        ({"layers": 9}, "has 2; choose fewer"),
        ({"layers": 1, "layout": LayoutSettings(kind="adapters")}, "all layers"),
    ):
        with pytest.raises(SettingsError, match=told):
            train_filter(tmp_path / "run", SETTINGS.model_copy(update=change), DATA, world.policy)
    assert not (tmp_path / "run").exists()


def test_it_is_measured_on_what_training_left_out(made: Path, tmp_path: Path) -> None:
    rows = texts(400, 4)
    parts = labelled.parted(
        [Labelled(text=f"{one.text} {number}", labels=one.labels) for number, one in enumerate(rows)]
    )
    report = filtering.evaluate(made, parts, is_exclusive=False)
    assert (report.test, report.train) == (len(parts.test), len(parts.train))
    assert report.detections["filter"].keys() == {"hate", "offensive", "any"}
    area = report.detections["filter"]["hate"].area
    assert area and area.mean > 0.8
    assert (report.streams_that_differ, report.streams > 0) == (0, True)
    titles = [table.title for table in filtering.tables(report)]
    assert len(titles) == 5
    written = json.dumps(report.as_json())
    assert all(one.text not in written for one in parts.test)
