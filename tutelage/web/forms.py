"""Fields of a form that a page sent."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from tutelage.web.errors import ApiError

#: A text of 100,000 characters takes up to 1.2 MB in a form's encoding.
LARGEST_BYTES = 2_000_000
_MOST_FIELDS = 200


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
    # Browsers send line ends of forms as CR LF; texts here have LF.
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


Fields = Annotated[dict[str, str], Depends(fields)]
