"""The hand-written phrasings of the village's prompts: how customers word each kind of task.

One text file per use case, and `constraints.txt` for the clauses of constraints. A line `[kind kind ...]` opens a
section; every other line is `SPLIT tags: text`. SPLIT is `T` (training prompts), `H` (held out: only in test and
validation prompts) or `C` (the corpus's worksheets). Tags: `user` tells who writes and why, `few` is the instruction
above two solved examples, `in` is a clause inside a sentence; any other tag is a condition on the task (`person`,
`good`, ...). `{slots}` are filled by `prompts.slots`; `{c}` is where a clause of a constraint may stand; `\\n` is a
new line.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal, NamedTuple, cast

from tutelage.records import USE_CASE_SHARES

PhrasingSplit = Literal["train", "heldout", "corpus"]
SPLITS: dict[str, PhrasingSplit] = {"T": "train", "H": "heldout", "C": "corpus"}
#: Tags that say what a phrasing is, not when it fits.
FORM_TAGS = frozenset({"user", "few", "in"})


class Phrasing(NamedTuple):
    """One way to word the tasks of `kinds`; it fits a task that has every one of its `conditions`."""

    topic: str
    kinds: tuple[str, ...]
    split: PhrasingSplit
    tags: frozenset[str]
    text: str

    @property
    def conditions(self) -> frozenset[str]:
        return self.tags - FORM_TAGS


def _read(topic: str) -> list[Phrasing]:
    text = resources.files(__package__).joinpath(f"{topic}.txt").read_text("utf-8")
    kinds: tuple[str, ...] = ()
    rows = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            kinds = tuple(line.strip("[]").split())
            continue
        marks, wording = line.split(": ", 1)
        split, *tags = marks.split()
        rows.append(Phrasing(topic, kinds, SPLITS[split], frozenset(tags), wording.replace("\\n", "\n")))
    return rows


@cache
def all_phrasings() -> tuple[Phrasing, ...]:
    """Return every phrasing of the ten use cases; `topic` is the use case."""
    return tuple(row for use_case in USE_CASE_SHARES for row in _read(cast(str, use_case)))


@cache
def constraint_clauses() -> tuple[Phrasing, ...]:
    """Return every wording of a constraint; `kinds` holds the constraint's kind."""
    return tuple(_read("constraints"))


@cache
def phrasings_of(use_case: str, kind: str, split: PhrasingSplit) -> tuple[Phrasing, ...]:
    """Return the phrasings of one kind of task in one split, in the order of the file."""
    return tuple(r for r in all_phrasings() if r.topic == use_case and kind in r.kinds and r.split == split)
