"""Log-probabilities: against plain-Python softmax, cross-entropy, enumeration, and finite differences."""

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from tutelage.core.logprobs import chunked_logprobs, entropy, token_logprobs


def softmax_by_hand(row: list[float]) -> list[float]:
    powers = [math.exp(x - max(row)) for x in row]
    return [power / sum(powers) for power in powers]


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_three_tokens_by_plain_python() -> None:
    logits = [[[0.1, 2.0, -1.0], [3.0, 3.0, 3.0]], [[-5.0, 0.0, 5.0], [1.0, 0.0, 0.0]]]
    ids = [[1, 0], [0, 2]]
    expected = [[math.log(softmax_by_hand(logits[b][t])[ids[b][t]]) for t in range(2)] for b in range(2)]
    given = token_logprobs(torch.tensor(logits), torch.tensor(ids))
    assert given.dtype == torch.float32
    assert given.tolist() == [pytest.approx(row, abs=1e-6) for row in expected]


def test_equals_negative_cross_entropy() -> None:
    logits, ids = random(3, 5, 11), torch.arange(15).reshape(3, 5) % 11
    expected = -functional.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none").reshape(3, 5)
    torch.testing.assert_close(token_logprobs(logits, ids), expected)


def test_probabilities_of_all_sequences_sum_to_one() -> None:
    """A first-order model over 3 tokens: the logits at each position depend on the token before it."""
    table = random(3, 3, seed=1)
    sequences = torch.tensor(list(product(range(3), repeat=4)))  # [81, 4]
    scores = token_logprobs(table[sequences[:, :-1]], sequences[:, 1:]).sum(-1)
    first = sequences[:, 0]
    assert [scores[first == token].exp().sum().item() for token in range(3)] == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_scored_in_fp32(dtype: torch.dtype) -> None:
    logits = random(4, 50, dtype=torch.float32).to(dtype)
    ids = torch.arange(4)
    exact = torch.tensor([math.log(softmax_by_hand(row)[t]) for t, row in enumerate(logits.double().tolist())])
    given = token_logprobs(logits, ids)
    assert given.dtype == torch.float32
    torch.testing.assert_close(given, exact, atol=1e-5, rtol=0)


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0]])
    assert token_logprobs(logits, torch.tensor([1])).item() == pytest.approx(-2e4)
    assert entropy(logits).item() == pytest.approx(0.0)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(AssertionError, match="do not fit"):
        token_logprobs(torch.zeros(2, 3, 4), torch.zeros(2, 1, dtype=torch.long))


def test_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [math.log(0.7), math.log(0.2), math.log(0.1), -math.inf]])
    expected = [math.log(4), -sum(p * math.log(p) for p in (0.7, 0.2, 0.1))]
    assert entropy(logits).tolist() == pytest.approx(expected)


def test_entropy_is_the_expected_surprise() -> None:
    logits = random(6, seed=2)
    every = torch.arange(6)
    logp = token_logprobs(logits.expand(6, 6), every)
    assert entropy(logits).item() == pytest.approx(-(logp.exp() * logp).sum().item())


