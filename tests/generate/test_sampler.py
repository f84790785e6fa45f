"""The sampler against exact probabilities."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from tutelage.generate.sampler import Bias, Filters, sample, uniforms

LOGITS = [1.0, 0.2, -0.5, 2.1, 0.0, -math.inf, 1.7]
DRAWS = 20_000


def probabilities(temperature: float = 1.0, top_p: float = 1.0, top_k: int = 0) -> list[float]:
    """Return the distribution by the definition, in plain Python."""
    weights = [math.exp(logit / temperature) for logit in LOGITS]
    order = sorted(range(len(LOGITS)), key=lambda i: -weights[i])
    kept = order[: top_k or len(order)]
    total = sum(weights[i] for i in kept)
    nucleus, mass = [], 0.0
    for i in kept:
        if mass < top_p:
            nucleus.append(i)
        mass += weights[i] / total
    total = sum(weights[i] for i in nucleus)
    return [weights[i] / total if i in nucleus else 0.0 for i in range(len(LOGITS))]


def draw(logits: list[float], draws: torch.Tensor, temperature: float, top_p: float, top_k: int) -> list[int]:
    count = len(draws)
    return sample(
        torch.tensor([logits] * count),
        draws,
        Filters(torch.full((count,), temperature), torch.full((count,), top_p), torch.full((count,), top_k)),
    ).tokens.tolist()


@pytest.mark.parametrize(
    ("temperature", "top_p", "top_k"),
    [(1.0, 1.0, 0), (0.5, 1.0, 0), (1.7, 1.0, 0), (1.0, 0.75, 0), (1.0, 1.0, 3), (0.8, 0.6, 4), (1.0, 0.001, 0)],
)
def test_frequencies_match_the_exact_distribution(temperature: float, top_p: float, top_k: int) -> None:
    tokens = draw(LOGITS, torch.from_numpy(uniforms(7, 0, DRAWS)), temperature, top_p, top_k)
    exact = probabilities(temperature, top_p, top_k)
    observed = [tokens.count(i) for i in range(len(LOGITS))]
    assert all(count == 0 for count, p in zip(observed, exact, strict=True) if p == 0)
    possible = [(count, p * DRAWS) for count, p in zip(observed, exact, strict=True) if p > 0]
    if len(possible) > 1:  # a fixed seed: a false alarm of 1 in 1,000 would show once and for all
        assert chisquare([o for o, _ in possible], [e for _, e in possible]).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [0.0, 1e-6, 1e-4])
def test_temperature_zero_and_tiny_take_the_likeliest(temperature: float) -> None:
    assert set(draw(LOGITS, torch.from_numpy(uniforms(1, 0, 50)), temperature, 1.0, 0)) == {3}


@given(st.floats(0, 1, exclude_max=True, width=32), st.integers(0, 6), st.integers(1, 6))
def test_a_token_of_probability_zero_is_never_drawn(value: float, dead: int, size: int) -> None:
    logits = [0.0] * 7
    for i in range(size):
        logits[(dead + i) % 7] = -math.inf
    token = draw(logits, torch.tensor([min(value, 1 - 2**-22)]), 1.0, 1.0, 0)[0]
    assert logits[token] == 0.0


def test_draws_depend_on_seed_and_choice_only() -> None:
    assert uniforms(5, 0, 9).tolist() == uniforms(5, 0, 99)[:9].tolist()
    assert uniforms(5, 0, 9).tolist() != uniforms(5, 1, 9).tolist() != uniforms(6, 1, 9).tolist()
    assert 0 <= uniforms(5, 0, 10_000).min() and uniforms(5, 0, 10_000).max() < 1
    assert uniforms(-3, 0, 2).tolist() != uniforms(3, 0, 2).tolist()


def test_a_row_with_a_filter_does_not_change_what_its_neighbour_draws() -> None:
    logits = torch.tensor([LOGITS, LOGITS])
    value = torch.tensor([0.37, 0.37])
    ones = torch.ones(2)
    alone = sample(logits[:1], value[:1], Filters(ones[:1] * 0.9, ones[:1], torch.tensor([0]))).tokens[0]
    beside = sample(logits, value, Filters(ones * 0.9, torch.tensor([1.0, 0.5]), torch.tensor([0, 2]))).tokens[0]
    assert alone == beside


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_not_finite_are_reported_for_their_row_only(value: float) -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [0.0, value, 2.0]])
    plain = Filters(torch.ones(2), torch.ones(2), torch.zeros(2, dtype=torch.int64))
    drawn = sample(logits, torch.tensor([0.5, 0.5]), plain)
    assert drawn.is_ok.tolist() == [True, False]
    assert drawn.logprobs[0].item() == pytest.approx(logits[0].log_softmax(-1)[drawn.tokens[0]].item(), abs=1e-6)


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 0), (0.7, 3), (0.0, 0)])
def test_a_bias_moves_the_odds_by_definition_and_leaves_the_logprobs(temperature: float, top_k: int) -> None:
    added = {0: 1.5, 3: -2.0, 4: 100.0 if temperature == 0 else 0.5}
    pairs = [(row, token, value) for row in range(0, DRAWS, 2) for token, value in added.items()]
    rows, tokens, values = (torch.tensor(column) for column in zip(*pairs, strict=True))
    filters = Filters(torch.full((DRAWS,), temperature), torch.ones(DRAWS), torch.full((DRAWS,), top_k))
    draws = torch.from_numpy(uniforms(3, 0, DRAWS))
    drawn = sample(torch.tensor([LOGITS] * DRAWS), draws, filters, Bias(rows, tokens, values))
    plain = torch.tensor(LOGITS).log_softmax(-1)
    assert drawn.logprobs.tolist() == pytest.approx(plain[drawn.tokens].tolist(), abs=1e-5)
    beside = sample(torch.tensor([LOGITS] * DRAWS), draws, filters)
    assert drawn.tokens[1::2].tolist() == beside.tokens[1::2].tolist()
    moved = [logit + added.get(i, 0.0) for i, logit in enumerate(LOGITS)]
    own = drawn.tokens[::2].tolist()
    if temperature == 0:
        assert set(own) == {4}
        return
    weights = [math.exp(logit / temperature) for logit in moved]
    kept = sorted(range(len(weights)), key=lambda i: -weights[i])[: top_k or len(weights)]
    total = sum(weights[i] for i in kept)
    assert all(token in kept for token in own)
    likely = [i for i in kept if weights[i] > 0]
    assert chisquare([own.count(i) for i in likely], [weights[i] / total * len(own) for i in likely]).pvalue > 1e-3
