"""Row 9: whatever a body holds, the answer is a sentence in the one shape: 413 when it is too long, else 400."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.firms import UNLIMITED, Firm
from tests.serve.scripted import Exchange, in_background
from tutelage.serve.api.bodies import MOST_BYTES, MOST_DEPTH, MOST_NAMES
from tutelage.store import Store
from tutelage.store.application_forms import Conditions
from tutelage.web.site import utc_now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

Ask = Callable[..., Exchange]
#: An ordinary body of each endpoint, and the name of what it says.
ORDINARY: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/completions": ("prompt", {"prompt": "a", "max_tokens": 3}),
    "/v1/chat/completions": ("messages", {"messages": [{"role": "user", "content": "a"}]}),
    "/v1/moderations": ("input", {"input": "a"}),
    "/v1/feedback": ("comment", {"request_id": "cmpl-1", "thumb": "up"}),
}


@pytest.fixture
def post(store: Store) -> Iterator[Ask]:
    """Give a function that posts bytes to a server in which the caller may do everything."""
    firm = Firm.of(store)
    firm.review(Conditions(limits=UNLIMITED))
    key = firm.key(now=utc_now(), scopes=("complete", "feedback", "moderate")).text
    with in_background(store) as asking:
        yield lambda path, body, **more: asking(path, body, headers={"Authorization": f"Bearer {key}", **more})


def nested(depth: int) -> bytes:
    return b'{"prompt":' + b"[" * depth + b"]" * depth + b"}"


def deep_objects(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


#: Bodies that no endpoint may take, each by itself.
HOSTILE: dict[str, bytes] = {
    "nothing": b" ",
    "no JSON": b"{prompt: a}",
    "two values": b'{"prompt":"a"}{"prompt":"b"}',
    "cut": b'{"prompt":"a',
    "a list": b'["a"]',
    "a number": b"7",
    "null": b"null",
    "no UTF-8": b'{"prompt":"\xff\xfe"}',
    "UTF-16": json.dumps({"prompt": "a"}).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + b'{"prompt":"a"}',
    "a surrogate in UTF-8": b'{"prompt":"\xed\xa0\x80"}',
    "half a surrogate pair": b'{"prompt":"\\ud800"}',
    "half of one as a name": b'{"\\uDFFF":"a"}',
    "halves in the wrong order": b'{"prompt":"\\udc00\\ud800"}',
    "NaN": b'{"prompt":"a","temperature":NaN}',
    "Infinity": b'{"prompt":"a","temperature":Infinity}',
    "minus Infinity": b'{"prompt":"a","presence_penalty":-Infinity}',
    "a number beyond all floats": b'{"prompt":"a","temperature":1e999}',
    "a number of 5,000 digits": b'{"prompt":"a","seed":' + b"9" * 5000 + b"}",
    "a name twice": b'{"prompt":"a","prompt":"b"}',
    "a name twice inside": b'{"prompt":"a","stream_options":{"include_usage":true,"include_usage":false}}',
    "the same name spelled differently": b'{"prompt":"a","\\u0070rompt":"b"}',
    "too deep": nested(MOST_DEPTH),
    "much too deep": nested(400_000),
    "objects too deep": deep_objects(MOST_DEPTH + 1),
    "objects much too deep": deep_objects(150_000),
    "a list of numbers": json.dumps({"prompt": [1] * 300_000}).encode(),
    "a list of lists": b'{"prompt":[' + b",".join([b"[]"] * 300_000) + b"]}",
    "a list of texts": json.dumps({"prompt": ["a"] * 200_000}).encode(),
    "a list of objects": b'{"messages":[' + b",".join([b"{}"] * 300_000) + b"]}",
    "many stop strings": json.dumps({"prompt": "a", "stop": ["a"] * 5}).encode(),
    "many biases": json.dumps({"prompt": "a", "logit_bias": {str(i): 1 for i in range(1025)}}).encode(),
    "many names": json.dumps({f"n{i}": 1 for i in range(MOST_NAMES + 1)}).encode(),
    "a long name": json.dumps({"n" * 500_000: 1}).encode(),
    "an empty name": b'{"":1}',
    "a prototype": b'{"__proto__":{"a":1},"constructor":1}',
    "token ids that are none": b'{"prompt":[1.5,"a",null,true]}',
    "a huge token id": b'{"prompt":[99999999999999999999999999]}',
}


def is_told(answer: Exchange, statuses: tuple[int, ...] = (400,)) -> bool:
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"].endswith("."), error
    assert len(answer.body) < 2000
    return answer.status in statuses


def test_hostile_bodies_are_400_at_every_endpoint(post: Ask) -> None:
    for path in ORDINARY:
        for name, body in HOSTILE.items():
            assert is_told(post(path, body)), (path, name)


def test_the_longest_body_is_read_and_one_byte_more_is_413(post: Ask) -> None:
    frame = b'{"prompt":"","model":"nobody"}'
    longest = frame.replace(b'""', b'"' + b"a" * (MOST_BYTES - len(frame)) + b'"')
    assert len(longest) == MOST_BYTES
    assert post("/v1/completions", longest).status == 404  # it was read as far as the model's name
    assert is_told(post("/v1/completions", longest + b" "), (413,))
    for told in (str(MOST_BYTES + 1), "9" * 400):  # nothing is read of what says itself that it is too long
        assert is_told(post("/v1/completions", b"{}", **{"Content-Length": told}), (413,))


def test_ordinary_bodies_are_answered_and_other_kinds_of_bodies_are_415(post: Ask) -> None:
    for path, (_, body) in ORDINARY.items():
        assert post(path, body).status == (404 if path == "/v1/feedback" else 200)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", ""):
            assert is_told(post(path, json.dumps(body).encode(), **{"Content-Type": kind}), (415,))
        for kind in ("application/json; charset=utf-8", "Application/JSON"):
            assert post(path, json.dumps(body).encode(), **{"Content-Type": kind}).status != 415
    inside = b'{"messages":[{"role":"user","content":[{"type":"text","text":"a \\ud83d\\ude42"}]}]}'
    assert post("/v1/chat/completions", inside).status == 200  # a whole pair is a character


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["a", "user", "text"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "include_usage", "7", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
NAMES = ["model", "n", "best_of", "max_tokens", "temperature", "top_p", "seed", "stop", "stream", "stream_options",
         "presence_penalty", "logit_bias", "user", "prompt", "echo", "logprobs", "suffix", "messages", "top_logprobs",
         "input", "request_id", "choice", "thumb", "reasons", "ranking", "comment", "correction", "id"]  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(sorted(ORDINARY)), body=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6))
def test_no_body_is_our_fault(post: Ask, path: str, body: dict[str, Any]) -> None:
    _, ordinary = ORDINARY[path]
    answer = post(path, json.dumps({**ordinary, **body}).encode())
    assert answer.status < 500 and (answer.status == 200 or is_told(answer, (400, 403, 404)))


@pytest.mark.parametrize("seed", range(3))
def test_no_damage_to_a_body_is_our_fault(post: Ask, seed: int) -> None:
    draw = random.Random(seed)
    for path, (_, body) in ORDINARY.items():
        for _ in range(60):
            raw = bytearray(json.dumps({**body, "user": "kim", "seed": 3}).encode())
            for _ in range(draw.randrange(1, 6)):
                place = draw.randrange(len(raw))
                raw[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(3))
            answer = post(path, bytes(raw))
            assert answer.status == 200 or is_told(answer, (400, 404)), raw
