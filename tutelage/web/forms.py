"""Fields of a form that a page sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from tutelage.web.errors import ApiError

#: A text of 100,000 characters takes up to 1.2 MB in a form's encoding.
LARGEST_BYTES = 2_000_000
_MOST_FIELDS = 200
#: The longest number that a form may hold, in digits; what is counted here never has more.
_LONGEST_NUMBER = 9


async def fields(request: Request) -> dict[str, str]:
    """Return a form's fields by name; {} for a request that brings no form."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BYTES:
            raise ApiError(413, "This form is too long; shorten the text.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise ApiError(400, "This form cannot be read; reload the page and send it again.") from error
    # No browser sends one, and not every database takes one in a name.
    if any("\0" in part for pair in pairs for part in pair):
        raise ApiError(400, "This form holds a character that no text has; take it out and send the form again.")
    # Browsers send line ends of forms as CR LF; texts here have LF.
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


def number(fields: Mapping[str, str], name: str) -> int | None:
    """Return the whole number that a field holds, None for anything else."""
    given = fields.get(name, "").strip()
    return int(given) if given.isdecimal() and len(given) <= _LONGEST_NUMBER else None


Fields = Annotated[dict[str, str], Depends(fields)]
