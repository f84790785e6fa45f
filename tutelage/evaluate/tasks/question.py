"""What a task asks of a model, and what the model did; no right answer ever reaches the model or a record's key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from tutelage.errors import DataError

#: Answers written by a model end here (paper, App. D).
STOP = "\n"
#: What a row has for each metric; of BLEU its sums.
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt to be continued: by the likelihood of each of its `choices`, or, without any, by writing.

    The text of a choice is exactly `prompt + choice`. White space at the border is moved to the choice, because
    tokenizers join a space to the word that follows. Without a prompt, the choices are whole texts, and what is written
    begins a document.

    `condition` names the prompt that the item is asked under. Items of one `cluster`, such as questions on one passage,
    may depend on each other. `shown` is what a person reads of the item in a report, and what a judge is told was
    asked. `references` hold what is right, in the form that the task's scoring reads.
    """

    item: str
    prompt: str
    choices: tuple[str, ...] = ()
    max_tokens: int = 0
    temperature: float = 0.0
    condition: str = ""
    cluster: str = ""
    shown: str = ""
    references: tuple[tuple[str, ...], ...] = ()

    @property
    def decoding(self) -> dict[str, Any]:
        """Say how the answer is got, as a record's key holds it."""
        if self.choices:
            return {"choices": "log-probability", "temperature": 1.0}
        return {"max_tokens": self.max_tokens, "temperature": self.temperature, "stop": STOP}


class Likelihood(NamedTuple):
    """A choice's log-probability after its prompt, in nats, and its number of tokens."""

    total: float
    tokens: int

    @property
    def mean(self) -> float:
        """Give the log-probability per token (paper, App. D: at T = 1)."""
        return self.total / self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model did: the likelihood of every choice, or the text that it wrote and how it ended.

    `missing` says why there is neither, such as `too long` for the model's context; that is no score and never 0.
    """

    likely: tuple[Likelihood, ...] = ()
    text: str = ""
    finish_reason: str = ""
    missing: str = ""

    def row(self) -> dict[str, Any]:
        """Give the fields of a record."""
        if self.missing:
            return {"missing": self.missing}
        if self.likely:
            return {"likely": [list(one) for one in self.likely]}
        return {"text": self.text, "finish_reason": self.finish_reason}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read the fields of a record back."""
        return cls(
            likely=tuple(Likelihood(*one) for one in row.get("likely", ())),
            text=row.get("text", ""),
            finish_reason=row.get("finish_reason", ""),
            missing=row.get("missing", ""),
        )


def check(task: str, questions: Sequence[Question]) -> None:
    """Refuse a task without questions, or with two of one name under one condition (DataError)."""
    if not questions:
        raise DataError(f"The task {task} has no item that can be asked; give its data as the guide describes them.")
    names: set[tuple[str, str]] = set()
    for one in questions:
        if (one.item, one.condition) in names:
            raise DataError(f"The task {task} needs items with different names, and {one.item} comes twice.")
        names.add((one.item, one.condition))
