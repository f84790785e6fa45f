"""What is written down of calls, however they end, and what customers say of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.databases import database, store
from tests.firms import NOW, Firm
from tests.safety.filters import SENSITIVE, UNSAFE, WordClassifier, policy
from tests.serve.scripted import Exchange, ScriptedEngine, ask, running
from tutelage.errors import DatabaseAwayError
from tutelage.safety.content import ContentFilter
from tutelage.serve.admission.grants import LOCAL
from tutelage.serve.api.record import HEADER, Note
from tutelage.serve.api.recorder import Recorder
from tutelage.serve.screen import FilterOptions, Screen
from tutelage.store import Store, applications, comments, notices, requests
from tutelage.store.request_tables import request_contents
from tutelage.store.request_tables import requests as table
from tutelage.store.requests import Request
from tutelage.web.errors import ApiError
from tutelage.web.site import utc_now

__all__ = ["database", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

BODY = {"prompt": "Mail ada@bakery.example about flour", "max_tokens": 20, "user": "Kim\n\x1b[31m"}


class Customer:
    """A firm that agreed to the notice, and its key."""

    def __init__(self, store: Store, *, agrees: bool = True, state: Any = "live") -> None:
        self.store, self.firm = store, Firm.of(store, state=state)
        if agrees:
            notices.publish(store, "data-use-1", "We train.", by="", now=NOW)
            notices.agree(store, self.firm.id, "data-use-1", by=self.firm.customer, now=NOW)
        self.headers = {"Authorization": f"Bearer {self.firm.key(now=utc_now()).text}"}

    async def ask(self, app: Any, body: Any = None, path: str = "/v1/completions", **headers: str) -> Exchange:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await ask(app, path, BODY if body is None else body, headers={**self.headers, **given})


def rows(store: Store) -> dict[str, Request]:
    with store.read() as connection:
        return {row.id: requests.request(row) for row in connection.execute(select(table))}


def words(store: Store) -> dict[str, Any]:
    with store.read() as connection:
        return {row.request_id: row for row in connection.execute(select(request_contents))}


def test_a_call_leaves_one_row_and_its_words_where_its_application_agreed(store: Store) -> None:
    """Every figure is known from the script: 4 prompt tokens, three words for each of two choices, "stop"."""
    customer = Customer(store)
    sampled = {"n": 2, "temperature": 0.5, "logprobs": 1, "echo": True, "seed": 3}

    async def run() -> tuple[Exchange, Exchange]:
        async with running(store) as app:
            plain = await customer.ask(app, {**BODY, **sampled})
            messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Call +44 20 7946 0958"}]
            chat = await customer.ask(app, {"messages": messages, "stream": True}, "/v1/chat/completions")
            return plain, chat

    plain, chat = asyncio.run(run())
    found = rows(store)
    one, other = found[plain.json["id"]], found[chat.events[0]["id"]]
    firm = customer.firm
    assert (one.application_id, one.organisation_id, one.key_id) == (firm.id, firm.organisation, other.key_id)
    assert (one.endpoint, one.alias, one.model) == ("completions", "default", "default-model@1")
    assert (one.action, one.status, one.finish_reasons) == ("served", 200, ("stop", "stop"))
    assert (one.prompts, one.n, one.prompt_tokens, one.completion_tokens) == (1, 2, 4, 6)
    assert (one.temperature, one.has_logprobs, one.is_echo, one.is_stream) == (0.5, True, True, False)
    assert (one.data_use, one.notice_version) == ("training", "data-use-1")
    assert one.first_token_ms is not None and 0 <= one.first_token_ms <= one.latency_ms
    assert len(one.ip_hash) == len(one.network_hash) == len(one.prompt_simhash) == 16 and len(one.end_user) == 32
    assert (other.endpoint, other.is_stream, other.completion_tokens, other.n) == ("chat", True, 3, 1)
    said = words(store)
    assert said[one.id].prompts == ["Mail [email] about flour"] and said[one.id].reason == "training"
    assert [choice["text"] for choice in said[one.id].choices] == ["one two three"] * 2
    assert said[one.id].sampling["seed"] == 3
    assert said[other.id].prompts == [[["system", "Be kind."], ["user", "Call [phone]"]]]
    assert "Kim" not in repr(one) and "ada@" not in repr(one)


def test_what_may_be_learned_from_is_narrowed_by_the_request_and_never_widened(store: Store) -> None:
    customer = Customer(store)

    async def run() -> dict[str, Exchange]:
        async with running(store) as app:
            told = {value: await customer.ask(app, **{HEADER: value}) for value in ("none", "None ", "training", "no")}
            notices.refuse(store, customer.firm.id, by=customer.firm.customer, now=utc_now())
            await asyncio.sleep(0.4)
            return told | {"refused": await customer.ask(app, **{HEADER: "training"})}

    told = asyncio.run(run())
    assert told["no"].status == 400 and told["no"].json["error"]["code"] == "data_use"
    found, said = rows(store), words(store)
    uses = {value: found[answer.json["id"]].data_use for value, answer in told.items() if answer.status == 200}
    assert uses == {"none": "none", "None ": "none", "training": "training", "refused": "none"}
    assert {value for value, answer in told.items() if answer.json.get("id") in said} <= {"training"} | set(uses)
    assert [row.reason for row in said.values()].count("training") == 1


def test_calls_that_end_in_other_ways_are_rows_too(store: Store) -> None:
    customer = Customer(store)
    engine = ScriptedEngine(pause_after=1)
    applications.throttle(store, customer.firm.id, 1, by=customer.firm.reviewer, reason="all", now=NOW)

    async def run() -> None:
        async with running(store, engine=engine) as app:
            assert (await customer.ask(app, {**BODY, "model": "../\n\x1b[2Jetc"})).status == 404
            left = Exchange()
            leaving = asyncio.create_task(
                ask(app, "/v1/completions", {**BODY, "stream": True}, headers=customer.headers, exchange=left)
            )
            await left.until("one")
            left.left.set()
            await leaving
            ended = Exchange()
            ending = asyncio.create_task(
                ask(app, "/v1/completions", {**BODY, "stream": True}, headers=customer.headers, exchange=ended)
            )
            await ended.until("one")
            customer.firm.move("suspended")
            await ending

    asyncio.run(run())
    found = sorted(rows(store).values(), key=lambda row: row.created)
    assert [(row.action, row.status, row.error_code) for row in found] == [
        ("refused", 404, "model_not_found"),
        ("cancelled", 499, ""),
        ("cancelled", 499, "application_suspended"),
    ]
    assert [row.completion_tokens for row in found] == [0, 1, 1] and found[0].alias == found[0].model == ""
    assert all(row.reason == "review" for row in words(store).values())


def test_what_the_filter_found_is_noted_by_category_and_kept_for_review(store: Store, tmp_path: Path) -> None:
    """A prompt that is blocked, an answer that is cut, one that is sensitive: 0.9 and 0.6 are the classifier's."""
    customer = Customer(store)
    engine = ScriptedEngine(words=("It is fine. ", UNSAFE, " again"))
    (tmp_path / "lists").mkdir()
    filtering = Screen(store, FilterOptions(is_chosen=True), lambda path: None)  # type: ignore[arg-type, return-value]
    filtering._content = ContentFilter(policy(tmp_path / "lists"), WordClassifier())

    async def run() -> list[Exchange]:
        async with running(store, engine=engine, screen=filtering) as app:
            blocked = await customer.ask(app, {**BODY, "prompt": f"Say {UNSAFE}"})
            cut = await customer.ask(app, {**BODY, "prompt": f"A {SENSITIVE}", "echo": True, "stream": True})
            engine.words = ("fine",)
            return [blocked, cut, await customer.ask(app, {**BODY, "prompt": f"A {SENSITIVE}"})]

    blocked, _, _ = asyncio.run(run())
    assert blocked.status == 400
    found = sorted(rows(store).values(), key=lambda row: row.created)
    assert [(row.action, row.status) for row in found] == [("blocked_prompt", 400), ("cut", 200), ("served", 200)]
    assert [(row.prompt_severity, row.completion_severity) for row in found] == [(2, 0), (1, 2), (1, 0)]
    hits = [
        [(hit.role, hit.category, hit.severity, hit.score) for hit in requests.hits(store, row.id)] for row in found
    ]
    sensitive = ("prompt", "hate", 1, 0.6)
    assert hits == [[("prompt", "hate", 2, 0.9)], [("completion", "hate", 2, 0.9), sensitive], [sensitive]]
    assert {row.policy_version for row in found} == {filtering.content.policy.version}
    said = words(store)
    assert [said[row.id].reason for row in found] == ["review", "review", "training"]
    assert UNSAFE in said[found[0].id].prompts[0] and "pelt" not in said[found[1].id].choices[0]["text"]


