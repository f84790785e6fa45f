"""The layouts that tests train in, and trainings small enough for a test."""

import torch

from tests.train.small_ppo import SMALL
from tutelage.models.policy import Row
from tutelage.train.batching import Example
from tutelage.train.experience import targets
from tutelage.train.layout import LayoutSettings
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam
from tutelage.train.reward import RewardData, RewardSettings, train_reward
from tutelage.train.rollout import Episode, score, steps_of
from tutelage.train.sft import SFTData, SFTSettings, train_sft

LAYOUTS = {
    "separate": LayoutSettings(),
    "adapters": LayoutSettings(kind="adapters", rank=3, alpha=6),
    "shared_trunk": LayoutSettings(kind="shared_trunk", frozen_share=0.5),
}
SHARING = ["adapters", "shared_trunk"]
OFTEN = LoopSettings(checkpoint_every=2, evaluate_every=3, micro_tokens=128)
PPO = SMALL.model_copy(update={"episodes": 32, "policy": Adam(lr=1e-2), "value": Adam(lr=1e-2)})


def with_loop(settings, kind, **loop):
    return settings.model_copy(update={"layout": LAYOUTS[kind], "loop": settings.loop.model_copy(update=loop)})


def sft(world, run_dir, kind, progress=None, **loop):
    settings = SFTSettings(
        epochs=2, batch=8, dropout=0.1, mix_row_tokens=32, keep_epochs=True, adam=Adam(lr=1e-2), loop=OFTEN
    )
    examples = [Example(*pair) for pair in world.examples(20)]
    data = SFTData(examples[:16], examples[16:], world.texts)
    return train_sft(run_dir, with_loop(settings, kind, **loop), data, world.policy, progress)


def reward(world, run_dir, kind, progress=None, init=None, **loop):
    settings = RewardSettings(epochs=2, batch=8, likelihood=True, adam=Adam(lr=1e-2), loop=OFTEN)
    demonstrations = [Example(*pair) for pair in world.examples(8)]
    data = RewardData(world.rankings(16), world.rankings(6, seed=1), demonstrations)
    return train_reward(run_dir, with_loop(settings, kind, **loop), data, init or world.policy, progress)


def episodes():
    """Ragged episodes with fixed tokens."""
    generator = torch.Generator().manual_seed(0)

    def ids(count):
        return torch.randint(2, 270, (count,), generator=generator).tolist()

    return [Episode(Row(ids(a), ids(b)), [0.0] * b, True) for a, b in [(3, 5), (7, 1), (2, 9), (4, 4)]]


def updates(four):
    """The micro-batches of one update on the fixed episodes: the policy's and the value model's."""
    part = score(four.models, episodes(), [0.0] * 4)
    [step] = steps_of([1], [part], targets([part], PPO.advantages, 0.02))
    return step.parts["ppo"][0], step.parts["value"][0]
