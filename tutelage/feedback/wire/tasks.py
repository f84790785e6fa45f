"""Tasks, how they are filed, and prompts, as leads and researchers see them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from tutelage.feedback.wire.parts import LONGEST_NOTE, Name, Sent, Told
from tutelage.records import Group, Purpose, Stage, UseCase

#: How many tasks may be filed at once.
MOST_TASKS = 1_000
EXAMPLE: dict[str, Any] = {
    "id": "batch-7-1",
    "kind": "rank",
    "purpose": "train",
    "prompt_id": "p-1",
    "completion_ids": ["c-1", "c-2"],
    "instruction_version": "comparison-1",
}


class Task(Sent):
    """Something to be judged by `overlap` different labelers of one group."""

    id: Annotated[Name, Field(min_length=1)]
    kind: Name
    purpose: Purpose
    prompt_id: Name
    instruction_version: Name
    completion_ids: Annotated[list[Name], Field(max_length=50)] = []
    group: Group = "training"
    overlap: Annotated[int, Field(ge=1, le=50)] = 1


class Tasks(Sent):
    """Tasks to file, all or none; one that is filed already must be the same."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tasks": [EXAMPLE]}]})
    tasks: Annotated[list[Task], Field(min_length=1, max_length=MOST_TASKS)]


class Filed(Told):
    """How many tasks were asked for; those that were there already are counted too."""

    tasks: int


class Again(Sent):
    """A task to be judged again by `overlap` labelers of a group, to see whether the answers stay the same."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"task": "batch-7-1", "overlap": 2}]})
    task: Annotated[Name, Field(min_length=1)]
    group: Group = "training"
    overlap: Annotated[int, Field(ge=1, le=50)] = 1


class Repeated(Told):
    """The task that asks again."""

    task: str


class Found(Told):
    """How many prompts there are for a filing, and the instructions that its tasks would be done under."""

    prompts: int
    version: str


class Unfiled(Told):
    """Prompts that may be used, by what they are set aside for, and how many have no task of a kind yet."""

    split: str
    stage: str
    use_case: str
    prompts: int
    to_demonstrate: int
    to_rank: int


class Filing(Sent):
    """How many tasks to file, each for `overlap` labelers of a group, about prompts that have none such.

    `uses` are what people want to use an assistant for, when prompts are to be written for them. The rest is for
    answers, ratings and orders: `version` "" takes the newest instructions that fit, `outputs` 0 shows all there are,
    up to nine, `stage` "usual" is the one that such work is usually about, and "" takes any split, stage and use case.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"what": "rank", "count": 20, "overlap": 2}]})
    what: Literal["demonstrate", "rate", "rank", "review", "toxicity", "plain", "few_shot", "user_based"]
    count: Annotated[int, Field(ge=1, le=10_000)]
    overlap: Annotated[int, Field(ge=1, le=50)] = 1
    group: Group = "training"
    uses: Annotated[list[Annotated[str, Field(max_length=LONGEST_NOTE)]], Field(max_length=200)] = []
    purpose: Literal["train", "gold", "repeat", "agreement", "evaluation"] = "train"
    version: Name = ""
    outputs: Annotated[int, Field(ge=0, le=9)] = 0
    split: Literal["", "train", "validation", "test"] = "train"
    stage: Literal["usual"] | Stage = "usual"
    use_case: UseCase | Literal[""] = ""


class Possible(Told):
    """What could be filed, by kind, and whether training waits for people's looks through prompts."""

    possible: dict[str, int]
    review_is_required: bool


class Rule(Sent):
    """Whether training waits for people's looks through prompts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"required": True}]})
    required: bool


class Prompt(Told):
    """A prompt that may be shown, with the ids of what was written for it."""

    id: str
    text: str
    source: str
    use_case: str
    split: str
    stage: str
    completions: list[str]


class Limit(Sent):
    """How many pieces of hard reading a person is given in 24 hours at most; null is no limit."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"most": 30}]})
    most: Annotated[int, Field(ge=0, le=1_000_000)] | None
