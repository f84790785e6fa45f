"""Conversations: sent once, read as far as they were shown, newest first."""

from __future__ import annotations

import pytest

from tests.feedback.conftest import NOW, later
from tests.feedback.people import someone
from tutelage.errors import DataError, MissingError
from tutelage.store import Store, messages
from tutelage.store.messages import Message, Thread


def test_a_conversation_is_opened_once_and_answered(store: Store) -> None:
    anna, lead = someone(store, "labeler").id, someone(store, "lead").id
    opening = Thread(id="t1", person=anna, output="abc")
    first = Message(id="m1", thread="t1", author=anna, text="Is <b>this</b> a tie?\0\n  yes")
    for at in (0, 1):
        messages.send(store, first, now=later(at), opening=opening)
    assert messages.get(store, "t1") == opening
    (line,) = messages.lines(store, lead)
    assert (line.beginning, line.person_name, line.is_unread, line.waits_for_answer) == (
        first.text,
        "labeler",
        True,
        True,
    )
    messages.send(store, Message(id="m2", thread="t1", author=lead, text="Yes."), now=later(2))
    assert [(said.author_name, said.text) for said in messages.said(store, "t1")] == [
        ("labeler", first.text),
        ("lead", "Yes."),
    ]
    (line,) = messages.lines(store, anna, person=anna)
    assert line.is_unread and not line.waits_for_answer
    assert (messages.unread(store, anna), messages.unread(store, lead)) == (1, 0)


def test_reading_never_goes_back(store: Store) -> None:
    anna, lead = someone(store, "labeler").id, someone(store, "lead").id
    messages.send(
        store, Message(id="m1", thread="t", author=lead, text="a"), now=NOW, opening=Thread(id="t", person=anna)
    )
    messages.send(store, Message(id="m2", thread="t", author=lead, text="b"), now=NOW)
    first, last = (said.number for said in messages.said(store, "t"))
    messages.mark_read(store, "t", anna, first)
    assert messages.unread(store, anna) == 1
    messages.mark_read(store, "t", anna, last)
    messages.mark_read(store, "t", anna, first)
    assert messages.unread(store, anna) == 0


def test_a_person_sees_own_conversations_the_latest_first(store: Store) -> None:
    anna, ben = someone(store, "labeler", "Anna").id, someone(store, "labeler", "Ben").id
    for number, person in enumerate((anna, ben, anna)):
        made = Message(id=f"m{number}", thread=f"t{number}", author=person, text="x")
        messages.send(store, made, now=later(number), opening=Thread(id=f"t{number}", person=person))
    assert [line.thread.id for line in messages.lines(store, anna, person=anna)] == ["t2", "t0"]
    assert [line.thread.id for line in messages.lines(store, anna)] == ["t2", "t1", "t0"]


@pytest.mark.parametrize("text, told", [(" \n", "empty"), ("x" * 20_001, "at most 20000")])
def test_messages_that_say_nothing_or_too_much_are_refused(store: Store, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        messages.send(store, Message(id="m", thread="t", author="a", text=text), now=NOW)


def test_one_id_is_one_message(store: Store) -> None:
    anna = someone(store, "labeler").id
    messages.send(
        store, Message(id="m", thread="t", author=anna, text="a"), now=NOW, opening=Thread(id="t", person=anna)
    )
    with pytest.raises(DataError, match="sent before with another text"):
        messages.send(store, Message(id="m", thread="t", author=anna, text="b"), now=NOW)
    with pytest.raises(MissingError, match="no such conversation"):
        messages.get(store, "none")
