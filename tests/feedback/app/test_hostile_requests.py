"""Whatever stands in an address, a form or a body, the pages answer with a refusal and never with a failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from tests.feedback.app.test_routes_and_words import routes
from tests.feedback.conftest import NOW, Desk
from tests.labeling import PASSWORD, Visitor
from tutelage.feedback import instructions
from tutelage.store import Store, audit
from tutelage.web.bodies import LARGEST_BYTES

Visit = Callable[..., Visitor]
ONLY_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
#: A number that no column holds, and one that no number is made of.
HUGE = (str(10**30), "9" * 5000)


@pytest.fixture
def ada(visit: Visit, store: Store) -> Visitor:
    """An administrator who labels as well, and so gets everywhere but to screening and scoring."""
    instructions.publish_defaults(store, now=NOW)
    ada = visit("Ada", "admin")
    ada.post("/join", group="training")
    return ada


def addresses(name: str) -> Iterator[tuple[str, str]]:
    """Yield method and address of every page, with this name wherever one stands."""
    for route in routes():
        if ".app.api." not in route.endpoint.__module__:
            for method in sorted(route.methods):
                yield method, re.sub(r"{[^}]+}", name, route.path)


def test_no_name_holds_a_nul(ada: Visitor) -> None:
    headers = {"x-csrf-token": ada.proof(), "accept": "application/json"}
    before, known = audit.verify(ada.store), list(addresses("%00"))
    assert len(known) > 50
    for method, path in known:
        there = path if "%00" in path else f"{path}?next=%00"
        answer = ada.client.request(method, there, headers=headers)
        assert answer.status_code == 400 and "This address" in answer.text, (method, path)
    for method, path in addresses("none"):
        if method == "POST":
            answer = ada.client.post(path, data={"name": "a\0b", "id": "\0"}, headers=headers)
            assert answer.status_code == 400 and "This form" in answer.text, path
    assert audit.verify(ada.store) == before


@ONLY_SQLITE
@pytest.mark.parametrize("number", HUGE, ids=("huge", "endless"))
def test_numbers_that_nothing_here_has(ada: Visitor, number: str) -> None:
    for path in ("/log?before=", "/lead/disagreements?after="):
        for sign in ("", "-"):
            assert ada.get(f"{path}{sign}{number}").status_code == 400
    Desk(ada.store).task("t", k=2)
    for name in ("count", "overlap", "outputs"):
        given = {"what": "rank", "count": "1", "overlap": "1", "outputs": "2", name: number}
        assert ada.post("/lead/file", step="file", **given).status_code == 400
    assert ada.post("/lead/labelers", most=number).status_code == 400
    assert ada.post("/account/tokens", name="x", days=number, password=PASSWORD).status_code == 400


@ONLY_SQLITE
def test_a_body_is_not_read_beyond_its_limit(ada: Visitor) -> None:
    headers = {"x-csrf-token": ada.proof(), "accept": "application/json", "content-type": "application/json"}
    for method, path in (("PUT", "/work/none/draft"), ("POST", "/work/none/submission")):
        for sent in (b'"' + b"x" * LARGEST_BYTES + b'"', iter([b"[" * (1 << 20)] * 17)):
            answer = ada.client.request(method, path, content=sent, headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == 413, (method, path)
            assert "too long" in answer.json()["error"]["message"]


@ONLY_SQLITE
def test_bodies_that_are_none_are_refused(ada: Visitor) -> None:
    headers = {"x-csrf-token": ada.proof(), "accept": "application/json", "content-type": "application/json"}
    for body in (b"", b"{", b"\xff", b"9" * 5000, b"[" * 100_000, b'{"base": 1e400, "content": ""}'):
        for method, path in (("PUT", "/work/none/draft"), ("POST", "/work/none/submission")):
            assert ada.client.request(method, path, content=body, headers=headers).status_code == 400, body[:9]


@ONLY_SQLITE
def test_names_of_any_other_characters_are_not_there(ada: Visitor) -> None:
    """Half of a character, an end of line, a direction, a question mark, a backslash, a very long one."""
    for name in ("%ED%A0%80", "%0A", quote("\u202e"), "%3F", "%5C", "x" * 5000, "..%2F..", "%FF"):
        for method, path in addresses(name):
            if method == "GET" and name in path:
                assert ada.get(path).status_code < 500, path
