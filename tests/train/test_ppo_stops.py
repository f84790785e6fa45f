"""PPO-ptx stops when something is wrong, refuses what it cannot use, and keeps its best."""

import logging
import math

import pytest
import torch

from tests.train.small_ppo import SMALL, Stop, changed, episodes, metrics, models_of, ppo
from tutelage.core.kl import FixedKL
from tutelage.errors import DataError, InvariantError, MissingError, SettingsError
from tutelage.files import sha256_of
from tutelage.models.load import load_policy, save
from tutelage.models.policy import Row, collate, completion_logprobs
from tutelage.models.tokenizer import train_tokenizer
from tutelage.models.tokens import Renderer
from tutelage.runs import Run
from tutelage.train.experience import AdvantageSettings, Experience, targets
from tutelage.train.four import Parents
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam
from tutelage.train.ppo import PPOData, PPOSettings, ppo_loss, train_ppo
from tutelage.train.rollout import PPOMicro, score, steps_of


def test_a_first_ratio_that_is_not_one_stops_the_run(world):
    models = models_of(world)
    micro = first_micro(models)
    ppo_loss(models, SMALL, micro).value.backward()
    with pytest.raises(InvariantError, match="first ratio of a rollout batch is off"):
        ppo_loss(models, SMALL, micro._replace(old=micro.old + 1e-3))


def test_a_gradient_on_prompt_tokens_stops_the_run(world):
    models = models_of(world)
    micro = first_micro(models)
    # Every token predicted from one position too early, scored in the same wrong way.
    rows = micro.rows._replace(before=micro.rows.before - 1)
    old = completion_logprobs(models.policy, rows).logprobs.detach()
    loss = ppo_loss(models, SMALL, micro._replace(rows=rows, old=old))
    with pytest.raises(InvariantError, match="Prompt tokens receive a policy gradient"):
        loss.value.backward()


def first_micro(models) -> PPOMicro:
    batch = [score(models, episodes(), [0.0] * 8)]
    [step] = steps_of([1], batch, targets(batch, SMALL.advantages, 0.02))
    return step.parts["ppo"][0]


def test_a_start_that_is_not_the_reference_is_noticed(world, tmp_path):
    from tutelage.train.rollout import Plan, Rollouts, Streams
    from tutelage.train.streams import Shuffled

    models = models_of(world, torch.float32)
    with torch.no_grad():
        models.policy.lm_head.weight.mul_(1.5)
    plan = Plan(
        batch=4, minibatch=4, max_tokens=4, advantages=SMALL.advantages, max_kl=200, micro_tokens=500, ptx_rows=0,
        samples=0, seed=0,
    )  # fmt: skip
    renderer = Renderer(load_policy(world.policy)[1])
    streams = Streams(prompts=renderer.prompts_ids(world.prompts), order=Shuffled(40, 0), ptx=None)
    run = Run.begin(tmp_path, stage="test", settings={}, parents={})
    with pytest.raises(InvariantError, match="Before its first step the policy differs"):
        Rollouts(run, plan, models, renderer, streams, FixedKL(0.1)).next_step()


def test_whitening_of_broken_advantages_is_noticed():
    rows = collate([Row([1], [2, 3])])
    broken = Experience(rows, *[torch.tensor([0.0, math.nan])] * 4, torch.tensor([1.0]))
    with pytest.raises(InvariantError, match="mean nan instead of 0"):
        targets([broken], AdvantageSettings(), 0.02)


def test_a_policy_that_runs_away_is_stopped(world, tmp_path):
    with pytest.raises(InvariantError, match="nats per completion from its reference, more than max_kl = 0.001"):
        ppo(world, tmp_path / "run", changed(max_kl=0.001, policy=Adam(lr=0.1)))


def test_cut_completions_can_be_penalised(world, whole, tmp_path):
    penalty = AdvantageSettings(missing_end_penalty=10.0)
    ppo(world, tmp_path / "run", changed(advantages=penalty))
    one, other = metrics(whole(ppo, SMALL).parent)[0], metrics(tmp_path / "run")[0]
    cut = 1 - one["objective/ended"]
    assert cut > 0
    assert other["objective/score"] == pytest.approx(one["objective/score"] - 10 * cut, abs=1e-4)


def test_scores_can_be_clipped_and_rewards_whitened(world):
    models = models_of(world)
    [batch] = [score(models, episodes(), [0.0] * 8)]
    scores = torch.tensor([7.0, -9.0, 0.25, -2.0, 2.0, 1.0, 2.5, 0.0], dtype=torch.float64)
    plain = AdvantageSettings(lam=1.0, whiten=False)
    owners = batch.rows.mask.nonzero()[:, 0]

    def returns(**changes):
        # Without discount and KL, every token's return is the score of its completion.
        return targets([batch._replace(scores=scores)], plain.model_copy(update=changes), beta=0.0)[0].returns

    assert torch.allclose(returns(), scores[owners])
    expected = torch.tensor([2.0, -2.0, 0.25, -2.0, 2.0, 1.0, 2.0, 0.0], dtype=torch.float64)
    assert torch.allclose(returns(score_clip=2.0), expected[owners])
    # 41 tokens, of which eight have a reward: the deviation by hand.
    total, squares, count = float(scores.sum()), float(scores.square().sum()), len(owners)
    deviation = math.sqrt(squares / count - (total / count) ** 2)
    ends = torch.tensor([owners.tolist().index(row) for row in range(8)])
    lengths = owners.bincount()
    mean = total / count
    white = (scores - mean) / deviation + mean + (lengths - 1) * ((0 - mean) / deviation + mean)
    assert torch.allclose(returns(whiten_rewards=True)[ends], white)


