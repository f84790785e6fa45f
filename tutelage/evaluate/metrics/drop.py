"""Exact match and F1 of answers that are numbers or several spans, as the official evaluation of DROP does it.

An answer is a list of spans (Dua et al. 2019, section 5). A question may have several right answers; the best counts.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.optimize import linear_sum_assignment

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_BETWEEN_TOKENS = re.compile(r"[ -]")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)

#: The spans of an answer.
Spans = Sequence[str]


def score(output: Spans, answers: Sequence[Spans]) -> dict[str, float]:
    """Give `exact_match` and `f1`, each the best over the answers; answers without any text do not count.

    ValueError where no answer is left.
    """
    golds = [gold for gold in answers if "".join(gold).strip()]
    if not golds:
        raise ValueError("DROP has no question without an answer; leave it out.")
    return {
        "exact_match": max(exact_match(output, gold) for gold in golds),
        "f1": max(f1(output, gold) for gold in golds),
    }


def normalise(text: str) -> str:
    """Normalise each token, and join what is left of them with one space.

    Tokens end at spaces and hyphens. Numbers are written as floats, so `3` is `3.0`; other tokens are in lower case
    without ASCII punctuation and articles.
    """
    tokens = (_token(token) for token in _BETWEEN_TOKENS.split(text.lower()))
    return " ".join(token for token in tokens if token)


def exact_match(output: Spans, answer: Spans) -> float:
    """Give 1 where both hold the same normalised spans, in any order, else 0."""
    given, gold = [normalise(span) for span in output], [normalise(span) for span in answer]
    return float(set(given) == set(gold) and len(given) == len(gold))


def f1(output: Spans, answer: Spans) -> float:
    """Pair spans one to one so that their F1 is highest; give its mean over the longer list, rounded to 2 digits.

    A span is a set of tokens. Spans whose numbers have nothing in common do not match at all.
    """
    given, gold = [_tokens(span) for span in output], [_tokens(span) for span in answer]
    overlaps = np.array([[_overlap(one, other) for one in given] for other in gold])
    best = overlaps[linear_sum_assignment(overlaps, maximize=True)]
    return round(float(best.sum()) / max(len(given), len(gold)), 2)


# Words come again and again, and asking whether one is a number raises an error for each that is not.
@lru_cache(maxsize=1 << 16)
def _token(token: str) -> str:
    if not _is_number(token):
        token = token.translate(_NO_PUNCTUATION)
    if _is_number(token):
        return str(float(token))
    return " ".join(_ARTICLE.sub(" ", token).split())


def _tokens(span: str) -> set[str]:
    return set(normalise(span).split())


def _overlap(given: set[str], gold: set[str]) -> float:
    """Give F1 of two sets of tokens; an empty one has precision (or recall) 1."""
    numbers = {token for token in gold if _is_number(token)}
    if numbers and not numbers & given:
        return 0.0
    common = len(given & gold)
    precision = common / len(given) if given else 1.0
    recall = common / len(gold) if gold else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@lru_cache(maxsize=1 << 16)
def _is_number(token: str) -> bool:
    """Say whether Python reads it as a float, which `nan` and `infinity` are too."""
    try:
        float(token)
    except ValueError:
        return False
    return True
