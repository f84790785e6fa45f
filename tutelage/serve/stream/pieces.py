"""One choice as it grows: text, and the tokens whose text has been given out.

A streamed answer is these pieces one by one and a plain answer the same pieces joined, so they cannot differ. Tokens
of held-back or cut-off text stay back with it: log-probabilities must not spell a stop string, or what the filter
holds, either.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tutelage.generate.wire import News, Token


@dataclass(frozen=True, slots=True)
class Placed:
    """A token and where its text begins and ends, in characters from the beginning of the choice's text."""

    token: Token
    offset: int
    end: int


@dataclass(slots=True)
class Piece:
    """What is new of a choice; pieces of a choice add up. `note` is what the filter says of it at its end, if asked."""

    text: str = ""
    tokens: list[Placed] = field(default_factory=list)
    finish_reason: str | None = None
    note: dict[str, Any] | None = None

    def add(self, other: Piece) -> None:
        """Append a later piece."""
        self.text += other.text
        self.tokens += other.tokens
        self.finish_reason = other.finish_reason or self.finish_reason
        self.note = other.note or self.note

    def noted(self) -> dict[str, Any]:
        """Return the field that tells what the filter says, nothing where it was not asked to."""
        return {} if self.note is None else {"content_filter": self.note}


class Ruler:
    """Tells where the text of each token stands. Tokens are bytes, and a character may be cut between them."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.seen = 0  # characters so far

    def place(self, token: Token) -> Placed:
        """Return the next token with its place."""
        if token.is_special:
            return Placed(token, self.seen, self.seen)
        text = self._decoder.decode(token.spelling)
        start = self.seen
        try:
            # Whole by itself: what comes before it in the new text are bytes that never became a character.
            start += len(text) - len(token.spelling.decode())
        except UnicodeDecodeError:
            pass
        self.seen += len(text)
        return Placed(token, start, self.seen)


class Growing:
    """Take in the news of one choice, and give it out in pieces as far as it may leave."""

    def __init__(self) -> None:
        self._ruler = Ruler()
        self._echoed = 0  # characters of the prompt that come first
        self._text = ""
        self._given = 0  # characters of the text given out
        self._held: list[Placed] = []
        self.finish_reason: str | None = None

    def prompt(self, text: str, tokens: Sequence[Token] | None) -> Piece:
        """Return the echoed prompt as the first piece."""
        ruler = Ruler()
        placed = [ruler.place(token) for token in tokens or ()]
        self._ruler.seen = self._echoed = len(text)
        return Piece(text, placed)

    def add(self, news: News) -> None:
        """Take in what was written."""
        if news.token is not None:
            self._held.append(self._ruler.place(news.token))
        self._text += news.text
        self.finish_reason = news.finish_reason

    def give(self, end: int | None = None, finish_reason: str | None = None) -> Piece:
        """Return what may leave now: the text up to `end`, all of it by default, and the tokens that lie within."""
        end = len(self._text) if end is None else end
        text, self._given = self._text[self._given : end], end
        sure = self._echoed + end
        ready = [placed for placed in self._held if placed.offset < sure and placed.end <= sure]
        self._held = self._held[len(ready) :]
        return Piece(text, ready, finish_reason)
