"""What an application's traffic may be used for: agreed to under the newest notice alone, and taken back for good."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.firms import NOW, Firm
from tutelage.errors import ConflictError, DataError, MissingError, RefusedError
from tutelage.records import Prompt
from tutelage.store import Store, audit, counters, notices, prompts, traffic, users
from tutelage.store.traffic import Sent

LATER = NOW + timedelta(minutes=1)


def test_only_its_customer_agrees_and_only_to_the_newest_notice(store: Store) -> None:
    firm = Firm.of(store)
    with pytest.raises(MissingError, match="no notice"):
        notices.agree(store, firm.id, "one", by=firm.customer, now=NOW)
    notices.publish(store, "one", "We train.", by="", now=NOW)
    for somebody in (firm.reviewer, firm.other):
        with pytest.raises(RefusedError):
            notices.agree(store, firm.id, "one", by=somebody, now=NOW)
    before = counters.value(store)
    made = notices.agree(store, firm.id, "one", by=firm.customer, now=NOW)
    assert (made.data_use, made.notice_version, made.by) == ("training", "one", firm.customer)
    assert (firm.now.data_use, firm.now.notice_version) == ("training", "one")
    assert counters.value(store) > before
    assert notices.agree(store, firm.id, "one", by=firm.customer, now=LATER) == made
    assert [entry.event.action for entry in audit.find(store, subject=firm.id)][0] == "application.data_use"


def test_a_new_notice_asks_everybody_again(store: Store) -> None:
    firm = Firm.of(store)
    notices.publish(store, "one", "We train.", by="", now=NOW)
    notices.agree(store, firm.id, "one", by=firm.customer, now=NOW)
    assert notices.publish(store, "one", "We train.", by="", now=LATER).created == NOW
    assert firm.now.data_use == "training"
    with pytest.raises(ConflictError, match="another text"):
        notices.publish(store, "one", "We sell.", by="", now=LATER)
    with pytest.raises(DataError):
        notices.publish(store, "two", " ", by="", now=LATER)
    notices.publish(store, "two", "We train more.", by="", now=LATER)
    assert (firm.now.data_use, firm.now.notice_version) == ("none", "")
    with pytest.raises(ConflictError, match="changed to 'two'"):
        notices.agree(store, firm.id, "one", by=firm.customer, now=LATER)
    assert [(one.data_use, one.by) for one in notices.decisions(store, firm.id)] == [
        ("none", "notice two"),
        ("training", firm.customer),
    ]
    newest = notices.newest(store)
    assert newest and newest.version == "two" and [one.version for one in notices.versions(store)] == ["two", "one"]


def test_refusing_holds_from_now_and_withdrawing_from_before(store: Store) -> None:
    firm = Firm.of(store)
    users.assign(store, ["u"], shares={"train": 1.0}, now=NOW)
    rows = [Prompt(id=id, text=f"Text {id}", source="customer", user="u", consent="one") for id in ("a", "b", "c")]
    prompts.add(store, rows, now=NOW)
    sent = [("a", firm.id, NOW), ("b", "another", NOW), ("c", firm.id, LATER)]
    traffic.add(
        store,
        [Sent(prompt_id=id, request_id=f"r{id}", application_id=app, model="m@1", sent=at) for id, app, at in sent],
    )
    notices.refuse(store, firm.id, by=firm.customer, now=NOW)
    assert {one.id for one in prompts.usable(store)} == {"a", "b", "c"}
    notices.withdraw(store, firm.id, by=firm.customer, now=NOW)
    # What it sends after it agreed anew is another matter.
    assert {one.id for one in prompts.usable(store)} == {"b", "c"}
    assert firm.now.data_use == "none"
    assert traffic.hashes(store, application=firm.id) == {prompts.text_hash("Text a"), prompts.text_hash("Text c")}
    [found] = traffic.of_request(store, "rb")
    assert found == traffic.of_request(store, "b")[0] and found.application_id == "another"
