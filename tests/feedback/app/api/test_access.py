"""Who gets in: tokens and nothing else, for as long as they work, so often and with so much."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.feedback.app.api.calling import Caller
from tests.feedback.conftest import Desk
from tests.labeling import PASSWORD, Clock, Visitor
from tutelage.feedback.app.app import Settings, create
from tutelage.store import Store, accounts, audit, sessions, tokens
from tutelage.web.bodies import LARGEST_BYTES

Call = Callable[..., Caller]
Visit = Callable[..., Visitor]
# These rules touch no SQL of their own; tests/store/test_tokens.py runs theirs on both databases.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_a_token_says_who_asks(call: Call) -> None:
    caller = call("labeler", "Ida", "heldout")
    told = caller.get("/me")
    assert (told["name"], told["role"], told["group"]) == ("Ida", "labeler", "heldout")
    assert told["labeler"] == caller.person.labeler
    assert told["token"]["name"] == "a program" and caller.token not in str(told)


def test_nothing_else_gets_in(call: Call) -> None:
    client = call().client
    for given in ("", "Bearer", "Bearer x", "Bearer \u00e9", "Basic YTpi", "token", "Bearer "):
        answer = client.get("/api/v1/me", headers={"authorization": given.encode("latin-1")})  # type: ignore[dict-item]
        assert answer.status_code == 401, given
        assert answer.json()["error"]["code"] == "invalid_token" and answer.headers["www-authenticate"] == "Bearer"


def test_a_browsers_session_is_no_way_in(visit: Visit) -> None:
    visitor = visit("Ada", "admin")
    for accept in ("text/html", "application/json"):
        answer = visitor.client.get("/api/v1/me", headers={"accept": accept})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_token"
    proof = {"x-csrf-token": visitor.proof()}
    assert visitor.client.post("/api/v1/invitations", json={"role": "admin"}, headers=proof).status_code == 401


def test_a_token_is_no_way_into_the_pages(call: Call) -> None:
    caller = call("admin")
    answer = caller.client.get("/people", headers={"authorization": f"Bearer {caller.token}", "accept": "text/plain"})
    assert answer.status_code == 401


def test_what_is_not_there_is_json_too(call: Call) -> None:
    caller = call()
    for method, path, status in (("GET", "/nowhere", 404), ("PATCH", "/me", 405), ("GET", "/work/none", 404)):
        answer = caller.ask(method, path, accept="text/html")
        assert (answer.status_code, set(answer.json())) == (status, {"error"})
    assert caller.ask("PATCH", "/invitations").headers["allow"] == "GET, POST"
    assert caller.ask("PATCH", "/work/none/lease").headers["allow"] == "DELETE, PUT"


def test_a_token_ends_by_time_revocation_suspension_and_a_new_password(call: Call, desk: Desk, clock: Clock) -> None:
    callers = [call("labeler", name) for name in ("Anna", "Ben", "Cleo", "Dora")]
    anna, ben, cleo, dora = callers
    (made,) = tokens.of(desk.store, anna.person.id, now=clock.now)
    tokens.revoke(desk.store, anna.person.id, made.id, by=anna.person.id, now=clock.now)
    accounts.set_active(desk.store, ben.person.id, False, by="", now=clock.now)
    sessions.change_password(desk.store, cleo.person.id, "another hash", keep="", now=clock.now)
    assert [one.ask("GET", "/me").status_code for one in callers] == [401, 401, 401, 200]
    accounts.set_active(desk.store, ben.person.id, True, by="", now=clock.now)
    assert ben.ask("GET", "/me").status_code == 401
    clock.move(days=30)
    assert dora.ask("GET", "/me").status_code == 401


def test_the_account_page_makes_a_token_for_who_knows_the_password(visit: Visit, store: Store, clock: Clock) -> None:
    visitor = visit()
    person = visitor.enter("Ada", "labeler", "training")
    form = {"name": "my <b>script</b>", "days": "30", "password": "not my password"}
    refused = visitor.post("/account/tokens", **form)
    assert refused.status_code == 400 and "The password is wrong" in refused.text
    assert tokens.of(store, person.id, now=clock.now) == []
    page = visitor.post("/account/tokens", **{**form, "password": PASSWORD})
    (token,) = re.findall(r"tutelage_[0-9a-f]{12}_[0-9a-f]{64}", page.text)
    assert "my &lt;b&gt;script&lt;/b&gt;" in page.text
    assert token not in visitor.get("/account").text
    known = {"authorization": f"Bearer {token}", "accept": "application/json"}
    assert visitor.client.get("/api/v1/me", headers=known).json()["name"] == "Ada"
    (made,) = tokens.of(store, person.id, now=clock.now)
    assert (made.expires - clock.now).days == 30
    assert visitor.post(f"/account/tokens/{made.id}/revoke").status_code == 303
    assert visitor.client.get("/api/v1/me", headers=known).status_code == 401
    assert [one.event.action for one in audit.find(store)][:3] == ["token.revoke", "token.make", "session.attempt"]


def test_a_token_without_a_name_or_an_end_is_refused(visit: Visit, store: Store, clock: Clock) -> None:
    visitor = visit()
    person = visitor.enter("Ada", "lead")
    for name, days in (("", "30"), ("x" * 81, "30"), ("x", "0"), ("x", "367"), ("x", "for ever")):
        assert visitor.post("/account/tokens", name=name, days=days, password=PASSWORD).status_code == 400, days
    assert tokens.of(store, person.id, now=clock.now) == []


def test_another_persons_token_cannot_be_revoked(visit: Visit, store: Store, clock: Clock, call: Call) -> None:
    caller = call()
    visitor = visit("Ada", "admin")
    (made,) = tokens.of(store, caller.person.id, now=clock.now)
    assert visitor.post(f"/account/tokens/{made.id}/revoke").status_code == 404
    assert caller.ask("GET", "/me").status_code == 200


def test_who_asks_too_often_is_told_when_to_come_back(desk: Desk, clock: Clock) -> None:
    caller = Caller.of(create(desk.store, Settings(now=clock, calls_per_minute=6)), clock, "labeler")
    assert [caller.ask("GET", "/me").status_code for _ in range(7)] == [200] * 6 + [429]
    answer = caller.ask("GET", "/me")
    assert answer.json()["error"]["code"] == "too_often" and answer.headers["retry-after"] == "11"
    clock.move(seconds=10)
    assert [caller.ask("GET", "/me").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("told", [True, False])
def test_a_body_that_is_too_long_is_not_read(call: Call, told: bool) -> None:
    body = b'{"kind": "' + b"x" * LARGEST_BYTES + b'"}'
    sent = body if told else iter([body[: 1 << 20]] * 20)
    caller = call()
    headers = {"authorization": f"Bearer {caller.token}", "content-type": "application/json"}
    answer = caller.client.post("/api/v1/work", content=sent, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert "too long" in answer.json()["error"]["message"]


def test_bodies_that_are_no_json_object_are_refused(call: Call) -> None:
    caller = call()
    headers = {"authorization": f"Bearer {caller.token}", "content-type": "application/json"}
    for body in (b"", b"{", b"\xff", b"[1]", b'"x"', b"9" * 5000, b"[" * 100_000, b'{"kind": "a"}x'):
        answer = caller.client.post("/api/v1/work", content=body, headers=headers)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["message"].endswith(".")


def test_unknown_and_wrong_fields_are_named(call: Call) -> None:
    caller = call()
    for body, param in (
        ({"kind": "rank", "labeler": "anna"}, "labeler"),
        ({}, "kind"),
        ({"kind": 3}, "kind"),
        ({"kind": "\ud800"}, "kind"),
        ({"kind": "x\0"}, "kind"),
    ):
        assert caller.post("/work", body, status=400)["error"]["param"] == param


def test_names_in_addresses_that_no_database_takes_are_refused(call: Call) -> None:
    lead = call("lead")
    for path in ("/candidates/%00", "/prompts?after=x", "/submissions?after=WzFd", "/submissions?labeler=%00"):
        assert lead.get(path, status=400)["error"]["type"] == "invalid_request_error"
