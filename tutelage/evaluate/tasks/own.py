"""Tasks of one's own: items from JSON lines, with choices or with the line that must be written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tutelage.errors import DataError
from tutelage.evaluate.tasks import choice
from tutelage.evaluate.tasks.item import Item
from tutelage.evaluate.tasks.question import Answer, Question, Values
from tutelage.evaluate.tasks.task import Task, Verdicts
from tutelage.files import read_records

#: Tokens beyond the longest answer, so that an answer that goes on is seen to be wrong.
MORE = 4


def read(path: Path) -> list[Task]:
    """Read tasks: items that have choices are scored by multiple choice, those without by exact match."""
    items = read_records(path, Item)
    if not items:
        raise DataError(f"{path} holds no item; give one JSON object per line.")
    tasks: list[Task] = []
    for name, part in by_task(items).items():
        kinds = {bool(item.choices) for item in part}
        if len(kinds) > 1:
            raise DataError(f"{path}: only some items of the task {name} have choices; give them to all, or to none.")
        tasks.append(multiple_choice(name, part) if kinds == {True} else exact_match(name, part))
    return tasks


def by_task(items: Sequence[Item]) -> dict[str, tuple[Item, ...]]:
    """Gather items by the name of their task, in order."""
    return {name: tuple(i for i in items if i.task == name) for name in dict.fromkeys(i.task for i in items)}


def multiple_choice(name: str, items: Sequence[Item]) -> Task:
    """Choose among given continuations."""
    for item in items:
        if not item.choices:
            raise DataError(f"The item {item.item} of {name} has no choices; score it by exact match instead.")
    questions = [
        Question(
            item=item.item, prompt=item.prompt, choices=item.choices, shown=item.prompt, references=((item.answer,),)
        )
        for item in items
    ]
    return Task(name=name, version=1, metrics=choice.ACCURACY, questions=tuple(questions), score=choice.score)


def exact_match(name: str, items: Sequence[Item]) -> Task:
    """Write the answer: greedy, cut at the first line feed; only white space may differ (paper, App. D)."""
    # No token is shorter than a byte, so that every answer has room.
    longest = max(len(item.answer.encode()) for item in items) + MORE
    questions = [
        Question(
            item=item.item, prompt=item.prompt, max_tokens=longest, shown=item.prompt, references=((item.answer,),)
        )
        for item in items
    ]
    return Task(name=name, version=1, metrics=("exact_match",), questions=tuple(questions), score=_is_same)


def _is_same(question: Question, answer: Answer, _: Verdicts) -> Values:
    return {"exact_match": float(answer.text.split() == question.references[0][0].split())}
