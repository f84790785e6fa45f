"""Row 17: nobody writes a line of their own into a log, and an edit of what was logged is found."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from tests.firms import NOW, Firm
from tests.serve.scripted import ask, running
from tutelage.cli.terminal import print_table
from tutelage.errors import DataError
from tutelage.store import Store, audit, contents, requests, triggers
from tutelage.store.accounts import Person
from tutelage.store.request_tables import WRITTEN_ONCE
from tutelage.store.request_tables import requests as table
from tutelage.store.requests import Content, Ended
from tutelage.web.site import utc_now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

#: A line feed with a line that looks like ours, a clear screen, a title, and characters that turn the rest around.
FORGED = 'x\r\n{"event": "application.move", "to": "live"}\x1b[2J\x1b]0;owned\x07\u202e\u2028\0'


def is_clean(value: object) -> bool:
    return not any(ord(one) < 32 or 127 <= ord(one) < 160 or one in "\u202e\u2028\u2029" for one in str(value))


def test_no_value_of_a_client_is_in_the_rows_of_requests(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    firm = Firm.of(store, state="live")
    key = f"Bearer {firm.key(now=utc_now()).text}"
    forged = FORGED.encode("utf-8")
    headers = [(b"authorization", key.encode()), (b"user-agent", forged), (b"x-forwarded-for", forged)]
    bodies = [
        {"prompt": FORGED, "user": FORGED, "max_tokens": 3},
        {"prompt": "a", "model": FORGED},
        {"prompt": "a", "model": "default\n"},
        {"prompt": "a", FORGED: 1},
    ]

    async def run() -> list[int]:
        async with running(store) as app:
            return [(await ask(app, "/v1/completions", body, headers=headers)).status for body in bodies]

    assert asyncio.run(run()) == [200, 404, 404, 400]
    with store.read() as connection:
        rows = list(connection.execute(select(table)))
    assert len(rows) == 3 and all(is_clean(value) for row in rows for value in row)
    assert "application.move" not in caplog.text and "\x1b" not in caplog.text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(address=st.text(max_size=50), user=st.text(alphabet=st.characters(codec="utf-8"), max_size=50))
def test_whatever_a_client_calls_itself_is_a_hash(store: Store, address: str, user: str) -> None:
    place = requests.place(store, address)
    assert all(set(one) <= set("0123456789abcdef") for one in place)
    assert place == requests.place(store, address)


def test_a_reason_stays_one_value_of_its_event(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    said = Content(reason="review", prompts=("a",), choices=(), sampling={})
    call = requests.Request(id="r", endpoint="chat", action="served", status=200, created=NOW, latency_ms=1)
    requests.add(store, [Ended(request=call, content=said)])
    contents.read(store, "r", person=Person(id="p", name="P", role="admin"), reason=FORGED, now=NOW)
    [event] = audit.find(store)
    assert event.event.action == "request.read" and event.event.details["reason"] == FORGED.strip()
    with store.read() as connection:
        raw = connection.execute(text("SELECT details FROM audit_log")).scalar_one()
    assert is_clean(raw)
    print_table(("reason",), [(event.event.details["reason"],)])
    header, line, *rest = capsys.readouterr().out.split("\n")
    assert header == "reason" and rest == [""] and is_clean(line)


def test_an_edit_of_a_row_is_refused_and_of_the_audit_log_found(store: Store) -> None:
    """Triggers stop who has the database's tables; the chain tells who took the triggers away first."""
    call = requests.Request(id="r", endpoint="chat", action="cut", status=200, created=NOW, latency_ms=1)
    said = Content(reason="review", prompts=("a",), choices=(), sampling={})
    requests.add(store, [Ended(request=call, content=said)])
    with pytest.raises(DBAPIError, match="written once"), store.write() as connection:
        connection.execute(text("UPDATE requests SET action = 'served'"))
    for number in range(3):
        contents.read(store, "r", person=Person(id="p", name="P", role="admin"), reason=f"look {number}", now=NOW)
    assert audit.verify(store).rows == 3
    with store.write() as connection:
        connection.execute(text("DROP TRIGGER audit_log_refuse_update"))
        connection.execute(text("UPDATE audit_log SET actor = 'q' WHERE number = 2"))
    with pytest.raises(DataError, match="Row 2"):
        audit.verify(store)


def test_every_table_of_the_log_has_its_trigger(store: Store) -> None:
    with store.read() as connection:
        there = set(connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")))
    assert {f"{name}_refuse_update" for name in WRITTEN_ONCE} <= there
    assert len(triggers.written_once("sqlite", WRITTEN_ONCE)) == len(WRITTEN_ONCE)
