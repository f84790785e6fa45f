"""What a gateway and an engine process say to each other: JSON frames on a private unix socket. No torch here.

A frame is its length as 4 bytes, big end first, then JSON in UTF-8. Every message of a request carries the request's
number on this connection, `tag`. The client sends `generate`, `cancel` and `stats`; the server answers `accepted`,
any number of `news` and, in the place of all these, `refused`, `failed` or `overloaded`.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from typing import Any

from tutelage.errors import UnavailableError

#: Longest frame; a longer one is a fault of the peer.
MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request as a gateway knows it: the engine process turns text into tokens.

    Exactly one of `text`, `ids` and `messages` (pairs of role and content) is given. `max_tokens` None takes what the
    context leaves. `top_logprobs` None asks for no log-probabilities; `scores_prompt` asks for the prompt's too. The
    rest means what it means in `request.Request`; with `best_of` the news come when the best `n` are known. `share` is
    the application and the key whose turn it takes in the queue, where it waits for `patience` seconds at most.
    """

    text: str | None = None
    ids: tuple[int, ...] | None = None
    messages: tuple[tuple[str, str], ...] | None = None
    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    best_of: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    deadline: float | None = None
    top_logprobs: int | None = None
    scores_prompt: bool = False
    share: tuple[str, str] = ("", "")
    patience: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Ask:
        """Read what `to_json` wrote."""
        ids, messages, (application, key) = value.pop("ids"), value.pop("messages"), value.pop("share")
        return cls(
            ids=None if ids is None else tuple(ids),
            messages=None if messages is None else tuple((role, content) for role, content in messages),
            stop=tuple(value.pop("stop")),
            logit_bias=tuple((token, added) for token, added in value.pop("logit_bias")),
            share=(application, key),
            **value,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token with its log-probability (None for a prompt's first one) and the likeliest ones at its place.

    `spelling` is the token's bytes, which may be part of a character; a special token has a spelling but no text."""

    spelling: bytes
    logprob: float | None
    top: tuple[tuple[bytes, float], ...] = ()
    is_special: bool = False

    def to_json(self) -> list[Any]:
        """Return JSON values; bytes as characters 0 to 255."""
        top = [[_text(token), logprob] for token, logprob in self.top]
        return [_text(self.spelling), self.logprob, top, self.is_special]

    @classmethod
    def from_json(cls, value: list[Any]) -> Token:
        """Read what `to_json` wrote."""
        token, logprob, top, is_special = value
        likely = tuple((_bytes(text), score) for text, score in top)
        return cls(spelling=_bytes(token), logprob=logprob, top=likely, is_special=is_special)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The engine has taken a request: how long its prompt is, and its text."""

    prompt_tokens: int
    prompt_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What happened to one choice in a step; `prompt` comes once, when the prompt's scores were asked for.

    `discarded` counts the tokens of choices that `best_of` drew and did not keep; it comes once."""

    choice: int
    text: str = ""
    is_token: bool = False
    token: Token | None = None
    finish_reason: str | None = None
    error: str = ""
    prompt: tuple[Token, ...] | None = None
    discarded: int = 0

    def to_json(self) -> list[Any]:
        """Return JSON values."""
        token = None if self.token is None else self.token.to_json()
        prompt = None if self.prompt is None else [entry.to_json() for entry in self.prompt]
        ending = [self.finish_reason, self.error, prompt, self.discarded]
        return [self.choice, self.text, self.is_token, token, *ending]

    @classmethod
    def from_json(cls, value: list[Any]) -> News:
        """Read what `to_json` wrote."""
        choice, text, is_token, token, finish_reason, error, prompt, discarded = value
        return cls(
            choice=choice,
            text=text,
            is_token=is_token,
            token=None if token is None else Token.from_json(token),
            finish_reason=finish_reason,
            error=error,
            prompt=None if prompt is None else tuple(map(Token.from_json, prompt)),
            discarded=discarded,
        )


async def read_frame(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """Return the next message, None when the peer has gone."""
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        if size > MOST_BYTES:
            raise UnavailableError(f"A message of {size} bytes exceeds what engine and gateway exchange.")
        message: dict[str, Any] = json.loads(await reader.readexactly(size))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return message


def frame(message: dict[str, Any]) -> bytes:
    """Return a message as it goes over the socket."""
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return len(body).to_bytes(4, "big") + body


def _text(token: bytes) -> str:
    return token.decode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")
