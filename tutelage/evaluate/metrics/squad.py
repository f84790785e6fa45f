"""Exact match and F1 of short answers, as the official evaluation of SQuAD 1.1 and 2.0 does it (Rajpurkar et al.)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower case; drop ASCII punctuation, then the articles a, an, the; join words with one space."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(output: str, references: Sequence[str]) -> float:
    """Give 1 where the normalised output is one of the normalised references, else 0."""
    return float(normalise(output) in map(normalise, references))


def f1(output: str, references: Sequence[str]) -> float:
    """Give the best F1 over the references: the harmonic mean of precision and recall of the bags of words.

    Texts without a common word have 0 (SQuAD 1.1), also where both are empty.
    """
    return max(_overlap(normalise(output).split(), normalise(one).split()) for one in references)


def with_no_answer(output: str, references: Sequence[str]) -> dict[str, float]:
    """Score as SQuAD 2.0 does: no reference means that the question has no answer, and an empty output says so.

    References that are empty once normalised do not count; where none is left, only an empty output is right. The
    figures are given over all questions, and again over those of its kind (`has_answer_*` or `no_answer_*`).
    """
    golds = [one for one in references if normalise(one)] or [""]
    words = normalise(output).split()
    exact = exact_match(output, golds)
    # Where one side is empty, F1 is 1 if both are, else 0.
    best = f1(output, golds) if words and golds != [""] else exact
    kind = "no_answer" if golds == [""] else "has_answer"
    return {"exact_match": exact, "f1": best, f"{kind}_exact_match": exact, f"{kind}_f1": best}


def _overlap(given: list[str], gold: list[str]) -> float:
    common = (Counter(given) & Counter(gold)).total()
    return 2 * common / (len(given) + len(gold)) if common else 0.0
