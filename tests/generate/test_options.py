"""What a request can ask for beyond a sample: bias, penalties, best-of, deadlines, long prompts, low precision."""

from __future__ import annotations

import time
from collections import Counter

import pytest
import torch
from transformers import PreTrainedModel

from tests.generate.models import CONFIGS, VOCABULARY, drain, make_model, prompt, reference
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Request
from tutelage.generate.scheduler import PIECE

LONG = 2 * PIECE + 90


@pytest.fixture(scope="module")
def llama() -> PreTrainedModel:
    return make_model("llama")


@pytest.fixture(scope="module")
def reader() -> PreTrainedModel:
    """A model with room for prompts that are read piece by piece."""
    return make_model("llama", context=LONG + 64)


def naive(model: PreTrainedModel, request: Request) -> list[int]:
    """Continue greedily by OpenAI's published formula, one full forward pass a token."""
    ids, sampled = list(request.prompt_ids), Counter[int]()
    for _ in range(request.max_tokens):
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].tolist()
        for token, value in request.logit_bias:
            logits[token] += value
        for token, count in sampled.items():
            logits[token] -= count * request.frequency_penalty + (count > 0) * request.presence_penalty
        token = max(range(len(logits)), key=logits.__getitem__)
        sampled[token] += 1
        ids.append(token)
    return ids[len(request.prompt_ids) :]


