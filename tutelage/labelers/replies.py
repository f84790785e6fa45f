"""Read what a model judge replied: one JSON object with what was asked for, and nothing is guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from tutelage.labelers.protocol import NoJudgementError
from tutelage.records import FLAGS

Winner = Literal["A", "B", "tie"]
T = TypeVar("T")
Read = Callable[[str], T]
#: What models write while they think.
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_WINNERS: dict[str, Winner] = {"a": "A", "b": "B", "tie": "tie"}


class UnreadableError(NoJudgementError):
    """A judge's reply that does not hold what was asked for; it never becomes a label."""


def winner(reply: str) -> Winner:
    """Read which of two answers is better."""
    said = _object(reply).get("better")
    found = _WINNERS.get(said.strip().lower()) if isinstance(said, str) else None
    if found is None:
        raise UnreadableError(f'"better" must be "A", "B" or "tie", not {_short(said)}.')
    return found


def rating(reply: str) -> tuple[int, dict[str, bool | None]]:
    """Read a rating: quality from 1 to 7, and the flags, None where one is missing or null."""
    found = _object(reply)
    quality, flags = found.get("quality"), found.get("flags", {})
    if type(quality) is not int or not 1 <= quality <= 7:
        raise UnreadableError(f'"quality" must be a whole number from 1 to 7, not {_short(quality)}.')
    if not isinstance(flags, dict):
        raise UnreadableError(f'"flags" must be an object, not {_short(flags)}.')
    for name, value in flags.items():
        if name not in FLAGS or not (value is None or type(value) is bool):
            raise UnreadableError(f"the flag {name[:40]!r} must be one of those asked for, and true, false or null.")
    return quality, {name: flags.get(name) for name in FLAGS}


def _object(reply: str) -> dict[str, Any]:
    """Return the only JSON object of a reply, whatever words or code fence stand around it."""
    text = _THOUGHTS.sub("", reply)
    decoder, found, start = json.JSONDecoder(), [], text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError):
            start = text.find("{", start + 1)
            continue
        found.append(value)
        start = text.find("{", end)
    if len(found) != 1:
        raise UnreadableError(f"it holds {len(found) or 'no'} JSON objects where one was asked for.")
    return dict(found[0])


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
