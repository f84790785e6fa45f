"""Server-sent events as OpenAI's clients read them."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from tutelage.web.errors import ApiError

logger = logging.getLogger(__name__)

DONE = b"data: [DONE]\n\n"
#: How the event of an error begins.
ERROR = b'data: {"error":'


async def events(chunks: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    """Yield each chunk as an event and [DONE] at the end; an error becomes an event in the one error shape."""
    try:
        async for chunk in chunks:
            yield _event(chunk)
    except ApiError as error:
        yield _event(error.body())
    except Exception as error:
        logger.error("a stream failed", exc_info=error)
        yield _event(ApiError(500, "Something went wrong here; it has been logged. Try again.").body())
    yield DONE


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"