@pytest.mark.parametrize(
    "options",
    [
        {"frequency_penalty": 0.7},
        {"presence_penalty": 2.0},
        {"presence_penalty": -1.0, "frequency_penalty": -0.5},
        {"logit_bias": ((5, 6.0), (7, -100.0), (5, 1.0))},
        {"logit_bias": ((11, 9.0),), "frequency_penalty": 2.0},
    ],
)
def test_penalties_and_bias_follow_the_published_formula(llama: PreTrainedModel, options: dict[str, object]) -> None:
    requests = [Request(prompt_ids=prompt(i, 3 + i), max_tokens=14, temperature=0, **options) for i in range(3)]
    plain = [Request(prompt_ids=prompt(9 + i, 6), max_tokens=14, temperature=0) for i in range(2)]
    results = complete(Engine(llama, max_batch=4), [requests[0], plain[0], requests[1], plain[1], requests[2]])
    assert [results[i].ids for i in (0, 2, 4)] == [naive(llama, request) for request in requests]
    assert [results[i].ids for i in (1, 3)] == [reference(llama, one.prompt_ids, 14) for one in plain]
    assert any(results[i].ids != reference(llama, requests[i // 2].prompt_ids, 14) for i in (0, 2, 4))


def test_the_best_of_many_are_those_with_the_highest_mean_logprob(llama: PreTrainedModel) -> None:
    common = {"prompt_ids": prompt(1, 10), "max_tokens": 8, "seed": 3}
    everything = complete(Engine(llama), [Request(n=9, **common)])
    means = {tuple(one.ids): sum(one.logprobs) / len(one.logprobs) for one in everything}
    kept = complete(Engine(llama), [Request(n=2, best_of=9, **common), Request(prompt_ids=prompt(2, 4), max_tokens=2)])
    assert len(kept) == 3
    assert [tuple(one.ids) for one in kept[:2]] == sorted(means, key=lambda ids: -means[ids])[:2]


def test_a_deadline_ends_what_is_waiting_and_what_is_running(llama: PreTrainedModel) -> None:
    engine = Engine(llama, max_batch=1)
    late = [engine.submit(Request(prompt_ids=prompt(i, 5), max_tokens=40, deadline=0.05)) for i in range(2)]
    events = engine.step()
    time.sleep(0.06)
    unhurried = engine.submit(Request(prompt_ids=prompt(7, 5), max_tokens=9, temperature=0, deadline=60))
    events += drain(engine)
    for id in late:
        (last,) = [event for event in events if event.id == id and event.finish_reason]
        assert last.finish_reason == "cancelled" and "deadline" in last.error
    assert [event.token for event in events if event.id == unhurried] == reference(llama, prompt(7, 5), 9)
    assert engine.stats().running == engine.stats().waiting == 0


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_a_long_prompt_is_read_in_pieces_while_others_go_on(family: str) -> None:
    model = make_model(family, context=LONG + 64)
    engine = Engine(model, max_batch=6)
    running = engine.submit(Request(prompt_ids=prompt(1, 5), max_tokens=20, temperature=0))
    events = engine.step()
    long = engine.submit(Request(prompt_ids=prompt(2, LONG), max_tokens=6, temperature=0, n=2))
    short = engine.submit(Request(prompt_ids=prompt(3, 8), max_tokens=6, temperature=0))
    steps = 0
    while not any(event.id == long for event in events):
        new = engine.step()
        steps += 1
        assert sum(event.id == running for event in new) == 1  # nobody waits for the long prompt
        events += new
    assert steps == 4  # it is taken in, then read in three pieces
    assert sum(event.id == short for event in events) > 1
    events += drain(engine)
    for id, ids, count in ((running, prompt(1, 5), 20), (long, prompt(2, LONG), 6), (short, prompt(3, 8), 6)):
        for choice in range(2 if id == long else 1):
            ours = [event.token for event in events if event.id == id and event.choice == choice]
            assert ours == reference(model, ids, count)
    assert engine.stats().prompt_tokens == 5 + LONG + 8


def test_a_long_prompt_is_scored_across_its_pieces(reader: PreTrainedModel) -> None:
    engine, ids = Engine(reader), prompt(4, LONG)
    engine.submit(Request(prompt_ids=ids, max_tokens=1, temperature=0, prompt_logprobs=True, top_logprobs=2))
    (event,) = drain(engine)
    with torch.no_grad():
        logprobs = reader(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = logprobs[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()
    assert event.prompt is not None
    assert [score for score, _ in event.prompt] == pytest.approx(expected, abs=1e-4)
    assert [top[0].token for _, top in event.prompt] == logprobs[:-1].argmax(-1).tolist()


def test_a_long_prompt_can_be_cancelled_on_its_way(reader: PreTrainedModel) -> None:
    engine = Engine(reader)
    long = engine.submit(Request(prompt_ids=prompt(2, LONG), max_tokens=6, n=2))
    events = engine.step() + engine.step()
    engine.cancel(long)
    other = engine.submit(Request(prompt_ids=prompt(2, LONG), max_tokens=3, temperature=0))
    events += drain(engine)
    assert [event.finish_reason for event in events if event.id == long] == ["cancelled", "cancelled"]
    assert [event.token for event in events if event.id == other] == reference(reader, prompt(2, LONG), 3)
    assert engine.is_idle()


def test_the_choices_of_one_request_wait_for_each_other_and_share_their_prompt(llama: PreTrainedModel) -> None:
    engine = Engine(llama, max_batch=4)
    first = Request(prompt_ids=prompt(5, 6), max_tokens=9, temperature=0, n=3)
    second = Request(prompt_ids=prompt(6, 7), max_tokens=5, temperature=0, n=4)
    wide = Request(prompt_ids=prompt(7, 5), max_tokens=4, temperature=0, n=9)  # more than ever run together
    results = complete(engine, [first, second, wide])
    assert engine.stats().prompt_tokens == 6 + 7 + 5 * 3
    for request, mine in ((first, results[:3]), (second, results[3:7]), (wide, results[7:])):
        assert {tuple(one.ids) for one in mine} == {tuple(reference(llama, request.prompt_ids, request.max_tokens))}


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_bfloat16_stays_near_a_full_forward_pass(family: str) -> None:
    model = make_model(family)
    for parameter in model.parameters():
        parameter.data.div_(2)  # ordinary logits: of the tripled weights they are hundreds
    model = model.to(torch.bfloat16)
    requests = [Request(prompt_ids=prompt(i, 2 + i), max_tokens=30, seed=i, prompt_logprobs=True) for i in range(20)]
    engine = Engine(model)
    asked = {engine.submit(request): request for request in requests}
    events = drain(engine)
    differences = []
    for id, request in asked.items():
        own = [event for event in events if event.id == id]
        ids = [*request.prompt_ids, *(event.token for event in own if event.token is not None)]
        with torch.no_grad():
            logprobs = model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
        full = logprobs[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()
        assert own[0].prompt is not None
        scores = [score for score, _ in own[0].prompt] + [event.logprob for event in own]
        differences += [abs(a - b) for a, b in zip(scores, full, strict=True)]
    differences.sort()
    assert len(differences) > 700
    assert sum(differences) / len(differences) < 6e-2
    assert differences[int(0.99 * len(differences))] < 0.3


def test_a_ban_is_kept_by_every_way_to_sample(llama: PreTrainedModel) -> None:
    banned = tuple((token, -100.0) for token in range(VOCABULARY) if token not in (3, 4))
    filters = ({}, {"temperature": 0.0}, {"temperature": 0.5}, {"top_p": 0.9}, {"top_k": 7})
    requests = [
        Request(prompt_ids=prompt(i, 5), max_tokens=12, seed=i, logit_bias=banned, **options)
        for i, options in enumerate(filters)
    ]
    for result in complete(Engine(llama), requests):
        assert set(result.ids) <= {3, 4}
