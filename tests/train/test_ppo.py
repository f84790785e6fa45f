"""PPO-ptx: it descends what the definitions say, learns, resumes exactly, and stops when something is wrong."""

import copy
import json
import logging
import math

import pytest
import torch

from tutelage.core.kl import FixedKL
from tutelage.errors import DataError, InvariantError, MissingError, SettingsError
from tutelage.files import sha256_of
from tutelage.models.load import load_policy, save
from tutelage.models.policy import Row, collate, completion_logprobs
from tutelage.models.scalar import ScalarModel, load_scalar, save_scalar
from tutelage.models.tokenizer import train_tokenizer
from tutelage.models.tokens import Renderer
from tutelage.runs import Run
from tutelage.train.ema import Ema
from tutelage.train.experience import AdvantageSettings, Experience, targets
from tutelage.train.four import Parents
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam
from tutelage.train.ppo import KLSettings, PPOData, PPOSettings, ppo_loss, train_ppo
from tutelage.train.rollout import Episode, Models, PPOMicro, micro_batches, minibatches_of, score, steps_of
from tutelage.train.streams import PackedRows
from tutelage.train.validation import weights_of

SMALL = PPOSettings(
    episodes=48,
    batch=16,
    minibatch=8,
    max_tokens=6,
    ptx_coef=1.0,
    ptx_rows=2,
    ptx_row_tokens=16,
    kl=KLSettings(kind="adaptive", target=0.1, horizon=100),
    policy=Adam(lr=3e-3),
    value=Adam(lr=3e-3),
    loop=LoopSettings(checkpoint_every=2, micro_tokens=80),
)
BF16 = SMALL.model_copy(update={"loop": SMALL.loop.model_copy(update={"precision": "bf16"})})


class Stop(Exception):
    """Stands for anything that ends a process."""


def ppo(world, run_dir, settings=SMALL, progress=None, **changes):
    data = PPOData(world.prompts, world.texts)._replace(**changes)
    return train_ppo(run_dir, settings, data, Parents(world.policy, world.reward), progress)


def changed(**values):
    return SMALL.model_copy(update=values)


def metrics(run_dir):
    return Run.open(run_dir).read_metrics()


@pytest.mark.parametrize(("at", "settings"), [*((at, SMALL) for at in range(1, 6)), pytest.param(3, BF16, id="bf16")])
def test_interrupted_after_any_step_it_ends_with_the_same_bytes(world, tmp_path, at, settings):
    whole = ppo(world, tmp_path / "whole", settings)

    def stop(step, *_):
        if step == at:
            raise Stop

    with pytest.raises(Stop):
        ppo(world, tmp_path / "broken", settings, stop)
    again = ppo(world, tmp_path / "broken", settings)
    for name in ("model", "ema"):
        assert sha256_of(again.parent / name) == sha256_of(whole.parent / name)
    for name in ("metrics", "samples"):
        logged = [
            [json.loads(line) for line in (path.parent / f"{name}.jsonl").read_text().splitlines()]
            for path in (whole, again)
        ]
        steps = [[row["step"] for row in rows] for rows in logged]
        assert steps[0] == steps[1]


def test_in_bf16_scores_and_updates_agree(world, tmp_path):
    """Were they of different precision, the first ratio of a batch would not be 1, which stops a run."""
    ppo(world, tmp_path / "run", BF16)
    mismatches = [row["rollout/logprob_mismatch"] for row in metrics(tmp_path / "run") if "objective/kl" in row]
    assert mismatches
    assert all(0 < mismatch < 0.05 for mismatch in mismatches)


def test_it_takes_the_planned_steps_and_logs_under_openais_names(world, tmp_path):
    ppo(world, tmp_path / "run")
    rows = metrics(tmp_path / "run")
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
    roles = Run.open(tmp_path / "run").ledger.totals()
    assert roles["pretraining mix"].tokens == 6 * 2 * 16
    assert roles["policy"].flops > roles["reference"].flops > 0


def test_the_average_lies_between_start_and_end(world, tmp_path):
    path = ppo(world, tmp_path / "run")
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


def test_watching_the_policy_changes_nothing_but_what_is_logged(world, tmp_path):
    alone = ppo(world, tmp_path / "a")
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


def test_the_mix_changes_the_policy_and_not_the_first_rollout(world, tmp_path):
    with_mix, without = ppo(world, tmp_path / "a"), ppo(world, tmp_path / "b", changed(ptx_coef=0.0))
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


def reward_for(token, world, directory):
    """A reward model that scores the share of `token` among all tokens so far: uniform attention, no feed-forward."""
    policy, tokenizer = load_policy(world.policy)
    model = ScalarModel.from_policy(policy, 0)
    with torch.no_grad():
        width = policy.config.hidden_size
        embedding = model.trunk.embed_tokens.weight
        embedding.zero_()
        embedding[:, 0] = 1
        embedding[token, 1] = 1
        for layer in model.trunk.layers:
            for part in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.mlp.down_proj):
                part.weight.zero_()
            layer.self_attn.v_proj.weight.copy_(torch.eye(width))
            layer.self_attn.o_proj.weight.copy_(torch.eye(width))
        model.head.weight.zero_()
        model.head.weight[0, 1] = 4
    return save_scalar(model, tokenizer, directory)


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


def models_of(world, dtype=torch.float64):
    policy, _ = load_policy(world.policy, dtype=dtype)
    reward, _ = load_scalar(world.reward, dtype=dtype)
    reward = reward.to(dtype)
    return Models(policy=policy, reference=copy.deepcopy(policy), reward=reward, value=copy.deepcopy(reward))


def episodes():
    """Ragged episodes with fixed tokens, one of them a single end token."""
    generator = torch.Generator().manual_seed(0)

    def ids(count):
        return torch.randint(2, 270, (count,), generator=generator).tolist()

    shapes = [(3, 5), (7, 1), (2, 9), (4, 4), (1, 12), (9, 2), (5, 5), (3, 3)]
    return [Episode(Row(ids(a), ids(b)), [0.0] * b, b % 2 == 0) for a, b in shapes]


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


def test_cut_completions_can_be_penalised(world, tmp_path):
    penalty = AdvantageSettings(missing_end_penalty=10.0)
    ppo(world, tmp_path / "a")
    ppo(world, tmp_path / "b", changed(advantages=penalty))
    one, other = metrics(tmp_path / "a")[0], metrics(tmp_path / "b")[0]
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
        ({"prompts": []}, "None of the prompts"),
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

    def judge(pairs):
        assert [prompt for prompt, _ in pairs] == world.prompts[:9]
        calls.append(len(pairs))
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


def test_without_validation_prompts_no_best_model_is_kept(world, tmp_path):
    ppo(world, tmp_path / "run")
    assert set(Run.open(tmp_path / "run").outputs) == {"model", "ema"}


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


def test_a_healthy_policy_stays_far_above_the_least_entropy(world, tmp_path):
    ppo(world, tmp_path / "run")
    entropies = [row["ppo/policy/entropy"] for row in metrics(tmp_path / "run") if "ppo/policy/entropy" in row]
    assert min(entropies) > 10 * PPOSettings().min_entropy
