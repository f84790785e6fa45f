"""Tokens per second: the engine against transformers' `generate` and continuous batching, and against vLLM.

All sides continue the same random prompts greedily with the same random weights to the same length; none ends early.
Each side has a process of its own and answers in turn. The limit is what the model's matrix products alone would take,
timed on this machine at the same sizes: what is left of it is attention, sampling and overhead.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.measure import ROUNDS, Row, bandwidth, compare, probe, turns
from benchmarks.side import Side

#: SmolLM2-135M's shape, and that of the village's base.
SHAPES: dict[str, dict[str, int]] = {
    "135M": {"vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
             "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 2048},
    "1M": {"vocab_size": 2048, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4,
           "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512},
}  # fmt: skip
SIDES = ("ours", "generate sdpa", "generate eager", "continuous batching")
NEW = 32


class Case(NamedTuple):
    """One line of the table."""

    shape: str
    dtype: str
    batch: int
    prompt: int

    @property
    def name(self) -> str:
        """Return how the case is called in tables."""
        precision = {"float32": "fp32", "bfloat16": "bf16"}[self.dtype]
        return f"{self.shape} {precision} batch {self.batch} prompt {self.prompt}"


class Engine(Side):
    """A worker that continues prompts; it remembers how long first tokens took, and its peak of memory."""

    def __init__(self, name: str, model: Path, dtype: str, *python: str) -> None:
        super().__init__(name, "worker.py", [str(model), dtype], *python)
        self.first: list[float] = []
        self.peak = 0.0

    def run(self, prompts: Sequence[Sequence[int]]) -> float:
        """Continue the prompts; return the seconds it took."""
        answer = self.ask({"prompts": prompts, "new": NEW})
        self.first.append(answer["first"])
        self.peak = max(self.peak, answer["peak"])
        return float(answer["seconds"])


def cases(everything: bool) -> list[Case]:
    """Return the cases: those that decide, or the whole grid."""
    if everything:
        return [
            Case(shape, dtype, batch, prompt)
            for shape in SHAPES
            for dtype in ("float32", "bfloat16")
            for prompt in (32, 256)
            for batch in (1, 8, 32, 128)
        ]
    return [
        *(Case("135M", "bfloat16", batch, 32) for batch in (1, 8, 32, 128)),
        *(Case("1M", "float32", batch, 32) for batch in (1, 32, 128)),
        Case("135M", "bfloat16", 32, 256),
    ]


def rows(everything: bool = False, vllm: str = "", tell: Callable[[str], None] = print) -> Iterator[Row]:
    """Measure the cases, one row each; `vllm` is the Python of an environment that has it."""
    tell(f"matrix products {probe(dtype=torch.float32):.0f} GFLOP/s in fp32, {probe(dtype=torch.bfloat16):.0f} in bf16;"
         f" memory {bandwidth():.0f} GB/s; {torch.get_num_threads()} threads")  # fmt: skip
    asked = cases(everything)
    with tempfile.TemporaryDirectory() as folder:
        for shape, dtype in dict.fromkeys((case.shape, case.dtype) for case in asked):
            model = make(shape, dtype, Path(folder) / f"{shape}-{dtype}")
            with sides(model, dtype, vllm) as started:
                for case in asked:
                    if (case.shape, case.dtype) == (shape, dtype):
                        yield measure(case, started, model)


@contextmanager
def sides(model: Path, dtype: str, vllm: str) -> Iterator[list[Engine]]:
    """Start a process per side; one that cannot load the model is told and left out."""
    with ExitStack() as stack:
        started = [Engine(name, model, dtype) for name in SIDES]
        if vllm:
            started.append(Engine("vLLM", model, dtype, vllm))
        for side in started:
            stack.callback(side.end)
        for side in started:
            side.wait()
        yield started


def measure(case: Case, started: Sequence[Engine], model: Path) -> Row:
    """Measure one case in turns."""
    draw = random.Random(0)
    vocabulary = SHAPES[case.shape]["vocab_size"]
    prompts = [[draw.randrange(1, vocabulary) for _ in range(case.prompt)] for _ in range(case.batch)]
    for side in started:
        side.first.clear()
    seconds = turns({side.name: lambda side=side: side.run(prompts) for side in started}, ROUNDS)
    row = compare(case.name, "tokens/s", case.batch * NEW, seconds)
    others = {name: case.batch * NEW / sorted(values)[len(values) // 2] for name, values in seconds.items()}
    note = ", ".join(f"{name} {value:,.0f}" for name, value in others.items() if name not in ("ours", row.peer))
    mine = started[0]
    first = f"first token {1000 * sorted(mine.first)[len(mine.first) // 2]:.0f} ms"
    peaks = ", ".join(f"{side.name} {side.peak:,.0f}" for side in started)
    bound = case.batch * NEW / products_seconds(case, model)
    return replace(row, limit=bound, note=f"{note}; {first}; peak MiB so far: {peaks}")


def make(shape: str, dtype: str, directory: Path) -> Path:
    """Save a model with random weights."""
    torch.manual_seed(0)
    config = LlamaConfig(**SHAPES[shape], tie_word_embeddings=True, bos_token_id=None, eos_token_id=0, pad_token_id=0)
    LlamaForCausalLM(config).to(getattr(torch, dtype)).save_pretrained(directory)
    return directory


def products_seconds(case: Case, model: Path) -> float:
    """Time the model's matrix products alone: the prompts at once, then a step for each token after the first."""
    network: Any = LlamaForCausalLM.from_pretrained(model, dtype=getattr(torch, case.dtype))
    inner = [layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear) and name != "lm_head"]

    def once(rows: int, heads: int) -> float:
        made = {layer.in_features: torch.randn(rows, layer.in_features).to(layer.weight.dtype) for layer in inner}
        last = made[network.lm_head.in_features][:heads]
        times = []
        for _ in range(5):
            started = time.perf_counter()
            for layer in inner:
                layer(made[layer.in_features])
            network.lm_head(last)
            times.append(time.perf_counter() - started)
        return min(times)

    with torch.inference_mode():
        return once(case.batch * case.prompt, case.batch) + (NEW - 1) * once(case.batch, case.batch)
