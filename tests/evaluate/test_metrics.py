"""Scores of texts: by hand from the published behaviour, and against the packages whose figures are published."""

from __future__ import annotations

import random

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from tutelage.core.statistics import Resampling, cluster_bootstrap
from tutelage.evaluate.metrics import bleu, choice, drop, rouge, squad

WORDS = ["the", "a", "cat", "sat", "on", "mat", "3", "3.0", "Dog,", "it's", "—", "Zürich", "end."]


def texts(rng: random.Random, longest: int = 12) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(0, longest)))


# --- SQuAD --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  The  quick,\nbrown FOX's tail! ", "quick brown foxs tail"),
        ("U.S.A.", "usa"),
        ("twenty-one", "twentyone"),
        ("An apple a day", "apple day"),
        ("Theatre and Athena", "theatre and athena"),
        ("“quoted”", "“quoted”"),  # only ASCII punctuation goes
        ("the", ""),
    ],
)
def test_squad_normalises(text: str, normal: str) -> None:
    assert squad.normalise(text) == normal


@pytest.mark.parametrize(
    ("output", "references", "exact", "f1"),
    [
        ("an Apple.", ["apple"], 1, 1),
        ("the cat sat on the mat", ["cat mat"], 0, 2 / 3),  # precision 2/4, recall 2/2
        ("no no no", ["no no"], 0, 4 / 5),  # bags: precision 2/3, recall 2/2
        ("Paris, France", ["Lyon", "Paris", "in Paris"], 0, 2 / 3),  # the best of 0, 2/3 and 1/2
        ("", ["apple"], 0, 0),
        ("the", ["a"], 1, 0),  # both empty once normalised: nothing is common
    ],
)
def test_squad_by_hand(output: str, references: list[str], exact: float, f1: float) -> None:
    assert squad.exact_match(output, references) == exact
    assert squad.f1(output, references) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("output", "references", "exact", "f1", "kind"),
    [
        ("", [], 1, 1, "no_answer"),
        ("the", ["", "a."], 1, 1, "no_answer"),  # references that are empty once normalised do not count
        ("Paris", [], 0, 0, "no_answer"),
        ("", ["Paris"], 0, 0, "has_answer"),
        ("Paris now", ["Paris", ""], 0, 2 / 3, "has_answer"),
        ("paris", ["Paris"], 1, 1, "has_answer"),
    ],
)
def test_questions_without_an_answer(output: str, references: list[str], exact: float, f1: float, kind: str) -> None:
    found = squad.with_no_answer(output, references)
    assert found == pytest.approx({"exact_match": exact, "f1": f1, f"{kind}_exact_match": exact, f"{kind}_f1": f1})


# --- DROP ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("3", "3.0"),
        ("The 3,000 men", "3000.0 men"),
        ("Twenty-One", "twenty one"),
        ("5.50", "5.5"),
        ("$5.50", "550.0"),  # punctuation goes before a token is read as a number, the point too
        ("an  end.", "end"),
        ("a", ""),
    ],
)
def test_drop_normalises(text: str, normal: str) -> None:
    assert drop.normalise(text) == normal


@pytest.mark.parametrize(
    ("output", "answer", "exact", "f1"),
    [
        (["12"], ["12.0"], 1, 1),
        (["Baltimore Ravens"], ["Ravens"], 0, 0.67),  # precision 1/2, recall 1, rounded
        (["5 yards"], ["6 yards"], 0, 0),  # other numbers: no match at all
        (["6 long yards"], ["6 yards"], 0, 0.8),  # precision 2/3, recall 1
        (["yards yards"], ["yards"], 0, 1),  # sets, not bags
        (["y z", "x"], ["x", "y"], 0, 0.83),  # (1 + 2/3) / 2
        (["p q", "p"], ["p", "p q r"], 0, 0.9),  # 1 and 4/5; crossed it would be 2/3 and 1/2
        (["x", "w"], ["x"], 0, 0.5),  # a span too many
        (["x"], ["x", "y", "z"], 0, 0.33),
        (["y", "X"], ["x", "y"], 1, 1),
        (["x", "x"], ["x"], 0, 0.5),  # the same spans, but not as many
        ([""], ["x"], 0, 0),
    ],
)
def test_drop_by_hand(output: list[str], answer: list[str], exact: float, f1: float) -> None:
    assert drop.exact_match(output, answer) == exact
    assert drop.f1(output, answer) == f1


