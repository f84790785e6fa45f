"""What a key gives, for how long that is believed, and the account of a call."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.databases import database, store
from tests.firms import NOW, Firm
from tests.serve.scripted import ScriptedEngine, ask, running
from tutelage.errors import DatabaseAwayError
from tutelage.generate.wire import Ask
from tutelage.serve.admission.access import Gate
from tutelage.serve.admission.grants import LOCAL, Grant, Grants, grant_of
from tutelage.serve.admission.ledger import Ledger, most_tokens
from tutelage.serve.admission.running import Running, Watch
from tutelage.store import Store, applications, counters, keys, quotas
from tutelage.store.application_forms import Conditions, Limits
from tutelage.store.application_tables import applications as table
from tutelage.web.errors import ApiError

__all__ = ["database", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
DAY = timedelta(days=1)


def grant(firm: Firm, key: str, **later: Any) -> Grant | ApiError:
    bound = keys.bound(firm.store, key)
    assert bound
    return grant_of(bound, NOW + timedelta(**later))


def test_a_grant_is_what_key_and_conditions_give_together(store: Store) -> None:
    firm = Firm.of(store)
    key = firm.key(scopes=("complete",), days=30).key
    sandbox = grant(firm, key.id)
    assert isinstance(sandbox, Grant)
    assert (sandbox.state, sandbox.filter_mode, sandbox.models) == ("sandbox", "block", ())
    assert sandbox.ends == NOW + 30 * DAY
    assert sandbox.scopes == {"complete"} and sandbox.limits and sandbox.limits.end_users == 5
    limits = Limits(requests_per_minute=7, tokens_per_minute=700, tokens_per_day=7000)
    wanted = Conditions(limits=limits, filter_mode="annotate", models=("a", "b@2"), expires=NOW + DAY)
    firm.review(wanted)
    live = grant(firm, key.id)
    assert isinstance(live, Grant)
    assert (live.limits, live.filter_mode, live.ends, live.is_local) == (limits, "annotate", NOW + DAY, False)
    named = {"a": True, "a@1": True, "b@2": True, "b": False, "b@1": False, "c": False}
    assert {name: live.may_use(name) for name in named} == named and LOCAL.may_use("anything")
    over = grant(firm, key.id, days=1)
    assert isinstance(over, ApiError) and (over.status, over.code) == (403, "application_expired")
    ended = grant(firm, key.id, days=30)
    assert isinstance(ended, ApiError) and (ended.status, ended.code) == (401, "key_revoked")


@pytest.mark.parametrize(
    ("chosen", "notice", "offered", "given"),
    [
        ("training", "v1", "training", ("training", "v1")),
        ("training", "v1", "none", ("none", "")),
        ("training", "", "training", ("none", "")),
        ("none", "v1", "training", ("none", "")),
    ],
)
def test_data_is_for_training_only_where_everybody_agreed(
    store: Store, chosen: str, notice: str, offered: Any, given: tuple[str, str]
) -> None:
    firm = Firm.of(store)
    key = firm.key().key
    firm.review(Conditions(data_use=offered))
    with store.write() as connection:
        connection.execute(update(table).values(data_use=chosen, notice_version=notice))
    found = grant(firm, key.id)
    assert isinstance(found, Grant) and (found.data_use, found.notice_version) == given


def test_a_grant_is_kept_until_the_counter_moves(store: Store) -> None:
    firm = Firm.of(store)
    key = firm.key().text

    async def run() -> None:
        grants = Grants(store, lambda: NOW)
        await grants.refresh()
        assert grants.needs_key and (await grants.of(key)).limits == firm.now.limits
        with store.write() as connection:
            connection.execute(update(table).values(share=0.5))
        await grants.refresh()
        assert (await grants.of(key)).limits != firm.now.limits
        with store.write() as connection:
            counters.add_one(connection)
        await grants.refresh()
        assert (await grants.of(key)).limits == firm.now.limits
        assert grants.used == {key[4:12]: NOW}

    asyncio.run(run())


def test_while_the_database_is_away_nobody_is_let_in_and_later_calls_end(store: Store, tmp_path: Path) -> None:
    key = Firm.of(store).key().text
    clock = [0.0]
    reached: list[Any] = []
    ended: list[ApiError] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["state"]["grant"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> None:
        grants, calls = Grants(store, lambda: NOW, lambda: clock[0]), Running()
        gate, watch = Gate(inside, grants, is_private=False), Watch(grants, calls)
        headers = {"Authorization": f"Bearer {key}"}
        await watch.step()
        assert (await ask(gate, "/v1/models", headers=headers)).status == 200
        with calls.hold(reached[0], ended.append), Store.awaited(f"sqlite:///{tmp_path / 'none.db'}") as away:
            grants.store = away
            with pytest.raises(DatabaseAwayError):
                await grants.refresh()
            clock[0] = 2.0
            assert (await ask(gate, "/v1/models", headers=headers)).status == 200
            clock[0] = 2.1
            refused = await ask(gate, "/v1/models", headers=headers)
            assert (refused.status, refused.json["error"]["code"]) == (503, "admission_unavailable")
            assert refused.headers["retry-after"] and str(tmp_path) not in refused.body.decode()
            await watch.step()
            assert ended == []
            clock[0] = 10.1
            await watch.step()
            assert [(error.status, error.code) for error in ended] == [(503, "admission_unavailable")]
            grants.store = store
        assert (await ask(gate, "/v1/models", headers=headers)).status == 200 and len(reached) == 3

    asyncio.run(run())


def test_a_call_ends_when_its_key_runs_out(store: Store) -> None:
    firm = Firm.of(store)
    key, lasting = firm.key(days=1).text, firm.key().text
    clock = [NOW]
    ended: list[str] = []

    async def run() -> None:
        grants, calls = Grants(store, lambda: clock[0]), Running()
        watch = Watch(grants, calls)
        await watch.step()
        with calls.hold(await grants.of(key), lambda error: ended.append(f"{error.code}")):
            with calls.hold(await grants.of(lasting), lambda error: ended.append("wrong")):
                await watch.step()
                assert ended == [] and len(calls) == 2
                clock[0] += DAY
                await watch.step()
                assert ended == ["key_revoked"]
        assert len(calls) == 0

    asyncio.run(run())


ASKS = [
    (Ask(text="abcé", max_tokens=5), 2 + 5 + 5),
    (Ask(text="abc", max_tokens=5, n=3), 5 + 15),
    (Ask(text="abc", max_tokens=5, n=2, best_of=4), 5 + 20),
    (Ask(text="abc" * 100, max_tokens=5), 64),
    (Ask(ids=(1, 2, 3), max_tokens=0), 3),
    (Ask(ids=(1, 2, 3), max_tokens=1000), 64),
    (Ask(ids=(1, 2, 3), max_tokens=None, n=2), 128),
    (Ask(messages=(("user", "hi"),), max_tokens=4), 64),
]


@pytest.mark.parametrize(("asked", "most"), ASKS)
def test_the_most_that_a_call_can_cost(database: str, asked: Ask, most: int) -> None:
    assert most_tokens([asked], 64) == most and most_tokens([asked, asked], 64) == 2 * most


def test_quota_and_people_are_told_by_code_and_nothing_is_held_after(store: Store) -> None:
    firm = Firm.of(store)
    key = firm.key().text
    with store.write() as connection:
        connection.execute(update(table).values(share=0.01))  # 100 tokens a minute

    async def run() -> None:
        engine = ScriptedEngine(words=("a ", "b"))
        async with running(store, engine=engine, now=lambda: NOW) as app:

            async def call(**more: Any) -> tuple[int, str | None, str | None]:
                body = {"prompt": "a", "max_tokens": 20, **more}
                answer = await ask(app, "/v1/completions", body, headers={"Authorization": f"Bearer {key}"})
                error = answer.json.get("error") or {}
                return answer.status, error.get("code"), answer.headers.get("retry-after")

            assert await call(n=6) == (400, "request_too_large", None)
            assert (await call(user="one"))[0] == 200
            assert await call() == (429, "rate_limit_exceeded", "61")
            assert len(engine.asked) == 1
        assert quotas.used(store, firm.id, now=NOW).minute_tokens == engine.prompt_tokens + 2
        applications.throttle(store, firm.id, 1, by=firm.reviewer, reason="x", now=NOW)
        async with running(store, engine=engine, now=lambda: NOW + DAY) as app:
            statuses = [(await call(user=f"person {n}"))[:2] for n in range(5)]
            assert statuses == [(200, None)] * 4 + [(403, "end_user_limit")]
            assert (await call(user="one"))[0] == 200
            assert (await call(model="nothing"))[:2] == (404, "model_not_found")
        assert quotas.return_overdue(store, now=NOW + 9 * DAY) == 0
        (listed,) = keys.of(store)
        assert listed.used == NOW + DAY

    asyncio.run(run())


def test_who_leaves_while_the_quota_is_asked_holds_nothing(store: Store) -> None:
    firm = Firm.of(store)
    key = firm.key().text

    async def run() -> None:
        grants, ledger = Grants(store, lambda: NOW), Ledger(store, lambda: NOW)
        await grants.refresh()
        found = replace(
            await grants.of(key), limits=Limits(requests_per_minute=9, tokens_per_minute=9, tokens_per_day=9)
        )
        with store.write():
            reserving = asyncio.create_task(ledger.reserve(found, "", 9))
            await asyncio.sleep(0.05)
            reserving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reserving
        await ledger.settled()
        assert quotas.used(store, firm.id, now=NOW).minute_tokens == 0
        assert quotas.return_overdue(store, now=NOW + DAY) == 0

    asyncio.run(run())
