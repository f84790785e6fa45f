"""Ask models, keep what they did, and make figures of it: each is a pure function of records and questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tutelage.errors import DataError
from tutelage.evaluate.cells import Scored
from tutelage.evaluate.metrics.sets import MetricSet
from tutelage.evaluate.scoring import Contrast, Group, Key, contrasts_of, groups_of
from tutelage.evaluate.tasks import judging
from tutelage.evaluate.tasks.cache import KEY, Records
from tutelage.evaluate.tasks.identity import Identity, key_of
from tutelage.evaluate.tasks.judging import Judge, Said
from tutelage.evaluate.tasks.question import Answer, Question, Values
from tutelage.evaluate.tasks.subject import Subject
from tutelage.evaluate.tasks.task import Task

#: Questions between two writes: what a kill can cost.
PART = 32
RECORDS, VERDICTS = "records.jsonl", "verdicts.jsonl"
#: Called with a model's name, a task's, how many of its items are answered and how many there are.
Progress = Callable[[str, str, int, int], None]


class Model(NamedTuple):
    """A model by the name that people read, where it is, and what it is."""

    name: str
    directory: Path
    identity: Identity
    form: Literal["text", "chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One model's answer to one question and what it scored."""

    model: str
    question: Question
    answer: Answer
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The figures of a task, by model and condition, with all that they rest on.

    `judges` names who said what; `unjudged` are the questions that no judge was named for.
    """

    task: Task
    groups: tuple[Group, ...]
    contrasts: tuple[Contrast, ...]
    items: tuple[Item, ...]
    judges: Mapping[str, str]

    @property
    def unjudged(self) -> tuple[str, ...]:
        """List what a judge could have been asked and was not."""
        return tuple(what for what in self.task.judged if what not in self.judges)

    def counts(self, key: Key) -> dict[str, int]:
        """Count a group's answers that are missing, empty or cut at the length limit."""
        found: Counter[str] = Counter()
        for one in self.items:
            if (one.model, one.question.condition) == key and not one.question.choices:
                found["empty"] += not one.answer.text and not one.answer.missing
                found["cut"] += one.answer.finish_reason == "length"
            found["missing"] += (one.model, one.question.condition) == key and bool(one.answer.missing)
        return dict(found)


def answer(records: Records, model: Model, tasks: Sequence[Task], progress: Progress) -> None:
    """Answer the questions that have no record; what is answered is kept whatever happens next.

    DataError where a model cannot read a single item of a task.
    """
    subject: Subject | None = None
    for task in tasks:
        keys = {key_of(model.identity, task, one): one for one in task.questions}
        missing = [(key, one) for key, one in keys.items() if key not in records]
        # Like lengths together, so that little is padded.
        missing.sort(key=lambda pair: (len(pair[1].prompt) + max(map(len, pair[1].choices), default=0), pair[0]))
        progress(model.name, task.name, len(keys) - len(missing), len(keys))
        for start in range(0, len(missing), PART):
            subject = subject or Subject.load(model.directory, form=model.form)
            part = missing[start : start + PART]
            found = subject.answer([one for _, one in part])
            records.add(_record(key, model, task, one, given) for (key, one), given in zip(part, found, strict=True))
            progress(model.name, task.name, len(keys) - len(missing) + start + len(part), len(keys))
        if all(records[key].get("missing") for key in keys):
            raise DataError(
                f"No item of {task.name} fits the context of {model.name}; show fewer solved examples with --shots, or "
                "name a model with a longer context."
            )


def _record(key: str, model: Model, task: Task, question: Question, given: Answer) -> dict[str, Any]:
    return {
        KEY: key,
        "task": task.name,
        "version": task.version,
        "condition": question.condition,
        "item": question.item,
        **asdict(model.identity),
        "decoding": question.decoding,
        **given.row(),
    }


def judge(
    verdicts: Records, judges: Mapping[str, Judge], records: Records, models: Sequence[Model], tasks: Sequence[Task]
) -> None:
    """Ask the judges about the answers that have no verdict of theirs."""
    for task in tasks:
        for what in task.judged:
            if what in judges:
                judging.ask(verdicts, judges[what], what, list(_said(records, models, task)))


def _said(records: Records, models: Sequence[Model], task: Task) -> Iterator[Said]:
    for model in models:
        for question in task.questions:
            key = key_of(model.identity, task, question)
            given = Answer.of(records[key])
            if not given.missing:
                yield Said(question.shown, given.text, key)


def result(
    task: Task, models: Sequence[Model], records: Records, verdicts: Records, judges: Mapping[str, Judge]
) -> Result:
    """Score a task's answers and estimate its figures.

    Models are contrasted under the same condition, and the conditions of each model, over the items that both have.
    """
    asked = {what: judges[what] for what in task.judged if what in judges}
    items = [_item(task, model, question, records, verdicts, asked) for model in models for question in task.questions]
    by_group: dict[Key, list[Scored]] = {}
    for one in items:
        row = _scored(one)
        by_group.setdefault(row.group, []).append(row)
    alike = [(a, b) for a, b in combinations(by_group, 2) if a[0] == b[0] or a[1] == b[1]]
    # Ready numbers from 0 to 1, so that every mean is a rate.
    chosen = MetricSet(task=task.name, told=task.name, metrics=task.metrics, cells="rate")
    return Result(
        task=task,
        groups=groups_of(by_group, chosen),
        contrasts=contrasts_of(by_group, alike, chosen),
        items=tuple(items),
        judges={what: one.name for what, one in asked.items()},
    )


def _item(
    task: Task, model: Model, question: Question, records: Records, verdicts: Records, judges: Mapping[str, Judge]
) -> Item:
    key = key_of(model.identity, task, question)
    given = Answer.of(records[key])
    if given.missing:
        return Item(model=model.name, question=question, answer=given, values={})
    said = Said(question.shown, given.text, key)
    told = {what: verdicts[judging.key_of(one, what, said)]["value"] for what, one in judges.items()}
    known = {what: float(value) for what, value in told.items() if value is not None}
    return Item(model=model.name, question=question, answer=given, values=task.score(question, given, known))


def _scored(one: Item) -> Scored:
    missing = one.answer.missing or ("" if one.values else "verdict")
    return Scored(
        group=(one.model, one.question.condition),
        item=one.question.item,
        cluster=one.question.cluster or one.question.item,
        labeler="",
        values=one.values,
        missing=missing,
    )
