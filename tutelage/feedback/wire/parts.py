"""The parts that all bodies share: names, texts, what is sent and told, pages of a list, errors, who asks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

T = TypeVar("T")
#: The longest text that may be written, in characters; nine outputs with notes and a long draft stay far below.
LONGEST_TEXT = 1_000_000
LONGEST_NOTE = 10_000
LONGEST_MESSAGE = 20_000
#: Longest time that one submission may tell, a week: nothing sensible is longer.
LONGEST_MS = 7 * 24 * 3600 * 1000


def _plain(value: str) -> str:
    # Databases take neither in a name.
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("it holds characters that no name has")
    return value


#: The name of something that is there already.
Name = Annotated[str, Field(max_length=300), AfterValidator(_plain)]
#: The key of something that the client makes, such as a UUID: sending it twice makes one.
Key = Annotated[str, Field(min_length=16, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Note = Annotated[str, Field(max_length=LONGEST_NOTE)]
Milliseconds = Annotated[int, Field(ge=0, le=LONGEST_MS)]


class Sent(BaseModel):
    """A body whose fields have exactly these names and types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Told(BaseModel):
    """An answer; what a newer server says besides is left aside."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Problem(Told):
    """What went wrong: one sentence for a person, and a word for a program."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(Told):
    """The one shape of every error."""

    error: Problem


class Page(Told, Generic[T]):
    """Part of a list; `next` is the cursor of the part that follows, null at the end."""

    items: list[T]
    next: str | None


class Token(Told):
    """An access token: what it is called, and until when it works."""

    id: str
    name: str
    created: datetime
    expires: datetime


class Me(Told):
    """Who asks. `labeler` is the pseudonym that labels are kept under, "" for who makes none."""

    id: str
    name: str
    role: str
    labeler: str
    group: str
    token: Token
