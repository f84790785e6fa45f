"""One choice as it grows: text, and the tokens whose text has been given out.

A streamed answer is these pieces one by one and a plain answer the same pieces joined, so they cannot differ. Tokens
of held-back or cut-off text stay back with it: log-probabilities must not spell a stop string either.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field

from tutelage.generate.wire import News, Token


@dataclass(frozen=True, slots=True)
class Placed:
    """A token and where its text begins, in characters from the beginning of the choice's text."""

    token: Token
    offset: int


@dataclass(slots=True)
class Piece:
    """What is new of a choice; pieces of a choice add up."""

    text: str = ""
    tokens: list[Placed] = field(default_factory=list)
    finish_reason: str | None = None

    def add(self, other: Piece) -> None:
        """Append a later piece."""
        self.text += other.text
        self.tokens += other.tokens
        self.finish_reason = other.finish_reason or self.finish_reason


class Ruler:
    """Tells where the text of each token begins. Tokens are bytes, and a character may be cut between them."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.seen = 0  # characters so far

    def place(self, token: Token) -> Placed:
        """Return the next token with its offset."""
        if token.is_special:
            return Placed(token, self.seen)
        text = self._decoder.decode(token.spelling)
        start = self.seen
        try:
            # Whole by itself: what comes before it in the new text are bytes that never became a character.
            start += len(text) - len(token.spelling.decode())
        except UnicodeDecodeError:
            pass
        self.seen += len(text)
        return Placed(token, start)


class Growing:
    """Turn the news of one choice into pieces."""

    def __init__(self) -> None:
        self._ruler = Ruler()
        self._given = 0  # characters given out
        self._held: list[Placed] = []

    def prompt(self, text: str, tokens: Sequence[Token] | None) -> Piece:
        """Return the echoed prompt as the first piece."""
        ruler = Ruler()
        placed = [ruler.place(token) for token in tokens or ()]
        self._ruler.seen = self._given = len(text)
        return Piece(text, placed)

    def add(self, news: News) -> Piece:
        """Return what the news settles."""
        if news.token is not None:
            self._held.append(self._ruler.place(news.token))
        self._given += len(news.text)
        ready = [placed for placed in self._held if placed.offset < self._given]
        self._held = [placed for placed in self._held if placed.offset >= self._given]
        return Piece(news.text, ready, news.finish_reason)
