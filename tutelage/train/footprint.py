"""How much memory a training holds on each GPU, counted from what the trainers keep; all numbers are bytes.

What lasts through a stage (weights, optimizer states, the average) is cut over the GPUs as FSDP2 cuts it. What a pass
keeps for its backward pass is not: every GPU reads micro-batches of its own. Tests compare the count of activations
with what autograd keeps; `benchmarks/plan.py` compares peaks with those of whole trainings.

Trained weights, their gradients and the optimizer are fp32, the masters of a bfloat16 training too.
"""

from __future__ import annotations

from dataclasses import dataclass

from tutelage.models.policy import CHUNK
from tutelage.models.sizes import Size
from tutelage.train.portion import Portion

FP32, BF16 = 4, 2
#: Weights of prompts that run through the model together when a batch is sampled (generate/engine.py), and the bytes
#: that its cache may take.
PREFILL, CACHE = 4096, 2 << 30
#: Layers that FSDP2 holds whole at a time: the one that computes and the one that is fetched meanwhile.
GATHERED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one role holds on each GPU throughout a stage."""

    role: str
    weights: float
    optimizer: float = 0.0
    average: float = 0.0

    @property
    def total(self) -> float:
        """Add up."""
        return self.weights + self.optimizer + self.average


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a moment of a stage holds on each GPU besides: `copies` are weights that are whole or in another precision.

    With a single micro-batch, gradients appear as fast as activations go (`replaces`).
    """

    name: str
    gradients: float = 0.0
    copies: float = 0.0
    activations: float = 0.0
    logits: float = 0.0
    cache: float = 0.0
    replaces: bool = False

    @property
    def total(self) -> float:
        """Add up what exists at the same time."""
        passing = self.activations + self.logits
        together = max(passing, self.gradients) if self.replaces else passing + self.gradients
        return together + self.copies + self.cache


def held(
    role: str, gpus: int, *, trained: int = 0, frozen: int = 0, narrow: int = 0, is_averaged: bool = False
) -> Held:
    """Count the share of one role: weights; AdamW's two moments and the average of those that are trained.

    All weights are fp32 but `narrow` of the frozen ones, which are bfloat16.
    """
    share = FP32 * trained / gpus
    return Held(
        role=role,
        weights=share + (FP32 * frozen - (FP32 - BF16) * narrow) / gpus,
        optimizer=2 * share,
        average=share if is_averaged else 0,
    )


def activations(
    portion: Portion, tokens: float, *, is_bf16: bool, recomputes: bool, shares_prompts: bool = False
) -> float:
    """Count what a forward pass over `tokens` keeps for the backward pass, in a Llama-like model.

    A layer that a gradient passes keeps what `_layer` counts, the others nothing. A pass that recomputes keeps the
    inputs of the layers, and one layer at a time.
    """
    size, layer = portion.size, _layer(portion, is_bf16=is_bf16, shares_prompts=shares_prompts)
    if recomputes:
        return tokens * (portion.upper * FP32 * size.hidden + layer)
    return tokens * (portion.upper * layer + FP32 * 3 * size.hidden)


def _layer(portion: Portion, *, is_bf16: bool, shares_prompts: bool) -> float:
    """Count the bytes that a layer keeps of a token.

    These are the input of both norms, queries, keys, values, the attention's result and its log-sum-exp, and the gate,
    its activation and the other branch. For the gradients of weights, norms keep the scaled input too, and products
    their inputs: the outputs of both norms and the product of the branches. Frozen weights need none of these, but the
    factors beside them do, and keep what lies between them. In bfloat16 norms stay fp32, and every product keeps its
    own narrow copy of its input.
    """
    size, adapted = portion.size, portion.adapted
    kv_heads = size.heads if shares_prompts else size.kv_heads  # a mask makes attention repeat keys and values
    attention = 2 * (size.heads + kv_heads) * size.head_width
    bytes_ = BF16 if is_bf16 else FP32
    if portion.rank:
        norms = 2 * size.hidden
        if is_bf16:
            inputs = sum(one.inputs for one in adapted)
        else:
            # The last product of attention or feed-forward reads what is kept anyway, or the product of the branches.
            last = {one.owner: one for one in size.products}
            inputs = size.hidden * len({one.owner for one in adapted if one != last[one.owner]})
            inputs += size.feedforward * any(one.inputs == size.feedforward for one in adapted)
        inputs += portion.rank * len(adapted)
    else:
        norms = 4 * size.hidden
        inputs = (5 if is_bf16 else 2) * size.hidden + size.feedforward
    return FP32 * (norms + size.heads + 2) + bytes_ * (inputs + attention + 3 * size.feedforward)


def logits(portion: Portion, counted: float, *, with_entropy: bool = False) -> float:
    """Count the logits that exist at once (they are made in chunks), and the gradient of a trained output layer."""
    if not counted:
        return 0.0
    size, copies = portion.size, 4 if with_entropy else 2
    rows = min(counted, max(1, CHUNK // size.vocabulary))
    return FP32 * (copies * rows * size.vocabulary + (size.embedding if portion.trains_head else 0))


def copies(portion: Portion, gpus: int, *, is_bf16: bool, is_trained: bool) -> float:
    """Count weights in the precision of the products: gathered layers, or on one GPU those that a gradient passes."""
    size, bytes_ = portion.size, BF16 if is_bf16 else FP32
    if gpus > 1:
        layers = GATHERED + (1 if is_trained else 0)  # and the whole gradient of a layer before it is cut
        return bytes_ * (layers * size.layer + size.outside)
    return float(BF16 * portion.upper * size.layer) if is_bf16 and is_trained else 0.0


def reading(portion: Portion, tokens: float, counted: float) -> Moment:
    """Count what a pass without a backward pass holds: a layer's widest moment, and logits where there are any."""
    size = portion.size
    return Moment(
        name="scoring",
        activations=FP32 * tokens * (4 * size.hidden + 3 * size.feedforward),
        logits=logits(portion, counted, with_entropy=True),
    )


def writing(weights: int) -> list[Moment]:
    """Count the fp32 weights that are read again when a model is written, none where no model is."""
    return [Moment(name="writing", copies=float(FP32 * weights))] if weights else []


def cache(size: Size, rows: float, width: float) -> float:
    """Count the keys and values of the rows that sampling holds at once."""
    return min(float(CACHE), FP32 * rows * width * 2 * size.layers * size.kv_heads * size.head_width)
