"""A content filter, measured like any model: on texts it has not seen, beside a word list and a linear model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tutelage.core.discrimination import auc, auc_difference
from tutelage.core.statistics import Estimate, wilson
from tutelage.evaluate import identity, spelling
from tutelage.safety.text import visible

#: What a text is if it belongs to any category.
ANY = "any"
#: Words of the list that the training texts give, and how often a word must be there to be on it.
LISTED, LEAST = 100, 10
#: Harmful texts whose words are hidden in every way, the first ones.
MOST_ATTACKED = 120
#: By category, how likely each of many texts belongs to it.
Scores = Mapping[str, Sequence[float]]
#: Scores texts.
Scorer = Callable[[Sequence[str]], Scores]


class Texts(NamedTuple):
    """Texts with, by category, the share of people who gave it; None was not asked."""

    texts: Sequence[str]
    labels: Mapping[str, Sequence[float | None]]


class Detection(NamedTuple):
    """How a category is detected: the area under the curve, and precision, recall and false alarms at 1/2."""

    positives: int
    negatives: int
    area: Estimate | None
    precision: Estimate | None
    recall: Estimate | None
    false_alarms: Estimate | None

    def as_json(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            name: value._asdict() if isinstance(value, Estimate) else value for name, value in self._asdict().items()
        }


def with_any(labels: Mapping[str, Sequence[float | None]], *, is_exclusive: bool) -> dict[str, list[float | None]]:
    """Add what a text is if it is of any category.

    Where each person gave one label, shares of people (and chances) add up; else it is the highest.
    """
    rows = [[value for value in row if value is not None] for row in zip(*labels.values(), strict=True)]
    joined = [(min(1.0, sum(row)) if is_exclusive else max(row)) if row else None for row in rows]
    return {**{name: list(values) for name, values in labels.items()}, ANY: joined}


def detections(scores: Scores, labels: Mapping[str, Sequence[float | None]]) -> dict[str, Detection]:
    """Measure every category that is both scored and labelled."""
    return {name: _detection(scores[name], labels[name]) for name in labels if name in scores}


def difference(
    first: Scores, second: Scores, labels: Mapping[str, Sequence[float | None]], name: str
) -> Estimate | None:
    """Give how much larger the first scores' area is than the second's."""
    asked = [number for number, label in enumerate(labels[name]) if label is not None]
    positive = [(labels[name][number] or 0) >= 0.5 for number in asked]
    one, other = ([scores[name][number] for number in asked] for scores in (first, second))
    return auc_difference(one, other, positive)


def _detection(scores: Sequence[float], labels: Sequence[float | None]) -> Detection:
    asked = [(score, label >= 0.5) for score, label in zip(scores, labels, strict=True) if label is not None]
    hits = sum(score >= 0.5 and positive for score, positive in asked)
    alarms = sum(score >= 0.5 and not positive for score, positive in asked)
    positives = sum(positive for _, positive in asked)
    negatives = len(asked) - positives
    return Detection(
        positives,
        negatives,
        auc([score for score, _ in asked], [positive for _, positive in asked]),
        wilson(hits, hits + alarms) if hits + alarms else None,
        wilson(hits, positives) if positives else None,
        wilson(alarms, negatives) if negatives else None,
    )


class WordList:
    """The words that speak most for a label in training texts: a text's score is 1 - 1/2 per listed word in it."""

    def __init__(self, train: Texts) -> None:
        self.words = {name: _telling(train.texts, labels) for name, labels in train.labels.items()}

    def __call__(self, texts: Sequence[str]) -> dict[str, list[float]]:
        """Score texts."""
        said = [_words(text) for text in texts]
        return {
            name: [1 - 0.5 ** sum(word in words for word in text) for text in said]
            for name, words in self.words.items()
        }


class Linear:
    """Logistic regression on the words and pairs of words of a text, weighed by TF-IDF."""

    def __init__(self, train: Texts) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        self._features = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, preprocessor=_plain)
        rows = self._features.fit_transform(train.texts)
        self._models = {}
        for name, labels in train.labels.items():
            asked = [number for number, label in enumerate(labels) if label is not None]
            targets = [(labels[number] or 0) >= 0.5 for number in asked]
            self._models[name] = LogisticRegression(C=4.0, max_iter=1000).fit(rows[asked], targets)

    def __call__(self, texts: Sequence[str]) -> dict[str, list[float]]:
        """Score texts."""
        rows = self._features.transform(texts)
        return {name: model.predict_proba(rows)[:, 1].tolist() for name, model in self._models.items()}


def identity_alarms(scorer: Scorer, name: str = ANY) -> dict[str, Estimate]:
    """Give how often harmless sentences about each group of people are taken for harmful."""
    sentences = identity.sentences()
    scores = scorer([visible(one.text) for one in sentences])[name]
    flagged = Counter(one.group for one, score in zip(sentences, scores, strict=True) if score >= 0.5)
    counts = Counter(one.group for one in sentences)
    return {group: wilson(flagged[group], count) for group, count in counts.items()}


def attacks(scorer: Scorer, test: Texts, words: frozenset[str], name: str = ANY) -> dict[str, Estimate]:
    """Give the share of harmful texts with a telling word that are found, as written and with these words hidden."""
    harmful = [
        text
        for text, label in zip(test.texts, test.labels[name], strict=True)
        if (label or 0) >= 0.5 and _words(text) & words
    ]
    if not harmful:
        return {}
    harmful = harmful[:MOST_ATTACKED]
    ways: dict[str, Callable[[str], str]] = {"as_written": str, **spelling.ATTACKS}
    found = {}
    for way, attack in ways.items():
        hidden = [spelling.attacked(text, words, attack) for text in harmful]
        found[way] = wilson(sum(score >= 0.5 for score in scorer(hidden)[name]), len(hidden))
    return found


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", _plain(text)))


def _plain(text: str) -> str:
    return re.sub(r"@\w+|https?://\S+|&\w+;", " ", text).lower()


def _telling(texts: Sequence[str], labels: Sequence[float | None]) -> frozenset[str]:
    """Return the words with the highest log-odds for a label: log (a + 1) / (A + 2) - log (b + 1) / (B + 2)."""
    counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    totals = np.zeros(2)
    for text, label in zip(texts, labels, strict=True):
        if label is not None:
            counts[label >= 0.5].update(_words(text))
            totals[int(label >= 0.5)] += 1
    odds = {
        word: math.log((counts[1][word] + 1) / (totals[1] + 2)) - math.log((counts[0][word] + 1) / (totals[0] + 2))
        for word in counts[1]
        if counts[0][word] + counts[1][word] >= LEAST
    }
    return frozenset(word for word in sorted(odds, key=lambda word: (-odds[word], word))[:LISTED] if odds[word] > 0)
