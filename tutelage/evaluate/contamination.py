"""Whether texts to learn from hold pieces of texts to be judged on: runs of words that both sides have.

A run of 8 words is seldom chance (GPT-3's authors looked for 13, Brown et al. 2020, appendix C); fewer words find more
and mean less.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage.errors import DataError, MissingError
from tutelage.files import numbered_lines

#: Words in a run by default.
WORDS = 8
_WORD = re.compile(r"\w+(?:'\w+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The longest run of words of a row that one row of the other side has too; rows are named FILE:LINE."""

    place: str
    other: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """How many rows there are on both sides, and what each contaminated row of the first shares with the second."""

    rows: int
    others: int
    words: int
    shared: tuple[Shared, ...]

    @property
    def share(self) -> float:
        """Return the share of rows that are contaminated."""
        return len(self.shared) / self.rows


def compare(first: Path, second: Path, words: int = WORDS) -> Contamination:
    """Look in every row of the first for runs of at least `words` words that stand in a text of the second.

    Each is a file of JSON lines, or a folder of such files. All texts of a row count, at any depth, but for the field
    `id`; a run lies within one text. Case, punctuation and white space do not matter.
    """
    known: dict[tuple[str, ...], str] = {}
    others = 0
    for place, texts in _rows(second):
        others += 1
        for text in texts:
            for run in _runs(_words(text), words):
                known.setdefault(run, place)
    rows, found = 0, []
    for place, texts in _rows(first):
        rows += 1
        longest = max((_longest(_words(text), known, words) for text in texts), default=((), ""))
        if longest[0]:
            found.append(Shared(place=place, other=longest[1], words=" ".join(longest[0])))
    return Contamination(rows=rows, others=others, words=words, shared=tuple(found))


def _longest(said: Sequence[str], known: Mapping[tuple[str, ...], str], words: int) -> tuple[tuple[str, ...], str]:
    """Return the longest stretch of neighbouring shared runs that open in one row, with that row; () for none."""
    best: tuple[tuple[str, ...], str] = ((), "")
    start, row = 0, ""
    for number, run in enumerate(_runs(said, words)):
        where = known.get(run, "")
        if where != row:
            start, row = number, where
        stretch = tuple(said[start : number + words])
        if where and len(stretch) > len(best[0]):
            best = (stretch, where)
    return best


def _runs(said: Sequence[str], words: int) -> Iterator[tuple[str, ...]]:
    return (tuple(said[start : start + words]) for start in range(len(said) - words + 1))


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the place and the texts of every row of a file, or of every file of a folder."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise MissingError(f"{path} holds no file that ends in .jsonl; name a file, or another folder.")
    empty = True
    for file in files:
        for number, line in numbered_lines(file):
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{file}:{number}: {error}; give one JSON value per line.") from None
            empty = False
            yield f"{file.name}:{number}", list(_texts(row))
    if empty:
        raise DataError(f"{path} holds no row; give one JSON value per line.")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name != "id":
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
