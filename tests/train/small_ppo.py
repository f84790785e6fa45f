"""A small PPO run, and models and episodes by hand, for the tests of PPO."""

import copy

import torch

from tutelage.models.load import load_policy
from tutelage.models.policy import Row
from tutelage.models.scalar import ScalarModel, load_scalar, save_scalar
from tutelage.runs import Run
from tutelage.train.four import Parents
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam
from tutelage.train.ppo import KLSettings, PPOData, PPOSettings, train_ppo
from tutelage.train.rollout import Episode, Models

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