def test_entropy_gradient_is_finite_and_right_with_impossible_tokens() -> None:
    free = random(3, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(entropy, (free,))
    masked = torch.tensor([0.3, -math.inf, 0.1], requires_grad=True)
    entropy(masked).backward()
    assert masked.grad is not None and masked.grad.isfinite().all()


CHUNKS = [1, 2, 3, 7, 100]


FROZEN = pytest.mark.parametrize("is_frozen", [False, True], ids=["trained", "frozen"])


@FROZEN
@pytest.mark.parametrize("chunk", CHUNKS)
def test_chunks_give_values_and_gradients_of_the_whole(chunk: int, is_frozen: bool) -> None:
    ids = torch.tensor([0, 4, 2, 2, 1, 3, 0])
    upstream = random(7, seed=9)
    results = []
    for chunked in (True, False):
        hidden, weight = random(7, 3).requires_grad_(), random(5, 3, seed=1).requires_grad_(not is_frozen)
        if chunked:
            logprobs, spread = chunked_logprobs(hidden, weight, ids, chunk)
        else:
            logp = (hidden @ weight.T).log_softmax(-1)
            logprobs, spread = logp[torch.arange(7), ids], -(logp.exp() * logp).sum(-1)
        (logprobs * upstream).sum().backward()
        results.append((logprobs.detach(), spread.detach(), hidden.grad, weight.grad))
    for given, expected in zip(*results, strict=True):
        torch.testing.assert_close(given, expected, atol=1e-12, rtol=1e-12)


@FROZEN
@pytest.mark.parametrize("chunk", CHUNKS)
def test_chunked_gradient_by_finite_differences(chunk: int, is_frozen: bool) -> None:
    inputs = random(7, 3).requires_grad_(), random(5, 3, seed=1).requires_grad_(not is_frozen)
    ids = torch.tensor([0, 4, 2, 2, 1, 3, 0])
    assert torch.autograd.gradcheck(lambda h, w: chunked_logprobs(h, w, ids, chunk).logprobs, inputs)


class Sizes(TorchDispatchMode):
    """Record the number of rows of every tensor as wide as the vocabulary that any operation makes."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary, self.rows = vocabulary, list[int]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, Tensor) and tensor.ndim and tensor.shape[-1] == self.vocabulary:
                self.rows.append(tensor.numel() // self.vocabulary)
        return out


@FROZEN
def test_no_tensor_ever_holds_more_than_a_chunk_of_logits(is_frozen: bool) -> None:
    hidden, weight = random(64, 8).requires_grad_(), random(101, 8, seed=1).requires_grad_(not is_frozen)
    with Sizes(101) as forward:
        logprobs = chunked_logprobs(hidden, weight, torch.arange(64), 5).logprobs
    with Sizes(101) as backward:
        logprobs.sum().backward()
    # the transposed matrix is [H, V] = [8, 101] and no copy: it may be seen, more than a chunk of logits may not
    assert forward.rows and bool(backward.rows) != is_frozen, "with a frozen matrix no logits are computed again"
    assert {rows for rows in forward.rows + backward.rows if rows != 8} <= {5, 64 % 5}


@FROZEN
def test_rows_without_gradient_cannot_spoil_the_others(is_frozen: bool) -> None:
    hidden, weight = random(4, 3), random(5, 3, seed=1)
    ids = torch.tensor([1, 2, 3, 4])
    grads = []
    for filler in (0.0, math.nan, math.inf):
        rows = hidden.clone()
        rows[2] = filler
        rows.requires_grad_()
        matrix = weight.clone().requires_grad_(not is_frozen)
        scored = chunked_logprobs(rows, matrix, ids, 2).logprobs
        torch.where(torch.tensor([True, True, False, True]), scored, 0.0).sum().backward()
        found = [tensor.grad for tensor in (rows, matrix) if tensor.grad is not None]
        assert len(found) == 2 - is_frozen
        assert found[0][2].tolist() == [0.0] * 3
        grads.append(found)
    for other in grads[1:]:
        assert all(torch.equal(one, first) for one, first in zip(other, grads[0], strict=True))


@pytest.mark.parametrize(("train_hidden", "train_weight"), [(True, False), (False, True), (False, False)])
def test_frozen_inputs_get_no_gradient(train_hidden: bool, train_weight: bool) -> None:
    hidden, weight = random(3, 2).requires_grad_(train_hidden), random(4, 2).requires_grad_(train_weight)
    scored = chunked_logprobs(hidden, weight, torch.tensor([0, 1, 2]), 2)
    assert scored.logprobs.requires_grad == (train_hidden or train_weight)
    assert not scored.entropy.requires_grad
    if scored.logprobs.requires_grad:
        scored.logprobs.sum().backward()
    assert (hidden.grad is not None, weight.grad is not None) == (train_hidden, train_weight)


def test_no_rows_at_all() -> None:
    hidden, weight = random(0, 2).requires_grad_(), random(4, 2).requires_grad_()
    scored = chunked_logprobs(hidden, weight, torch.zeros(0, dtype=torch.long), 2)
    scored.logprobs.sum().backward()
    assert scored.logprobs.shape == scored.entropy.shape == (0,)
    assert weight.grad is not None and weight.grad.abs().sum() == 0


def test_bfloat16_and_autocast_score_in_fp32_with_gradients_in_the_dtype_of_the_parameters() -> None:
    hidden, weight, ids = random(9, 16).float(), random(40, 16, seed=1).float(), torch.arange(9)
    exact = token_logprobs(hidden.bfloat16().double() @ weight.bfloat16().double().T, ids)
    half = chunked_logprobs(hidden.bfloat16(), weight.bfloat16(), ids, 4).logprobs
    master = weight.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = chunked_logprobs(hidden, master, ids, 4).logprobs
    mixed.sum().backward()
    reference = weight.clone().requires_grad_()
    token_logprobs(hidden @ reference.T, ids).sum().backward()
    assert half.dtype == mixed.dtype == torch.float32
    torch.testing.assert_close(half.double(), exact, atol=0.05, rtol=0.02)
    torch.testing.assert_close(half, mixed.detach())
    assert master.grad is not None and master.grad.dtype == torch.float32
    torch.testing.assert_close(master.grad, reference.grad, atol=0.05, rtol=0.05)
    found = []
    for matrix in (weight, master):
        states = hidden.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            chunked_logprobs(states, matrix, ids, 4).logprobs.sum().backward()
        found.append(states.grad)
    assert found[0] is not None and found[0].dtype == torch.float32
    assert torch.equal(*found), "with a frozen matrix the same numbers are rounded at the same places"
