"""Read a JSON body that may be hostile."""

from __future__ import annotations

import json
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from tutelage.web.errors import ApiError, invalid

#: Largest body in bytes.
MOST_BYTES = 1 << 20

Body = TypeVar("Body", bound=BaseModel)


async def read(request: Request, kind: type[Body]) -> Body:
    """Return the body as a checked record; raise ApiError 400, 413 or 415 with a sentence."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise ApiError(415, "The body must be JSON; send it with Content-Type: application/json.")
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise ApiError(413, f"The body exceeds {MOST_BYTES} bytes; send less at once.")
    value = _parse(bytes(raw))
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise invalid(dict(error.errors()[0])) from error


def _parse(raw: bytes) -> dict[str, object]:
    try:
        value = json.loads(raw, parse_constant=_refuse)
        # Half a surrogate pair passes JSON but is no text.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "The body is not valid JSON in UTF-8; check how it is encoded.") from error
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object with the parameters by name.")
    return value


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
