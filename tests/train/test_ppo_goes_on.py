"""PPO that goes on from an earlier run: from its weights, held to what that one was held to."""

import pytest

from tests.train.small_ppo import SMALL, changed, metrics, ppo
from tutelage.errors import DataError, SettingsError
from tutelage.files import sha256_of
from tutelage.models.load import load_policy, save
from tutelage.models.tokenizer import train_tokenizer
from tutelage.runs import Run
from tutelage.train.four import Parents
from tutelage.train.layout import LayoutSettings
from tutelage.train.ppo import PPOData, train_ppo

SHORT = changed(episodes=32)


def go_on(world, run_dir, policy, reference, settings=SHORT):
    parents = Parents(policy, world.reward, reference)
    return train_ppo(run_dir, settings, PPOData(world.prompts, world.texts), parents)


def test_a_policy_that_goes_on_begins_away_from_its_reference(world, whole, tmp_path):
    first = whole(ppo, SMALL)
    made = go_on(world, tmp_path / "second", first, world.policy)
    rows = metrics(tmp_path / "second")
    assert rows[0]["objective/kl"] != 0
    assert rows[0]["ppo/policy/ratio"] == pytest.approx(1, abs=1e-6)
    run = Run.open(tmp_path / "second")
    assert run.parents["policy"] == sha256_of(first) != run.parents["reference"] == sha256_of(world.policy)
    assert sha256_of(made) != sha256_of(first)
    # The average is of this run: it began at the first one's weights and moved.
    assert run.outputs["ema"] not in (run.outputs["model"], sha256_of(first))


def test_held_to_itself_it_is_an_ordinary_run(world, tmp_path):
    one = go_on(world, tmp_path / "one", world.policy, None)
    other = go_on(world, tmp_path / "other", world.policy, world.policy)
    for name in ("model", "ema"):
        assert sha256_of(one.parent / name) == sha256_of(other.parent / name)
    assert metrics(tmp_path / "other")[0]["objective/kl"] == 0
    assert "reference" not in Run.open(tmp_path / "one").parents


def test_a_reference_of_other_tokens_or_in_another_layout_is_refused(world, tmp_path):
    model, _ = load_policy(world.policy)
    stranger = save(model, train_tokenizer(["xyz zyx yxz"] * 20, 280), tmp_path / "stranger")
    with pytest.raises(DataError, match=r"and its reference .*stranger have different tokenizers"):
        go_on(world, tmp_path / "run", world.policy, stranger)
    with pytest.raises(SettingsError, match=r"is held to another model needs layout.kind = separate"):
        go_on(world, tmp_path / "run", world.policy, world.policy, changed(layout=LayoutSettings(kind="adapters")))
    assert not (tmp_path / "run").exists()
