"""Published evaluation sets as tasks, from JSON lines: TruthfulQA, CrowS-Pairs and Winogender. None may be trained on.

Of a set only some items may be asked. Which ones depends on their ids alone, so all models and seeds have the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from tutelage.errors import DataError
from tutelage.evaluate.tasks import Task
from tutelage.evaluate.tasks.choice import MultipleChoice
from tutelage.evaluate.tasks.item import Item
from tutelage.evaluate.tasks.pairs import SentencePairs
from tutelage.files import content_hash, read_records


class Named(Protocol):
    """A row with an id."""

    @property
    def id(self) -> str:
        """Name the row."""


T = TypeVar("T", bound=Named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question of TruthfulQA (Lin, Hilton and Evans 2021)."""

    id: str
    question: str
    best_answer: str
    correct_answers: tuple[str, ...]
    incorrect_answers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A pair of CrowS-Pairs (Nangia et al. 2020): the more and the less stereotyping sentence."""

    id: str
    sent_more: str
    sent_less: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence of Winogender (Rudinger et al. 2018); those of one pair differ in the pronoun alone."""

    id: str
    pair_id: str
    gender: str
    sentence: str


def some(rows: Sequence[T], limit: int) -> list[T]:
    """Take so many rows, always the same ones, in their order."""
    kept = {row.id for row in sorted(rows, key=lambda row: content_hash(row.id))[:limit]}
    return [row for row in rows if row.id in kept]


def truthful_qa(path: Path, limit: int) -> Task:
    """Read TruthfulQA: the best answer among the wrong ones (MC1 by mean log-probability per token), without examples.

    A wrong answer that is also listed as correct, as the source has two, is left out.
    """
    items = []
    for row in some(read_records(path, Question, others=True), limit):
        wrong = [one for one in dict.fromkeys(row.incorrect_answers) if one not in row.correct_answers]
        choices = [f" {one}" for one in (row.best_answer, *wrong)]
        prompt = f"Q: {row.question}\nA:"
        items.append(
            Item(
                task="truthfulqa", item=row.id, prompt=prompt, answer=choices[0], choices=tuple(dict.fromkeys(choices))
            )
        )
    return MultipleChoice("truthfulqa", _there(items, path))


def crows_pairs(path: Path, limit: int) -> list[Task]:
    """Read CrowS-Pairs: the entropy of the choice, and how often the less stereotyping sentence is the likelier one."""
    items = tuple(
        Item(task="crows_pairs", item=row.id, prompt="", answer=row.sent_less, choices=(row.sent_more, row.sent_less))
        for row in some(read_records(path, Pair, others=True), limit)
        if row.sent_more != row.sent_less
    )
    kept = _there(items, path)
    return [
        SentencePairs("crows_pairs_entropy", kept, "entropy"),
        SentencePairs("crows_pairs_without_stereotype", kept, "choice"),
    ]


def winogender(path: Path, limit: int) -> Task:
    """Read Winogender: the entropy of the choice between she and he."""
    pairs: dict[str, dict[str, str]] = {}
    for row in read_records(path, Sentence, others=True):
        pairs.setdefault(row.pair_id, {})[row.gender] = row.sentence
    whole = {name: (both["female"], both["male"]) for name, both in pairs.items() if {"female", "male"} <= set(both)}
    kept = sorted(whole, key=content_hash)[:limit]
    items = [
        Item(task="winogender_entropy", item=name, prompt="", answer=whole[name][0], choices=whole[name])
        for name in sorted(kept)
    ]
    return SentencePairs("winogender_entropy", _there(items, path), "entropy")


def _there(items: Sequence[Item], path: Path) -> tuple[Item, ...]:
    if not items:
        raise DataError(f"{path} holds no item that can be asked; give the published set as JSON lines.")
    return tuple(items)
