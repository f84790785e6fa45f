"""Instructions, conversations and worked examples."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from tutelage.feedback.wire.parts import LONGEST_MESSAGE, Name, Sent, Told


class Instructions(Told):
    """A version of instructions; `read` says whether the one who asks has said so."""

    version: str
    task: str
    read: bool


class InstructionText(Instructions):
    """A version with its text (Markdown) and the version before it, "" for the first."""

    text: str
    before: str


class Doubt(Told):
    """An earlier label that an example puts in doubt."""

    kind: str
    judgement: str
    labeler: str


class Example(Sent):
    """A worked example: what it teaches, and which earlier labels it concerns (prompt, use_case or all).

    `base` names instructions when the conversation is about no work; "" takes those that the work was done under.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"text": "**Prompt** ... the shorter answer is better.", "about": "order", "reach": "prompt"}]
        }
    )
    text: Annotated[str, Field(max_length=LONGEST_MESSAGE)]
    about: Name
    reach: Literal["prompt", "use_case", "all"]
    base: Name = ""


class Published(Told):
    """The version that an example made, and the labels that it puts in doubt."""

    version: str
    doubts: list[Doubt]


class Taught(Told):
    """A worked example that a version added: by whom, what it teaches, from which conversation, what it doubts."""

    id: str
    author: str
    about: str
    text: str
    thread: str
    doubts: list[Doubt]


class Letter(Sent):
    """A first message to a labeler, perhaps about a submission of theirs and a completion that it judged."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "Thank you for last week."}]})
    text: Annotated[str, Field(max_length=LONGEST_MESSAGE)]
    submission: Name = ""
    completion: Name = ""


class Thread(Told):
    """A conversation in a list; `output` names the output that it is about, "" for none."""

    id: str
    person: str
    person_name: str
    output: str
    beginning: str
    last_at: datetime
    waits_for_answer: bool
    is_unread: bool


class Message(Told):
    """What somebody wrote; `number` says how far a reader has read."""

    number: int
    author: str
    author_name: str
    text: str
    created: datetime


class Opening(Sent):
    """The first message of a conversation; `work` and `output` name what of one's own it is about, "" for nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "Is a list better than prose here?"}]})
    text: Annotated[str, Field(max_length=LONGEST_MESSAGE)]
    work: Name = ""
    output: Name = ""


class Reply(Sent):
    """A message."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "Prose, when it is a story."}]})
    text: Annotated[str, Field(max_length=LONGEST_MESSAGE)]


class Read(Sent):
    """How far one has read: the number of the last message that was seen."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"number": 12}]})
    number: Annotated[int, Field(ge=0, le=2**53)]
