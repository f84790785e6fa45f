"""The engine against transformers' own generation and full forward passes."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedModel

from tests.generate.models import CONFIGS, VOCABULARY, drain, make_model, prompt, reference
from tutelage.errors import UserError
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Event, Request, RequestError


@pytest.fixture(scope="module")
def llama() -> PreTrainedModel:
    return make_model("llama")


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_greedy_equals_the_library_under_staggered_arrivals(family: str) -> None:
    model = make_model(family)
    engine = Engine(model, max_batch=5)
    lengths = [3, 17, 1, 9, 9, 30, 2, 5]
    asked = {}
    events: list[Event] = []
    for i, length in enumerate(lengths):
        request = Request(prompt_ids=prompt(i, length), max_tokens=4 + 3 * i, temperature=0)
        asked[engine.submit(request)] = request
        events += engine.step() if i % 3 == 0 else []
    events += drain(engine)
    for id, request in asked.items():
        ours = [event.token for event in events if event.id == id]
        assert ours == reference(model, request.prompt_ids, request.max_tokens)


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_logprobs_equal_a_full_forward(family: str) -> None:
    model = make_model(family)
    requests = [
        Request(prompt_ids=prompt(i, 2 + 5 * i), max_tokens=12, seed=i, prompt_logprobs=True, top_logprobs=3)
        for i in range(4)
    ]
    engine = Engine(model)
    asked = {engine.submit(request): request for request in requests}
    events = drain(engine)
    for id, request in asked.items():
        own = [event for event in events if event.id == id]
        ids = [*request.prompt_ids, *(event.token for event in own)]
        with torch.no_grad():
            logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        full = logprobs[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()
        assert own[0].prompt is not None and all(event.prompt is None for event in own[1:])
        scores = [score for score, _ in own[0].prompt] + [event.logprob for event in own]
        assert scores == pytest.approx(full, abs=1e-4)
        tops = [top for _, top in own[0].prompt] + [event.top for event in own]
        for position, top in enumerate(tops):
            values, indices = logprobs[position].topk(3)
            assert [entry.token for entry in top] == indices.tolist()
            assert [entry.logprob for entry in top] == pytest.approx(values.tolist(), abs=1e-4)


def test_the_same_seed_gives_the_same_tokens_in_any_batch(llama: PreTrainedModel) -> None:
    def request(i: int) -> Request:
        filters = [{}, {"top_p": 0.8}, {"top_k": 5}, {"temperature": 0.7}][i % 4]
        return Request(prompt_ids=prompt(i, 4 + i), max_tokens=20, seed=i, **filters)

    together = complete(Engine(llama), [request(i) for i in range(12)])
    alone = [complete(Engine(llama), [request(i)])[0] for i in range(12)]
    few = complete(Engine(llama, max_batch=3), [request(i) for i in reversed(range(12))])[::-1]
    assert [r.ids for r in together] == [r.ids for r in alone] == [r.ids for r in few]


def test_choices_of_one_request_differ_and_share_one_prefill(llama: PreTrainedModel) -> None:
    engine = Engine(llama)
    results = complete(engine, [Request(prompt_ids=prompt(1, 10), max_tokens=8, seed=3, n=6)])
    assert len({tuple(result.ids) for result in results}) > 3
    assert engine.stats().prompt_tokens == 10
    again = complete(Engine(llama), [Request(prompt_ids=prompt(1, 10), max_tokens=8, seed=3, n=2)])
    assert [r.ids for r in again] == [r.ids for r in results[:2]]


def test_equal_prompts_are_computed_once_but_greedy_answers_stay_right(llama: PreTrainedModel) -> None:
    engine = Engine(llama)
    requests = [Request(prompt_ids=prompt(i % 2, 7 + i % 2), max_tokens=6 + i, temperature=0) for i in range(6)]
    results = complete(engine, requests)
    assert engine.stats().prompt_tokens == 15
    for request, result in zip(requests, results, strict=True):
        assert result.ids == reference(llama, request.prompt_ids, request.max_tokens)


def test_a_stop_token_ends_a_choice_and_belongs_to_its_ids(llama: PreTrainedModel) -> None:
    ids = reference(llama, prompt(2, 5), 12)
    stop = ids[6]
    result = complete(Engine(llama), [Request(prompt_ids=prompt(2, 5), max_tokens=12, temperature=0, stop_ids=(stop,))])
    assert result[0].ids == ids[: ids.index(stop) + 1]
    assert result[0].finish_reason == "stop" and len(result[0].logprobs) == len(result[0].ids)


def test_cancelled_requests_end_and_others_go_on(llama: PreTrainedModel) -> None:
    engine = Engine(llama, max_batch=4)
    requests = [Request(prompt_ids=prompt(i, 6), max_tokens=15, temperature=0) for i in range(7)]
    ids = [engine.submit(request) for request in requests]
    events = engine.step() + engine.step()
    engine.cancel(ids[0])  # running
    engine.cancel(ids[6])  # waiting
    engine.cancel(99)  # unknown: nothing happens
    events += drain(engine)
    for id, request in zip(ids, requests, strict=True):
        own = [event for event in events if event.id == id]
        tokens = [event.token for event in own if event.token is not None]
        expected = reference(llama, request.prompt_ids, 15)
        assert own[-1].finish_reason == ("cancelled" if id in (ids[0], ids[6]) else "length")
        assert tokens == expected[: {ids[0]: 2, ids[6]: 0}.get(id, 15)]
    assert engine.stats().running == engine.stats().waiting == 0


def test_a_row_without_finite_numbers_fails_alone() -> None:
    model = make_model("llama")
    bad = 13
    model.get_input_embeddings().weight.data[bad] = float("nan")
    engine = Engine(model, max_batch=3)
    prompts = [tuple(token for token in prompt(i, 9) if token != bad) for i in range(4)]
    good = [Request(prompt_ids=ids, max_tokens=8, temperature=0) for ids in prompts]
    poisoned = Request(prompt_ids=(*prompt(5, 20), bad), max_tokens=8)
    clean = make_model("llama")
    results = complete(engine, [good[0], poisoned, good[1], poisoned, good[2], good[3]])
    assert [r.finish_reason for r in results] == ["length", "error", "length", "error", "length", "length"]
    assert "not finite" in results[1].error and results[1].ids == []
    for request, result in zip(good, [results[i] for i in (0, 2, 4, 5)], strict=True):
        assert bad not in result.ids  # else the reference would be another model
        assert result.ids == reference(clean, request.prompt_ids, 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt_ids": ()}, "no token"),
        ({"prompt_ids": (5, VOCABULARY)}, "vocabulary"),
        ({"prompt_ids": (-1,)}, "vocabulary"),
        ({"max_tokens": 62}, "context is 64"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"n": 0}, "n is 0"),
        ({"n": 3, "best_of": 2}, "best_of is 2"),
        ({"presence_penalty": 2.5}, "presence_penalty"),
        ({"frequency_penalty": float("nan")}, "frequency_penalty"),
        ({"logit_bias": ((3, 101.0),)}, "logit_bias"),
        ({"logit_bias": ((VOCABULARY, 1.0),)}, "logit_bias has a token id outside"),
        ({"deadline": 0.0}, "deadline"),
        ({"stop": ("",)}, "stop strings"),
        ({"stop": ("a",)}, "no tokenizer"),
        ({"stream": True}, "no tokenizer"),
    ],
)
def test_impossible_requests_are_refused_with_a_sentence(
    llama: PreTrainedModel, changes: dict[str, object], message: str
) -> None:
    engine = Engine(llama)
    with pytest.raises(RequestError, match=message):
        engine.submit(Request(**{"prompt_ids": (1, 2, 3), "max_tokens": 4, **changes}))
    assert engine.is_idle()


def test_a_request_beyond_the_cache_budget_is_refused_and_smaller_ones_take_turns(llama: PreTrainedModel) -> None:
    one_token = 2 * 2 * 2 * 8 * 4  # keys and values, layers, heads, size, bytes
    engine = Engine(llama, cache_bytes=40 * one_token)
    with pytest.raises(RequestError, match="cache of 40"):
        engine.submit(Request(prompt_ids=prompt(0, 20), max_tokens=21))
    requests = [Request(prompt_ids=prompt(i, 4 + i), max_tokens=9, temperature=0) for i in range(9)]
    for request, result in zip(requests, complete(engine, requests), strict=True):
        assert result.ids == reference(llama, request.prompt_ids, 9)
    for layer in engine._cache.slots:
        assert layer.keys.shape[0] * layer.keys.shape[3] <= 40


def test_at_the_budget_rows_of_one_width_run_together_and_little_is_allocated_anew(llama: PreTrainedModel) -> None:
    one_token = 2 * 2 * 2 * 8 * 4
    engine = Engine(llama, cache_bytes=640 * one_token)
    lengths = [3 + 7 * i % 47 for i in range(60)]
    requests = [Request(prompt_ids=prompt(i, length), max_tokens=9, temperature=0) for i, length in enumerate(lengths)]
    held: list[tuple[tuple[int, int], int]] = []
    results = complete(engine, requests, lambda *_: held.append((engine._cache.place.capacity, engine.stats().running)))
    changes = [now for (before, _), (now, _) in zip(held, held[1:], strict=False) if now != before]
    # Widths are multiples of 32: 640 columns are 10 rows of 64, and later 20 of 32.
    assert len(changes) <= 4 and held[-1][0] == (20, 32)
    assert max(running for (_, width), running in held if width == 64) == 10
    assert max(running for (_, width), running in held if width == 32) == 20
    for request, result in zip(requests[::7], results[::7], strict=True):
        assert result.ids == reference(llama, request.prompt_ids, 9)


def test_no_token_asked_for_scores_the_prompt_only(llama: PreTrainedModel) -> None:
    engine = Engine(llama)
    engine.submit(Request(prompt_ids=prompt(4, 6), max_tokens=0, prompt_logprobs=True))
    (event,) = drain(engine)
    assert event.token is None and event.finish_reason == "length"
    assert event.prompt is not None and len(event.prompt) == 5


def test_swapped_weights_are_used_and_not_while_something_runs() -> None:
    model, other = make_model("llama"), make_model("llama", seed=1)
    engine = Engine(model)
    request = Request(prompt_ids=prompt(8, 8), max_tokens=10, temperature=0)
    before = complete(engine, [request])[0].ids
    expected = reference(other, request.prompt_ids, 10)
    assert before != expected
    engine.submit(request)
    with pytest.raises(UserError, match="swapped"):
        engine.swap(other.state_dict())
    drain(engine)
    engine.swap(other.state_dict())
    assert complete(engine, [request])[0].ids == expected


def test_the_model_is_left_as_it_was() -> None:
    model = make_model("llama").train()
    complete(Engine(model), [Request(prompt_ids=(1, 2), max_tokens=3)])
    assert model.training and model.config._attn_implementation == "sdpa"


def test_identical_batches_are_bitwise_repeatable(llama: PreTrainedModel) -> None:
    requests = [Request(prompt_ids=prompt(i, 5 + i), max_tokens=10, seed=i) for i in range(8)]
    first, second = complete(Engine(llama), requests), complete(Engine(llama), requests)
    assert [(r.ids, r.logprobs) for r in first] == [(r.ids, r.logprobs) for r in second]


def test_a_busy_engine_is_not_completed(llama: PreTrainedModel) -> None:
    engine = Engine(llama)
    engine.submit(Request(prompt_ids=(1,), max_tokens=3))
    with pytest.raises(UserError, match="busy"):
        complete(engine, [])
