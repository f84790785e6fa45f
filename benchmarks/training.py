"""Training beside TRL: tokens, pairs or episodes per second of SFT, the reward model and PPO.

Both sides begin every turn from the same random weights and read the same tokens, with the same hyper-parameters, as
many optimizer steps (counted) and the same AdamW; neither computes activations twice. bf16 means autocast with fp32
weights and optimizer everywhere but in TRL's PPO, which keeps all in the dtype its models are loaded in, so that it is
measured both ways. The limit is what the matrix products of our side's passes alone would take at the speed measured
here, so that "of it" is the model FLOPs utilisation.
"""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from math import comb
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification
from transformers import PreTrainedTokenizerFast as Tokenizer

from benchmarks import generation
from benchmarks.measure import ROUNDS, Row, compare, probe, turns
from benchmarks.side import Side
from tutelage.models.load import save
from tutelage.models.scalar import ScalarModel, save_scalar

SHAPES = {
    **generation.SHAPES,
    "tiny": {"vocab_size": 64, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
             "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 128},
}  # fmt: skip
UNITS = {"sft": "tokens/s", "reward": "pairs/s", "ppo": "episodes/s"}
#: Ids of the end, of padding and of words that are none.
SPECIAL = ("<|end|>", "<|pad|>", "<|unknown|>")
#: Padded tokens of a forward pass, on both sides.
MICRO_TOKENS = 2048
#: Share of the layers that the shared trunk freezes: the lower two thirds.
FROZEN = 2 / 3
LAYOUTS = ("separate", "adapters", "shared_trunk")


class Pythons(NamedTuple):
    """The Pythons of the environments that have TRL, and the last TRL with PPO."""

    trl: str
    ppo: str


class Case(NamedTuple):
    """One line of the table: `batch` demonstrations, prompts or episodes an optimizer step, `steps` steps a turn.

    Prompt and answer count tokens; demonstrations are from a quarter of these to all of them long. PPO samples
    `minibatches` batches at a time.
    """

    stage: str
    shape: str
    dtype: str
    prompt: int
    answer: int
    batch: int
    steps: int
    completions: int = 1
    minibatches: int = 1
    layout: str = "separate"

    @property
    def name(self) -> str:
        """Return how the case is called in tables."""
        precision = {"float32": "fp32", "bfloat16": "bf16"}[self.dtype]
        ranked = f" K={self.completions}" if self.stage == "reward" else ""
        layout = "" if self.layout == "separate" else f" {self.layout}"
        return f"{self.stage}{layout} {self.shape} {precision}{ranked} {self.prompt}+{self.answer}"

    @property
    def amount(self) -> int:
        """Count what a turn trains on: tokens, pairs or episodes."""
        if self.stage == "sft":
            return sum(len(prompt) + len(completion) for prompt, completion in items(self))
        return self.batch * self.steps * (comb(self.completions, 2) if self.stage == "reward" else 1)


def cases(everything: bool) -> list[Case]:
    """Return the cases: those that decide, or also those of the other precision."""
    decide = [
        Case("sft", "135M", "bfloat16", 128, 128, 16, 3),
        Case("sft", "1M", "float32", 128, 128, 32, 8),
        Case("reward", "135M", "bfloat16", 48, 24, 4, 2, completions=4),
        Case("reward", "135M", "bfloat16", 400, 100, 1, 1, completions=9),
        Case("reward", "1M", "float32", 48, 24, 16, 4, completions=4),
        Case("reward", "1M", "float32", 400, 100, 2, 2, completions=9),
        *(Case("ppo", "135M", "bfloat16", 32, 32, 16, 2, minibatches=2, layout=layout) for layout in LAYOUTS),
        Case("ppo", "1M", "float32", 32, 32, 32, 8, minibatches=4),
    ]
    if not everything:
        return decide
    others = {"bfloat16": "float32", "float32": "bfloat16"}
    return decide + [case._replace(dtype=others[case.dtype]) for case in decide]


def rows(
    asked: Sequence[Case], pythons: Pythons, rounds: int = ROUNDS, tell: Callable[[str], None] = print
) -> Iterator[Row]:
    """Measure the cases, one row each."""
    tell(f"{torch.get_num_threads()} threads; TRL's environments: {pythons.trl}, {pythons.ppo}")
    with tempfile.TemporaryDirectory() as folder:
        for shape in dict.fromkeys(case.shape for case in asked):
            models = make(shape, Path(folder) / shape)
            for case in asked:
                if case.shape == shape:
                    with sides(case, models, pythons) as started:
                        yield measure(case, started, rounds)


@contextmanager
def sides(case: Case, models: Path, pythons: Pythons) -> Iterator[list[Side]]:
    """Start a process per side."""
    names = {"sft": ["TRL", "TRL packed"], "reward": ["TRL pairs"], "ppo": ["TRL PPO", "TRL PPO mended"]}[case.stage]
    if case.stage == "ppo" and case.dtype == "bfloat16":
        names.append("TRL PPO mended fp32 masters")
    python = pythons.ppo if case.stage == "ppo" else pythons.trl
    with ExitStack() as stack:
        started = [worker("ours", models), *(worker(name, models, python) for name in names)]
        for side in started:
            stack.callback(side.end)
        for side in started:
            side.wait()
        yield started


def worker(name: str, models: Path, *python: str) -> Side:
    """Start one side."""
    return Side(name, "trainer_worker.py", [str(models)], *python)


def measure(case: Case, started: Sequence[Side], rounds: int) -> Row:
    """Measure one case in turns."""
    asked = task(case)
    answers: dict[str, list[dict[str, Any]]] = {side.name: [] for side in started}

    def turn(side: Side) -> float:
        answers[side.name].append(side.ask(asked))
        return float(answers[side.name][-1]["seconds"])

    dtype = getattr(torch, case.dtype)
    peaks = [probe(dtype=dtype) for _ in range(5)]
    seconds = turns({side.name: lambda side=side: turn(side) for side in started}, rounds)
    peak = max(*peaks, *(probe(dtype=dtype) for _ in range(5))) * 1e9
    row = compare(case.name, UNITS[case.stage], case.amount, seconds)
    for name, found in answers.items():
        if {answer["steps"] for answer in found} != {case.steps}:
            raise RuntimeError(f"{name} took {[answer['steps'] for answer in found]} optimizer steps, not {case.steps}")
    others = [
        f"{name} {case.amount / statistics.median(values):,.3g}"
        for name, values in seconds.items()
        if name not in ("ours", row.peer)
    ]
    theirs = 100 * row.theirs / case.amount * flops(case, is_ours=False) / peak
    notes = [
        *others,
        f"{case.steps} steps",
        f"peak {peak / 1e9:.0f} GFLOP/s, of which theirs {theirs:.0f} %",
        *(f"{name} {shares(found)}" for name, found in answers.items() if found[0]["parts"]),
        "peak MiB " + ", ".join(f"{name} {max(a['peak'] for a in found):,.0f}" for name, found in answers.items()),
    ]
    return replace(row, limit=peak / flops(case) * case.amount, note="; ".join(notes))


def shares(answers: Sequence[Mapping[str, Any]]) -> str:
    """Write PPO's parts as seconds, medians of the turns after the first."""
    parts = answers[0]["parts"]
    return " + ".join(f"{name} {statistics.median(a['parts'][name] for a in answers[1:]):.2f} s" for name in parts)


def task(case: Case) -> dict[str, Any]:
    """Write down for a worker what it shall do; a TRL forward pass holds as many tokens as ours, where that divides."""
    longest = case.prompt + case.answer
    each = case.batch * (comb(case.completions, 2) if case.stage == "reward" else 1)
    wide = longest * (2 if case.stage == "reward" else 1)
    fitting = [
        count for count in range(1, each + 1) if each % count == 0 and (count == 1 or count * wide <= MICRO_TOKENS)
    ]
    return {
        "stage": case.stage,
        "dtype": case.dtype,
        "items": items(case),
        "batch": case.batch,
        "steps": case.steps,
        "minibatches": case.minibatches,
        "answer": case.answer,
        "row": 2 * longest if case.stage == "sft" else longest,
        "micro": max(fitting),
        "loop": {"micro_tokens": MICRO_TOKENS},
        "layout": {"kind": case.layout, "frozen_share": FROZEN},
    }


def items(case: Case) -> list[Any]:
    """Draw demonstrations [prompt, completion], rankings [prompt, completions] or prompts, as ids.

    Completions end with the end token; PPO's are sampled.
    """
    draw = random.Random(0)
    vocabulary = SHAPES[case.shape]["vocab_size"]

    def ids(count: int) -> list[int]:
        return [draw.randrange(len(SPECIAL), vocabulary) for _ in range(count)]

    def completion() -> list[int]:
        return [*ids(case.answer - 1), 0]

    count = case.batch * case.steps
    if case.stage == "sft":
        return [
            [
                ids(draw.randint(case.prompt // 4, case.prompt)),
                completion()[-draw.randint(case.answer // 4, case.answer) :],
            ]
            for _ in range(count)
        ]
    if case.stage == "reward":
        return [[ids(case.prompt), [completion() for _ in range(case.completions)]] for _ in range(count)]
    return [ids(case.prompt) for _ in range(count)]


def make(shape: str, directory: Path) -> Path:
    """Save a policy with random weights, and a reward model on its trunk as each side reads it."""
    torch.manual_seed(0)
    options = {"tie_word_embeddings": True, "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 1}
    config = LlamaConfig(**SHAPES[shape], **options)
    policy = LlamaForCausalLM(config).eval()
    words = {word: number for number, word in enumerate(SPECIAL)}
    words |= {f"w{number}": number for number in range(len(SPECIAL), config.vocab_size)}
    backend = Backend(models.WordLevel(words, unk_token=SPECIAL[2]))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = Tokenizer(tokenizer_object=backend, eos_token=SPECIAL[0], pad_token=SPECIAL[1], unk_token=SPECIAL[2])
    reward = ScalarModel.from_policy(policy, seed=0)
    classifier = LlamaForSequenceClassification(LlamaConfig(**SHAPES[shape], **options, num_labels=1))
    classifier.model.load_state_dict(policy.model.state_dict())
    classifier.score.weight.data.copy_(reward.head.weight.data)
    save(policy, tokenizer, directory / "policy")
    save_scalar(reward, tokenizer, directory / "reward")
    save(classifier, tokenizer, directory / "classifier")
    return directory


def flops(case: Case, is_ours: bool = True) -> float:
    """Count the operations of a turn's matrix products: 2 a weight and token, 4 a width and look; training is 3 passes.

    Ours shares a prompt among its completions and scores episodes with all four models; TRL has the policy's
    log-probabilities from sampling. Only scored positions meet the vocabulary, whatever a side computes besides.
    """
    prompt, answer, count = case.prompt, case.answer, case.completions
    one = _pass(case.shape, prompt + answer, _causal(prompt + answer))
    if case.stage == "sft":
        rows = [(len(before) + len(after), len(after)) for before, after in items(case)]
        return 3 * sum(_pass(case.shape, length, _causal(length), scored) for length, scored in rows)
    if case.stage == "reward":
        looks = _causal(prompt) + count * (answer * prompt + _causal(answer))
        shared = _pass(case.shape, prompt + count * answer, looks)
        return 3 * case.batch * case.steps * (shared if is_ours else 2 * comb(count, 2) * one)
    head = _pass(case.shape, 0, 0, answer)
    if not is_ours:
        return case.amount * (one + head + 3 * one + head + 3 * (2 * one + head))
    # Frozen weights need no gradient: two passes; a trunk that all share is passed once, and not to learn.
    scoring = FROZEN + 4 * (1 - FROZEN) if case.layout == "shared_trunk" else 4.0
    passes = {"separate": 6.0, "adapters": 4.0, "shared_trunk": 6 * (1 - FROZEN)}[case.layout]
    heads = 3 if case.layout == "separate" else 2
    return case.amount * ((1 + scoring + passes) * one + (1 + 2 + heads) * head)


def _pass(shape: str, tokens: int, looks: float, scored: int = 0) -> float:
    """Count a forward pass."""
    sizes = SHAPES[shape]
    width, heads = sizes["hidden_size"], sizes["num_attention_heads"]
    kept = width * sizes["num_key_value_heads"] // heads
    weights = 2 * width * width + 2 * width * kept + 3 * width * sizes["intermediate_size"]
    layers = sizes["num_hidden_layers"]
    return layers * (2.0 * weights * tokens + 4.0 * width * looks) + 2.0 * width * sizes["vocab_size"] * scored


def _causal(tokens: int) -> float:
    """Count who looks at whom where each token sees those before it and itself."""
    return tokens * (tokens + 1) / 2
