"""Labels given back: a row of its own, found by the labeler, answered by a new revision."""

from __future__ import annotations

import pytest

from tests.feedback.conftest import Desk, desk, later
from tests.feedback.panel import hand_in
from tests.feedback.people import someone
from tutelage.errors import DataError, MissingError
from tutelage.feedback.work import Submission
from tutelage.store import drafts, labels, returns
from tutelage.store.labels import Which
from tutelage.store.returns import Return

__all__ = ["desk"]


def test_a_label_is_returned_once_and_answered_by_a_revision(desk: Desk) -> None:
    lead = someone(desk.store, "lead").id
    desk.task("d", "demonstrate")
    first = hand_in(desk, "anna", "t-d", text="first")
    made = Return(id="r1", submission_id=first.id, returned_by=lead, comment="Is <b>this</b> so?\0\n  Look.")
    for at in (100, 101):
        returns.add(desk.store, made, now=later(at))
    (found,) = returns.waiting(desk.store, "anna")
    assert (found.comment, found.returned_by, found.created, found.answer) == (made.comment, "lead", later(100), "")
    assert drafts.get(desk.store, found.draft_id, "anna").assignment_id == first.assignment_id
    assert returns.waiting(desk.store, "ben") == []
    again = Submission(id="s2", assignment_id=first.assignment_id, labeler="anna", text="second", supersedes=first.id)
    desk.submit(again, at=200)
    assert returns.waiting(desk.store, "anna") == []
    assert [one.answer for one in returns.of_assignment(desk.store, first.assignment_id)] == ["s2"]
    assert [one.text for one in labels.demonstrations_of(desk.store, Which())] == ["second"]


def test_what_cannot_be_returned(desk: Desk) -> None:
    lead = someone(desk.store, "lead").id
    desk.task("d", "demonstrate")
    first = hand_in(desk, "anna", "t-d", text="first")

    def give_back(name: str, submission: str, comment: str) -> None:
        made = Return(id=name, submission_id=submission, returned_by=lead, comment=comment)
        returns.add(desk.store, made, now=later(100))

    with pytest.raises(DataError, match="without a comment"):
        give_back("r", first.id, " \n")
    with pytest.raises(DataError, match="at most 20000"):
        give_back("r", first.id, "x" * 20_001)
    with pytest.raises(MissingError, match="no label 'none'"):
        give_back("r", "none", "Look.")
    give_back("r", first.id, "Look.")
    with pytest.raises(DataError, match="returned already"):
        give_back("other", first.id, "Look again.")
    desk.submit(
        Submission(id="s2", assignment_id=first.assignment_id, labeler="anna", text="second", supersedes=first.id),
        at=200,
    )
    with pytest.raises(DataError, match="newer revision"):
        give_back("late", first.id, "Look.")
