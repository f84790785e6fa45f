"""Dialogues as text: each turn says who speaks, and the answer is to follow the last words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from tutelage.errors import DataError
from tutelage.feedback.values import checked

ASK, ANSWER = "\n\nHuman:", "\n\nAssistant:"
Role = Literal["system", "user", "assistant"]
ROLES: dict[str, Role] = {
    "system": "system", "user": "user", "human": "user", "prompter": "user", "assistant": "assistant"
}  # fmt: skip


class Turn(NamedTuple):
    """What somebody said."""

    role: Role
    text: str


def turns(value: Any, called: str) -> list[Turn] | None:
    """Read a list of messages with role and content, which a table writes as JSON; None for a plain text."""
    if isinstance(value, str):
        value = _written(value)
    if not isinstance(value, list):
        return None
    found = []
    for one in value:
        if not isinstance(one, dict) or one.get("role") not in ROLES:
            raise DataError(f"the field {called} must be a text or messages with role (user, assistant) and content")
        found.append(Turn(ROLES[one["role"]], checked(one.get("content"), f"content in {called}")))
    return found


def _written(text: str) -> Any:
    """Read messages that are written as JSON; a text that is anything else stays what it is."""
    if not text.lstrip().startswith("[{"):
        return text
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if all(isinstance(one, dict) and "role" in one for one in found) else text


def in_words(said: Sequence[Turn]) -> str:
    """Write the turns before an answer, the last of them the user's; a single message stays as it is."""
    if not said or said[-1].role != "user":
        raise DataError("the messages before the answer must end with the user's")
    if len(said) == 1:
        return said[0].text
    head = {"system": "\n\n", "user": f"{ASK} ", "assistant": f"{ANSWER} "}
    text = "".join(head[turn.role] + turn.text for turn in said) + ANSWER
    return text.removeprefix(head["system"]) if said[0].role == "system" else text


def first_message(prompt: str) -> str:
    """Return what the user said first, which names the conversation; of a prompt that is no dialogue all of it."""
    _, asked, rest = f"\n\n{prompt.lstrip()}".partition(ASK)
    return rest.partition(ANSWER)[0].strip() if asked else prompt.strip()


def shared_turns(first: Sequence[Turn], second: Sequence[Turn]) -> int:
    """Count the turns with which two dialogues begin alike."""
    count = 0
    while count < min(len(first), len(second)) and first[count] == second[count]:
        count += 1
    return count
