"""The API as the openai client sees it, from a real server process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest
import torch

from tests.generate.tiny import make
from tutelage.models.load import load_policy


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
        yield client


def greedy(ids: list[int], count: int, folder: Path | None = None) -> str:
    model, tokenizer = load_policy(folder) if folder else make()
    output = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=count,
        do_sample=False,
        pad_token_id=0,
    )
    return tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True, clean_up_tokenization_spaces=False)


def encode(text: str) -> list[int]:
    return make()[1].encode(text, add_special_tokens=False)


def test_models_are_listed_by_alias_and_version(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["chatty", "chatty@1", "default", "tiny@1"]
    assert client.models.retrieve("default").model_extra == {"version": "tiny@1"}


def test_a_completion_continues_the_text_as_the_model_does(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="default", prompt="the goat eats", max_tokens=12, temperature=0)
    assert answer.choices[0].text == greedy(encode("the goat eats"), 12)
    assert answer.model == "tiny@1" and answer.object == "text_completion"
    assert answer.usage and answer.usage.prompt_tokens == len(encode("the goat eats"))
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_all_four_forms_of_prompts_and_n(client: openai.OpenAI) -> None:
    texts = ["the goat", "one two"]
    ids = [encode(text) for text in texts]
    expected = [greedy(prompt, 6) for prompt in ids]
    for prompt in (texts, ids):
        answer = client.completions.create(model="default", prompt=prompt, max_tokens=6, temperature=0, n=2)
        assert [choice.text for choice in answer.choices] == [expected[0]] * 2 + [expected[1]] * 2
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    for one in (texts[1], ids[1]):
        answer = client.completions.create(model="default", prompt=one, max_tokens=6, temperature=0)
        assert [choice.text for choice in answer.choices] == expected[1:]


def test_the_same_seed_gives_the_same_text(client: openai.OpenAI) -> None:
    def ask(seed: int) -> list[str]:
        answer = client.completions.create(model="default", prompt="the", max_tokens=10, seed=seed, n=3)
        return [choice.text for choice in answer.choices]

    assert ask(1) == ask(1) != ask(2)


def test_echo_and_logprobs_score_the_prompt(client: openai.OpenAI) -> None:
    text = "wie schön 日本"
    answer = client.completions.create(
        model="default", prompt=text, max_tokens=3, temperature=0, echo=True, logprobs=2
    ).choices[0]
    model, tokenizer = make()
    ids = encode(text)
    assert answer.text == text + greedy(ids, 3)
    scores = answer.logprobs
    assert scores and scores.tokens and scores.token_logprobs and scores.top_logprobs and scores.text_offset
    with torch.no_grad():
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    exact = [logprobs[i, token].item() for i, token in enumerate(ids[1:])]
    assert scores.token_logprobs[0] is None
    assert scores.token_logprobs[1 : len(ids)] == pytest.approx(exact, abs=1e-4)
    assert max(scores.top_logprobs[1].values()) == pytest.approx(logprobs[0].max().item(), abs=1e-4)
    placed = list(zip(scores.tokens, scores.text_offset, strict=True))
    assert all(answer.text[at:].startswith(token) for token, at in placed if not token.startswith("bytes:"))


def test_the_best_of_several_are_kept_and_all_are_counted(client: openai.OpenAI) -> None:
    common = {"model": "default", "prompt": "the", "max_tokens": 9, "seed": 5, "logprobs": 0}
    drawn = client.completions.create(**common, n=6)
    means = {one.text: sum(one.logprobs.token_logprobs) / len(one.logprobs.tokens) for one in drawn.choices}
    best = client.completions.create(**common, n=2, best_of=6)
    assert [choice.text for choice in best.choices] == sorted(means, key=lambda text: -means[text])[:2]
    assert [choice.index for choice in best.choices] == [0, 1]
    assert best.usage == drawn.usage


def test_a_bias_and_penalties_reach_the_model(client: openai.OpenAI) -> None:
    token = make()[1].encode("a", add_special_tokens=False)[0]
    common = {"model": "default", "prompt": "the", "max_tokens": 8, "temperature": 0}
    forced = client.completions.create(**common, logit_bias={str(token): 100})
    assert forced.choices[0].text == "a" * 8
    plain = client.completions.create(**common)
    assert client.completions.create(**common, frequency_penalty=2).choices[0].text != plain.choices[0].text
    chat = client.chat.completions.create(
        model="default",
        messages=[{"role": "user", "content": "the"}],
        max_tokens=3,
        logit_bias={str(token): 100},
        presence_penalty=0.5,
    )
    assert chat.choices[0].message.content == "aaa"


def test_a_prompt_is_scored_without_a_new_token(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="default", prompt="the hat", max_tokens=0, echo=True, logprobs=0)
    assert answer.choices[0].text == "the hat" and answer.choices[0].finish_reason == "length"
    assert answer.usage and answer.usage.completion_tokens == 0


@pytest.mark.parametrize("seed", range(6))
def test_streamed_text_and_logprobs_equal_the_plain_ones(client: openai.OpenAI, seed: int) -> None:
    whole = client.completions.create(model="default", prompt="the", max_tokens=40, seed=seed, n=2)
    stop = whole.choices[0].text[5:7] or "q"
    common = {"model": "default", "prompt": ["the", "wie"], "max_tokens": 40, "seed": seed, "n": 2, "stop": [stop]}
    plain = client.completions.create(**common, logprobs=1, echo=seed % 2 == 1)
    texts, tokens, reasons = [""] * 4, [[] for _ in range(4)], [None] * 4
    usage = None
    for chunk in client.completions.create(
        **common, logprobs=1, echo=seed % 2 == 1, stream=True, stream_options={"include_usage": True}
    ):
        usage = chunk.usage
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            tokens[choice.index] += choice.logprobs.tokens
            reasons[choice.index] = choice.finish_reason or reasons[choice.index]
    assert texts == [choice.text for choice in plain.choices]
    assert tokens == [choice.logprobs.tokens for choice in plain.choices]
    assert reasons == [choice.finish_reason for choice in plain.choices]
    assert usage == plain.usage
    assert stop not in plain.choices[0].text[len("the") if seed % 2 else 0 :]


def test_a_plain_model_reads_one_message_as_it_was_trained_to(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="default", messages=[{"role": "user", "content": "one two"}], max_tokens=8, temperature=0
    )
    assert answer.choices[0].message.content == greedy(encode("one two\n"), 8)
    assert answer.choices[0].message.role == "assistant" and answer.object == "chat.completion"


def test_a_chat_model_reads_its_template_and_streams(client: openai.OpenAI, folder: Path) -> None:
    messages = [{"role": "system", "content": "be <|end|> good"}, {"role": "user", "content": "hat?"}]
    tokens = make()[1].backend_tokenizer
    tokens.encode_special_tokens = True  # what a user writes never becomes a special token
    parts = ["<system>", "be <|end|> good", "</system><user>", "hat?", "</user><assistant>"]
    ids = [id for part in parts for id in tokens.encode(part, add_special_tokens=False).ids]
    expected = greedy(ids, 10, folder / "chatty")
    common = {"model": "chatty", "messages": messages, "max_completion_tokens": 10, "temperature": 0}
    plain = client.chat.completions.create(**common, logprobs=True, top_logprobs=2)
    assert plain.choices[0].message.content == expected
    assert plain.choices[0].logprobs and all(len(e.top_logprobs) == 2 for e in plain.choices[0].logprobs.content)
    chunks = list(client.chat.completions.create(**common, stream=True))
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == expected
    assert [chunk.choices[0].delta.role for chunk in chunks][:2] in (["assistant", None], ["assistant"])


def test_a_stream_ends_with_done(server: str) -> None:
    body = {"model": "default", "prompt": "a", "max_tokens": 2, "stream": True}
    answer = httpx2.post(f"{server}/v1/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    assert all(json.loads(line.removeprefix("data: "))["id"].startswith("cmpl-") for line in lines[:-1])


BAD = [
    ("POST", "/v1/completions", {"json": {"model": "../tiny", "prompt": "a"}}, 404, "no model"),
    ("POST", "/v1/completions", {"json": {"model": "/etc/passwd", "prompt": "a"}}, 404, "no model"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "max_tokens": 500}}, 400, "context is 96"),
    ("POST", "/v1/completions", {"json": {"prompt": [], "max_tokens": 5}}, 400, "prompt"),
    ("POST", "/v1/completions", {"json": {"prompt": [[1], [99999]]}}, 400, "vocabulary"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "temperature": -1}}, 400, "temperature"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "n": 17}}, 400, "n:"),
    ("POST", "/v1/completions", {"json": {"prompt": ["a"] * 65, "n": 2}}, 400, "at most 128"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "best_of": 3, "stream": True}}, 400, "best_of"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "best_of": 2, "n": 3}}, 400, "best_of"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "presence_penalty": 2.1}}, 400, "presence_penalty"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "logit_bias": {"x": 1}}}, 400, "logit_bias"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "logit_bias": {"3": 101}}}, 400, "logit_bias"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "logit_bias": {"99999": 1}}}, 400, "vocabulary"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "temprature": 1}}, 400, "temprature"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "suffix": "b"}}, 400, "suffix"),
    ("POST", "/v1/completions", {"json": {"prompt": "a", "stream_options": {}}}, 400, "stream"),
    ("POST", "/v1/completions", {"json": ["a"]}, 400, "object"),
    ("POST", "/v1/completions", {"content": b'{"prompt": "\\ud800"}', "headers": {}}, 400, "JSON"),
    ("POST", "/v1/completions", {"content": b"{", "headers": {}}, 400, "JSON"),
    ("POST", "/v1/completions", {"content": b"[" * 100_000, "headers": {}}, 400, "JSON"),
    ("POST", "/v1/completions", {"content": b'{"temperature": NaN}', "headers": {}}, 400, "JSON"),
    ("POST", "/v1/completions", {"content": b'{"prompt": "' + b"a" * (1 << 20) + b'"}', "headers": {}}, 413, "exceeds"),
    ("POST", "/v1/completions", {"data": {"prompt": "a"}}, 415, "Content-Type"),
    ("POST", "/v1/chat/completions", {"json": {"messages": []}}, 400, "messages"),
    ("POST", "/v1/chat/completions", {"json": {"messages": [{"role": "x", "content": "a"}]}}, 400, "messages"),
    ("GET", "/v1/completions", {}, 405, "GET"),
    ("GET", "/v1/models/none", {}, 404, "no model"),
    ("GET", "/nothing", {}, 404, "/nothing"),
    ("GET", "/v1/models", {"headers": {"Host": "evil.example"}}, 403, "localhost"),
]


@pytest.mark.parametrize(("method", "path", "options", "status", "message"), BAD)
def test_every_error_has_the_one_shape(
    server: str, method: str, path: str, options: dict[str, object], status: int, message: str
) -> None:
    if "content" in options:
        options = {**options, "headers": {"Content-Type": "application/json"}}
    answer = httpx2.request(method, server + path, **options)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert message in error["message"] and error["type"] == "invalid_request_error"


def test_health_needs_no_key(server: str) -> None:
    assert httpx2.get(f"{server}/healthz").json() == {"status": "ok"}
    assert httpx2.get(f"{server}/readyz").json() == {"status": "ready"}
