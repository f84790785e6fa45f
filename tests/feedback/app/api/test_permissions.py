"""Which role may call what: a table written by hand, beside the application's own list of routes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.feedback.app.api.calling import Caller, key
from tests.feedback.conftest import Desk
from tests.labeling import Clock
from tutelage.feedback.app.api import app as api
from tutelage.feedback.app.api import schema
from tutelage.feedback.app.app import Settings, create
from tutelage.store.accounts import LABELING, ROLES, Role

Call = Callable[..., Caller]
ONLY_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ALL = frozenset(LABELING)
WORKERS = frozenset({"labeler", "researcher"})
STAFF = frozenset({"lead", "researcher", "admin"})
HEADS = frozenset({"lead", "admin"})
ADMIN = frozenset({"admin"})
CANDIDATE, RESEARCHER = frozenset({"candidate"}), frozenset({"researcher"})

#: What a one-time link opens, which is as hard to guess as a token.
OPEN = "/enter/{link}"
#: Method, path, who is let in.
TABLE: list[tuple[str, str, frozenset[str]]] = [
    ("get", OPEN, frozenset(ROLES)),
    ("post", OPEN, frozenset(ROLES)),
    ("get", "/me", ALL),
    ("get", "/me/stored", ALL),
    ("put", "/me/withdrawal", ALL),
    ("get", "/wellbeing", WORKERS),
    ("put", "/wellbeing/opt-outs", WORKERS),
    ("get", "/work", WORKERS),
    ("post", "/work", WORKERS),
    ("get", "/work/{draft}", WORKERS),
    ("get", "/work/{draft}/draft", WORKERS),
    ("put", "/work/{draft}/draft", WORKERS),
    ("put", "/work/{draft}/lease", WORKERS),
    ("delete", "/work/{draft}/lease", WORKERS),
    ("post", "/work/{draft}/skip", WORKERS),
    ("get", "/work/{draft}/submissions", WORKERS),
    ("put", "/work/{draft}/submissions/{key}", WORKERS),
    ("get", "/instructions", ALL),
    ("get", "/instructions/{version}", ALL),
    ("put", "/instructions/{version}/read", ALL),
    ("get", "/instructions/{version}/examples", STAFF),
    ("get", "/threads", ALL),
    ("put", "/threads/{key}", ALL),
    ("get", "/threads/{thread}/messages", ALL),
    ("put", "/threads/{thread}/messages/{key}", ALL),
    ("put", "/threads/{thread}/read", ALL),
    ("post", "/threads/{thread}/doubts", STAFF),
    ("post", "/threads/{thread}/example", STAFF),
    ("put", "/labelers/{labeler}/threads/{key}", STAFF),
    ("get", "/screening", CANDIDATE),
    ("put", "/screening", CANDIDATE),
    ("put", "/screening/items/{item}/answer", CANDIDATE),
    ("post", "/screening/hand-in", CANDIDATE),
    ("get", "/scoring", RESEARCHER),
    ("put", "/scoring/{text}", RESEARCHER),
    ("get", "/candidates", STAFF),
    ("get", "/candidates/{candidate}", STAFF),
    ("get", "/candidates/{candidate}/answers", STAFF),
    ("post", "/candidates/{candidate}/decision", STAFF),
    ("get", "/people", HEADS),
    ("put", "/people/{person}/active", HEADS),
    ("post", "/people/{person}/renewal", HEADS),
    ("get", "/people/{person}/withdrawal", HEADS),
    ("put", "/people/{person}/withdrawal", HEADS),
    ("put", "/withdrawals", ADMIN),
    ("get", "/invitations", HEADS),
    ("post", "/invitations", HEADS),
    ("delete", "/invitations/{invitation}", HEADS),
    ("get", "/log", ADMIN),
    ("get", "/log/check", ADMIN),
    ("put", "/tasks", STAFF),
    ("put", "/repeats/{key}", STAFF),
    ("get", "/unfiled", STAFF),
    ("post", "/unfiled", STAFF),
    ("get", "/filing", STAFF),
    ("put", "/filings/{key}", STAFF),
    ("put", "/filings/{key}/first", HEADS),
    ("put", "/filing/review", HEADS),
    ("put", "/limit", HEADS),
    ("get", "/prompts", STAFF),
    ("get", "/submissions", STAFF),
    ("get", "/submissions/{submission}", STAFF),
    ("put", "/submissions/{submission}/returns/{key}", STAFF),
    ("get", "/exports/{what}", STAFF),
    ("get", "/exports/{what}/parquet", STAFF),
    ("get", "/exports/{what}/manifest", STAFF),
    ("get", "/progress", STAFF),
    ("get", "/queue", STAFF),
    ("get", "/agreement", STAFF),
    ("get", "/disagreements", STAFF),
    ("get", "/judgements", STAFF),
    ("get", "/labelers", STAFF),
    ("get", "/labelers/{labeler}", STAFF),
    ("get", "/monitors", STAFF),
    # The last one: who has joined a group is a worker too.
    ("put", "/me/group", HEADS),
]


@cache
def page() -> dict[str, Any]:
    return schema.page(api.create(None, calls_per_minute=1))


def operations() -> dict[tuple[str, str], Any]:
    return {(method, path): told for path, methods in page()["paths"].items() for method, told in methods.items()}


def test_the_table_names_every_operation_once() -> None:
    assert sorted((method, path) for method, path, _ in TABLE) == sorted(operations())


@ONLY_SQLITE
@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_let_in_where_the_table_says(desk: Desk, clock: Clock, role: Role) -> None:
    """Who is let in gets something else than 403 for names that are not there, and bodies that fit."""
    caller = Caller.of(create(desk.store, Settings(now=clock, calls_per_minute=1000)), clock, role)
    for method, path, roles in TABLE:
        filled = path.format_map(Names())
        answer = caller.ask(method.upper(), filled, example(method, path))
        wrong_role = answer.status_code == 403 and answer.json()["error"]["code"] == "wrong_role"
        assert wrong_role == (role not in roles), (method, path, answer.text)


@ONLY_SQLITE
def test_without_a_token_every_operation_is_refused(call: Call) -> None:
    caller = call("admin")
    for method, path, _ in TABLE:
        answer = caller.client.request(method.upper(), f"/api/v1{path.format_map(Names())}", json=example(method, path))
        assert answer.status_code == (404 if path == OPEN else 401), (method, path)


def test_who_may_not_is_documented_where_not_everybody_may() -> None:
    found = operations()
    for method, path, roles in TABLE:
        assert ("403" in found[method, path]["responses"]) == (not roles >= ALL), (method, path)


class Names(dict[str, str]):
    """A name that is nowhere for every place of a path."""

    def __missing__(self, name: str) -> str:
        return {"key": key(), "what": "reward"}.get(name, "nothing")


def example(method: str, path: str) -> Any:
    """Return the body that the OpenAPI page shows, {} where there is none to show."""
    body = operations()[method, path].get("requestBody")
    if body is None:
        return None
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return page()["components"]["schemas"][name]["examples"][0]
