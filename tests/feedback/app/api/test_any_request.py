"""Whatever is sent, the answer is one that the OpenAPI page lists, and without a token it is 401.

Schemathesis makes requests from the page: those that fit it and those that do not. `make test` runs a few for each
operation, `make soak` many, and before them every edge of every field.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.feedback.app import screened
from tests.feedback.app.api.calling import Caller, key
from tests.feedback.app.api.test_permissions import OPEN, TABLE
from tests.feedback.conftest import Desk
from tests.fuzzing import load
from tests.labeling import NOW, Clock
from tutelage.feedback import instructions
from tutelage.feedback.app.app import Settings, create
from tutelage.store import Store
from tutelage.store.accounts import LABELING

FILE = Path(__file__).parents[4] / "docs" / "reference" / "openapi.json"
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
ALLOWED = {(method.upper(), path): sorted(roles) for method, path, roles in TABLE}
#: How many requests by chance are made for each operation.
SHORT, LONG = 10, 50
CALM = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]


FEW, ALL = load(FILE, coverage=False, examples=True), load(FILE, coverage=True, examples=True)


@dataclass
class World:
    """A store in which something is there to be found, with a program of each role."""

    app: FastAPI
    tokens: dict[str, str]
    names: dict[str, list[str]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    clock = Clock()
    with Store.open(str(tmp_path_factory.mktemp("world") / "store.db")) as store:
        instructions.publish_defaults(store, now=NOW)
        screened.publish(store)
        desk = Desk(store)
        app = create(store, Settings(now=clock, calls_per_minute=10**9))
        callers = {role: Caller.of(app, clock, role) for role in LABELING}
        for number in range(20):
            desk.task(f"d{number}", "demonstrate")
            desk.task(f"r{number}", "rank", k=4)
        work = [callers["labeler"].take(kind)["id"] for kind in ("demonstrate", "rank")]
        callers["labeler"].put(f"/threads/{key()}", {"text": "A question", "work": work[1]})
        callers["labeler"].put(f"/work/{work[0]}/submissions/{key(3)}", {"text": "An answer"})
        callers["candidate"].put("/screening")
        invited = callers["admin"].post("/invitations", {"role": "lead"}, status=201)
        assert invited
        names = {
            "draft": work,
            "key": [key(number) for number in range(4)],
            "version": ["comparison-1", "demonstration-1"],
            "thread": [key()],
            "item": [item.id for item in screened.ITEMS],
            "candidate": [callers["candidate"].person.labeler],
            "what": ["sft", "reward", "ppo"],
            "invitation": [one["id"] for one in callers["admin"].get("/invitations")],
            "labeler": [callers["labeler"].person.labeler, callers["researcher"].person.labeler],
            "person": [callers["candidate"].person.id],
            "submission": [key(3)],
        }
        yield World(app, {role: caller.token for role, caller in callers.items()}, names)


def check(case: Any, world: World) -> None:
    """Send a request as somebody who may send it, and again without a token."""
    chance = zlib.crc32(repr((case.path_parameters, case.query, case.body)).encode("utf-8", "replace"))
    for name, known in world.names.items():
        # Names by chance find nothing; every other request names what is there.
        if chance % 2 and name in (case.path_parameters or {}) and case.meta.generation.mode.is_positive:
            case.path_parameters[name] = known[chance // 2 % len(known)]
    roles = ALLOWED.get((case.operation.method.upper(), case.operation.path), ["admin"])
    token = world.tokens[roles[chance % len(roles)]]
    sent = {"app": world.app, "base_url": "http://desk.example/api/v1"}
    case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS, **sent)
    if (case.method.upper(), case.operation.path) in ALLOWED:
        # No route takes a line feed, so nothing of the API is reached; a link that is none opens nothing.
        is_nowhere = "%0A" in case.formatted_path
        refused = (404,) if is_nowhere else (400, 404) if case.operation.path == OPEN else (400, 401)
        assert case.call(**sent).status_code in refused


@FEW.parametrize()
@settings(max_examples=SHORT, deadline=None, derandomize=True, database=None, suppress_health_check=CALM)
def test_a_few_requests_of_each_kind_get_answers_that_are_listed(case: Any, world: World) -> None:
    check(case, world)


@pytest.mark.soak
@ALL.parametrize()
@settings(max_examples=LONG, deadline=None, suppress_health_check=CALM)
def test_very_many_requests_get_answers_that_are_listed(case: Any, world: World) -> None:
    check(case, world)