def test_long_prompts_are_left_out_aloud(world, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        ppo(world, tmp_path / "run", prompts=[*world.prompts, "bad " * 99])
    assert "1 of 41 prompts are longer than 58 tokens" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts": ["ab", " "]}, "Number 2 of the prompts is empty"),
        ({"prompts": ["bad " * 99]}, "None of the prompts has at most 58 tokens"),
        ({"prompts": []}, "There are no prompts; give some"),
        ({"pretraining": []}, "no pretraining text"),
    ],
)
def test_data_that_cannot_be_used_is_told(world, tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        ppo(world, tmp_path / "run", **changes)


@pytest.mark.parametrize("values", [{"episodes": 50}, {"minibatch": 5}, {"episodes": 0}])
def test_batches_that_do_not_divide_are_refused(world, tmp_path, values):
    with pytest.raises(SettingsError, match="must be a multiple of batch"):
        ppo(world, tmp_path / "run", changed(**values))


def test_models_of_different_tokenizers_are_refused(world, tmp_path):
    model, _ = load_policy(world.policy)
    other = train_tokenizer(["xyz zyx yxz"] * 20, 280)
    stranger = save(model, other, tmp_path / "stranger")
    with pytest.raises(DataError, match="have different tokenizers"):
        train_ppo(tmp_path / "run", SMALL, PPOData(world.prompts, world.texts), Parents(stranger, world.reward))


def test_a_policy_is_no_reward_model(world, tmp_path):
    with pytest.raises(MissingError, match="not a reward or value model"):
        train_ppo(tmp_path / "run", SMALL, PPOData(world.prompts, world.texts), Parents(world.policy, world.policy))


def test_the_best_model_on_validation_prompts_is_kept_and_the_one_a_judge_likes_most(world, tmp_path):
    """The judge likes what the reward model does not: early models are best for one of them."""
    calls = []

    def judge(answers):
        assert [answer.prompt for answer in answers] == world.prompts[:9]
        assert {answer.ended for answer in answers} <= {True, False}
        calls.append(len(answers))
        # Policy and average are judged in turn; the second policy is liked most.
        return [1.0, 0.0, 5.0, 0.0, 2.0, 0.0, 3.0, 0.0, 0.5, 0.0, 0.25, 0.0][len(calls) - 1]

    settings = changed(loop=LoopSettings(checkpoint_every=100, micro_tokens=80, evaluate_every=1))
    data = PPOData(world.prompts, world.texts, [*world.prompts[:9], "bad " * 99])
    models = []

    def remember(step, *_):
        models.append(sha256_of(tmp_path / "run" / "best_judged"))

    path = train_ppo(tmp_path / "run", settings, data, Parents(world.policy, world.reward), remember, judge)
    rows = [row for row in metrics(tmp_path / "run") if "validation/policy/score" in row]
    scores = [row["validation/policy/score"] for row in rows]
    assert [row["validation/policy/judged"] for row in rows] == [1.0, 5.0, 2.0, 3.0, 0.5, 0.25]
    run = Run.open(tmp_path / "run")
    assert set(run.outputs) == {"model", "ema", "best", "best_judged"}
    assert models[0] != models[1] == models[2] == models[-1] == run.outputs["best_judged"]
    best, judged = run.choices()
    assert judged == ("best_judged", 2, "validation/policy/judged", 5.0)
    assert best == ("best", scores.index(max(scores)) + 1, "validation/policy/score", max(scores))
    if scores.index(max(scores)) == len(scores) - 1:
        assert run.outputs["best"] == run.outputs["model"]
    else:
        assert run.outputs["best"] != run.outputs["model"]
    assert path == tmp_path / "run" / "model"


def test_interrupted_it_keeps_the_same_best_model(world, tmp_path):
    settings = changed(loop=LoopSettings(checkpoint_every=2, micro_tokens=80, evaluate_every=1))
    data = PPOData(world.prompts, world.texts, world.prompts[:5])
    parents = Parents(world.policy, world.reward)
    train_ppo(tmp_path / "whole", settings, data, parents)

    def stop(step, *_):
        if step == 5:
            raise Stop

    with pytest.raises(Stop):
        train_ppo(tmp_path / "broken", settings, data, parents, stop)
    train_ppo(tmp_path / "broken", settings, data, parents)
    whole, broken = (Run.open(tmp_path / name) for name in ("whole", "broken"))
    assert broken.outputs["best"] == whole.outputs["best"]


def test_without_validation_prompts_no_best_model_is_kept(whole):
    assert set(Run.open(whole(ppo, SMALL).parent).outputs) == {"model", "ema"}


def test_a_policy_that_always_says_the_same_is_stopped(world, tmp_path):
    """The weights of its output layer grow until one token has all the probability."""
    policy, tokenizer = load_policy(world.policy)
    with torch.no_grad():
        policy.lm_head.weight.mul_(200)
    sure = save(policy, tokenizer, tmp_path / "sure")
    data, parents = PPOData(world.prompts, world.texts), Parents(sure, world.reward)
    with pytest.raises(InvariantError, match=r"nats per token, less than min_entropy = 0.02"):
        train_ppo(tmp_path / "run", changed(ptx_coef=0.0), data, parents)
    train_ppo(tmp_path / "allowed", changed(ptx_coef=0.0, min_entropy=0.0), data, parents)


def test_a_healthy_policy_stays_far_above_the_least_entropy(whole):
    rows = metrics(whole(ppo, SMALL).parent)
    entropies = [row["ppo/policy/entropy"] for row in rows if "ppo/policy/entropy" in row]
    assert min(entropies) > 10 * PPOSettings().min_entropy
