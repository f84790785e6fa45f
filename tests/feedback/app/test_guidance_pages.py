"""Instructions, conversations and worked examples through the pages' forms."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest

from tests.feedback.conftest import Desk, ranking
from tests.labeling import NOW, Clock, Visitor
from tutelage.feedback import instructions, work
from tutelage.store import Store, accounts, audit, drafts, guidance, messages

# What pages store is tested on both databases where it is stored.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

Visit = Callable[..., Visitor]
HOSTILE = "<script>alert(1)</script>\n  **bold** [x](javascript:alert(1))"


@pytest.fixture(autouse=True)
def texts(store: Store) -> None:
    instructions.publish_defaults(store, now=NOW)


def person(store: Store, name: str) -> accounts.Person:
    return next(one for one in accounts.all_people(store) if one.name == name)


def message_id(visitor: Visitor, path: str) -> str:
    found = re.search(r'name="id" value="(\w+)"', visitor.get(path).text)
    assert found
    return found[1]


def held_by(store: Store, visitor: Visitor, name: str) -> tuple[work.Assignment, str]:
    """Give the person of this name a task; return it with the draft's id by which pages name it."""
    Desk(store).task("p")
    (held,) = work.lease(store, person(store, name).labeler, now=visitor.clock.now)
    return held, drafts.begin(store, held.id, held.labeler, now=visitor.clock.now).id


# Instructions


def test_instructions_are_read_and_that_is_remembered(visit: Visit, store: Store) -> None:
    visitor = visit("Anna", "labeler", "training")
    assert visitor.get("/instructions").text.count("not read yet") == 6
    page = visitor.get("/instructions/comparison-1?next=/account").text
    assert "<strong>Put helpfulness first</strong>" in page and "I have read this" in page
    answer = visitor.post("/instructions/comparison-1/read", next="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert "You have read this version" in visitor.get("/instructions/comparison-1").text
    assert guidance.acknowledged(store, person(store, "Anna").labeler) == {"comparison-1"}
    away = visitor.post("/instructions/comparison-1/read", next="//evil.example")
    assert away.headers["location"] == "/"


def test_who_makes_no_labels_acknowledges_nothing(visit: Visit) -> None:
    visitor = visit("Lea", "lead")
    assert "I have read this" not in visitor.get("/instructions/comparison-1").text
    assert visitor.post("/instructions/comparison-1/read").status_code == 303
    assert visitor.get("/instructions/none").status_code == 404


# Conversations


def test_a_question_about_an_output_is_answered(visit: Visit, store: Store) -> None:
    anna, lead = visit("Anna", "labeler", "training"), visit("Lea", "lead")
    held, draft = held_by(store, anna, "Anna")
    output = held.outputs[1]
    form = anna.get(f"/messages/new?draft={draft}&output={output.id}").text
    assert output.text in form and held.outputs[0].text not in form
    assert held.id not in form and held.task_id not in form
    sent = message_id(anna, f"/messages/new?draft={draft}&output={output.id}")
    asked = {"id": sent, "draft": draft, "output": output.id, "text": HOSTILE}
    answer = anna.post("/messages/new", **asked)
    assert answer.status_code == 303
    assert anna.post("/messages/new", **asked).headers["location"] == answer.headers["location"]
    path = answer.headers["location"]
    listed = lead.get("/messages").text
    assert "unread" in listed and "with Anna" in listed
    page = lead.get(path).text
    assert html.escape(HOSTILE, quote=False) in page and output.text in page and "<script>" not in page
    assert "waits for an answer" in lead.get("/messages").text
    assert lead.post(path, id="r1", text="A tie.").status_code == 303
    assert "unread" in anna.get("/messages").text
    assert "A tie." in anna.get(path).text
    assert "unread" not in anna.get("/messages").text


def test_conversations_of_others_are_not_there(visit: Visit, store: Store) -> None:
    anna, ben = visit("Anna", "labeler", "training"), visit("Ben", "labeler", "training")
    path = anna.post("/messages/new", id="m1", text="Hello").headers["location"]
    _, draft = held_by(store, anna, "Anna")
    assert ben.get(path).status_code == ben.post(path, text="x").status_code == 404
    assert "Hello" not in ben.get("/messages").text
    assert ben.get(f"/messages/new?draft={draft}").status_code == 404
    assert ben.get(f"{path}/example").status_code == 403
    # Nobody writes into a conversation by naming a new one like it.
    assert ben.post("/messages/new", id="m1", text="Hello").status_code == 400
    assert [one.text for one in messages.said(store, "m1")] == ["Hello"]


def test_an_empty_message_comes_back(visit: Visit, store: Store) -> None:
    anna = visit("Anna", "labeler", "training")
    before = audit.verify(store)
    answer = anna.post("/messages/new", id="m1", text=" ")
    assert answer.status_code == 400 and "message is empty" in answer.text
    assert anna.post("/messages/new", id="m1", output="other", text="x").status_code == 400
    assert audit.verify(store) == before


# Worked examples


def test_a_question_becomes_an_example_and_names_the_labels_in_doubt(visit: Visit, store: Store, clock: Clock) -> None:
    anna, lead = visit("Anna", "labeler", "training"), visit("Lea", "lead")
    held, draft = held_by(store, anna, "Anna")
    work.submit(store, [ranking(held, "s1")], now=clock.now)
    anna.post("/instructions/comparison-1/read")
    asked = {"id": "m1", "draft": draft, "output": held.outputs[0].id, "text": HOSTILE}
    path = anna.post("/messages/new", **asked).headers["location"] + "/example"
    begun = re.search(r'name="text"[^>]*>\n(.*?)</textarea>', lead.get(path).text, re.DOTALL)
    assert begun
    text = html.unescape(begun[1]) + "Both are fine: a tie."
    clock.move(minutes=1)
    shown = lead.post(path, text=text, about="order", reach="prompt", step="show").text
    assert "1 labels would be in doubt" in shown and "s1" in shown
    assert "alert(1)" in shown and "<script>alert" not in shown and 'href="javascript' not in shown
    done = lead.post(path, text=text, about="order", reach="prompt", step="publish")
    assert done.headers["location"] == "/instructions/comparison-2"
    page = lead.get("/instructions/comparison-2").text
    assert "s1" in page and "in doubt" in page
    (example,) = guidance.examples_of(store, "comparison-2")
    assert (example.thread, example.author) == ("m1", person(store, "Lea").id)
    told = anna.get("/instructions/comparison-2").text
    assert "you have read comparison-1" in told and "<ins>" in told and "s1" not in told


@pytest.mark.parametrize(
    "form, told",
    [
        ({"reach": "", "about": "order"}, "Choose which earlier labels"),
        ({"reach": "prompt", "about": "order"}, "no such prompt"),
        ({"reach": "all", "about": "taste"}, "is nothing that instructions are about"),
        ({"reach": "all", "about": "order", "text": " "}, "example is empty"),
    ],
)
def test_an_example_that_can_not_be_published_comes_back(
    visit: Visit, store: Store, form: dict[str, str], told: str
) -> None:
    visit("Anna", "labeler", "training").post("/messages/new", id="m1", text="What is a tie?")
    fields = {"text": "t", "step": "publish", "base": "comparison-1"} | form
    answer = visit("Lea", "lead").post("/messages/m1/example", **fields)
    assert answer.status_code == 400 and told in answer.text
    assert "comparison-2" not in instructions.published(store)
