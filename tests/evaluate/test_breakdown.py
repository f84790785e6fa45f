"""The slices of an evaluation by people, against the rows that belong to them."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from tests.evaluate.test_preference import ARMS, RANKINGS, comparison, part, ranking
from tutelage.core.statistics import win_rate
from tutelage.evaluate import breakdown, preference
from tutelage.evaluate.breakdown import AGREE, DISAGREE

LENGTHS = {
    ("p1", "sft"): 10,
    ("p1", "new"): 30,
    ("p2", "sft"): 20,
    ("p2", "new"): 15,
    ("p3", "sft"): 9,
    ("p3", "new"): 9,
}
WHOLE = replace(
    comparison(part("human", RANKINGS)),
    traits={"use_case": {"p1": "chat", "p2": "rewrite", "p3": "chat"}, "sent_to": {"p1": "gpt_3"}},
    lengths=LENGTHS,
)


def test_by_use_case_and_by_agreement() -> None:
    """Of Ann and Ben: p1 won twice; p2 tied and won; p3 lost and tied."""
    found = breakdown.figures(WHOLE.parts[0], WHOLE)
    assert found["use_case", "chat", "new"] == win_rate([1, 1, 0, 0.5], list("1133"), list("abab"))
    assert (found["use_case", "rewrite", "new"].mean, found["use_case", "rewrite", "new"].n) == (0.75, 2)
    assert (found["agreement", AGREE, "new"].mean, found["agreement", AGREE, "new"].n) == (1.0, 2)
    assert (found["agreement", DISAGREE, "new"].mean, found["agreement", DISAGREE, "new"].n) == (0.5, 4)
    assert (found["sent_to", "gpt_3", "new"].mean, found["sent_to", "gpt_3", "new"].n) == (1.0, 2)
    # With two arms the fitted rate is the raw one.
    assert found["bradley_terry", "new"].mean == pytest.approx(4 / 6)
    assert 0 < found["equal_length", "new"].mean < 1


def test_a_prompt_that_one_labeler_judged_neither_agrees_nor_disagrees() -> None:
    one = comparison(part("human", [ranking("p1", "ann", 1, 0)]))
    assert {path[0] for path in breakdown.figures(one.parts[0], one)} == set()


def test_lengths_that_are_unknown_or_one_sided_give_no_figure() -> None:
    for lengths in ({}, {**LENGTHS, ("p2", "new"): 99, ("p3", "new"): 99}):
        some = replace(WHOLE, lengths=lengths)
        assert ("equal_length", "new") not in breakdown.figures(some.parts[0], some)


def test_groups_are_held_against_each_other_on_prompts_that_both_judged() -> None:
    training = [ranking(prompt, "tom", 0, 1, "training") for prompt in ("p1", "p2", "p9")]
    models = [ranking(prompt, "judge", 0, 1) for prompt in ("p1", "p2")]
    both = comparison(part("human", RANKINGS), part("human", training, group="training"), part("model", models))
    found = breakdown.interactions(both)
    assert set(found) == {("human", "heldout", "training", "new")}
    # Held out 3.5 of 4 on p1 and p2, training 0 of 2.
    assert found["human", "heldout", "training", "new"].mean == pytest.approx(3.5 / 4)


def test_the_page_and_json_hold_them() -> None:
    page = re.sub(r"<[^>]+>", " ", preference.render(WHOLE))
    for words in ("equal length", "rewrite", "gpt_3", DISAGREE, "Bradley and Terry"):
        assert words in page
    (only,) = preference.as_json(WHOLE)["parts"]
    assert only["agreement"][AGREE]["new"]["mean"] == 1.0
    assert only["use_case"]["chat"]["new"]["n"] == 4
    assert preference.as_json(WHOLE)["interactions"] == {}


def test_nothing_is_shown_before_there_are_labels() -> None:
    assert breakdown.tables(comparison()) == ()
    assert not list(itertools.chain(*(table.rows for table in breakdown.tables(comparison(part("human", ()))))))
    assert len(ARMS) == 2
