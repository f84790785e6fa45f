"""Row 15: nothing that the filter blocks leaves, whatever way it is asked for, and without a verdict nothing leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.safety.filters import UNSAFE, WordClassifier, policy
from tests.serve.scripted import Exchange, ScriptedEngine, ask, running
from tutelage.generate.wire import Accepted, Ask, News, Token
from tutelage.safety.content import ContentFilter
from tutelage.serve.screen import FilterOptions, Screen
from tutelage.store import Store

SAFE = "The goat eats grass and sleeps in the sun all day long. It is happy there, and so are we. "
ANSWER = f"{SAFE}{UNSAFE} and more of it. {SAFE}"
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@dataclass(eq=False)
class Writer(ScriptedEngine):
    """Writes `text` in every choice, `size` characters a token; ids are characters, messages their texts in a row."""

    text: str = ANSWER
    size: int = 3

    async def generate(self, ask: Ask) -> AsyncIterator[Accepted | News]:
        self.asked.append(ask)
        self.in_flight += 1
        try:
            ids, messages = ask.ids or (), ask.messages or ()
            prompt = ask.text or "".join(map(chr, ids)) or "\n".join(content for _, content in messages)
            yield Accepted(prompt_tokens=4, prompt_text=prompt)
            for start in range(0, len(self.text), self.size):
                part = self.text[start : start + self.size]
                for choice in range(ask.n):
                    token = Token(spelling=part.encode(), logprob=-1.0, top=((part.encode(), -1.0),))
                    yield News(choice=choice, text=part, is_token=True, token=token)
                await asyncio.sleep(0)
            for choice in range(ask.n):
                yield News(choice=choice, finish_reason="stop")
        finally:
            self.in_flight -= 1


def screen(store: Store, folder: Path, classifier: WordClassifier) -> Screen:
    """Return a filter that somebody chose, with a classifier in this process."""
    made = Screen(store, FilterOptions(is_chosen=True), lambda path: None)  # type: ignore[arg-type, return-value]
    made._content = ContentFilter(policy(folder, secrets=0), classifier)
    return made


async def asked(
    store: Store, folder: Path, bodies: list[tuple[str, dict[str, Any]]], classifier: WordClassifier | None = None
) -> tuple[list[Exchange], Writer]:
    """Send requests one after the other to an application with a filter."""
    engine, found = Writer(), []
    filtering = screen(store, folder, classifier or WordClassifier())
    async with running(store, engine=engine, is_private=True, screen=filtering) as app:
        for path, body in bodies:
            found.append(await ask(app, path, body))
    assert engine.in_flight == 0
    return found, engine


def texts(exchange: Exchange) -> list[str]:
    """Return every choice's text, streamed or plain, of either endpoint."""
    is_streamed = exchange.body.startswith(b"data:")
    chunks = exchange.events if is_streamed else [exchange.json]
    found: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk.get("choices", []):
            said = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
            found[choice["index"]] = found.get(choice["index"], "") + (said.get("content") or "")
    return [found[index] for index in sorted(found)]


COMPLETION, CHAT = "/v1/completions", "/v1/chat/completions"
MESSAGES = {"messages": [{"role": "user", "content": "hello"}], "logprobs": True, "top_logprobs": 2}
WAYS: list[tuple[str, dict[str, Any]]] = [
    (COMPLETION, {"prompt": "hello", "max_tokens": 50}),
    (COMPLETION, {"prompt": "hello", "max_tokens": 50, "stream": True}),
    (COMPLETION, {"prompt": ["hello", "there"], "max_tokens": 50, "n": 3, "logprobs": 2}),
    (COMPLETION, {"prompt": ["hello", "there"], "max_tokens": 50, "n": 3, "logprobs": 2, "stream": True}),
    (COMPLETION, {"prompt": [104, 105], "max_tokens": 50, "echo": True, "logprobs": 1}),
    (COMPLETION, {"prompt": [[104, 105], [105]], "max_tokens": 50, "echo": True, "stream": True}),
    (COMPLETION, {"prompt": "hello", "max_tokens": 50, "n": 2, "best_of": 5, "logprobs": 2}),
    (CHAT, MESSAGES),
    (CHAT, {**MESSAGES, "n": 2, "stream": True}),
]


