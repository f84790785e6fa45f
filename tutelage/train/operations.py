"""How many floating point operations a training takes, and how long: by the speed of matrix products, of the memory and
of the wires between GPUs, whichever is the slowest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tutelage.errors import SettingsError
from tutelage.models.sizes import Size
from tutelage.train.footprint import BF16, FP32, cache
from tutelage.train.portion import Portion

#: Operations in a petaflop/s-day.
PETAFLOP_DAY = 1e15 * 86_400
#: Bytes that AdamW moves per weight: it reads weight, gradient and two moments and writes back all but the gradient.
ADAM_BYTES, NORM_BYTES, AVERAGE_BYTES = 28, 8, 12
#: How much longer a layer with adapters takes to start: each product becomes three, a scaling and a sum.
ADAPTED_STARTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Some GPUs: each with bytes of memory, operations and bytes a second, and bytes a second to the others.

    `utilisation` is the share of the peak that matrix products reach, `overhead` the seconds it takes to start the
    computation of one layer, which decides the speed of small models.
    """

    gpus: int
    memory: float
    flops: float
    bandwidth: float
    interconnect: float
    utilisation: float
    overhead: float = 0.0

    def __post_init__(self) -> None:
        if self.gpus < 1:
            raise SettingsError(f"A plan for {self.gpus} GPUs makes no sense; name at least one.")
        for name in ("memory", "flops", "bandwidth", "interconnect"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingsError(f"A GPU's {name} must be above 0; give what its data sheet says.")
        if not 0 <= self.overhead < math.inf:
            raise SettingsError(f"An overhead of {self.overhead:g} s is impossible; give 0 or more.")
        if not 0 < self.utilisation <= 1:
            raise SettingsError(f"A utilisation of {self.utilisation:g} is impossible; choose one above 0 and up to 1.")

    @property
    def speed(self) -> float:
        """Give the operations a second that one GPU reaches."""
        return self.flops * self.utilisation


def layer_forward(size: Size, tokens: float, width: float) -> tuple[float, float]:
    """Count a layer's forward pass: 2 per weight and token, and attention to half of `width` tokens."""
    return 2.0 * size.layer * tokens, 2.0 * size.heads * size.head_width * width * tokens


def forward(size: Size, tokens: float, width: float, counted: float = 1.0) -> float:
    """Count a forward pass: all layers, and the output layer for the share of tokens that count."""
    return size.layers * sum(layer_forward(size, tokens, width)) + 2.0 * size.embedding * counted * tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A model's passes over the tokens of one optimizer step, in rows of `width` tokens.

    `counted` is the share of tokens whose logits are made; a scalar model makes none. What comes out of the lower
    layers of a shared trunk may be known from a pass before.
    """

    portion: Portion
    tokens: float
    width: float
    micro_tokens: int
    counted: float = 1.0
    learns: bool = True
    is_known: bool = False
    is_bf16: bool = False
    recomputes: bool = False

    @property
    def size(self) -> Size:
        """Give the counts of the model."""
        return self.portion.size

    @property
    def micros(self) -> int:
        """Count the micro-batches, which are what GPUs share."""
        rows = max(1, int(self.micro_tokens // self.width))
        return max(1, math.ceil(self.tokens / self.width / rows))

    @property
    def operations(self) -> float:
        """Count what the method needs; what is computed twice to save memory is not in it.

        A product is computed once more for the gradient of its input and once more for that of its weights, where these
        are trained; attention has two inputs. Below the first trained weight there is no gradient at all.
        """
        products, looks = layer_forward(self.size, self.tokens, self.width)
        factors = 2.0 * self.portion.factors * self.tokens
        head = 2.0 * self.size.embedding * self.counted * self.tokens
        below, upper = 0.0 if self.is_known else self.beneath, self.portion.upper
        if not self.learns:
            return below + upper * (products + looks) + factors + head
        through = 2 if self.portion.rank else 3
        above = upper * (through * products + 3 * looks) + 3 * factors
        return below + above + (3 if self.portion.trains_head else 2) * head

    @property
    def beneath(self) -> float:
        """Count what the layers that no gradient passes need of it."""
        return self.portion.lower * sum(layer_forward(self.size, self.tokens, self.width))

    def seconds_beneath(self, machine: Machine) -> float:
        """Take the time that those layers need on one GPU."""
        return self.beneath / machine.speed + self.micros * self.portion.lower * machine.overhead

    def seconds(self, machine: Machine) -> float:
        """Take the GPU with the most micro-batches: it computes while weights come and gradients go."""
        mine = math.ceil(self.micros / machine.gpus)
        upper, again = self.portion.upper, 0
        if self.learns and self.recomputes:
            again = upper
        below = 0 if self.is_known else self.portion.lower
        starts = below + (3 if self.learns else 1) * upper + again
        starting = mine * starts * machine.overhead * (ADAPTED_STARTS if self.portion.rank else 1)
        repeated = again * sum(layer_forward(self.size, self.tokens, self.width))
        computing = (self.operations + repeated) * mine / self.micros / machine.speed + starting
        if machine.gpus == 1:
            return computing
        gathered = (BF16 if self.is_bf16 else FP32) * self.size.weights
        moved = (2 * gathered + FP32 * self.size.weights) if self.learns else gathered
        moving = mine * moved * (1 - 1 / machine.gpus) / machine.interconnect
        return max(computing, moving)


def optimizer_seconds(weights: int, machine: Machine, *, is_averaged: bool = False) -> float:
    """Take the time of one optimizer step, which moves memory and computes next to nothing."""
    moved = ADAM_BYTES + NORM_BYTES + (AVERAGE_BYTES if is_averaged else 0)
    return moved * weights / machine.gpus / machine.bandwidth


def sampling_seconds(
    portion: Portion, episodes: int, prompt: float, sampled: float, longest: int, machine: Machine
) -> float:
    """Take the time of one rollout batch: each GPU fetches the whole policy once and samples its share of episodes.

    A step reads all weights and the cache of every running row; the batch waits for its longest completion.
    """
    size, rows = portion.size, math.ceil(episodes / machine.gpus)
    per_row = cache(size, 1, prompt + longest)
    running = max(1.0, min(rows, cache(size, rows, prompt + longest) // per_row))
    steps = math.ceil(rows / running) * sampled + (longest - sampled)
    reading = steps * FP32 * size.weights + rows * sampled * cache(size, 1, prompt + sampled / 2)
    prefill = forward(size, rows * prompt, prompt) / machine.speed
    computing = forward(size, rows * sampled, prompt + sampled) / machine.speed
    fetching = FP32 * size.weights * (1 - 1 / machine.gpus) / machine.interconnect
    starting = steps * size.layers * machine.overhead * (ADAPTED_STARTS if portion.rank else 1)
    return prefill + max(reading / machine.bandwidth, computing) + starting + fetching
