"""The request log: written once, counted in windows, read for training only where it may be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tutelage.errors import ConflictError, DataError, MissingError, RefusedError
from tutelage.store import Store, audit, comments, contents, requests, users
from tutelage.store.accounts import Person
from tutelage.store.comments import Feedback
from tutelage.store.request_tables import WRITTEN_ONCE, data_uses
from tutelage.store.requests import Choice, Content, Ended, Hit, Request

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
BASE = Request(
    id="cmpl-1",
    endpoint="completions",
    action="served",
    status=200,
    created=NOW,
    latency_ms=40,
    first_token_ms=9,
    key_id="k1",
    application_id="a1",
    organisation_id="o1",
    end_user="e1",
    alias="default",
    model="village@2",
    prompts=1,
    n=2,
    prompt_tokens=7,
    completion_tokens=12,
    temperature=0.7,
    is_stream=True,
    finish_reasons=("stop", "length"),
    use_case="chat",
    prompt_simhash="00ff",
    data_use="training",
    notice_version="data-use-1",
)
SAID = Content(
    reason="training",
    prompts=("Who bakes?\0", (("system", "Be short."), ("user", "And 日本?"))),
    choices=(Choice(prompt=0, text="Ada.", finish_reason="stop", tokens=2),),
    sampling={"temperature": 0.7},
)


def test_a_call_comes_back_as_it_went_in_and_is_never_doubled(store: Store) -> None:
    ended = Ended(request=BASE, hits=(Hit(role="prompt", category="violence", severity=1, score=0.5),), content=SAID)
    other = replace(BASE, id="cmpl-2", first_token_ms=None, created=NOW + timedelta(seconds=1))
    requests.add(store, [ended, Ended(request=other)])
    requests.add(store, [Ended(request=other), ended])
    assert requests.get(store, "cmpl-1") == BASE
    assert requests.get(store, "cmpl-3") is None
    assert requests.hits(store, "cmpl-1") == list(ended.hits)
    assert [one.id for one in requests.find(store, since=NOW, until=NOW + timedelta(minutes=1))] == ["cmpl-2", "cmpl-1"]
    [found] = contents.consented(store)
    assert (found.request, found.content) == (BASE, SAID)


def test_windows_count_each_application_by_itself(store: Store) -> None:
    rows = [
        BASE,
        replace(BASE, id="b", action="blocked_prompt", completion_tokens=0),
        replace(BASE, id="c", action="cut"),
        replace(BASE, id="d", action="refused", prompt_tokens=0, completion_tokens=0),
        replace(BASE, id="e", application_id="a2"),
        replace(BASE, id="f", created=NOW - timedelta(seconds=1)),
        replace(BASE, id="g", created=NOW + timedelta(hours=1)),
    ]
    requests.add(store, [Ended(request=row) for row in rows])
    found = requests.tallies(store, since=NOW, until=NOW + timedelta(hours=1))
    assert set(found) == {"a1", "a2"}
    one = found["a1"]
    assert (one.requests, one.blocked, one.refused, one.prompt_tokens, one.completion_tokens) == (4, 2, 1, 21, 24)
    mine = requests.find(store, since=NOW, until=NOW + timedelta(hours=1), application_id="a2")
    assert [row.id for row in mine] == ["e"]


def test_addresses_are_hashes_that_keep_their_network(store: Store) -> None:
    one, same, other = (requests.place(store, ip) for ip in ("203.0.113.7", "203.0.113.250", "203.0.114.7"))
    assert one.network_hash == same.network_hash != other.network_hash and one.ip_hash != same.ip_hash
    wide = [requests.place(store, ip).network_hash for ip in ("2001:db8:1:2::3", "2001:db8:1:ffff::3", "2001:db8:2::3")]
    assert wide[0] == wide[1] != wide[2]
    assert requests.place(store, "unix\n\x1b[31m") == ("", "")
    assert "203" not in one.ip_hash + one.network_hash or len(one.ip_hash) == 16


#: What keeps a request's content from training; each alone is enough.
KEPT_OUT: dict[str, dict[str, Any]] = {
    "no consent": {"data_use": "none"},
    "no notice": {"notice_version": ""},
    "an unsafe prompt": {"prompt_severity": 2},
    "an unsafe completion": {"completion_severity": 2},
    "not answered": {"action": "cancelled"},
    "cut by the filter": {"action": "cut"},
}


@pytest.mark.parametrize("change", KEPT_OUT.values(), ids=KEPT_OUT)
def test_what_may_not_be_trained_on_is_not_read(store: Store, change: dict[str, Any]) -> None:
    requests.add(store, [Ended(request=replace(BASE, **change), content=SAID)])
    assert contents.consented(store) == []


def test_what_was_kept_for_review_or_withdrawn_is_not_read(store: Store) -> None:
    sent = [replace(BASE, id=id) for id in ("r", "w")]
    sent += [replace(BASE, id="u", end_user="u"), replace(BASE, id="x", application_id="a2")]
    said = [replace(SAID, reason="review"), SAID, SAID, SAID]
    requests.add(store, [Ended(request=r, content=s) for r, s in zip(sent, said, strict=True)])
    users.withdraw(store, ["u"], by="", now=NOW)
    assert [one.request.id for one in contents.consented(store)] == ["w", "x"]
    gone = {"application_id": "a1", "data_use": "none", "withdraws": True, "by": "", "created": NOW}
    with store.write() as connection:
        connection.execute(data_uses.insert(), gone)
    # What the application sends under a new agreement, after it withdrew, is another matter.
    later = replace(BASE, id="y", created=NOW + timedelta(seconds=1))
    requests.add(store, [Ended(request=later, content=SAID)])
    assert [one.request.id for one in contents.consented(store)] == ["x", "y"]


def test_only_staff_reads_what_was_said_and_every_look_is_logged(store: Store) -> None:
    requests.add(store, [Ended(request=BASE, content=SAID)])
    reviewer = Person(id="p1", name="Rae", role="reviewer")

    def read(person: Person, id: str = "cmpl-1", reason: str = "queue item 7\n\x1b[2J") -> Content:
        return contents.read(store, id, person=person, reason=reason, now=NOW)

    for person in (Person(id="p2", name="L", role="lead"), replace(reviewer, is_active=False)):
        with pytest.raises(RefusedError, match="Only reviewers"):
            read(person)
    with pytest.raises(DataError, match="Say why"):
        read(reviewer, reason=" ")
    with pytest.raises(MissingError, match="is kept"):
        read(reviewer, id="cmpl-9")
    assert audit.find(store) == []
    assert read(reviewer) == SAID
    [entry] = audit.find(store)
    assert (entry.event.actor, entry.event.action, entry.event.subject) == ("p1", "request.read", "cmpl-1")
    assert audit.verify(store).rows == 1


def test_feedback_is_kept_once_and_with_one_content(store: Store) -> None:
    requests.add(store, [Ended(request=BASE)])
    said = Feedback(
        id="f1",
        request_id="cmpl-1",
        application_id="a1",
        choice=1,
        thumb="down",
        reasons=("made_up",),
        ranking=((1,), (0, 2)),
        comment="No\0",
        correction="Bea.",
        data_use="training",
        notice_version="n",
        created=NOW,
    )
    comments.add(store, said)
    comments.add(store, replace(said, created=NOW + timedelta(minutes=1)))
    with pytest.raises(ConflictError, match="another content"):
        comments.add(store, replace(said, thumb="up"))
    bare = Feedback(id="f2", request_id="cmpl-1", application_id="a1", thumb="up", created=NOW + timedelta(minutes=2))
    comments.add(store, bare)
    assert comments.of_requests(store, ["cmpl-1", "cmpl-2"]) == {"cmpl-1": [said, bare]}


def test_no_row_of_the_log_can_be_changed(store: Store) -> None:
    hit = Hit(role="prompt", category="hate", severity=2, score=1.0)
    requests.add(store, [Ended(request=BASE, hits=(hit,), content=SAID)])
    comments.add(store, Feedback(id="f", request_id="cmpl-1", application_id="a1", comment="no", created=NOW))
    for table in WRITTEN_ONCE:
        column = (
            "feedback_id" if table == "feedback_texts" else "id" if table in ("requests", "feedback") else "request_id"
        )
        with pytest.raises(DBAPIError, match=f"rows of {table} are written once"), store.write() as connection:
            connection.execute(text(f"UPDATE {table} SET {column} = {column}"))
