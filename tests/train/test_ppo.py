"""PPO-ptx: it descends what the definitions say, learns and resumes exactly."""

import json
import logging
import math

import pytest
import torch

from tests.train.small_ppo import BF16, SMALL, Stop, changed, episodes, metrics, models_of, ppo, reward_for
from tutelage.files import sha256_of
from tutelage.models.load import load_policy
from tutelage.models.tokens import Renderer
from tutelage.runs import Run
from tutelage.train.ema import Ema
from tutelage.train.experience import AdvantageSettings, targets
from tutelage.train.four import Parents
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam
from tutelage.train.ppo import KLSettings, PPOData, ppo_loss, train_ppo
from tutelage.train.rollout import micro_batches, minibatches_of, score, steps_of
from tutelage.train.streams import PackedRows
from tutelage.train.validation import weights_of


@pytest.mark.parametrize(("at", "settings"), [*((at, SMALL) for at in range(1, 6)), pytest.param(3, BF16, id="bf16")])
def test_interrupted_after_any_step_it_ends_with_the_same_bytes(world, whole, tmp_path, at, settings):
    unbroken = whole(ppo, settings)

    def stop(step, *_):
        if step == at:
            raise Stop

    with pytest.raises(Stop):
        ppo(world, tmp_path / "broken", settings, stop)
    again = ppo(world, tmp_path / "broken", settings)
    for name in ("model", "ema"):
        assert sha256_of(again.parent / name) == sha256_of(unbroken.parent / name)
    for name in ("metrics", "samples"):
        logged = [
            [json.loads(line) for line in (path.parent / f"{name}.jsonl").read_text().splitlines()]
            for path in (unbroken, again)
        ]
        steps = [[row["step"] for row in rows] for rows in logged]
        assert steps[0] == steps[1]


def test_in_bf16_scores_and_updates_agree(whole):
    """Were they of different precision, the first ratio of a batch would not be 1, which stops a run."""
    rows = metrics(whole(ppo, BF16).parent)
    mismatches = [row["rollout/logprob_mismatch"] for row in rows if "objective/kl" in row]
    assert mismatches
    assert all(0 < mismatch < 0.05 for mismatch in mismatches)


def test_it_takes_the_planned_steps_and_logs_under_openais_names(whole):
    run_dir = whole(ppo, SMALL).parent
    rows = metrics(run_dir)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    first = rows[0]
    assert first["objective/kl"] == 0
    assert first["ppo/policy/ratio"] == pytest.approx(1, abs=1e-6)
    assert first["rollout/logprob_mismatch"] < 1e-4
    expected = {
        "objective/kl_coef", "objective/entropy", "objective/score", "objective/non_score_reward", "objective/ended",
        "ppo/policy/clipfrac", "ppo/policy/approxkl", "ppo/policy/entropy", "ppo/val/var_explained", "ppo/val/clipfrac",
        "ppo/loss/policy", "ppo/loss/value", "ppo/loss/ptx", "gradient/ptx", "gradient/ppo", "gradient/ptx:ppo",
    }  # fmt: skip
    assert expected <= first.keys()
    assert "gradient/value" not in first
    assert rows[-1]["ema/start_left"] <= 0.02 + 1e-9
    roles = Run.open(run_dir).ledger.totals()
    assert roles["pretraining mix"].tokens == 6 * 2 * 16
    assert roles["policy"].flops > roles["reference"].flops > 0


def test_the_average_lies_between_start_and_end(world, whole):
    path = whole(ppo, SMALL)
    start, end, average = (load_policy(p)[0].lm_head.weight for p in (world.policy, path, path.parent / "ema"))
    assert not torch.equal(average, start)
    assert (average - end).norm() < (start - end).norm()
    assert (average - start).norm() < (start - end).norm() * 1.5


def test_the_average_takes_the_models_place_only_inside_the_block(world):
    model, _ = load_policy(world.policy)
    ema = Ema(model, 0.5)
    with torch.no_grad():
        model.lm_head.weight.add_(1.0)
    own = model.lm_head.weight.clone()
    with weights_of(ema, model):
        assert torch.allclose(model.lm_head.weight, own - 1.0, atol=1e-6)
    assert torch.equal(model.lm_head.weight, own)