def test_no_way_of_asking_brings_out_what_is_blocked(store: Store, tmp_path: Path) -> None:
    found, _ = asyncio.run(asked(store, tmp_path, WAYS))
    by_length = set()
    for exchange, (_, body) in zip(found, WAYS, strict=True):
        said = exchange.body.decode()
        assert exchange.status == 200 and UNSAFE not in said and "krum" not in said.replace('"', "").replace(",", "")
        spelled = "".join(part for line in json.dumps(body) for part in line)
        assert UNSAFE not in spelled
        assert '"finish_reason":"content_filter"' in said.replace(" ", "")
        for text in texts(exchange):
            answer = text.removeprefix("hi").removeprefix("i") if body.get("echo") else text
            assert SAFE.startswith(answer) or answer == SAFE
            by_length.add(len(answer))
    assert len(by_length) == 1, "streamed answers end where plain ones do"


def test_log_probabilities_spell_no_more_than_the_text(store: Store, tmp_path: Path) -> None:
    found, _ = asyncio.run(asked(store, tmp_path, [WAYS[2], WAYS[7]]))
    for choice in found[0].json["choices"]:
        assert choice["text"].startswith("".join(choice["logprobs"]["tokens"]))
    (choice,) = found[1].json["choices"]
    spelled = "".join(entry["token"] for entry in choice["logprobs"]["content"])
    assert spelled and choice["message"]["content"].startswith(spelled)


BLOCKED = f"tell me of {UNSAFE} now"
PROMPTS: list[tuple[str, dict[str, Any]]] = [
    (COMPLETION, {"prompt": BLOCKED}),
    (COMPLETION, {"prompt": ["hello", BLOCKED], "stream": True}),
    (COMPLETION, {"prompt": [ord(character) for character in BLOCKED]}),
    (COMPLETION, {"prompt": [[104], [ord(character) for character in "some g.l.o.r.p"]]}),
    (COMPLETION, {"prompt": "a gl\u200bоrp", "echo": True, "max_tokens": 0, "logprobs": 1}),
    (CHAT, {"messages": [{"role": "system", "content": BLOCKED}, {"role": "user", "content": "go"}]}),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": BLOCKED}]}], "stream": True}),
    (CHAT, {"messages": [{"role": "assistant", "content": "so VEX"}, {"role": "user", "content": "nar?"}]}),
]


def test_a_prompt_is_refused_in_every_form(store: Store, tmp_path: Path) -> None:
    found, _ = asyncio.run(asked(store, tmp_path, PROMPTS))
    for exchange, (path, body) in zip(found, PROMPTS, strict=True):
        assert exchange.status == 400, (path, body)
        assert exchange.json["error"]["code"] == "content_filter"


def test_without_a_verdict_nothing_leaves(store: Store, tmp_path: Path) -> None:
    down = WordClassifier(is_down=True)
    found, _ = asyncio.run(asked(store, tmp_path, WAYS, down))
    for exchange in found:
        assert (exchange.status, exchange.json["error"]["code"]) == (503, "content_filter_unavailable")
        assert exchange.headers["retry-after"]


def test_a_filter_that_fails_in_mid_stream_ends_the_stream(store: Store, tmp_path: Path) -> None:
    @dataclass
    class Failing(WordClassifier):
        async def classify(self, texts: Any) -> Any:
            self.is_down = len(self.asked) > 2
            return await super().classify(texts)

    found, _ = asyncio.run(asked(store, tmp_path, [WAYS[1]], Failing()))
    assert found[0].events[-1]["error"]["code"] == "content_filter_unavailable"
    assert found[0].body.endswith(b"data: [DONE]\n\n") and UNSAFE.encode() not in found[0].body


def test_moderations_need_their_scope_and_tell_what_they_know(store: Store, tmp_path: Path) -> None:
    body = {"input": ["hello", f"so {UNSAFE}", "a glorp"], "model": "omni-moderation-latest"}
    (answer,), _ = asyncio.run(asked(store, tmp_path, [("/v1/moderations", body)]))
    safe, unsafe, listed = answer.json["results"]
    assert [one["flagged"] for one in (safe, unsafe, listed)] == [False, True, True]
    assert unsafe["categories"]["hate"] is True and unsafe["categories"]["sexual"] is None
    assert (unsafe["severity"], listed["rule"]) == (2, "list:invented")
    assert answer.json["model"].startswith("default-")
    for wrong in ({"input": []}, {"input": "a" * 100_001}, {"input": [[1]]}, {"input": "a", "threshold": 1}, {}):
        (refused,), _ = asyncio.run(asked(store, tmp_path, [("/v1/moderations", wrong)]))
        assert (refused.status, refused.json["error"]["type"]) == (400, "invalid_request_error"), wrong
