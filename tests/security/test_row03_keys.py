"""Row 3: keys are kept nowhere, compared in constant time, and die in the middle of a stream."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firms import NOW, Firm
from tests.serve.scripted import Exchange, ScriptedEngine, ask, in_background, running
from tutelage.serve.admission.grants import FRESH_SECONDS, Grants
from tutelage.store import Store, applications, keys, organisations, quotas
from tutelage.web.errors import ApiError

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

BODY = {"prompt": "a", "max_tokens": 20}
STREAM = {**BODY, "stream": True}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_in_no_file_log_or_answer(store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    firm = Firm.of(store)
    key = firm.key().text
    rotated = keys.rotate(store, key[4:12], keys.pepper(store), overlap=keys.LONGEST_OVERLAP, by="", now=NOW).text
    caplog.set_level(logging.DEBUG)

    async def run() -> bytes:
        said = b""
        async with running(store, engine=ScriptedEngine(words=("a", "b"))) as app:
            for given_key in (key, rotated, key[:-1] + "!", key.swapcase(), key + "x"):
                for body in (BODY, STREAM, {"nonsense": given_key[:3]}, b"{"):
                    answer = await ask(app, "/v1/completions", body, headers=bearer(given_key))
                    said += answer.body + repr(answer.headers).encode()
                    good = 200 if body in (BODY, STREAM) else 400
                    assert answer.status == (good if given_key in (key, rotated) else 401)
        return said

    said = asyncio.run(run())
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"key.create" in files and key[4:12].encode() in files
    for secret in (key[13:], rotated[13:]):
        for place in (files, said, caplog.text.encode()):
            assert secret.encode() not in place and secret.swapcase().encode() not in place


def test_a_wrong_key_takes_the_way_of_a_right_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One comparison in constant time and the same words, whether the id is unknown or only the rest is wrong."""
    firm = Firm.of(store)
    key = firm.key().text
    compared: list[tuple[int, int]] = []
    original = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or original(a, b))

    async def tell(text: str) -> tuple[str, int]:
        grants = Grants(store)
        await grants.refresh()
        await grants._secret()  # its own comparison is not counted
        compared.clear()
        try:
            found = (await grants.of(text)).key_id
        except ApiError as error:
            found = f"{error.status} {error.message} {error.code} {error.headers}"
        return found, len(compared)

    async def run() -> None:
        assert await tell(key) == (key[4:12], 1)
        wrong = [key[:-1] + ("a" if key[-1] != "a" else "b"), "tut_00000000" + key[12:], key[:13] + key[13:].swapcase()]
        told = [await tell(text) for text in [*wrong, "", "x", key + " ", " " + key, key.upper(), key[4:]]]
        assert len(set(told)) == 1 and told[0][1] == 1 and told[0][0].startswith("401")

    asyncio.run(run())


@pytest.fixture
def odd(store: Store) -> Iterator[Callable[[list[tuple[bytes, bytes]]], Exchange]]:
    """Give a function that asks with any headers; the application runs once for all of them."""
    with in_background(store) as asked:
        yield lambda headers: asked("/v1/models", headers=headers)


def test_no_odd_bytes_are_a_key(store: Store, odd: Callable[[list[tuple[bytes, bytes]]], Exchange]) -> None:
    key = Firm.of(store).key().text.encode()
    ends = st.sampled_from([key, key[:-1], key.upper(), b"", key + b"\xff", key.replace(b"_", b"\x00")])

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(
        prefix=st.sampled_from([b"Bearer ", b"bearer\t", b"Basic ", b"", b"Bearer  Bearer "]) | st.binary(max_size=8),
        middle=st.binary(max_size=20),
        end=ends,
        times=st.integers(0, 3),
    )
    def check(prefix: bytes, middle: bytes, end: bytes, times: int) -> None:
        value = prefix + middle + end
        answer = odd([(b"authorization", value)] * times)
        is_key = times == 1 and value.lower().startswith(b"bearer ") and value[7:].strip(b" ") == key
        assert answer.status == (200 if is_key else 401), value

    check()
    for prefix in (b"Bearer ", b"bearer ", b"BEARER   "):
        assert odd([(b"authorization", prefix + key)]).status == 200


async def _cut(
    store: Store, change: Callable[[], Any], body: dict[str, Any], key: str
) -> tuple[Exchange, ScriptedEngine, Any]:
    """Begin an answer that goes on for ever, change something elsewhere, and wait until the answer ends by itself."""
    engine = ScriptedEngine(words=("first ", "never"), pause_after=1)
    async with running(store, engine=engine, now=lambda: NOW) as app:
        exchange = Exchange()
        asking = asyncio.create_task(ask(app, "/v1/completions", body, headers=bearer(key), exchange=exchange))
        if body.get("stream"):
            await exchange.until("first")
        else:
            await _wait(lambda: engine.in_flight == 1)
        await asyncio.to_thread(change)
        await asyncio.wait_for(asking, 30)
        again = await ask(app, "/v1/completions", body, headers=bearer(key))
        await _wait(lambda: engine.in_flight == 0)
    return exchange, engine, again


async def _wait(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.005)


Change = Callable[[Firm, str], Any]
ENDINGS: list[tuple[Change, int, str]] = [
    (lambda firm, key: keys.revoke(firm.store, key, by=firm.customer, now=NOW), 401, "key_revoked"),
    (lambda firm, _: firm.move("suspended", by="monitor"), 403, "application_suspended"),
    (
        lambda firm, _: organisations.set_active(
            firm.store, firm.organisation, False, by=firm.other, reason="x", now=NOW
        ),
        403,
        "organisation_suspended",
    ),
]


@pytest.mark.parametrize(("change", "status", "code"), ENDINGS, ids=["key", "application", "organisation"])
def test_what_is_ended_ends_in_the_middle_of_a_stream(store: Store, change: Change, status: int, code: str) -> None:
    firm = Firm.of(store, state="live")
    key = firm.key()
    exchange, engine, again = asyncio.run(_cut(store, lambda: change(firm, key.key.id), STREAM, key.text))
    *_, last = exchange.events
    assert exchange.status == 200 and last["error"]["code"] == code and exchange.body.endswith(b"data: [DONE]\n\n")
    assert "never" not in exchange.body.decode() and engine.cancelled == 1
    assert (again.status, again.json["error"]["code"]) == (status, code)
    assert FRESH_SECONDS <= 0.25


def test_what_is_ended_ends_an_answer_that_is_not_streamed(store: Store) -> None:
    firm = Firm.of(store, state="live")
    key = firm.key()

    def revoke() -> None:
        applications.ask_revocation(store, firm.id, by=firm.reviewer, reason="x", now=NOW)
        firm.move("revoked", by=firm.other)

    exchange, engine, _ = asyncio.run(_cut(store, revoke, BODY, key.text))
    assert (exchange.status, exchange.json["error"]["code"]) == (403, "application_revoked")
    assert engine.cancelled == 1


def test_an_ended_call_is_counted_for_what_it_cost(store: Store) -> None:
    firm = Firm.of(store, state="live")
    key = firm.key()
    asyncio.run(_cut(store, lambda: keys.revoke(store, key.key.id, by="", now=NOW), STREAM, key.text))
    assert quotas.used(store, firm.id, now=NOW).day_tokens == ScriptedEngine.prompt_tokens + 1
    assert quotas.return_overdue(store, now=NOW + quotas.HELD) == 0
