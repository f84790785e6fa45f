"""Row 16: staff with a reason reads what customers said; it is in no sink but its tables, and deleted for good.

The store's own tests hold the rest: the ends of each term, and a reader that keeps SQLite's files (test_retention.py).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.firms import NOW, Firm
from tests.serve.scripted import ScriptedEngine, ask, running
from tutelage.errors import RefusedError
from tutelage.govern import consent, retention
from tutelage.store import Store, accounts, audit, contents, jobs, notices, tables
from tutelage.store.accounts import ROLES, Person
from tutelage.store.request_tables import feedback_texts, request_contents
from tutelage.web.site import utc_now
from tutelage.work import Worker, handlers

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

#: Words that a client sends wherever it can, and that a model answers.
CANARY = "canary-7f3a"


def send(store: Store) -> tuple[Firm, str, bytes]:
    """Send the canary in every field of a request and of feedback; return the firm, the id and all headers' bytes."""
    firm = Firm.of(store, state="live")
    notices.agree(store, firm.id, consent.notice(store, now=NOW).version, by=firm.customer, now=NOW)
    headers = {"Authorization": f"Bearer {firm.key(now=utc_now()).text}", "User-Agent": CANARY, "X-Trace": CANARY}

    async def run() -> tuple[str, bytes]:
        async with running(store, engine=ScriptedEngine(words=(CANARY, " again"))) as app:
            body = {"prompt": f"{CANARY} in a prompt", "user": CANARY, "stop": [CANARY[::-1]], "max_tokens": 9}
            answer = await ask(app, "/v1/completions", body, headers=headers)
            wrong = await ask(app, "/v1/completions", {**body, "model": CANARY}, headers=headers)
            assert (answer.status, wrong.status) == (200, 404)
            said = {"request_id": answer.json["id"], "comment": CANARY, "correction": CANARY, "user": CANARY}
            told = await ask(app, "/v1/feedback", {**said, "id": CANARY}, headers=headers)
            assert told.status == 200 and CANARY not in told.body.decode()
            return answer.json["id"], repr((answer.headers, wrong.headers, told.headers)).encode()

    id, sent = asyncio.run(run())
    return firm, id, sent


def holding(store: Store) -> set[str]:
    """Name the tables in which any value of any row holds the canary."""
    found = set()
    with store.read() as connection:
        for name, table in tables.metadata.tables.items():
            if any(CANARY in repr(tuple(row)) for row in connection.execute(select(table))):
                found.add(name)
    return found


def test_words_are_in_their_own_tables_and_in_no_log_or_header(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _, _, headers = send(store)
    assert holding(store) == {request_contents.name, feedback_texts.name}
    assert CANARY not in caplog.text and CANARY.encode() not in headers


def test_every_role_but_staff_is_refused_and_every_look_is_an_event(store: Store) -> None:
    firm, id, _ = send(store)
    before = len(audit.find(store, subject=id))
    for role in ROLES:
        person = Person(id="p", name="P", role=role)
        if role not in accounts.STAFF:
            with pytest.raises(RefusedError):
                contents.read(store, id, person=person, reason="curious about it", now=NOW)
    reviewer = accounts.get(store, firm.reviewer)
    assert CANARY in repr(contents.read(store, id, person=reviewer, reason="queue item 12", now=NOW))
    [event] = audit.find(store, subject=id)[: 1 - before or None]
    assert (event.event.actor, event.event.details["reason"]) == (firm.reviewer, "queue item 12")
    assert CANARY not in repr(event) and audit.verify(store).rows > 0


def test_the_worker_deletes_words_for_good(store: Store, tmp_path: Path) -> None:
    """The standing job, as a worker does it: what a withdrawal takes back is in no byte of the database's files."""
    firm, _, _ = send(store)
    retention.begin(store, now=utc_now())
    worker = Worker(store, {retention.KIND: handlers()[retention.KIND]}, lambda _: None)
    worker.run(once=True)
    assert holding(store) == {request_contents.name, feedback_texts.name}  # their time is not over
    consent.withdraw_application(store, firm.id, by=firm.customer, now=utc_now() + timedelta(seconds=1))
    [job] = [one for one in jobs.find(store) if one.kind == retention.KIND]
    assert job.every and job.not_before <= utc_now() + timedelta(seconds=2)
    deleted = retention.delete(store, job.arguments, lambda *_: None)
    assert deleted == {
        "contents": 1,
        "words_of_feedback": 1,
        "requests": 0,
        "feedback": 0,
        "answers": 0,
        "files": "overwritten",
    }
    assert holding(store) == set()
    with store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(request_contents)) == 0
    assert [path.name for path in tmp_path.iterdir() if CANARY.encode() in path.read_bytes()] == []
