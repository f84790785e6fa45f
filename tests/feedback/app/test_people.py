"""Leads and administrators: inviting, suspending, new passwords, and the log."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.labeling import PASSWORD, Clock, Visitor
from tutelage.feedback.app.log import PAGE
from tutelage.store import Store, accounts, audit
from tutelage.store.accounts import Person

# What pages store is tested on both databases where it is stored.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

Visit = Callable[..., Visitor]
LEADS = {"candidate/training", "labeler/training", "labeler/heldout"}


def link_on(page: str) -> str:
    """Read the token of the link that a page shows."""
    (token,) = re.findall(r"http://desk\.example/enter/([\w-]+)", page)
    return token


def named(store: Store, name: str) -> Person:
    (person,) = [one for one in accounts.all_people(store) if one.name == name]
    return person


@pytest.mark.parametrize(
    ("role", "offers"), [("lead", LEADS), ("admin", LEADS | {"researcher/researcher", "lead/", "admin/"})]
)
def test_an_invitation_is_shown_once_and_makes_what_it_says(
    visit: Visit, store: Store, role: str, offers: set[str]
) -> None:
    boss = visit("Boss", role)
    assert set(re.findall(r'<option value="([^"]+)"', boss.get("/people").text)) == offers
    for number, offer in enumerate(sorted(offers)):
        page = boss.post("/people/invitations", who=offer, note=f"No. {number}").text
        assert f"Send this link to No. {number}." in page
        token = link_on(page)
        assert token not in boss.get("/people").text and f"No. {number}" in boss.get("/people").text
        person = visit().use(token, f"Person {number}")
        assert f"{person.role}/{person.group}" == offer
        assert f"No. {number}" not in boss.get("/people").text


@pytest.mark.parametrize(
    "who", ["lead/", "admin/", "researcher/researcher", "labeler/researcher", "labeler/", "", "x/y"]
)
def test_a_lead_invites_labelers_only(visit: Visit, store: Store, who: str) -> None:
    lead = visit("Lea", "lead")
    before = audit.verify(store)
    assert lead.post("/people/invitations", who=who).status_code == 403
    assert audit.verify(store) == before


def test_a_link_is_withdrawn(visit: Visit, store: Store, clock: Clock) -> None:
    lead = visit("Lea", "lead")
    token = link_on(lead.post("/people/invitations", who="labeler/training").text)
    (made,) = re.findall(r"/people/invitations/(\w+)/withdraw", lead.get("/people").text)
    assert lead.post(f"/people/invitations/{made}/withdraw").status_code == 303
    assert visit().get(f"/enter/{token}").status_code == 404
    again = lead.post(f"/people/invitations/{made}/withdraw")
    assert again.status_code == 404 and "withdrawn already" in again.text


def test_a_suspended_labeler_is_out_at_once_and_can_be_let_in_again(visit: Visit, store: Store) -> None:
    lead, anna = visit("Lea", "lead"), visit("Anna")
    path = f"/people/{named(store, 'Anna').id}"
    lead.post(f"{path}/suspend")
    assert anna.get("/").status_code == 303
    assert anna.post("/sign-in", name="Anna", password=PASSWORD).status_code == 403
    assert "suspended" in lead.get("/people").text
    lead.post(f"{path}/reinstate")
    assert anna.post("/sign-in", name="Anna", password=PASSWORD).status_code == 303


def test_a_forgotten_password_is_renewed_by_a_link(visit: Visit, store: Store) -> None:
    lead, anna = visit("Lea", "lead"), visit("Anna")
    token = link_on(lead.post(f"/people/{named(store, 'Anna').id}/renew").text)
    page = visit().get(f"/enter/{token}").text
    assert "gives the account Anna a new password" in page and 'name="name"' not in page
    assert visit().post(f"/enter/{token}", password="other words without sense").status_code == 303
    assert anna.get("/").status_code == 303
    assert visit().post("/sign-in", name="Anna", password="other words without sense").status_code == 303
    assert len(accounts.all_people(store)) == 2


@pytest.mark.parametrize("action", ["suspend", "reinstate", "renew"])
def test_a_lead_has_no_power_over_leads_and_administrators(visit: Visit, store: Store, action: str) -> None:
    visit("Ada", "admin")
    visit("Rosa", "researcher")
    lead = visit("Lea", "lead")
    visit("Leo", "lead")
    before = audit.verify(store)
    for name in ("Ada", "Rosa", "Leo", "Lea"):
        assert lead.post(f"/people/{named(store, name).id}/{action}").status_code == 403
    assert audit.verify(store) == before


def test_a_lead_cannot_withdraw_an_administrators_link(visit: Visit, store: Store) -> None:
    visit("Ada", "admin").post("/people/invitations", who="lead/")
    (open_one,) = accounts.open_invitations(store, now=Clock().now)
    assert visit("Lea", "lead").post(f"/people/invitations/{open_one.id}/withdraw").status_code == 403


def test_nobody_locks_oneself_out(visit: Visit, store: Store) -> None:
    ada = visit("Ada", "admin")
    answer = ada.post(f"/people/{named(store, 'Ada').id}/suspend")
    assert answer.status_code == 400 and "ask another administrator" in answer.text


def test_nobody_there_is_a_sentence(visit: Visit) -> None:
    answer = visit("Ada", "admin").post("/people/nobody/suspend")
    assert answer.status_code == 404 and "no such person" in answer.text


def test_a_locked_account_is_shown_as_such(visit: Visit, clock: Clock) -> None:
    lead = visit("Lea", "lead")
    visit("Anna")
    for _ in range(5):
        visit().post("/sign-in", name="Anna", password="a wrong password")
    assert "locked until 2026-11-02 09:15 UTC" in lead.get("/people").text
    clock.now += timedelta(minutes=15)
    assert "locked until" not in lead.get("/people").text


def test_the_log_names_who_did_what(visit: Visit, store: Store) -> None:
    ada = visit("Ada", "admin")
    anna = visit("Anna")
    ada.post(f"/people/{named(store, 'Anna').id}/suspend")
    rows = re.findall(r"<tr>(.*?)</tr>", ada.get("/log").text, re.DOTALL)
    cells = [re.sub(r"\s+", " ", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", rows[1], re.DOTALL)]
    assert cells[2:5] == ["Ada", "person.suspend", "Anna"]
    assert anna.get("/").status_code == 303
    head = audit.verify(store)
    checked = ada.get("/log/check").text
    assert f"{head.rows} rows" in checked and head.hash in checked


def test_a_broken_chain_is_told(visit: Visit, store: Store) -> None:
    ada = visit("Ada", "admin")
    with store.write() as connection:
        if store.engine.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER audit_log_refuse_update"))
        else:
            connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER ALL"))
        connection.execute(text("UPDATE audit_log SET actor = 'nobody' WHERE number = 2"))
    answer = ada.get("/log/check")
    assert answer.status_code == 400 and "Row 2 of the audit log was changed" in answer.text


def test_a_long_log_has_older_rows(visit: Visit, store: Store) -> None:
    ada = visit("Ada", "admin")
    for _ in range(PAGE):
        with store.write() as connection:
            audit.append(connection, audit.Event(actor="", action="test.row"), now=Clock().now)
    (older,) = re.findall(r'href="(/log\?before=\d+)"', ada.get("/log").text)
    page = ada.get(older).text
    assert "person.enter" in page and "before=" not in page