def test_nothing_is_anybodys_in_local_mode(store: Store) -> None:
    async def run() -> Exchange:
        async with running(store, is_private=True) as app:
            answer = await ask(app, "/v1/completions", BODY)
            said = {"request_id": answer.json["id"], "thumb": "up"}
            assert (await ask(app, "/v1/feedback", said)).status == 200
            return answer

    answer = asyncio.run(run())
    row = rows(store)[answer.json["id"]]
    assert (row.application_id, row.end_user, row.ip_hash, row.data_use) == ("", "", "", "none")
    assert words(store) == {}


def note(id: str) -> Note:
    made = Note(
        id=id, endpoint="completions", grant=LOCAL, end_user="", address="", data_use="none", created=NOW, is_whole=True
    )
    made.ended = made.started
    return made


class Away(Store):
    """A store whose database cannot be reached until it is back."""

    is_away = True

    @contextlib.contextmanager
    def write(self) -> Iterator[Any]:
        if self.is_away:
            raise DatabaseAwayError("away")
        with super().write() as connection:
            yield connection


def test_calls_wait_for_a_database_that_is_away_and_no_new_one_is_let_in(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tutelage.serve.api.recorder.RETRY_SECONDS", 0.02)
    away = Away(store.engine, store._salt)
    recorder = Recorder(away, most_waiting=3)
    recorder.start()
    for number in range(3):
        recorder.check()
        recorder.put(note(f"n{number}"))
    with pytest.raises(ApiError) as refused:
        recorder.check()
    assert (refused.value.status, refused.value.code) == (503, "request_log_unavailable")
    recorder.put(note("n3"))  # one that was let in before
    assert rows(store) == {}
    away.is_away = False
    recorder.stop()
    assert set(rows(store)) == {"n0", "n1", "n2", "n3"}
    recorder.check()


def test_a_call_that_cannot_be_written_takes_no_other_along(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that breaks a rule of the database is left out and logged; the others of its batch are written once."""
    recorder = Recorder(store)
    bad = note("bad")
    bad.data_use = "everything"  # type: ignore[assignment]
    for one in (note("a"), bad, note("b"), note("a")):
        recorder.put(one)
    recorder.start()
    recorder.stop()
    assert set(rows(store)) == {"a", "b"}


FEEDBACK_FAULTS: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "nothing in this feedback"),
    ({"thumb": "sideways"}, 400, "thumb"),
    ({"thumb": "up", "choice": 3}, 400, "has 3 choices"),
    ({"ranking": [0, 1]}, 400, "orders all choices"),
    ({"ranking": [0, 1, 2, 3]}, 400, "orders all choices"),
    ({"ranking": [0, [1, 1], 2]}, 400, "names a choice twice"),
    ({"ranking": [0, [], 1, 2]}, 400, "ranking"),
    ({"reasons": ["boring"]}, 400, "reasons"),
    ({"thumb": "up", "request_id": "cmpl-nowhere"}, 404, "no such request"),
    ({"thumb": "up", "admin": True}, 400, "is not a parameter"),
]


def test_feedback_says_something_of_an_answer_of_ones_own(store: Store) -> None:
    customer, stranger = Customer(store), Customer.__new__(Customer)
    stranger.firm = Firm.of(store, "Mill")
    stranger.headers = {"Authorization": f"Bearer {stranger.firm.key(now=utc_now()).text}"}

    async def run() -> tuple[str, list[Exchange]]:
        async with running(store) as app:
            id = (await customer.ask(app, {**BODY, "n": 3})).json["id"]
            for body, status, told in FEEDBACK_FAULTS:
                answer = await customer.ask(app, {"request_id": id, **body}, "/v1/feedback")
                assert (answer.status, told in answer.json["error"]["message"]) == (status, True), (body, answer.body)
            whole = {
                "request_id": id,
                "choice": 1,
                "thumb": "down",
                "reasons": ["wrong"],
                "comment": "Write to bob@bakery.example\0",
                "correction": "Rye.",
                "ranking": [2, [0, 1]],
                "id": "mine-1",
                "user": "Kim",
            }
            kept = await customer.ask(app, whole, "/v1/feedback")
            again = await customer.ask(app, whole, "/v1/feedback")
            other = await customer.ask(app, {**whole, "thumb": "up"}, "/v1/feedback")
            foreign = await stranger.ask(app, {"request_id": id, "thumb": "up"}, "/v1/feedback")
            bare = {"request_id": id, "thumb": "up"}
            narrowed = await customer.ask(app, {**bare, "correction": "x"}, "/v1/feedback", **{HEADER: "none"})
            thumb = await customer.ask(app, bare, "/v1/feedback", **{HEADER: "none"})
            return id, [kept, again, other, foreign, narrowed, thumb]

    id, (kept, again, other, foreign, narrowed, thumb) = asyncio.run(run())
    assert kept.json["id"] == again.json["id"] and kept.json["model"] == "default-model@1"
    assert [answer.status for answer in (kept, again, other, foreign, narrowed, thumb)] == [
        200,
        200,
        409,
        404,
        403,
        200,
    ]
    assert narrowed.json["error"]["code"] == "data_use" and thumb.json["data_use"] == "none"
    first, last = comments.of_requests(store, [id])[id]
    assert (first.thumb, first.choice, first.reasons, first.ranking) == ("down", 1, ("wrong",), ((2,), (0, 1)))
    assert (first.comment, first.correction, first.data_use) == ("Write to [email]\0", "Rye.", "training")
    assert (last.thumb, last.data_use, last.notice_version) == ("up", "none", "")


def test_feedback_counts_as_a_request_of_the_quota(store: Store) -> None:
    customer = Customer(store, state="sandbox")
    limit = customer.firm.now.limits.requests_per_minute

    async def run() -> list[int]:
        async with running(store, now=lambda: NOW + timedelta(hours=1)) as app:
            id = (await customer.ask(app)).json["id"]
            said = {"request_id": id, "thumb": "up"}
            return [(await customer.ask(app, said, "/v1/feedback")).status for _ in range(limit)]

    assert asyncio.run(run()) == [200] * (limit - 1) + [429]
