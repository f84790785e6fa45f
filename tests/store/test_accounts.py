"""Accounts: links that work once, names that can be told apart, lock-out, sessions, and a log of all of it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import inspect, text

from tutelage.errors import DataError, MissingError
from tutelage.records import Labeler
from tutelage.store import Store, accounts, audit, labelers, sessions
from tutelage.store.accounts import Offer, Person, Role

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def add(store: Store, name: str = "Anna", role: Role = "labeler", group: str = "training") -> Person:
    """Add a person whose stored hash is the word `hash`: what a hash is, the store does not know."""
    token = accounts.invite(store, Offer(role=role, group=group), by="", now=NOW)  # type: ignore[arg-type]
    return accounts.enter(store, token, name, "hash", now=NOW)


def actions(store: Store) -> list[str]:
    return [entry.event.action for entry in reversed(audit.find(store))]


@pytest.mark.parametrize(
    ("role", "group"),
    [("candidate", "training"), ("labeler", "training"), ("labeler", "heldout"), ("researcher", "researcher")],
)
def test_a_link_makes_a_person_of_its_role_and_group(store: Store, role: Role, group: str) -> None:
    person = add(store, "  Anna  Berg ", role, group)
    assert (person.name, person.role, person.group, person.is_active) == ("Anna Berg", role, group, True)
    labeler = labelers.get(store, person.labeler)
    assert (labeler.group, labeler.kind, labeler.screened) == (group, "human", False)
    assert person.labeler not in (person.id, "Anna Berg")
    assert accounts.all_people(store) == [person] == [accounts.get(store, person.id)]


@pytest.mark.parametrize("role", ["lead", "admin"])
def test_who_makes_no_labels_is_no_labeler(store: Store, role: Role) -> None:
    assert add(store, "Lea", role, "").labeler == ""
    assert labelers.find(store) == []


@pytest.mark.parametrize(
    ("role", "group"),
    [("candidate", "heldout"), ("labeler", ""), ("labeler", "researcher"), ("lead", "training"), ("admin", "heldout")],
)
def test_a_group_that_does_not_fit_the_role_is_refused(store: Store, role: Role, group: str) -> None:
    with pytest.raises(DataError, match="cannot be in the group"):
        accounts.invite(store, Offer(role=role, group=group), by="", now=NOW)  # type: ignore[arg-type]


def test_a_link_works_once(store: Store) -> None:
    token = accounts.invite(store, Offer(role="lead"), by="", now=NOW)
    assert accounts.invitation(store, token, now=NOW)
    accounts.enter(store, token, "Anna", "hash", now=NOW)
    assert accounts.invitation(store, token, now=NOW) is None
    with pytest.raises(MissingError, match="used already"):
        accounts.enter(store, token, "Ben", "hash", now=NOW)


def test_two_who_use_one_link_at_once_make_one_person(database: str) -> None:
    refused = []
    with Store.open(database) as store:
        token = accounts.invite(store, Offer(role="labeler", group="training"), by="", now=NOW)

        def use(name: str) -> None:
            try:
                accounts.enter(store, token, name, "hash", now=NOW)
            except MissingError:
                refused.append(name)

        threads = [threading.Thread(target=use, args=(f"Anna {n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(accounts.all_people(store)) == 1 and len(refused) == 3
        assert len(labelers.find(store)) == 1


def test_a_link_ends_after_seven_days(store: Store) -> None:
    token = accounts.invite(store, Offer(role="lead"), by="", now=NOW)
    assert accounts.invitation(store, token, now=NOW + 7 * DAY - MINUTE)
    assert accounts.invitation(store, token, now=NOW + 7 * DAY) is None
    with pytest.raises(MissingError, match="too old"):
        accounts.enter(store, token, "Anna", "hash", now=NOW + 7 * DAY)


def test_a_withdrawn_link_is_dead(store: Store) -> None:
    token = accounts.invite(store, Offer(role="lead", note=" for Lea "), by="boss", now=NOW)
    (listed,) = accounts.open_invitations(store, now=NOW)
    assert (listed.offer.note, listed.invited_by, listed.expires) == ("for Lea", "boss", NOW + 7 * DAY)
    accounts.withdraw_invitation(store, listed.id, by="boss", now=NOW)
    assert accounts.open_invitations(store, now=NOW) == []
    with pytest.raises(MissingError):
        accounts.enter(store, token, "Anna", "hash", now=NOW)
    with pytest.raises(MissingError, match="withdrawn already"):
        accounts.withdraw_invitation(store, listed.id, by="boss", now=NOW)


def test_only_the_newest_link_for_the_first_admin_works_and_none_is_made_after_it(store: Store) -> None:
    first = accounts.invite_first_admin(store, now=NOW)
    second = accounts.invite_first_admin(store, now=NOW)
    assert accounts.invitation(store, first, now=NOW) is None
    admin = accounts.enter(store, second, "Ada", "hash", now=NOW)
    assert accounts.invite_first_admin(store, now=NOW) == ""
    accounts.set_active(store, admin.id, False, by="", now=NOW)
    assert accounts.invite_first_admin(store, now=NOW) != ""


@pytest.mark.parametrize("other", ["ANNA", " anna ", "Anna", "\uff21nna"])
def test_two_people_never_look_the_same(store: Store, other: str) -> None:
    add(store, "Anna")
    with pytest.raises(DataError, match="has this name already"):
        add(store, other)
    assert len(accounts.all_people(store)) == len(labelers.find(store)) == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [("", "Write the name"), (" \n ", "Write the name"), ("a" * 81, "81 characters"), ("an\u200bna", "cannot be seen")],
)
def test_names_that_cannot_be_read_are_refused(store: Store, name: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        add(store, name)


def test_a_renewing_link_changes_the_password_and_signs_out(store: Store) -> None:
    anna = add(store)
    cookie = sessions.open_for(store, anna.id, agent="", now=NOW)
    offer = Offer(role=anna.role, group=anna.group, person=anna.id)
    old = accounts.invite(store, offer, by="lead", now=NOW)
    new = accounts.invite(store, offer, by="lead", now=NOW)
    assert accounts.invitation(store, old, now=NOW) is None
    assert accounts.enter(store, new, "ignored", "other hash", now=NOW) == anna
    assert sessions.find(store, cookie, now=NOW) is None
    attempt = sessions.attempt(store, "anna", now=NOW)
    assert attempt and attempt.password == "other hash"


def test_five_failures_in_a_row_lock_for_fifteen_minutes(store: Store) -> None:
    add(store)
    for _ in range(5):
        assert sessions.attempt(store, "Anna", now=NOW)
    assert sessions.attempt(store, "Anna", now=NOW) is None
    assert sessions.attempt(store, "Anna", now=NOW + 15 * MINUTE - timedelta(seconds=1)) is None
    for _ in range(5):
        assert sessions.attempt(store, "Anna", now=NOW + 15 * MINUTE)
    assert sessions.attempt(store, "Anna", now=NOW + 15 * MINUTE) is None


def test_signing_in_takes_the_failures_back(store: Store) -> None:
    anna = add(store)
    for _ in range(3):
        for _ in range(4):
            assert sessions.attempt(store, "Anna", now=NOW)
        sessions.open_for(store, anna.id, agent="", now=NOW)


def test_guesses_at_once_are_all_counted(database: str) -> None:
    with Store.open(database) as store:
        add(store)
        let = []
        threads = [
            threading.Thread(target=lambda: let.append(sessions.attempt(store, "Anna", now=NOW))) for _ in range(10)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len([one for one in let if one]) == 5


def test_nobody_and_the_suspended_get_no_attempt(store: Store) -> None:
    anna = add(store)
    assert sessions.attempt(store, "Ben", now=NOW) is None
    accounts.set_active(store, anna.id, False, by="lead", now=NOW)
    assert sessions.attempt(store, "Anna", now=NOW) is None
    with pytest.raises(DataError, match="suspended"):
        sessions.open_for(store, anna.id, agent="", now=NOW)
    accounts.set_active(store, anna.id, True, by="lead", now=NOW)
    assert sessions.attempt(store, "Anna", now=NOW)


def test_suspending_ends_all_sessions_for_good(store: Store) -> None:
    anna = add(store)
    cookie = sessions.open_for(store, anna.id, agent="", now=NOW)
    accounts.set_active(store, anna.id, False, by="lead", now=NOW)
    accounts.set_active(store, anna.id, True, by="lead", now=NOW)
    assert sessions.find(store, cookie, now=NOW) is None


def test_a_session_ends_when_it_is_not_used_and_after_two_weeks(store: Store) -> None:
    anna = add(store)
    cookie = sessions.open_for(store, anna.id, agent="Browser", now=NOW)
    found = sessions.find(store, cookie, now=NOW)
    assert found and (found.person, found.agent) == (anna, "Browser")
    assert sessions.find(store, cookie, now=NOW + timedelta(hours=12)) is None
    at = NOW
    while at < NOW + 14 * DAY - timedelta(hours=11):
        at += timedelta(hours=11)
        assert sessions.find(store, cookie, now=at)
    assert sessions.find(store, cookie, now=NOW + 14 * DAY) is None


def test_a_session_is_ended_by_its_owner_only(store: Store) -> None:
    anna, ben = add(store), add(store, "Ben")
    cookie = sessions.open_for(store, anna.id, agent="", now=NOW)
    (listed,) = sessions.of(store, anna.id, now=NOW)
    sessions.end(store, ben.id, listed.id, by=ben.id, now=NOW)
    assert sessions.find(store, cookie, now=NOW)
    sessions.end(store, anna.id, listed.id, by=anna.id, now=NOW)
    assert sessions.find(store, cookie, now=NOW) is None
    assert sessions.of(store, anna.id, now=NOW) == []


def test_a_new_password_keeps_only_the_browser_that_set_it(store: Store) -> None:
    anna = add(store)
    here, there = (sessions.open_for(store, anna.id, agent=agent, now=NOW) for agent in ("here", "there"))
    own = sessions.find(store, here, now=NOW)
    assert own
    sessions.change_password(store, anna.id, "new hash", keep=own.id, now=NOW)
    assert sessions.find(store, here, now=NOW)
    assert sessions.find(store, there, now=NOW) is None


def test_a_role_changes_within_its_group_only(store: Store) -> None:
    anna = add(store, role="candidate")
    accounts.set_role(store, anna.id, "labeler", by="researcher", now=NOW)
    assert accounts.get(store, anna.id).role == "labeler"
    with pytest.raises(DataError, match="invite them anew"):
        accounts.set_role(store, anna.id, "admin", by="researcher", now=NOW)
    hal = add(store, "Hal", group="heldout")
    with pytest.raises(DataError, match="invite them anew"):
        accounts.set_role(store, hal.id, "candidate", by="researcher", now=NOW)


@pytest.mark.parametrize("role", ["lead", "admin"])
def test_who_looks_after_labelers_may_label_as_well_as_a_person_who_was_not_screened(store: Store, role: Role) -> None:
    ada = add(store, "Ada", role, "")
    assert not ada.labels
    joined = accounts.join(store, ada.id, "training", now=NOW)
    assert joined.labels and (joined.role, joined.group) == (role, "training")
    assert accounts.get(store, ada.id) == joined
    (labeler,) = labelers.find(store)
    assert labeler == Labeler(id=joined.labeler, group="training", kind="human", screened=False)
    assert accounts.join(store, ada.id, "training", now=NOW) == joined
    with pytest.raises(DataError, match="never changes"):
        accounts.join(store, ada.id, "heldout", now=NOW)
    renewal = Offer(role=role, group=joined.group, person=ada.id)
    accounts.enter(store, accounts.invite(store, renewal, by="", now=NOW), "", "another hash", now=NOW)
    assert accounts.get(store, ada.id) == joined
    (entry,) = [one for one in audit.find(store) if one.event.action == "person.join"]
    assert (entry.event.actor, entry.event.details["screened"]) == (ada.id, False)


def test_nobody_else_joins_a_group_and_no_group_but_those_of_labelers_is_joined(store: Store) -> None:
    for role, group in (("labeler", "training"), ("candidate", "training"), ("researcher", "researcher")):
        person = add(store, role, role=role, group=group)
        with pytest.raises(DataError, match="ask for an invitation"):
            accounts.join(store, person.id, "heldout", now=NOW)
    with pytest.raises(DataError, match="ask for an invitation"):
        accounts.join(store, add(store, "Ada", "admin", "").id, "researcher", now=NOW)  # type: ignore[arg-type]


def test_no_link_or_cookie_stands_in_the_database(store: Store) -> None:
    link = accounts.invite(store, Offer(role="lead"), by="", now=NOW)
    cookie = sessions.open_for(store, add(store).id, agent="", now=NOW)
    with store.read() as connection:
        for table in inspect(connection).get_table_names():
            rows = str(connection.execute(text(f'SELECT * FROM "{table}"')).all())
            assert link not in rows and cookie not in rows


def test_every_change_is_in_the_log(store: Store) -> None:
    anna = add(store, role="candidate")
    sessions.attempt(store, "Anna", now=NOW)
    sessions.open_for(store, anna.id, agent="", now=NOW)
    sessions.change_password(store, anna.id, "x", keep="", now=NOW)
    sessions.open_for(store, anna.id, agent="", now=NOW)
    sessions.end(store, anna.id, sessions.of(store, anna.id, now=NOW)[0].id, by=anna.id, now=NOW)
    accounts.set_role(store, anna.id, "labeler", by="lea", now=NOW)
    accounts.set_active(store, anna.id, False, by="lea", now=NOW)
    accounts.set_active(store, anna.id, True, by="lea", now=NOW)
    accounts.invite(store, Offer(role="lead"), by="lea", now=NOW)
    accounts.withdraw_invitation(store, accounts.open_invitations(store, now=NOW)[0].id, by="lea", now=NOW)
    assert actions(store) == [
        "invitation.make",
        "person.enter",
        "session.attempt",
        "session.open",
        "person.password",
        "session.open",
        "session.end",
        "person.role",
        "person.suspend",
        "person.reinstate",
        "invitation.make",
        "invitation.withdraw",
    ]
    assert {entry.event.actor for entry in audit.find(store)} == {"", anna.id, "lea"}
    assert audit.verify(store).rows == 12
