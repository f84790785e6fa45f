"""Out-of-fold accuracy beside a length rule, on a case that can be counted by hand; labelers in group and held out."""

import math
from html.parser import HTMLParser

import pytest
from scipy import stats

from tutelage.errors import DataError
from tutelage.evaluate import foldpage
from tutelage.evaluate.folds import FoldPair, Judgement, ceiling, report
from tutelage.pipeline.folding import FoldRow, parts_of
from tutelage.records import RankedGroup
from tutelage.train.folds import FoldSettings


def pair(fold: int, group: str, scores: tuple[float, float], characters: tuple[int, int], **changes: str) -> FoldPair:
    told = {"row": "r", "conversation": group} | changes
    return FoldPair(fold=fold, group=group, winner=0, loser=1, scores=scores, characters=characters, **told)


#: Model right, wrong, tied, right; "longer wins" right, right, tied, wrong.
PAIRS = [
    pair(1, "a", (2.0, 1.0), (9, 5)),
    pair(1, "b", (1.0, 2.0), (9, 5)),
    pair(2, "c", (1.0, 1.0), (5, 5)),
    pair(2, "c", (0.5, 0.0), (4, 5)),
]


def test_shares_differences_and_folds_by_hand() -> None:
    found = report(PAIRS, "longer", "conversation")
    assert (found.model.mean, found.rule.mean, found.difference.mean) == (0.625, 0.625, 0.0)
    assert (found.groups, found.model.n) == (3, 4)
    assert [(one.fold, one.groups, one.pairs, one.model, one.rule) for one in found.folds] == [
        (1, 2, 2, 0.5, 1.0),
        (2, 1, 2, 0.75, 0.25),
    ]
    # Differences 0, -1, 0 and 1 in groups {0}, {-1}, {0, 1}, which are 16 / (1 + 1 + 4) = 8/3 alike ones:
    # V = 8/5 (0 + 1 + 1) / 16 with 5/3 degrees of freedom.
    error = math.sqrt(8 / 5 * 2 / 16)
    assert found.difference.high == pytest.approx(stats.t.ppf(0.975, 5 / 3) * error)
    assert found.detectable == pytest.approx((stats.t.ppf(0.975, 5 / 3) + stats.t.ppf(0.8, 5 / 3)) * error)


def test_the_other_rule_is_right_where_this_one_is_wrong() -> None:
    longer, shorter = (report(PAIRS, rule, "conversation") for rule in ("longer", "shorter"))
    assert shorter.rule.mean == 1 - longer.rule.mean
    assert shorter.difference.mean == pytest.approx(longer.difference.mean + 2 * longer.rule.mean - 1)


def test_labelers_and_conversations_both_widen_the_interval() -> None:
    pairs = [
        pair(1 + number % 2, f"l{number % 4}", (float(number % 3), 1.0), (number % 5, 2), conversation=f"c{number % 7}")
        for number in range(40)
    ]
    by_labeler = report(pairs, "longer", "labeler")
    assert by_labeler.groups == 4
    by_conversation = [FoldPair(**{**{n: getattr(p, n) for n in p.__slots__}, "group": p.conversation}) for p in pairs]
    one_way = report(by_conversation, "longer", "conversation")
    assert by_labeler.difference.mean == pytest.approx(one_way.difference.mean)
    assert by_labeler.difference != one_way.difference


def test_what_the_data_cannot_bound_is_null() -> None:
    plain = report(PAIRS[2:], "longer", "conversation").plain()
    assert plain["difference"]["low"] is None and plain["detectable"] is None
    assert plain["folds"][0]["pairs"] == 2


def test_in_group_minus_held_out_is_paired_by_row() -> None:
    """Every pair is judged once in each role: the drop is the mean difference; where none differs, nothing is bound."""
    held = [pair(1, f"l{n % 4}", (float(n % 3), 1.0), (1, 1), conversation=f"c{n}", row=f"r{n}") for n in range(24)]
    known = [
        FoldPair(**{**{n: getattr(one, n) for n in one.__slots__}, "role": "in-group", "scores": (2.0, 1.0)})
        for one in held
    ]
    found = report([*held, *known], "longer", "labeler")
    assert (found.model.n, found.model.mean) == (24, pytest.approx(0.5))
    assert found.in_group is not None and found.drop is not None
    assert (found.in_group.mean, found.drop.mean, found.drop.n) == (1.0, pytest.approx(0.5), 48)
    assert 0.2 < found.drop.low < 0.5 < found.drop.high < 0.8
    assert [(one.pairs, one.in_group) for one in found.folds] == [(24, 1.0)]
    same = [FoldPair(**{**{n: getattr(one, n) for n in one.__slots__}, "role": "in-group"}) for one in held]
    level = report([*held, *same], "longer", "labeler").drop
    assert level is not None and (level.mean, level.low, level.high) == (0.0, -math.inf, math.inf)


