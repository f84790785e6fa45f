"""Screening from the first answer to the decision, on both databases."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest

from tests.feedback.conftest import NOW, later
from tests.feedback.people import someone
from tutelage.errors import DataError, UserError
from tutelage.feedback import screening
from tutelage.feedback.screening import Item, Share
from tutelage.store import Store, accounts, labelers
from tutelage.store import screening as stored
from tutelage.store.accounts import Person

FLAG = Item(id="f1", part="flags", kind="human", prompt="p", outputs=("t",), sensitive=True)
ITEMS = [
    FLAG,
    Item(id="f2", part="flags", kind="human", prompt="p", outputs=("t",), sensitive=False),
    Item(id="r1", part="ranking", kind="human", prompt="p", outputs=("x", "y", "z"), order=((2,), (0, 1))),
    Item(id="d1", part="demonstration", kind="human", prompt="say it", reason="kind words"),
    Item(id="d2", part="demonstration", kind="human", prompt="say more", reason="kind words"),
    Item(id="t1", part="topics", kind="human", prompt="age"),
    Item(id="t2", part="topics", kind="human", prompt="war"),
]
ANSWERS: dict[str, Any] = {
    "f1": True,
    "f2": True,
    "r1": [[2], [0], [1]],
    "d1": "first <b>text</b>\0",
    "d2": "second",
    "t1": True,
    "t2": False,
}


@pytest.fixture
def ready(store: Store) -> Store:
    screening.publish(store, "small-1", ITEMS, now=NOW)
    return store


@pytest.fixture
def candidate(ready: Store) -> Person:
    return someone(ready, "candidate")


def fill(store: Store, person: Person, **changes: Any) -> None:
    screening.begin(store, person.labeler, now=NOW)
    for item, given in (ANSWERS | changes).items():
        screening.answer(store, person.labeler, item, given, now=later(1))


def score_all(store: Store, researcher: str, score: int) -> None:
    for text in screening.to_score(store, researcher):
        screening.score(store, researcher, text.id, score, now=later(3))


# The shipped set


def test_the_shipped_set_says_of_every_row_who_wrote_it_and_is_what_its_card_says() -> None:
    items = screening.shipped()
    counts = {part: sum(item.part == part for item in items) for part in screening.PARTS}
    assert counts == {"flags": 24, "ranking": 8, "demonstration": 5, "topics": 12}
    assert {item.kind for item in items} == {"model"}
    assert sum(bool(item.sensitive) for item in items) == 12
    assert {len(item.outputs) for item in items if item.part == "ranking"} == {4}
    assert [item.id for item in items if item.part != "topics" and not item.reason] == []
    card = resources.files("tutelage.feedback").joinpath("sets", "screening-1.md").read_text(encoding="utf-8")
    assert f"{len(items)} items" in card and "A language model wrote every row" in card


def test_the_shipped_set_is_published_once_and_never_changes(store: Store) -> None:
    screening.publish_default(store, now=NOW)
    screening.publish_default(store, now=later(1))
    assert stored.items(store, screening.SHIPPED) == screening.shipped()
    with pytest.raises(DataError, match="published with other items"):
        screening.publish(store, screening.SHIPPED, ITEMS, now=later(2))
    assert stored.newest_set(store) == screening.SHIPPED


@pytest.mark.parametrize(
    "changed, told",
    [
        (Item(id="f1", part="flags", kind="human", prompt="p", outputs=("t",)), "key yes or no"),
        (Item(id="f1", part="flags", kind="human", prompt="p", sensitive=True), "1 outputs"),
        (Item(id="r1", part="ranking", kind="human", prompt="p", outputs=("t",), order=((0,),)), "2 outputs"),
        (Item(id="r1", part="ranking", kind="human", prompt="p", outputs=("t", "u"), order=((0,),)), "exactly once"),
        (Item(id="t1", part="topics", kind="human", prompt=" "), "needs a prompt"),
        (Item(id="t1", part="topics", kind="human", prompt="p", order=((0,),)), "only a ranking has"),
        (Item(id="f2", part="topics", kind="human", prompt="p"), "two items with one id"),
    ],
)
def test_a_set_that_can_not_be_used_is_refused(store: Store, changed: Item, told: str) -> None:
    items = [changed, *(item for item in ITEMS if item.id != changed.id or "one id" in told)]
    with pytest.raises(DataError, match=told):
        screening.publish(store, "small-1", items, now=NOW)
    with pytest.raises(DataError, match="part ranking"):
        screening.publish(store, "small-1", [item for item in ITEMS if item.part != "ranking"], now=NOW)


# Answering


def test_a_screening_is_answered_item_by_item_and_goes_on_where_it_was(ready: Store, candidate: Person) -> None:
    sheet = screening.begin(ready, candidate.labeler, now=NOW)
    assert sheet.next() == FLAG
    screening.answer(ready, candidate.labeler, "f1", False, now=later(1))
    screening.answer(ready, candidate.labeler, "f1", True, now=later(2))
    screening.publish(ready, "small-2", ITEMS, now=later(3))
    sheet = screening.begin(ready, candidate.labeler, now=later(4))
    assert (sheet.screening.set, sheet.answers, sheet.count("flags")) == ("small-1", {"f1": True}, (1, 2))
    assert screening.result(ready, candidate.labeler).flags is None


@pytest.mark.parametrize(
    "item, given, told",
    [
        ("f1", None, "yes or no"),
        ("f1", "yes", "yes or no"),
        ("t1", 1, "yes or no"),
        ("d1", " \n", "empty"),
        ("d1", "x" * 20_001, "at most 20000"),
        ("r1", [[0], [1]], "every output exactly once"),
        ("r1", [[0, 1], [1], [2]], "every output exactly once"),
        ("r1", "012", "every output exactly once"),
        ("r1", 7, "every output exactly once"),
        ("none", True, "no item 'none'"),
    ],
)
def test_what_is_no_answer_is_refused(ready: Store, candidate: Person, item: str, given: Any, told: str) -> None:
    screening.begin(ready, candidate.labeler, now=NOW)
    with pytest.raises(UserError, match=told):
        screening.answer(ready, candidate.labeler, item, given, now=NOW)
    assert stored.answers(ready, candidate.labeler) == {}


def test_it_is_handed_in_when_all_is_answered_and_then_stays(ready: Store, candidate: Person) -> None:
    screening.begin(ready, candidate.labeler, now=NOW)
    with pytest.raises(DataError, match="7 items have no answer"):
        stored.hand_in(ready, candidate.labeler, now=NOW)
    fill(ready, candidate)
    stored.hand_in(ready, candidate.labeler, now=later(2))
    with pytest.raises(DataError, match="handed in; its answers stay"):
        screening.answer(ready, candidate.labeler, "f1", False, now=later(3))
    with pytest.raises(DataError, match="handed in"):
        stored.hand_in(ready, candidate.labeler, now=later(3))
    assert stored.answers(ready, candidate.labeler) == ANSWERS


def test_outputs_come_in_an_order_that_differs_by_candidate(ready: Store) -> None:
    orders = {tuple(screening.shown(ready, f"c{n}", ITEMS[2])) for n in range(60)}
    assert len(orders) == 6
    assert screening.shown(ready, "c1", ITEMS[2]) == screening.shown(ready, "c1", ITEMS[2])


# Scoring and deciding


def test_results_by_hand(ready: Store, candidate: Person) -> None:
    fill(ready, candidate)
    stored.hand_in(ready, candidate.labeler, now=later(2))
    first, second = (someone(ready, "researcher", name).labeler for name in ("Ruth", "Emil"))
    score_all(ready, first, 7)
    assert screening.result(ready, candidate.labeler).demonstration is None
    score_all(ready, second, 6)
    result = screening.result(ready, candidate.labeler)
    # f2 is wrong; of three pairs two are as in the key, and one is a tie there; the mean of 7 and 6.
    assert result == screening.Result(flags=Share(1.0, 2), ranking=Share(2.5, 3), demonstration=6.5, topics=("age",))
    assert [outcome.is_met for outcome in result.outcomes] == [False, True, True]


def test_demonstrations_are_scored_blind_by_two(ready: Store, candidate: Person) -> None:
    fill(ready, candidate)
    first, second, third = (someone(ready, "researcher", name).labeler for name in ("Ruth", "Emil", "Ines"))
    assert screening.to_score(ready, first) == []
    stored.hand_in(ready, candidate.labeler, now=later(2))
    texts = screening.to_score(ready, first)
    assert {text.text for text in texts} == {ANSWERS["d1"], "second"}
    assert not any(part in repr(texts) for part in (candidate.labeler, candidate.id, candidate.name))
    score_all(ready, first, 5)
    assert screening.to_score(ready, first) == []
    assert screening.to_score(ready, second) == texts
    score_all(ready, second, 6)
    assert screening.to_score(ready, third) == []


def test_the_last_score_of_a_researcher_counts(ready: Store, candidate: Person) -> None:
    fill(ready, candidate)
    stored.hand_in(ready, candidate.labeler, now=later(2))
    ruth = someone(ready, "researcher", "Ruth").labeler
    (text, _) = screening.to_score(ready, ruth)
    for score in (2, 7):
        screening.score(ready, ruth, text.id, score, now=later(3))
    assert [score.score for score in stored.scores(ready)] == [7]


@pytest.mark.parametrize("score", [0, 8, True, "7"])
def test_scores_off_the_scale_are_refused(ready: Store, candidate: Person, score: Any) -> None:
    with pytest.raises(DataError, match="not on the scale"):
        screening.score(ready, "r", "x", score, now=NOW)
    with pytest.raises(UserError, match="no such demonstration"):
        screening.score(ready, "r", "x", 4, now=NOW)


def test_a_decision_makes_a_screened_labeler_and_keeps_what_was_seen(ready: Store, candidate: Person) -> None:
    fill(ready, candidate)
    with pytest.raises(DataError, match="not handed in"):
        screening.decide(ready, candidate.labeler, False, reason="late", by="lead", now=later(2))
    stored.hand_in(ready, candidate.labeler, now=later(2))
    with pytest.raises(DataError, match="parts demonstration are not complete"):
        screening.decide(ready, candidate.labeler, True, reason="good", by="lead", now=later(3))
    with pytest.raises(DataError, match="needs its reason"):
        screening.decide(ready, candidate.labeler, False, reason=" ", by="lead", now=later(3))
    for name in ("Ruth", "Emil"):
        score_all(ready, someone(ready, "researcher", name).labeler, 6)
    screening.decide(ready, candidate.labeler, True, reason="careful", by="lead", now=later(4))
    assert labelers.get(ready, candidate.labeler).screened
    assert accounts.get(ready, candidate.id).role == "labeler"
    decision = stored.decisions(ready)[candidate.labeler]
    assert (decision.passed, decision.reason, decision.decided_by) == (True, "careful", "lead")
    assert decision.results == {"flags": 0.5, "ranking": 2.5 / 3, "demonstration": 6.0}
    with pytest.raises(DataError, match="decided about"):
        screening.score(ready, "r", score_id(ready, candidate), 4, now=later(5))


def score_id(store: Store, candidate: Person) -> str:
    return store.digest("screening text", candidate.labeler, "d1")[:16]


def test_who_is_refused_stays_a_candidate_and_the_decision_can_be_changed(ready: Store, candidate: Person) -> None:
    fill(ready, candidate)
    stored.hand_in(ready, candidate.labeler, now=later(2))
    screening.decide(ready, candidate.labeler, False, reason="too often wrong", by="lead", now=later(3))
    assert accounts.get(ready, candidate.id).role == "candidate"
    assert not labelers.get(ready, candidate.labeler).screened
    screening.decide(ready, candidate.labeler, False, reason="looked again", by="lead", now=later(4))
    assert stored.decisions(ready)[candidate.labeler].reason == "looked again"


def test_a_held_out_labeler_is_recorded_as_not_screened(ready: Store) -> None:
    held_out = someone(ready, "labeler", group="heldout")
    assert not labelers.get(ready, held_out.labeler).screened
    assert stored.get(ready, held_out.labeler) is None