def test_an_average_that_holds_its_start_says_so(world, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        ppo(world, tmp_path / "run", changed(ema_start_left=0.5))
    assert "still holds 50 % of the starting weights" in caplog.text


def test_watching_the_policy_changes_nothing_but_what_is_logged(world, whole, tmp_path):
    alone = whole(ppo, SMALL)
    settings = changed(loop=LoopSettings(checkpoint_every=2, micro_tokens=80, evaluate_every=1))
    watched = ppo(world, tmp_path / "b", settings, validation=world.prompts[:9])
    for name in ("model", "ema"):
        one, other = (load_policy(path.parent / name)[0].state_dict() for path in (alone, watched))
        assert all(torch.equal(one[key], other[key]) for key in one)
    rows = metrics(tmp_path / "b")[:6]
    assert all(row["validation/policy/length"] <= 6 for row in rows)
    assert all(row["validation/ema/kl"] != row["validation/policy/kl"] for row in rows)
    assert rows[0]["validation/policy/score"] != rows[-1]["validation/policy/score"]


def test_plain_ppo_needs_no_text_and_logs_no_mix(world, tmp_path):
    ppo(world, tmp_path / "run", changed(ptx_coef=0.0), pretraining=[])
    assert not any("ptx" in name for row in metrics(tmp_path / "run") for name in row)


def test_the_mix_changes_the_policy_and_not_the_first_rollout(world, whole, tmp_path):
    with_mix, without = whole(ppo, SMALL), ppo(world, tmp_path / "run", changed(ptx_coef=0.0))
    assert sha256_of(with_mix) != sha256_of(without)
    samples = [Run.open(path.parent).read_samples()[:4] for path in (with_mix, without)]
    assert samples[0] == samples[1]


def test_the_mix_reads_what_pretraining_of_that_seed_reads(world):
    renderer = Renderer(load_policy(world.policy)[1])
    one, other = (PackedRows(world.texts, renderer, 16, seed=4) for _ in range(2))
    assert torch.equal(one.take(30), torch.cat([other.take(2) for _ in range(15)]))


def test_an_adaptive_coefficient_rises_above_its_target(world, tmp_path):
    ppo(
        world, tmp_path / "run", changed(policy=Adam(lr=3e-2), kl=KLSettings(kind="adaptive", target=1e-4, horizon=100))
    )
    betas = [row["objective/kl_coef"] for row in metrics(tmp_path / "run") if "objective/kl_coef" in row]
    assert betas[0] == 0.02
    # The first batch has KL 0, so the error is clipped at -0.2; then the policy has moved and it is +0.2.
    assert betas[1] == pytest.approx(0.02 * (1 - 0.2 * 16 / 100))
    assert betas[2] == pytest.approx(betas[1] * (1 + 0.2 * 16 / 100))


def test_it_learns_to_say_what_is_rewarded(world, tmp_path):
    token = 100
    reward = reward_for(token, world, tmp_path / "reward")
    settings = changed(episodes=1024, batch=64, minibatch=16, ptx_coef=0.0, kl=KLSettings(), policy=Adam(lr=1e-2))
    settings = settings.model_copy(update={"loop": LoopSettings(checkpoint_every=1000)})
    train_ppo(tmp_path / "run", settings, PPOData(world.prompts), Parents(world.policy, reward))
    scores = [row["objective/score"] for row in metrics(tmp_path / "run") if "objective/score" in row]
    assert scores[-1] > scores[0] + 1
    said = Run.open(tmp_path / "run").read_samples()[-1]["completion"]
    assert load_policy(world.policy)[1].decode([token]) in said


@pytest.mark.parametrize("budget", [1, 30, 60])
def test_the_update_does_not_depend_on_micro_batches(world, budget):
    settings = changed(clip=0.2)

    def gradients(budget):
        models = models_of(world)
        with torch.no_grad():
            for parameter in models.policy.parameters():
                parameter.add_(0.01)
        parts = [micro_batches(part, budget) for part in minibatches_of(episodes(), 4)]
        batch = [score(models, micro, [0.0] * len(micro)) for micros in parts for micro in micros]
        # The policy moves after it was scored, so that ratios differ from 1.
        with torch.no_grad():
            for parameter in models.policy.parameters():
                parameter.mul_(1.01)
        found = targets(batch, settings.advantages, beta=0.1)
        steps = steps_of([len(micros) for micros in parts], batch, found)
        assert list(steps[1].parts) == ["ppo", "value"]
        for micros in steps[1].parts.values():
            for micro in micros:
                ppo_loss(models, settings, micro).value.backward()
        return [p.grad for model in (models.policy, models.value) for p in model.parameters()]

    for one, other in zip(gradients(budget), gradients(10_000), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-11)


def advantages_by_definition(batch, beta, gamma, lam):
    """Rewards and A_t = sum_k (gamma lam)^k delta_(t+k) by loops over each episode, then whitened over all."""
    everything = []
    for part in batch:
        at = 0
        for row, count in enumerate(part.rows.mask.sum(1).tolist()):
            span = range(at, at + count)
            rewards = [-beta * float(part.old[t] - part.reference[t]) for t in span]
            rewards[-1] += float(part.scores[row])
            values = [float(part.values[t]) for t in span] + [0.0]
            deltas = [rewards[t] + gamma * values[t + 1] - values[t] for t in range(count)]
            everything += [sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, count)) for t in range(count)]
            at += count
    mean = sum(everything) / len(everything)
    deviation = math.sqrt(sum((a - mean) ** 2 for a in everything) / len(everything))
    return [(a - mean) / deviation for a in everything]


def test_advantages_are_those_of_the_definition_over_the_whole_batch(world):
    models = models_of(world)
    with torch.no_grad():
        for parameter in models.policy.parameters():
            parameter.mul_(1.05)
    batch = [score(models, micro, [0.0] * len(micro)) for micro in micro_batches(episodes(), 30)]
    found = targets(batch, AdvantageSettings(gamma=0.97, lam=0.9), beta=0.3)
    expected = advantages_by_definition(batch, 0.3, 0.97, 0.9)
    assert torch.cat([one.advantages for one in found]).tolist() == pytest.approx(expected, abs=1e-6)
    assert any(a < 0 for a in expected)


def test_scores_are_those_of_exactly_the_sampled_ids(world):
    models = models_of(world)
    found = score(models, episodes(), [0.5] * 8).scores.tolist()
    with torch.no_grad():
        for episode, value in zip(episodes(), found, strict=True):
            ids = torch.tensor([[*episode.row.prompt, *episode.row.completion]])
            hidden = models.reward.trunk(input_ids=ids).last_hidden_state[0, -1]
            expected = float(hidden @ models.reward.head.weight[0] + models.reward.head.bias) - 0.5
            assert value == pytest.approx(expected, abs=1e-9)
