"""Cursors: where the next part of a list begins, as a word that callers pass back unread."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query

from tutelage.errors import DataError
from tutelage.feedback.wire.parts import Page

T = TypeVar("T")
LONGEST = 1_000
REFUSED = "This is no cursor of this list; pass on what `next` said, or begin without one."

#: A handler's parameters: the cursor of the part that is wanted, and how long it may be.
After = Annotated[str, Query(max_length=LONGEST, description="The cursor `next` of the part before; empty to begin.")]
Limit = Annotated[int, Query(ge=1, le=200, description="How many items at most.")]


def page(found: Sequence[T], limit: int, place: Callable[[T], Sequence[str]], tell: Callable[[T], Any]) -> Page[Any]:
    """Return up to `limit` of the items that were found, of which one more was asked for to see whether there is more.

    `place` says where an item stands in the order of the list, `tell` how it is told.
    """
    shown = found[:limit]
    more = len(found) > limit
    return Page(items=[tell(one) for one in shown], next=_word(place(shown[-1])) if more else None)


def read(cursor: str, length: int) -> list[str] | None:
    """Return the parts of a cursor, None for the beginning of the list."""
    if not cursor:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, RecursionError):
        parts = None
    is_ours = isinstance(parts, list) and len(parts) == length and all(isinstance(part, str) for part in parts)
    if not is_ours or any("\0" in part or not _is_text(part) for part in parts):
        raise DataError(REFUSED)
    return list(parts)


def _word(parts: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(parts)).encode()).decode()


def _is_text(part: str) -> bool:
    try:
        part.encode()
    except UnicodeEncodeError:
        return False
    return True
