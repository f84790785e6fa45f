"""The first pages of who sets labeling up: joining, filing, and who may do it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.feedback.conftest import NOW, Desk
from tests.labeling import Visitor
from tutelage.feedback import instructions, work
from tutelage.store import Store, accounts, audit, privacy
from tutelage.store.accounts import Role

Visit = Callable[..., Visitor]

# Forms and pages: what they write is tested on both databases beside the store.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def stocked(store: Store) -> Desk:
    instructions.publish_defaults(store, now=NOW)
    desk = Desk(store)
    for name in ("a", "b"):
        desk.prompt(name, stage="sft")
    desk.prompt("x", stage="reward")
    desk.outputs("x", 4)
    return desk


def test_the_first_person_joins_files_and_gets_work(visit: Visit, stocked: Desk) -> None:
    ada = visit("Ada", "admin")
    page = ada.get("/").text
    assert "Nobody labels here yet" in page and "File 2 answers to write and 1 rankings" in page
    assert ada.get("/work/none").status_code == 403
    assert ada.post("/join", group="training").status_code == 303
    assert "Done: somebody is here" in ada.get("/").text
    assert ada.post("/lead/file/first", id="f").status_code == 303
    page = ada.get("/").text
    assert "2 waiting" in page and "1 waiting" in page and "Two things are needed" not in page
    (person,) = accounts.all_people(stocked.store)
    assert work.available(stocked.store, person.labeler, now=NOW) == {"demonstrate": 2, "rank": 1}
    told = {entry.event.action: entry.event.details for entry in audit.find(stocked.store)}
    assert {kind: asked["count"] for kind, asked in told["tasks.file"].items()} == {"demonstrate": 2, "rank": 1}
    assert ada.post("/lead/file/first", id="f").status_code == 303, "twice is once"
    assert sum(count.tasks for count in work.progress(stocked.store)) == 3
    assert told["person.join"]["group"] == "training"
    audit.verify(stocked.store)


def test_an_empty_store_says_how_prompts_come_in(visit: Visit, store: Store) -> None:
    instructions.publish_defaults(store, now=NOW)
    ada = visit("Ada", "admin")
    assert "tutelage prompts import" in ada.get("/").text and "File 20 prompts to write" in ada.get("/").text
    assert ada.post("/lead/file/first", id="f").status_code == 303
    assert [(one.kind, one.tasks) for one in work.progress(store)] == [("write", 20)]


def test_a_lead_files_as_many_as_wanted(visit: Visit, stocked: Desk) -> None:
    lead = visit("Lea", "lead")
    assert "Write an answer: 2 possible" in lead.get("/lead/file").text
    page = lead.post("/lead/file", step="file", what="demonstrate", count="1", overlap="2").text
    assert "1 tasks are filed." in page and "Write an answer: 1 possible" in page
    (count,) = work.progress(stocked.store)
    assert (count.kind, count.tasks, count.closed) == ("demonstrate", 1, 0)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"what": "guess"}, "none of the choices"), ({"count": "-1"}, "whole number"), ({"overlap": "99"}, "1 to 50 lab")],
)
def test_a_filing_that_does_not_fit_is_a_sentence_and_files_nothing(
    visit: Visit, stocked: Desk, wrong: dict[str, str], told: str
) -> None:
    form = {"step": "file", "what": "rank", "count": "1", "overlap": "1", **wrong}
    answer = visit("Lea", "lead").post("/lead/file", **form)
    assert answer.status_code == 400 and told in answer.text
    assert work.progress(stocked.store) == []


def test_prompts_for_uses_are_filed_and_training_may_wait_for_a_look(visit: Visit, stocked: Desk) -> None:
    lead = visit("Lea", "lead")
    form = {"what": "user_based", "count": "2", "overlap": "1", "uses": "Plan my sleep.\n \nWrite to ada@example.org"}
    assert "4 would be filed under prompt-1, 4 labels in all" in " ".join(lead.post("/lead/file", **form).text.split())
    assert "4 tasks are filed." in lead.post("/lead/file", step="file", id="f", **form).text
    assert "Look for personal data: 5 possible" in lead.get("/lead/file").text
    assert lead.post("/lead/file/review", required="yes").headers["location"] == "/lead/file"
    assert privacy.is_required(stocked.store)
    assert "before a person has looked it through" in lead.get("/lead/file").text


@pytest.mark.parametrize("role", ["candidate", "labeler", "researcher"])
def test_others_neither_join_nor_file(visit: Visit, stocked: Desk, role: Role) -> None:
    other = visit("Otto", role)
    assert other.post("/join", group="heldout").status_code == 403
    assert other.post("/lead/file/first").status_code == 403
    assert other.post("/lead/file/review", required="yes").status_code == 403
    assert not privacy.is_required(stocked.store)
    assert other.get("/lead/file").status_code == (200 if role == "researcher" else 403)
    assert "Label here yourself" not in other.get("/").text


def test_a_lead_chooses_the_group_once(visit: Visit, stocked: Desk) -> None:
    lead = visit("Lea", "lead")
    assert lead.post("/join", group="opposed").status_code == 403
    assert lead.post("/join", group="heldout").status_code == 303
    answer = lead.post("/join", group="training")
    assert answer.status_code == 400 and "never changes" in answer.text
