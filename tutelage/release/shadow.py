"""Shadow traffic: a version answers prompts that users consented to, and nobody is sent what it says."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tutelage.generate.process import EngineOptions, EngineProcess
from tutelage.generate.request import RequestError
from tutelage.generate.wire import Ask, News
from tutelage.models import untrusted
from tutelage.records import FinishReason, Prompt, RegisteredModel
from tutelage.store import Store, shadows
from tutelage.store.registry import Version
from tutelage.store.shadows import Shadow

#: Answers on their way at once, and the longest one in tokens.
AT_ONCE, MOST_TOKENS = 8, 256
#: The endpoint whose prompts are continued as they are; all others are conversations.
CONTINUED = "completions"


def answer(
    store: Store, model: RegisteredModel, prompts: Sequence[Prompt], options: EngineOptions, tell: Callable[[int], None]
) -> None:
    """Let a version answer these prompts in an engine of its own, and keep each answer when it is there.

    Prompts that it has answered before are left out, so a job that was stopped goes on. `tell` is called with how many
    are done, and may raise to stop.
    """
    untrusted.verify(model)
    version = Version(model.name, model.version)
    done = shadows.answers(store, version, [prompt.id for prompt in prompts])
    left = [prompt for prompt in prompts if prompt.id not in done]
    tell(len(done))
    if left:
        asyncio.run(_answer(store, model, left, options, lambda count: tell(len(done) + count)))


async def _answer(
    store: Store, model: RegisteredModel, prompts: Sequence[Prompt], options: EngineOptions, tell: Callable[[int], None]
) -> None:
    engine = EngineProcess(Path(model.path), options)
    try:
        await engine.start()
        await ask(store, Version(model.name, model.version), engine, prompts, tell)
    finally:
        await engine.stop()


async def ask(
    store: Store, version: Version, engine: EngineProcess, prompts: Sequence[Prompt], tell: Callable[[int], None]
) -> None:
    """Ask an engine, a few prompts at once, and keep what it says as the version's answers."""
    for start in range(0, len(prompts), AT_ONCE):
        part = prompts[start : start + AT_ONCE]
        found = await asyncio.gather(*(_one(engine, prompt) for prompt in part))
        for prompt, said in zip(part, found, strict=True):
            await asyncio.to_thread(shadows.add, store, version, prompt.id, said, now=datetime.now(UTC))
        tell(start + len(part))


async def _one(engine: EngineProcess, prompt: Prompt) -> Shadow:
    """Ask one prompt as callers do; the same prompt draws the same numbers for every version."""
    seed = zlib.crc32(prompt.id.encode())
    if prompt.endpoint == CONTINUED:
        asked = Ask(text=prompt.text, max_tokens=MOST_TOKENS, seed=seed)
    else:
        asked = Ask(messages=(("user", prompt.text),), max_tokens=MOST_TOKENS, seed=seed)
    text, reason = "", "error"
    try:
        async for news in engine.generate(asked):
            if isinstance(news, News):
                text += news.text
                reason = news.finish_reason or reason
    except RequestError:
        # Too long for it, say: that is how it would have answered.
        return Shadow("", "error")
    return Shadow(text, _REASONS[reason])


_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "cancelled": "cancelled", "error": "error"}
