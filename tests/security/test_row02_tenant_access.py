"""Row 2: nobody reaches what belongs to another organisation, and each role and state gives what a table says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.firms import FORM, NOW, Firm, staff
from tests.serve.scripted import ask, running
from tutelage.errors import MissingError, RefusedError, UserError
from tutelage.store import Store, applications, keys, organisations, quotas
from tutelage.store.application_forms import Conditions
from tutelage.store.application_tables import applications as table
from tutelage.store.applications import STATES, State

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

#: What a key is answered in each state of its application.
ANSWERS: dict[State, tuple[int, str | None]] = {
    "draft": (403, "application_draft"),
    "sandbox": (200, None),
    "in_review": (200, None),
    "changes_requested": (200, None),
    "live": (200, None),
    "suspended": (403, "application_suspended"),
    "revoked": (403, "application_revoked"),
    "expired": (403, "application_expired"),
}
ASKS: list[tuple[str, Any]] = [
    ("/v1/models", None),
    ("/v1/models/default", None),
    ("/v1/completions", {"prompt": "a", "max_tokens": 5}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}], "max_tokens": 5}),
]


def test_each_state_gives_what_the_table_says_on_every_route(store: Store) -> None:
    assert set(ANSWERS) == set(STATES)
    firm = Firm.of(store)
    key = firm.key().text

    async def run() -> None:
        for state, (status, code) in ANSWERS.items():
            with store.write() as connection:
                connection.execute(update(table).where(table.c.id == firm.id).values(state=state))
            async with running(store) as app:
                for path, body in ASKS:
                    answer = await ask(app, path, body, headers={"Authorization": f"Bearer {key}"})
                    assert answer.status == status, (state, path, answer.body)
                    assert (answer.json.get("error") or {}).get("code") == code

    asyncio.run(run())


def test_a_key_uses_the_models_and_the_quota_of_its_application_alone(store: Store) -> None:
    one, two = Firm.of(store), Firm.of(store, "Dairy")
    one.review(Conditions(models=("bread", "milk-model@1")))
    first, second = one.key().text, two.key().text

    async def run() -> None:
        async with running(store, names=("bread", "milk"), now=lambda: NOW) as app:

            async def status(key: str, model: str) -> int:
                body = {"model": model, "prompt": "a", "max_tokens": 2}
                return (await ask(app, "/v1/completions", body, headers={"Authorization": f"Bearer {key}"})).status

            known = {"bread": 200, "milk-model@1": 200, "milk": 404, "bread-model@1": 404, "none": 404}
            for model, expected in known.items():
                assert await status(first, model) == expected, model
                assert await status(second, model) == (404 if model == "none" else 200), model
            listed = await ask(app, "/v1/models", headers={"Authorization": f"Bearer {first}"})
            assert [one["id"] for one in listed.json["data"]] == ["bread", "milk-model@1"]
            hidden = await ask(app, "/v1/models/milk", headers={"Authorization": f"Bearer {first}"})
            missing = await ask(app, "/v1/models/none", headers={"Authorization": f"Bearer {first}"})
            assert hidden.body.replace(b"milk", b"none") == missing.body

    asyncio.run(run())
    assert [quotas.used(store, firm.id, now=NOW).minute_requests for firm in (one, two)] == [2, 4]


def test_who_may_do_what_with_an_application_is_this_table(store: Store) -> None:
    """O: may, R: is told that it is not theirs, M: is told that there is nothing. A new row for each new function."""
    firm, stranger = Firm.of(store), Firm.of(store, "Dairy")
    people = {
        "customer": firm.customer,
        "foreign": stranger.customer,
        "reviewer": firm.reviewer,
        "admin": firm.other,
        "lead": staff(store, "Lea", "lead"),
        "nobody": "no such person",
    }
    secret, common = keys.pepper(store), {"now": NOW}

    def key() -> str:
        return firm.key().key.id

    calls: dict[str, Callable[[str], Any]] = {
        "create": lambda by: applications.create(store, firm.organisation, "New", FORM, by=by, **common),
        "edit": lambda by: applications.edit(store, firm.id, "Other", FORM, by=by, **common),
        "send in": lambda by: applications.move(store, firm.id, "in_review", by=by, reason="x", **common),
        "suspend": lambda by: applications.move(store, firm.id, "suspended", by=by, reason="x", **common),
        "ask": lambda by: applications.ask_revocation(store, firm.id, by=by, reason="x", **common),
        "drop": lambda by: applications.drop_revocation(store, firm.id, by=by, **common),
        "throttle": lambda by: applications.throttle(store, firm.id, 0.5, by=by, reason="x", **common),
        "key": lambda by: keys.create(store, firm.id, keys.NewKey(name="x"), secret, by=by, **common),
        "rotate": lambda by: keys.rotate(store, key(), secret, overlap=timedelta(0), by=by, **common),
        "end": lambda by: keys.revoke(store, key(), by=by, **common),
        "shut": lambda by: organisations.set_active(store, firm.organisation, True, by=by, reason="x", **common),
    }
    expected = {
        "customer": "OOORRRROOOR",
        "foreign": "MMMMMMMMMMM",
        "reviewer": "RRROOOORROO",
        "admin": "RRROOOORROO",
        "lead": "MMMMMMMMMMM",
        "nobody": "MMMMMMMMMMM",
    }
    for who, by in people.items():
        found = ""
        for call in calls.values():
            with store.write() as connection:
                values = {"state": "sandbox", "revocation_by": None}
                connection.execute(update(table).where(table.c.id == firm.id).values(values))
            found += outcome(call, by)
        assert found == expected[who], who
    assert applications.find(store, organisation=stranger.organisation)[0].name == "Dairy"
    with pytest.raises(MissingError):
        applications.get(store, firm.id, organisation=stranger.organisation)


def outcome(call: Callable[[str], Any], by: str) -> str:
    try:
        call(by)
    except RefusedError:
        return "R"
    except MissingError:
        return "M"
    except UserError as error:
        return str(error)
    return "O"
