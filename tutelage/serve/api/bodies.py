"""Read a JSON body that may be hostile: too long, too slow, too deep, or no JSON that means one thing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from tutelage.web.errors import ApiError, invalid

#: Largest body in bytes.
MOST_BYTES = 1 << 20
#: Most lists and objects inside each other: a conversation has four.
MOST_DEPTH = 16
#: Most names of one object: the largest that has a sense are 1,024 biases.
MOST_NAMES = 2048
#: How long a body may take to come in.
BODY_SECONDS = 30.0
#: Half a surrogate pair, which JSON can spell and no text can hold.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")

Body = TypeVar("Body", bound=BaseModel)


async def read(request: Request, kind: type[Body]) -> Body:
    """Return the body as a checked record; raise ApiError 400, 408, 413 or 415 with a sentence."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise ApiError(415, "The body must be JSON; send it with Content-Type: application/json.")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            raw = await _received(request)
    except TimeoutError:
        message = f"The body did not come within {BODY_SECONDS:.0f} seconds; send it again."
        raise ApiError(408, message, headers={"Connection": "close"}) from None
    value = _parse(raw)
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise invalid(dict(error.errors()[0])) from error


async def _received(request: Request) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told[:16]) > MOST_BYTES:
        raise _too_long()
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise _too_long()
    return bytes(raw)


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode()
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
        if _HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "The body is not valid JSON in UTF-8; check how it is encoded.") from error
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object with the parameters by name.")
    _check_depth(value)
    return value


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that is there twice: two programs that read it could take another one each."""
    if len(pairs) > MOST_NAMES:
        raise ApiError(400, f"An object in the body has more than {MOST_NAMES} names; send fewer.")
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ApiError(400, "An object in the body has the same name twice; send each once.")
    return found


def _check_depth(value: dict[str, Any]) -> None:
    level: list[Any] = [value]
    for _ in range(MOST_DEPTH):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ApiError(400, f"The body has more than {MOST_DEPTH} lists and objects inside each other; send a flatter one.")


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _too_long() -> ApiError:
    return ApiError(413, f"The body exceeds {MOST_BYTES} bytes; send less at once.")
