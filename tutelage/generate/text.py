"""Token ids to text, piece by piece, so that the pieces joined equal the text decoded at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

#: What a decoder writes for bytes that are not (yet) UTF-8.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Decoder(Protocol):
    """The one thing that is needed of a tokenizer."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids` without special tokens and without touching spaces."""


class PlainDecoder:
    """Decode with a transformers tokenizer: special tokens left out, spaces as they are."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


class TextStream:
    """The text of one growing completion.

    A piece is given out when later tokens cannot change it: a character that is cut between tokens is held back, and so
    is the longest ending that could become a stop string. At a stop string the text ends before it.
    """

    def __init__(self, decoder: Decoder, stop: tuple[str, ...] = ()) -> None:
        self._decoder = decoder
        self._stop = stop
        self._ids: list[int] = []
        self._context = 0  # the ids from here on are decoded together: a piece may depend on the one before it
        self._read = 0  # text of the ids before this position is in _settled
        self._held = ""  # settled text that may be the beginning of a stop string
        self.stopped = False

    def push(self, token: int) -> str:
        """Return the text that is now sure; `stopped` says that a stop string was met."""
        self._ids.append(token)
        return self._release(self._settle(final=False), final=False)

    def finish(self) -> str:
        """Return the rest of the text."""
        return self._release(self._settle(final=True), final=True)

    def _settle(self, final: bool) -> str:
        before = self._decoder.decode(self._ids[self._context : self._read])
        after = self._decoder.decode(self._ids[self._context :])
        if len(after) <= len(before) or (after.endswith(REPLACEMENT) and not final):
            return ""
        self._context, self._read = self._read, len(self._ids)
        return after[len(before) :]

    def _release(self, piece: str, final: bool) -> str:
        if self.stopped:
            return ""
        text = self._held + piece
        cut = min((at for at in (text.find(stop) for stop in self._stop) if at >= 0), default=-1)
        if cut >= 0:
            self.stopped, self._held = True, ""
            return text[:cut]
        keep = 0 if final else max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest ending of `text` that begins `stop`."""
    for size in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0
