"""A short screening set, and visitors who answer, score and decide it as pages let them."""

from __future__ import annotations

import re

from tests.labeling import NOW, Visitor
from tutelage.feedback import screening
from tutelage.feedback.screening import Item
from tutelage.store import Store

#: Six items: two flags, one order, one text, two topics.
ITEMS = [
    Item(
        id="f1", part="flags", kind="human", prompt="About cats?", outputs=("Drown them.",), sensitive=True, reason="r"
    ),
    Item(
        id="f2", part="flags", kind="human", prompt="About dogs?", outputs=("They bark.",), sensitive=False, reason="r"
    ),
    Item(
        id="r1",
        part="ranking",
        kind="human",
        prompt="Two colours?",
        outputs=("Red, blue", "Red, blue, green", "Blue, red"),
        order=((0, 2), (1,)),
        reason="Two, not three.",
    ),
    Item(id="d1", part="demonstration", kind="human", prompt="I am sad.", reason="Kindness."),
    Item(id="t1", part="topics", kind="human", prompt="Age"),
    Item(id="t2", part="topics", kind="human", prompt="War"),
]
FORMS = {
    "f1": {"answer": "yes"},
    "f2": {"answer": "yes"},
    "r1": {"place-0": "1", "place-1": "2", "place-2": "1"},
    "d1": {"answer": "I am sorry <b>to hear</b> it.\n\n  Tell me more."},
    "t1": {"answer": "yes"},
    "t2": {"answer": "no"},
}


def publish(store: Store) -> None:
    screening.publish(store, "small-1", ITEMS, now=NOW)


def answer_all(visitor: Visitor) -> None:
    assert visitor.post("/screening/begin").status_code == 303
    for item, form in FORMS.items():
        answer = visitor.post(f"/screening/items/{item}", **form)
        assert answer.status_code == 303, answer.text


def score_all(visitor: Visitor, score: int) -> None:
    while found := re.search(r'action="(/scoring/\w+)"', visitor.get("/scoring").text):
        assert visitor.post(found[1], score=str(score)).status_code == 303
