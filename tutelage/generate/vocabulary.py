"""The bytes that each token stands for."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def _byte_of_character() -> dict[str, int]:
    """Return which byte each character of a byte-level vocabulary stands for.

    Printable Latin-1 bytes stand for themselves; the others are numbered from 256 on, in order (GPT-2's convention).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


class Vocabulary:
    """Token ids to bytes; exact for byte-level tokenizers, the decoded text for others."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = set(tokenizer.all_special_ids)
        characters = {character for text in tokenizer.get_vocab() for character in text}
        added = {character for text in tokenizer.get_added_vocab() for character in text}
        self._is_bytes = characters - added <= _byte_of_character().keys()
        self._known: dict[int, bytes] = {}

    def is_special(self, id: int) -> bool:
        """Say whether a token stands for no text."""
        return id in self._special

    def bytes_of(self, id: int) -> bytes:
        """Return the bytes of a token; special tokens as they are written."""
        if id not in self._known:
            self._known[id] = self._look_up(id)
        return self._known[id]

    def _look_up(self, id: int) -> bytes:
        text = self._tokenizer.convert_ids_to_tokens(id)
        if text is None:  # models may have more ids than their tokenizer has tokens
            return b""
        table = _byte_of_character()
        if id not in self._special and self._is_bytes and all(character in table for character in text):
            return bytes(table[character] for character in text)
        decoded: str = self._tokenizer.decode([id], clean_up_tokenization_spaces=False)
        return decoded.encode("utf-8", "replace")
