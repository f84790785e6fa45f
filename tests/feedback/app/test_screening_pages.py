"""Screening through the pages' forms: what candidates, researchers and leads see and may do."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest

from tests.feedback.app.screened import FORMS, ITEMS, answer_all, publish, score_all
from tests.labeling import Visitor
from tutelage.store import Store, accounts, audit, screening

# What pages store is tested on both databases where it is stored.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

Visit = Callable[..., Visitor]


@pytest.fixture(autouse=True)
def a_set(store: Store) -> None:
    publish(store)


def test_a_candidate_goes_from_item_to_item_and_hands_in(visit: Visit, store: Store) -> None:
    visitor = visit("Cleo", "candidate")
    assert "four parts" in visitor.get("/screening").text
    assert screening.find(store) == []
    assert visitor.post("/screening/begin").headers["location"] == "/screening/items/f1"
    goes = [visitor.post(f"/screening/items/{item}", **form).headers["location"] for item, form in FORMS.items()]
    assert goes == [*(f"/screening/items/{item.id}" for item in ITEMS[1:]), "/screening"]
    assert visitor.post("/screening/hand-in").status_code == 303
    page = visitor.get("/screening").text
    assert "Handed in on 2026-11-02" in page and "Hand in<" not in page
    late = visitor.post("/screening/items/f1", answer="no")
    assert late.status_code == 400 and "handed in; its answers stay" in late.text
    person = next(one for one in accounts.all_people(store) if one.name == "Cleo")
    assert screening.answers(store, person.labeler) == {
        "f1": True,
        "f2": True,
        "r1": [[0, 2], [1]],
        "d1": FORMS["d1"]["answer"],
        "t1": True,
        "t2": False,
    }


def test_the_keys_are_on_no_page_of_a_candidate(visit: Visit) -> None:
    visitor = visit("Cleo", "candidate")
    answer_all(visitor)
    for item in ITEMS:
        page = visitor.get(f"/screening/items/{item.id}").text
        assert item.prompt in page
        assert not item.reason or item.reason not in re.sub(r"<[^>]+>", "", page).replace("for", "").split()
        assert "Two, not three." not in page and "Kindness." not in page


@pytest.mark.parametrize(
    "item, form, told",
    [
        ("f1", {}, "yes or no"),
        ("r1", {"place-0": "1", "place-1": "2"}, "every output exactly once"),
        ("r1", {"place-0": "1", "place-1": "2", "place-2": "9"}, "every output exactly once"),
        ("d1", {"answer": " "}, "empty"),
        ("d1", {"answer": "x" * 20_001}, "at most 20000"),
    ],
)
def test_what_is_no_answer_comes_back_with_its_text(
    visit: Visit, store: Store, item: str, form: dict[str, str], told: str
) -> None:
    visitor = visit("Cleo", "candidate")
    visitor.post("/screening/begin")
    before = audit.verify(store)
    answer = visitor.post(f"/screening/items/{item}", **form)
    assert answer.status_code == 400 and told in answer.text and form.get("answer", "") in answer.text
    assert audit.verify(store) == before


def test_pages_before_the_beginning_say_so(visit: Visit) -> None:
    visitor = visit("Cleo", "candidate")
    for answer in (visitor.get("/screening/items/f1"), visitor.post("/screening/items/f1", answer="yes")):
        assert answer.status_code == 404 and "has not begun" in answer.text
    visitor.post("/screening/begin")
    assert visitor.get("/screening/items/none").status_code == 404
    early = visitor.post("/screening/hand-in")
    assert early.status_code == 400 and "6 items have no answer" in early.text


def test_scoring_says_nothing_about_the_writer_and_ends_after_two(visit: Visit, store: Store) -> None:
    cleo = visit("Cleo", "candidate")
    answer_all(cleo)
    cleo.post("/screening/hand-in")
    pseudonym = screening.find(store)[0].candidate
    ruth, emil, ines = (visit(name, "researcher") for name in ("Ruth", "Emil", "Ines"))
    page = ruth.get("/scoring").text
    assert html.escape("<b>to hear</b>") in page and "Kindness." in page
    assert "Cleo" not in page and pseudonym not in page
    path = re.search(r'action="(/scoring/\w+)"', page)
    assert path
    for score in ("", "0", "8", "x"):
        assert ruth.post(path[1], score=score).status_code == 400
    hidden = ruth.get(f"/candidates/{pseudonym}").text
    assert "to hear" not in hidden and "when each has 2 scores" in hidden
    score_all(ruth, 7)
    score_all(emil, 6)
    assert "No text waits" in ines.get("/scoring").text
    assert "to hear" in ruth.get(f"/candidates/{pseudonym}").text


def test_a_lead_decides_by_the_results_with_a_reason(visit: Visit, store: Store) -> None:
    cleo, lead = visit("Cleo", "candidate"), visit("Lea", "lead")
    answer_all(cleo)
    cleo.post("/screening/hand-in")
    who = screening.find(store)[0].candidate
    early = lead.post(f"/candidates/{who}", decision="take", reason="nice")
    assert early.status_code == 400 and "demonstration are not complete" in early.text
    for name in ("Ruth", "Emil"):
        score_all(visit(name, "researcher"), 6)
    page = lead.get(f"/candidates/{who}").text
    for told in ("50 % (1 / 2)", "100 % (3 / 3)", "6.00 / 7", "75 %", "About dogs?"):
        assert told in page
    assert "About cats?" not in page and "Cleo" not in page and "language model" not in page
    for form in ({"decision": "take", "reason": " "}, {"decision": "", "reason": "good"}):
        assert lead.post(f"/candidates/{who}", **form).status_code == 400
    assert lead.post(f"/candidates/{who}", decision="take", reason="Careful texts.").status_code == 303
    assert "taken" in lead.get("/candidates").text
    assert cleo.get("/screening").status_code == 403
    assert next(one for one in accounts.all_people(store) if one.name == "Cleo").role == "labeler"
    assert [entry.event.details for entry in audit.find(store) if entry.event.action == "screening.decide"] == [
        {"decision": "take"}
    ]


def test_who_is_not_taken_reads_so(visit: Visit, store: Store) -> None:
    cleo, lead = visit("Cleo", "candidate"), visit("Lea", "lead")
    answer_all(cleo)
    cleo.post("/screening/hand-in")
    lead.post(f"/candidates/{screening.find(store)[0].candidate}", decision="refuse", reason="Secret reason.")
    page = cleo.get("/screening").text
    assert "not to take you" in page and "Secret reason." not in page


def test_held_out_labelers_stand_as_not_screened(visit: Visit, store: Store) -> None:
    person = visit().enter("Hal", "labeler", "heldout")
    page = visit("Lea", "lead").get("/candidates").text
    assert "Not screened" in page and person.labeler in page and "Hal" not in page


@pytest.mark.parametrize("path", ["/screening", "/scoring", "/candidates"])
def test_labelers_have_no_part_in_it(visit: Visit, path: str) -> None:
    assert visit("Anna", "labeler", "training").get(path).status_code == 403
