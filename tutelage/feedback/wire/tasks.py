"""Tasks, how far they are, and prompts, as leads and researchers see them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from tutelage.feedback.wire.parts import Name, Sent, Told
from tutelage.records import Group, Purpose

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


class Count(Told):
    """How far the tasks of one kind, purpose and group are."""

    kind: str
    purpose: str
    group: str
    tasks: int
    closed: int


class Prompt(Told):
    """A prompt that may be shown, with the ids of what was written for it."""

    id: str
    text: str
    source: str
    use_case: str
    split: str
    stage: str
    completions: list[str]