def test_the_ceiling_is_how_far_labelers_agree() -> None:
    """Three pairs of labelers order ab: two alike, one not; another prompt has one labeler, and one nobody's."""
    judged = [
        Judgement("c", "p", "anna", (("a",), ("b",))),
        Judgement("c", "p", "ben", (("a",), ("b",))),
        Judgement("c", "q", "anna", (("a",), ("b",))),
        Judgement("d", "r", "ben", (("a",), ("b",))),
        Judgement("d", "r", "cleo", (("a",), ("b",))),
        Judgement("e", "s", "anna", (("a",), ("b",))),
        Judgement("e", "s", "cleo", (("b",), ("a",))),
        Judgement("e", "s", "cleo", (("b",), ("a",))),
    ]
    found = ceiling(judged)
    assert found is not None and (found.agreement.mean, found.agreement.n) == (0.5, 4)
    assert found.most == 0.5
    assert ceiling(judged[2:4]) is None
    whole = ceiling(judged[:2])
    assert whole is not None and whole.most == 1.0


def rows(labels: list[tuple[str, str]]) -> list[FoldRow]:
    return [
        FoldRow(
            name=f"{number}",
            conversation=talk,
            ranking=RankedGroup(prompt=talk, completions=("a", "bb"), ranks=(0, 1), labeler=labeler),
        )
        for number, (labeler, talk) in enumerate(labels)
    ]


def test_labelers_and_conversations_are_both_new_to_a_model() -> None:
    labels = [(f"l{n % 6}", f"c{n // 2}") for n in range(60)]
    given = rows(labels)
    parts = parts_of(given, FoldSettings(by="labeler", folds=3, seeds=2))
    assert [one.part.name for one in parts] == [f"seed-{seed}-fold-{fold}" for seed in (0, 1) for fold in (1, 2, 3)]
    assert parts[0].part.train != parts[3].part.train
    for one in parts:
        talks = {labels[number][1] for number in one.part.train}
        taught = {labels[number][0] for number in one.part.train}
        assert not talks & {labels[number][1] for number in one.part.scored}
        assert all((labels[number][0] in taught) == (number in one.known) for number in one.part.scored)
    for seed in (0, 1):
        mine = [one for one in parts if one.seed == seed]
        heldout = [number for one in mine for number in one.part.scored if number not in one.known]
        assert len(heldout) == len(set(heldout))


def test_without_labelers_every_row_is_scored_once() -> None:
    parts = parts_of(rows([("", f"c{n // 2}") for n in range(12)]), FoldSettings(folds=3))
    assert sorted(number for one in parts for number in one.part.scored) == list(range(12))
    assert all(sorted([*one.part.train, *one.part.scored]) == list(range(12)) and not one.known for one in parts)


def test_labelers_who_all_ranked_everything_leave_nobody_new() -> None:
    everyone = rows([(f"l{n % 2}", f"c{n // 2}") for n in range(8)])
    assert parts_of(everyone, FoldSettings(by="labeler", folds=2))
    with pytest.raises(DataError, match="1 conversations cannot be dealt to 2 folds; give more rows or fewer folds"):
        parts_of(rows([("a", "c"), ("b", "c")]), FoldSettings(by="labeler", folds=2))


class Whole(HTMLParser):
    """Collects what a page would fetch, and its words."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name == "src" or (tag == "link" and name == "href")]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_stands_alone_and_shows_no_name() -> None:
    pairs = [pair(1 + n % 2, f"<l{n % 4}>", (float(n % 5), 1.5), (n % 7, 3), conversation=f"c{n}") for n in range(70)]
    known = [FoldPair(**{**{n: getattr(one, n) for n in one.__slots__}, "role": "in-group"}) for one in pairs]
    found = report(
        [*pairs, *known], "longer", "labeler", [Judgement("c", "p", name, (("a",), ("b",))) for name in "ab"]
    )
    page = foldpage.render(found, "70 rankings of <x>, made by people", ("pairs.jsonl",))
    read = Whole()
    read.feed(page)
    assert not read.fetched and "<l0>" not in page and "<x>" not in page and "70 rankings of <x>" in read.words
    assert page.count("<svg") == 2 and 'href="pairs.jsonl"' in page
    assert "Two labelers order a pair alike in 100.0" in read.words and "on those it learned from" in read.words
