"""A labeler asks to withdraw on the own account; a lead looks, confirms and does it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.labeling import PASSWORD, Clock, Visitor
from tutelage.records import RegisteredModel
from tutelage.store import Store, accounts, audit, registry, withdrawals
from tutelage.store.accounts import Person

Visit = Callable[..., Visitor]
# Forms alone: what they call is tested on both databases.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def named(store: Store, name: str) -> Person:
    (person,) = [one for one in accounts.all_people(store) if one.name == name]
    return person


def counted(page: str) -> dict[str, int]:
    """Read the rows of a page's tables whose value is a number."""
    rows = re.findall(r'<th scope="row">([^<]+)</th><td class="number">(\d+)</td>', page)
    return {name: int(number) for name, number in rows}


def test_a_labeler_sees_what_is_stored_and_asks_and_a_lead_does_it(visit: Visit, store: Store, clock: Clock) -> None:
    lead, anna = visit("Lea", "lead"), visit("Anna")
    person = named(store, "Anna")
    page = anna.get("/account").text
    assert counted(page)["Times that you signed in"] == 1 and counted(page)["Orders of outputs"] == 0
    assert person.labeler in page

    path = f"/people/{person.id}/withdrawal"
    assert "asks to withdraw" not in lead.get("/people").text
    assert anna.post("/account/withdrawal").status_code == 303
    assert "You asked on" in anna.get("/account").text
    assert "asks to withdraw" in lead.get("/people").text
    made = RegisteredModel(name="sft", version=0, path="p", sha256="s", run="r")
    hashes = {"the hash of a prompt"}
    registry.register(store, made, prompt_hashes=hashes, now=clock.now)
    page = lead.get(path).text
    assert "Anna asked for it on" in page and "No registered model learned from it" in page
    kinds = ("Demonstrations", "Ratings", "Rankings", "Written prompts", "Looks for personal data")
    assert counted(page) == dict.fromkeys((*kinds, "Judgements of toxicity", "Prompts taken in"), 0)

    answer = lead.post(path)
    assert answer.status_code == 400 and "Say that you know that this cannot be undone." in answer.text
    assert withdrawals.withdrawn(store) == {}
    left_out = "Labelers who withdrew, and whose labels nothing here counts: 1."
    assert left_out not in lead.get("/lead/agreement").text
    assert lead.post(path, sure="yes").headers["location"] == path
    assert "Anna was withdrawn on" in lead.get(path).text and "<form" not in lead.get(path).text.split("<main")[1]
    assert anna.get("/").status_code == 303, "signed out"
    assert anna.post("/sign-in", name="Anna", password=PASSWORD).status_code == 403
    assert left_out in lead.get("/lead/agreement").text
    people = lead.get("/people").text
    assert "withdrawn" in people and f"/people/{person.id}/reinstate" not in people
    assert lead.post(f"/people/{person.id}/reinstate").status_code == 400
    assert [entry.event.action for entry in audit.find(store, subject=person.labeler)] == [
        "labeler.withdraw",
        "labeler.ask_withdrawal",
    ]


def test_only_who_looks_after_a_labeler_withdraws_one(visit: Visit, store: Store) -> None:
    visit("Rita", "researcher")
    lead, anna = visit("Lea", "lead"), visit("Anna")
    rita, own = named(store, "Rita").id, named(store, "Anna").id
    assert anna.get(f"/people/{own}/withdrawal").status_code == 403
    assert anna.post(f"/people/{own}/withdrawal", sure="yes").status_code == 403
    assert lead.post(f"/people/{rita}/withdrawal", sure="yes").status_code == 403
    assert lead.get("/people/nobody/withdrawal").status_code == 404
    answer = lead.post("/account/withdrawal")
    assert answer.status_code == 400 and "makes no labels" in answer.text
    assert "What is stored about you" not in lead.get("/account").text
    assert withdrawals.withdrawn(store) == {}
