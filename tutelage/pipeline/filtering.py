"""Measure a content filter on the texts that its training left out, beside a word list and a linear model."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tutelage.core.statistics import Estimate
from tutelage.errors import DataError
from tutelage.evaluate import filters
from tutelage.evaluate.filters import ANY, Detection, Linear, Scorer, Texts, WordList
from tutelage.models.classifier import Labeller, load_labels
from tutelage.models.load import hash_of
from tutelage.pipeline.labelled import Parts
from tutelage.safety import policy as policies
from tutelage.safety.content import ContentFilter
from tutelage.safety.policy import PolicySettings
from tutelage.safety.text import visible
from tutelage.train.content_filter import Labelled

#: Texts that are joined to one that is streamed, texts that are streamed, and ways to cut each.
JOINED, STREAMED, CUTS = 8, 6, 3
#: Texts whose scoring is timed one by one.
TIMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterReport:
    """What was measured: by scorer and category, by attack, by group of people, in streams, and in time.

    `leads` is by how much the filter's area exceeds each baseline's on the same texts.
    """

    filter: str
    sha256: str
    train: int
    calibration: int
    test: int
    alike: int
    detections: Mapping[str, Mapping[str, Detection]]
    leads: Mapping[str, Mapping[str, Estimate | None]]
    attacks: Mapping[str, Mapping[str, Estimate]]
    identity_alarms: Mapping[str, Mapping[str, Estimate]]
    streams: int
    streams_that_differ: int
    milliseconds: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return all figures."""
        figures: dict[str, Any] = _plain(asdict(self))
        return figures


class LocalClassifier:
    """A filter in this process, as the content filter asks it."""

    def __init__(self, labeller: Labeller) -> None:
        self.labeller = labeller

    async def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        """Return the probability of each category."""
        return [*self.labeller.classify(texts)]

    def scorer(self, *, is_exclusive: bool) -> Scorer:
        """Return it as evaluations ask it: texts are read as in service."""

        def score(texts: Sequence[str]) -> filters.Scores:
            found = self.labeller.classify([visible(text) for text in texts])
            by_name = {name: [one[name] for one in found] for name in self.labeller.model.labels}
            return filters.with_any(by_name, is_exclusive=is_exclusive)  # type: ignore[return-value]

        return score


def evaluate(model: Path, parts: Parts, *, is_exclusive: bool, seed: int = 0) -> FilterReport:
    """Measure the filter in a directory on the test share of a file; the baselines learn from the training share."""
    classifier = LocalClassifier(Labeller(*load_labels(model)))
    names = classifier.labeller.model.labels
    train, test = (_texts(part, names, is_exclusive) for part in (parts.train, parts.test))
    if not test.texts:
        raise DataError("There are no texts to test on; a file with hundreds of texts has some.")
    words = WordList(train)
    scorers: dict[str, Scorer] = {
        "filter": classifier.scorer(is_exclusive=is_exclusive),
        "linear": Linear(train),
        "word_list": words,
    }
    scores = {name: scorer(test.texts) for name, scorer in scorers.items()}
    streams, differing = streamed(classifier, test.texts, seed)
    return FilterReport(
        filter=str(model),
        sha256=hash_of(model),
        train=len(parts.train),
        calibration=len(parts.calibration),
        test=len(parts.test),
        alike=parts.alike,
        detections={name: filters.detections(found, test.labels) for name, found in scores.items()},
        leads={
            name: {
                category: filters.difference(scores["filter"], scores[name], test.labels, category)
                for category in test.labels
            }
            for name in ("linear", "word_list")
        },
        attacks={name: filters.attacks(scorer, test, words.words[ANY]) for name, scorer in scorers.items()},
        identity_alarms={name: filters.identity_alarms(scorer) for name, scorer in scorers.items()},
        streams=streams,
        streams_that_differ=differing,
        milliseconds=_timed(classifier, test.texts),
    )


def streamed(classifier: LocalClassifier, texts: Sequence[str], seed: int) -> tuple[int, int]:
    """Stream texts, cut in several ways, and count how many end elsewhere or otherwise than the whole text does."""
    content = ContentFilter(policies.make(PolicySettings()), classifier)
    rng = random.Random(seed)
    count = differing = 0
    for start in range(0, min(len(texts), JOINED * STREAMED), JOINED):
        text = " ".join(texts[start : start + JOINED])
        whole = asyncio.run(_through(content, [text]))
        for _ in range(CUTS):
            cuts = sorted(rng.sample(range(1, len(text)), min(len(text) - 1, rng.randint(1, 60))))
            pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
            count += 1
            differing += asyncio.run(_through(content, pieces)) != whole
    return count, differing


async def _through(content: ContentFilter, pieces: Sequence[str]) -> tuple[int, bool]:
    hold = content.hold()
    for number, piece in enumerate(pieces, start=1):
        hold.add(piece, is_last=number == len(pieces))
        hold.settle(await content.judge(hold.due()))
        if hold.is_cut:
            break
    return hold.released, hold.is_cut


class Shown(NamedTuple):
    """A table as it is printed."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


def tables(report: FilterReport) -> list[Shown]:
    """Return the report as tables."""
    detected = [
        (
            scorer,
            name,
            one.positives,
            one.negatives,
            *map(_told, (one.area, one.precision, one.recall, one.false_alarms)),
        )
        for scorer, found in report.detections.items()
        for name, one in found.items()
    ]
    leads = [(scorer, name, _told(one)) for scorer, found in report.leads.items() for name, one in found.items()]
    streams = f"{report.streams_that_differ} of {report.streams}"
    return [
        Shown(
            "Categories",
            ("scorer", "category", "positives", "negatives", "area", "precision", "recall", "false alarms"),
            detected,
        ),
        Shown("The filter's area beyond that of", ("scorer", "category", "difference"), leads),
        Shown("Harmful texts found", *_by_scorer("spelling", report.attacks)),
        Shown("Harmless sentences flagged", *_by_scorer("group", report.identity_alarms)),
        Shown("Streams and time", ("figure", "value"), [
            ("streams that end otherwise than the whole text", streams),
            *((f"milliseconds a text, {name}", value) for name, value in report.milliseconds.items()),
        ]),
    ]  # fmt: skip


def _by_scorer(
    head: str, found: Mapping[str, Mapping[str, Estimate]]
) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
    names = list(next(iter(found.values())))
    return (head, *found), [(name, *(_told(by_name[name]) for by_name in found.values())) for name in names]


def _told(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{estimate.mean:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _texts(rows: Sequence[Labelled], names: Sequence[str], is_exclusive: bool) -> Texts:
    labels = {name: [row.labels.get(name) for row in rows] for name in names}
    return Texts([row.text for row in rows], filters.with_any(labels, is_exclusive=is_exclusive))


def _timed(classifier: LocalClassifier, texts: Sequence[str]) -> dict[str, float]:
    """Time the scoring of one text after the other, in milliseconds."""
    seconds = []
    for text in texts[:TIMED]:
        began = time.perf_counter()
        classifier.labeller.classify([text])
        seconds.append(time.perf_counter() - began)
    median, late = np.quantile(seconds, [0.5, 0.95])
    return {"p50": round(1000 * float(median), 1), "p95": round(1000 * float(late), 1)}


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return value
