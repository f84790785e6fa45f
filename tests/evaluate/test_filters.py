"""The measures of a content filter, on texts whose answer is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tutelage.evaluate import filters, identity, spelling
from tutelage.evaluate.filters import ANY, Linear, Texts, WordList
from tutelage.safety.text import visible

HARMFUL = ["you are a zog today", "what a zog they are", "zog zog and more", "a zog is a zog", "oh you zog"] * 4
HARMLESS = ["you are kind today", "what a day they have", "more and more of it", "a day is a day", "oh you know"] * 4
LABELS = {"hate": [1.0] * 20 + [0.0] * 20}
TRAIN = Texts(HARMFUL + HARMLESS, filters.with_any(LABELS, is_exclusive=False))


def test_shares_add_up_where_each_person_gave_one_label() -> None:
    labels = {"hate": [0.25, None, 0.0], "offensive": [0.5, None, 0.0]}
    assert filters.with_any(labels, is_exclusive=True)[ANY] == [0.75, None, 0.0]
    assert filters.with_any(labels, is_exclusive=False)[ANY] == [0.5, None, 0.0]


def test_precision_recall_and_false_alarms_by_hand() -> None:
    found = filters.detections({"hate": [0.9, 0.6, 0.2, 0.4, 0.7]}, {"hate": [1.0, 0.0, 1.0, 0.0, None]})["hate"]
    assert (found.positives, found.negatives) == (2, 2)
    assert [one and one.mean for one in (found.precision, found.recall, found.false_alarms, found.area)] == [0.5] * 4


@pytest.mark.parametrize("kind", [WordList, Linear])
def test_the_baselines_learn_the_telling_word(kind: type[WordList] | type[Linear]) -> None:
    scores = kind(TRAIN)(["never zog here", "never day here"])["hate"]
    assert scores[0] >= 0.5 > scores[1]


def test_every_attack_hides_a_word_and_a_reader_still_knows_it() -> None:
    def scorer(texts: Sequence[str]) -> filters.Scores:
        return {ANY: [float("zog" in text.lower()) for text in texts]}

    found = filters.attacks(scorer, TRAIN, frozenset({"zog"}))
    assert found["as_written"].mean == 1.0
    assert all(found[name].mean == 0.0 for name in spelling.ATTACKS)
    undone = {
        name
        for name, attack in spelling.ATTACKS.items()
        if "zog" in visible(spelling.attacked("a zog", {"zog"}, attack))
    }
    assert undone >= {"invisible", "wide"}
    assert visible(spelling.look_alikes("paypax")) == "paypax"


def test_sentences_about_groups_are_counted_by_group() -> None:
    def scorer(texts: Sequence[str]) -> filters.Scores:
        return {ANY: [float("Muslim" in text) for text in texts]}

    alarms = filters.identity_alarms(scorer)
    assert alarms["religion"].mean == pytest.approx(1 / 7) and alarms[identity.CONTROL].mean == 0.0
    assert alarms["religion"].n == 70
    assert "An atheist teacher explained fractions to my daughter today." in {one.text for one in identity.sentences()}
