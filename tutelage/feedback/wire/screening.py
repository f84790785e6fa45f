"""Screening: what candidates answer, what researchers score, what is decided."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from tutelage.feedback.wire.parts import Name, Sent, Told

#: Yes or no, groups of output numbers (best first), or a text.
Answer = bool | list[list[Annotated[int, Field(ge=0, le=100)]]] | Annotated[str, Field(max_length=20_000)]


class Item(Told):
    """One item as a candidate sees it: `order` lists the numbers of the outputs as they stand on the screen."""

    id: str
    part: str
    prompt: str
    outputs: list[str]
    order: list[int]
    answer: Answer | None


class Screening(Told):
    """One's own screening; `begun` is null before it begins, `passed` before it is decided."""

    begun: datetime | None
    handed_in: datetime | None
    passed: bool | None
    items: list[Item]


class Answered(Sent):
    """An answer to an item: true or false, groups of output numbers (best first), or a text."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"answer": True}, {"answer": [[0, 2], [1]]}]})
    answer: Answer


class Text(Told):
    """A demonstration to score blind; `id` says nothing of who wrote it."""

    id: str
    prompt: str
    looks_for: str
    text: str


class Score(Sent):
    """A score from 1 to 7."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"score": 6}]})
    score: Annotated[int, Field(ge=1, le=7)]


class Outcome(Told):
    """One measured part beside its soft cut-off; null is not complete yet."""

    part: str
    value: float | None
    cut_off: float


class Decided(Told):
    """What a person decided about a candidate, and why."""

    passed: bool
    reason: str
    decided_by: str
    created: datetime


class Candidate(Told):
    """A candidate by pseudonym, with the results so far and the decision, null before there is one."""

    candidate: str
    begun: datetime
    handed_in: datetime | None
    outcomes: list[Outcome]
    topics: list[str]
    decision: Decided | None


class Decision(Sent):
    """Whether a candidate is taken as a labeler, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "take", "reason": "Clear and careful."}]})
    decision: Literal["take", "refuse"]
    reason: Annotated[Name, Field(max_length=5_000)]


class Marked(Told):
    """A candidate's answer beside the key and its reason, null for none. Texts are told after all scores are there."""

    id: str
    part: str
    prompt: str
    outputs: list[str]
    answer: Answer | None
    key: Answer | None
    reason: str
