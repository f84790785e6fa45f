"""Reward models by folds: scores are those of trainings on the other folds, stopped ones go on, texts are shortened."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.train.layouts import LAYOUTS, OFTEN
from tutelage.errors import SettingsError, UserError
from tutelage.files import read_json
from tutelage.models.scoring import Answer, Scorer
from tutelage.records import RankedGroup
from tutelage.runs import Run
from tutelage.train.batching import Example
from tutelage.train.folds import Part, PartData, PartSettings, score_parts
from tutelage.train.optimizers import Adam
from tutelage.train.reward import RewardData, RewardSettings, train_reward

SETTINGS = PartSettings(
    folds=2, epochs=2, batch=4, adam=Adam(lr=1e-2), loop=OFTEN, likelihood=True, prompt_tokens=30, completion_tokens=30
)


class Stop(Exception):
    """Stands for anything that ends a process."""


def quiet(*_: object) -> None:
    pass


def of(kind: str, **changes: object) -> PartSettings:
    return SETTINGS.model_copy(update={"layout": LAYOUTS[kind], **changes})


def by_turns(rankings):
    """Two parts: each learns from every other ranking and scores the rest."""
    sides = [list(range(first, len(rankings), 2)) for first in (0, 1)]
    return PartData(rankings, [Part("fold-1", sides[1], sides[0], 0), Part("fold-2", sides[0], sides[1], 0)])


@pytest.fixture(scope="module")
def data(world):
    return by_turns(world.rankings(12))


@pytest.fixture(scope="module")
def made(world, data, tmp_path_factory):
    """The scores with a shared trunk, and the run."""
    run_dir = tmp_path_factory.mktemp("folds") / "run"
    return score_parts(run_dir, of("shared_trunk"), data, world.policy, quiet), run_dir


def apart(world, data, kind, part, run_dir):
    """Train on the rankings of a part as any reward model is trained, and score its others."""
    settings = RewardSettings(epochs=2, batch=4, adam=Adam(lr=1e-2), loop=OFTEN, likelihood=True, layout=LAYOUTS[kind])
    weights = part.weights or [1.0] * len(part.train)
    train = [replace(data.rankings[at], weight=weight) for at, weight in zip(part.train, weights, strict=True)]
    demonstrations = [Example(*pair) for pair in world.examples(4)]
    settings = settings.model_copy(update={"seed": part.seed})
    scorer = Scorer(train_reward(run_dir, settings, RewardData(train, [], demonstrations), world.policy))
    held = [data.rankings[at] for at in part.scored]
    return [scorer.score([Answer(one.prompt, text) for text in one.completions]) for one in held]


def centred(rows):
    """Take the mean off every row: a bias, which is set after a training and changes no order."""
    return [torch.tensor(row) - torch.tensor(row).mean() for row in rows]


@pytest.mark.parametrize("kind", ["shared_trunk", "adapters"])
def test_a_fold_is_scored_by_a_training_on_the_others(world, data, made, tmp_path, kind):
    scores = made[0].scores if kind == "shared_trunk" else score_parts(
        tmp_path / "folds", of(kind), data, world.policy, quiet
    ).scores  # fmt: skip
    expected = apart(world, data, kind, data.parts[1], tmp_path / "run")
    for ours, theirs in zip(centred(scores[1].values()), centred(expected), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)


def test_weights_and_seeds_are_those_of_the_part(world, data, made, tmp_path):
    """What counts four times moves the model, as in any training; another seed begins and draws differently."""
    first = data.parts[0]
    heavy = first._replace(name="heavy", weights=[4.0, 1.0] * 3)
    other = heavy._replace(name="other", seed=1)
    given = PartData(data.rankings, [heavy, other])
    found = score_parts(tmp_path / "run", of("shared_trunk"), given, world.policy, quiet).scores
    for part, scores in zip(given.parts, found, strict=True):
        expected = apart(world, data, "shared_trunk", part, tmp_path / part.name)
        for ours, theirs in zip(centred(scores.values()), centred(expected), strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)
    plain = torch.cat(centred(made[0].scores[0].values()))
    heavy_scores, other_scores = (torch.cat(centred(one.values())) for one in found)
    assert (plain - heavy_scores).abs().max() > 0.01 and (other_scores - heavy_scores).abs().max() > 0.01


def test_in_bf16_scores_are_the_same_up_to_its_rounding(world, data, made, tmp_path):
    """Two units in the last of its eight places; a mistake in what is kept would change the order of the scores."""
    loop = OFTEN.model_copy(update={"precision": "bf16"})
    found = score_parts(tmp_path / "run", of("shared_trunk", loop=loop), data, world.policy, quiet)
    ours, theirs = (torch.tensor(sum(one.scores[0].values(), [])) for one in (found, made[0]))
    assert not torch.equal(ours, theirs)
    torch.testing.assert_close(ours, theirs, rtol=2**-7, atol=0)


def test_a_stopped_run_goes_on_behind_the_last_whole_fold(world, data, made, tmp_path):
    told = []

    def watch(done, total, figures):
        told.append((done, total))
        if len(told) == stop_at:
            raise Stop

    stop_at = 0
    settings = of("shared_trunk")
    score_parts(tmp_path / "whole", settings, data, world.policy, watch)
    assert told[-1][0] == pytest.approx(told[-1][1])
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    stop_at, whole = len(told) - 2, list(told)
    told.clear()
    with pytest.raises(Stop):
        score_parts(tmp_path / "run", settings, data, world.policy, watch)
    assert (tmp_path / "run" / "trunk.bin").exists() and Run.open(tmp_path / "run" / "fold-1").is_finished
    first = (tmp_path / "run" / "fold-1" / "scores.json").stat().st_mtime_ns
    told.clear()
    again = score_parts(tmp_path / "run", settings, data, world.policy, watch)
    assert again == made[0]
    assert (tmp_path / "run" / "fold-1" / "scores.json").stat().st_mtime_ns == first
    assert told[-1][0] == pytest.approx(told[-1][1]) and told[-1][1] < whole[-1][1] / 2
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"run.json", "ledger.jsonl", "fold-1", "fold-2"}
    told.clear()
    assert score_parts(tmp_path / "run", settings, data, world.policy, watch) == again and not told


def test_what_a_run_was_made_from_stands_in_it(world, data, made):
    run = Run.open(made[1])
    assert (run.stage, run.is_finished, sorted(run.outputs)) == ("folds", True, ["fold-1", "fold-2"])
    assert set(run.ledger.totals()) == {"shared trunk"}
    fold = Run.open(made[1] / "fold-2")
    assert [row["step"] for row in fold.read_metrics()] == [1, 2, 3]
    assert read_json(made[1] / "fold-2" / "scores.json")["rows"] == [1, 3, 5, 7, 9, 11]
    with pytest.raises(UserError, match=r"made from something else \(settings.epochs was 2.0 and is now 1.0"):
        score_parts(made[1], of("shared_trunk", epochs=1.0), data, world.policy, quiet)
    with pytest.raises(UserError, match="made from something else"):
        score_parts(made[1], of("shared_trunk"), PartData(data.rankings, data.parts[:1]), world.policy, quiet)


def test_long_texts_are_shortened_and_counted(world, made, tmp_path):
    """A prompt is read from its last tokens, a completion from its first: what else there is changes no score."""
    short = RankedGroup(prompt="cab bad dad", completions=("bed fed", "add ab"), ranks=(0, 1))
    long = RankedGroup(prompt="fade face cab bad dad", completions=("bed face cafe", "add bed"), ranks=(0, 1))
    data = PartData([short, long, short, long], [Part("fold-1", [2, 3], [0, 1], 0)])
    settings = of("shared_trunk", prompt_tokens=2, completion_tokens=1)
    found = score_parts(tmp_path / "run", settings, data, world.policy, quiet)
    first, second = found.scores[0].values()
    assert first == pytest.approx(second, abs=1e-6) and first[0] != pytest.approx(first[1], abs=1e-4)
    assert (found.shortened, made[0].shortened) == (4, 0)
    with pytest.raises(SettingsError, match="prompt_tokens = 60 and completion_tokens = 8, with 1 tokens around them"):
        score_parts(tmp_path / "none", of("separate", prompt_tokens=60, completion_tokens=8), data, world.policy, quiet)
    assert not (tmp_path / "none").exists()
