"""Questions that a new engine must answer before anybody else may ask it: every way of asking, once."""

from __future__ import annotations

import asyncio
import math

from tutelage.errors import UnavailableError, UserError
from tutelage.generate.connection import EngineConnection
from tutelage.generate.waiting import OverloadedError
from tutelage.generate.wire import Ask, News

#: A text, other scripts, the beginning of a document, a conversation, and two choices by chance.
PROMPTS = (
    Ask(text="The quick brown fox", max_tokens=4, temperature=0.0, top_logprobs=0),
    Ask(text="日本 é 🙂\n", max_tokens=4, temperature=0.0, top_logprobs=0),
    Ask(text="", max_tokens=2, temperature=0.0, top_logprobs=0),
    Ask(messages=(("user", "Say hello."),), max_tokens=4, temperature=0.0, top_logprobs=0),
    Ask(text="Once", max_tokens=4, temperature=1.0, top_p=0.9, seed=1, n=2, top_logprobs=1, scores_prompt=True),
)
#: All of them together may take so long.
SECONDS = 120.0


async def check(engine: EngineConnection, title: str) -> None:
    """Ask everything; raise UnavailableError with a sentence unless all of it is answered with sound numbers."""
    try:
        async with asyncio.timeout(SECONDS):
            for ask in PROMPTS:
                await _in_turn(engine, ask)
    except TimeoutError:
        raise UnavailableError(f"{title} did not answer the golden prompts within {SECONDS:.0f} seconds.") from None
    except UserError as error:
        raise UnavailableError(f"{title} does not answer the golden prompts: {error}") from error


async def _in_turn(engine: EngineConnection, ask: Ask) -> None:
    """Ask one thing; an engine that others share may have no room for it at the moment."""
    while True:
        try:
            await _answered(engine, ask)
            return
        except OverloadedError as error:
            await asyncio.sleep(error.retry_after)


async def _answered(engine: EngineConnection, ask: Ask) -> None:
    async for news in engine.generate(ask):
        if not isinstance(news, News):
            continue
        if news.finish_reason in ("error", "cancelled"):
            raise UnavailableError(news.error or "an answer was cancelled.")
        logprob = news.token.logprob if news.token is not None else 0.0
        if logprob is None or not math.isfinite(logprob):
            raise UnavailableError(f"a token has the log-probability {logprob}.")
