"""A whole world to train in, small enough to be trained on in a test."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.train.layouts import LAYOUTS, PPO, reward, with_loop
from tutelage.files import write_json
from tutelage.models.adapters import FOLDER, Adapters, Lora
from tutelage.models.load import Shape, fresh, load_policy, save
from tutelage.models.scalar import ScalarModel, save_scalar
from tutelage.models.tokenizer import train_tokenizer
from tutelage.records import RankedGroup
from tutelage.train.four import Parents, load_four

WORDS = ["ab", "ba", "cab", "dab", "bad", "dad", "add", "bed", "fed", "cafe", "face", "fade"]


@dataclass(frozen=True)
class World:
    """Directories of a policy and a reward model, and texts."""

    root: Path
    policy: Path
    reward: Path
    texts: list[str]
    prompts: list[str]

    def examples(self, count: int) -> list[tuple[str, str]]:
        """Prompts, each with its own last word as the completion."""
        return [(prompt, prompt.split()[-1]) for prompt in self.prompts[:count]]

    def rankings(self, count: int, seed: int = 0) -> list[RankedGroup]:
        """Completions of which the longer one is better."""
        rng = random.Random(seed)
        groups = []
        for number in range(count):
            texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 5))) for _ in range(rng.randint(4, 6))]
            order = sorted({len(text) for text in texts}, reverse=True)
            ranks = tuple(order.index(len(text)) for text in texts)
            prompt = self.prompts[number % len(self.prompts)]
            groups.append(RankedGroup(prompt=prompt, completions=tuple(texts), ranks=ranks))
        return groups


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    """Random models over a real tokenizer; texts and prompts are words of a few letters."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("world")
    rng = random.Random(1)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(5, 30))) + "." for _ in range(60)]
    prompts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 6))) for _ in range(40)]
    tokenizer = train_tokenizer(texts, 280)
    model = fresh(Shape(hidden=16, layers=2, heads=2, feedforward=32, context=64), tokenizer, seed=0)
    policy = save(model, tokenizer, root / "policy")
    reward = save_scalar(ScalarModel.from_policy(load_policy(policy)[0], seed=0), tokenizer, root / "reward")
    # An adapter that adds nothing: the reward model fits every layout.
    adapters = Adapters(load_policy(policy)[0])
    adapters.add("reward", Lora(rank=3, alpha=6), seed=0)
    adapters.write(reward / FOLDER, "reward")
    write_json(root / "data.json", {"texts": texts, "prompts": prompts})
    assert json.loads((root / "data.json").read_text())["prompts"] == prompts
    return World(root, policy, reward, texts, prompts)


@pytest.fixture(scope="session")
def whole(world, tmp_path_factory):
    """Give a function that trains in one go, and only once with the same arguments: tests read what it made."""
    made = {}

    def train(trainer, *arguments, **changes):
        key = f"{trainer.__module__}.{trainer.__name__} {arguments} {changes}"
        if key not in made:
            made[key] = trainer(world, tmp_path_factory.mktemp("whole") / "run", *arguments, **changes)
        return made[key]

    return train


@pytest.fixture(scope="session")
def rewards(whole):
    """Reward models of the world's policy, one trained in each layout."""
    return {kind: whole(reward, kind) for kind in LAYOUTS}


@pytest.fixture
def four(world, rewards):
    """Give a function that loads the four models of PPO in a layout."""

    def load(kind, **loop):
        return load_four(Parents(world.policy, rewards[kind]), with_loop(PPO, kind, **loop))

    return load