def test_drop_takes_the_best_answer_and_each_metric_by_itself() -> None:
    assert drop.score(["x y"], [["x"], [" "], ["x y z"]]) == {"exact_match": 0, "f1": 0.8}
    with pytest.raises(ValueError, match="without an answer"):
        drop.score(["x"], [[""]])


# --- ROUGE-L ------------------------------------------------------------------------------------------------------


def test_rouge_l_by_hand() -> None:
    """police the gunman: of `police killed the gunman` and `the gunman police`, in order."""
    assert rouge.rouge_l("Police killed the gunman", ["the gunman police"]) == pytest.approx(2 * 2 / 7)
    assert rouge.rouge_l("", ["x"]) == rouge.rouge_l("x", ["—"]) == 0


def test_rouge_l_is_that_of_the_package() -> None:
    rng, scorer = random.Random(1), RougeScorer(["rougeL"])
    for _ in range(300):
        output, references = texts(rng, 40), [texts(rng, 40) for _ in range(rng.randint(1, 3))]
        expected = scorer.score_multi(references, output)["rougeL"].fmeasure
        assert rouge.rouge_l(output, references) == pytest.approx(expected)


def test_long_texts_have_the_subsequence_of_the_table() -> None:
    rng = random.Random(2)
    first, second = rng.choices("abcdef", k=150), rng.choices("abcdefg", k=130)
    table = np.zeros((151, 131), dtype=int)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else max(table[i, j + 1], table[i + 1, j])
    assert rouge.common_subsequence(first, second) == table[150, 130]


# --- BLEU ---------------------------------------------------------------------------------------------------------


def corpus(rng: random.Random, size: int, longest: int) -> tuple[list[str], list[list[str]]]:
    return [texts(rng, longest) for _ in range(size)], [[texts(rng, longest) for _ in range(2)] for _ in range(size)]


@pytest.mark.parametrize(("seed", "size", "longest"), [(1, 30, 20), (2, 3, 20), (3, 2, 6), (4, 1, 3), (5, 8, 4)])
def test_bleu_is_that_of_the_package(seed: int, size: int, longest: int) -> None:
    """Small and short corpora have orders without a match, which are smoothed, or without an n-gram."""
    metric = bleu.counter()
    for round_ in range(20):
        outputs, references = corpus(random.Random(f"{seed} {round_}"), size, longest)
        sums = sum(bleu.sums(metric, *row) for row in zip(outputs, references, strict=True))
        expected = BLEU().corpus_score(outputs, [list(column) for column in zip(*references, strict=True)]).score
        assert float(bleu.bleu(sums)) == pytest.approx(expected)


def test_bleu_of_a_perfect_and_of_a_short_corpus() -> None:
    metric, sentence = bleu.counter(), "the cat sat on the mat today"
    assert float(bleu.bleu(bleu.sums(metric, sentence, [sentence]))) == pytest.approx(100)
    # Six of seven words, all n-grams right: only the brevity penalty is left.
    short = bleu.sums(metric, "the cat sat on the mat", [sentence])
    assert float(bleu.bleu(short)) == pytest.approx(100 * np.exp(1 - 7 / 6))


def test_bleu_of_resampled_rows_brackets_the_whole() -> None:
    outputs, references = corpus(random.Random(9), 60, 15)
    sums = np.stack([bleu.sums(bleu.counter(), *row) for row in zip(outputs, references, strict=True)])
    found = cluster_bootstrap(sums, bleu.bleu, 60, Resampling(np.random.default_rng(0), 300))
    assert found is not None
    assert 0 < found.low < found.mean < found.high < 100


# --- multiple choice ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "reference", "right"),
    [
        ("B", "B", True),
        (" (b) Paris", "B", True),
        ("B.", "B) Paris", True),
        ("Paris.", "B) Paris", True),
        ("the paris", "Paris", True),
        ("C) Paris", "B) Paris", False),
        ("A dog", "A", False),
        ("1.5 km", "1", False),
        ("2)", "2", True),
        ("B or C", "B", False),
        ("", "B", False),
    ],
)
def test_a_choice_is_named_by_its_label_or_its_text(output: str, reference: str, right: bool) -> None:
    assert choice.accuracy(output, [reference]) == right
