"""A generative guard model as a classifier: it answers `safe`, or `unsafe` and the codes of categories.

So do Llama Guard and its kin. The probability is that of the first word; the codes that follow say what it is of.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from tutelage.errors import UnavailableError
from tutelage.generate.wire import Accepted, Ask, News, Token

#: Tokens of an answer: the word and some codes.
LONGEST = 32
#: Likeliest tokens that are looked at for the first word.
TOP = 20


class Generator(Protocol):
    """An engine that writes."""

    def generate(self, ask: Ask) -> AsyncIterator[Accepted | News]:
        """Answer a request."""


class GuardClassifier:
    """Asks a guard model about each text, as a user's message, in the model's own template.

    `labels` says which of our categories each of its codes is.
    """

    def __init__(self, engine: Generator, labels: Mapping[str, str]) -> None:
        self.engine, self.labels = engine, labels

    async def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        """Return the probability of each category; raise UnavailableError for an answer that is none."""
        return list(await asyncio.gather(*map(self._asked, texts)))

    async def _asked(self, text: str) -> Mapping[str, float]:
        ask = Ask(messages=(("user", text),), max_tokens=LONGEST, temperature=0.0, top_logprobs=TOP)
        answer, tokens = "", list[Token]()
        async with contextlib.aclosing(self.engine.generate(ask)) as messages:  # type: ignore[type-var]
            async for message in messages:
                if isinstance(message, News):
                    answer += message.text
                    tokens += [message.token] if message.token is not None else []
        return self._read(answer, tokens)

    def _read(self, answer: str, tokens: Sequence[Token]) -> Mapping[str, float]:
        word = answer.split(maxsplit=1)[0].lower() if answer.strip() else ""
        if word not in ("safe", "unsafe"):
            raise UnavailableError(f"The guard model answers {answer[:40]!r} instead of safe or unsafe.")
        chance = _unsafe(word, tokens)
        named = set(re.findall(r"\w+", answer)[1:]) & self.labels.keys() if word == "unsafe" else set()
        if word == "unsafe" and not named:
            raise UnavailableError(
                f"The guard model answers {answer[:40]!r}, whose codes the policy's labels do not know."
            )
        # What it did not name is not it; were all safe, the chance is that of any.
        found = dict.fromkeys(self.labels.values(), 0.0 if named else chance)
        return found | {self.labels[code]: chance for code in named}


def _unsafe(word: str, tokens: Sequence[Token]) -> float:
    """Return p(unsafe) / (p(safe) + p(unsafe)) where the two words first differ; without any, 0 or 1 by the answer."""
    first = next((token for token in tokens if not token.is_special and token.spelling.strip()), None)
    chances = {"safe": 0.0, "unsafe": 0.0}
    for spelling, logprob in first.top if first else ():
        start = spelling.decode("utf-8", "replace").strip().lower()
        for name in chances:
            if start and name.startswith(start):
                chances[name] += math.exp(logprob)
    total = sum(chances.values())
    return chances["unsafe"] / total if total else float(word == "unsafe")
