"""The rows of the starter set as typed records: read from JSON lines, each checked, each file held to its hash."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict

from tutelage.errors import DataError
from tutelage.files import read_json, read_records, sha256_of
from tutelage.records import USE_CASE_SHARES, Demonstration, Prompt, PromptForm, Split, UseCase
from tutelage.starter import reading
from tutelage.starter.constraints import Constraint
from tutelage.starter.splits import split_of

DATA = Path(__file__).parent / "data"
#: Names the edition in ids of instructions and in the notice; a changed row gets a new one.
EDITION = "starter-1"
#: What stands for a user's consent: nobody sent these prompts.
NOTICE = f"{EDITION}: written by a language model, CC0-1.0"
_TOPIC = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """What a program can check of an answer.

    `require`: of every group, an answer holds one of the alternatives (`walk*` is any word that begins so). `forbid`:
    errors that no sentence may state, unless it denies them. `number`: the first or the last number of the answer.
    `least_words`: fewer are no answer. `constraints`: those that the prompt states. `refuse`: declining is right.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    require: tuple[tuple[str, ...], ...] = ()
    forbid: tuple[str, ...] = ()
    number: float | None = None
    least_words: int = 1
    constraints: tuple[Constraint, ...] = ()
    refuse: bool = False

    def __post_init__(self) -> None:
        said = [*self.require, self.forbid or ("none",)]
        if not all(group and all(reading.tokens(one) for one in group) for group in said):
            raise DataError("a rubric has an empty group, or an alternative or error without a word; take it out.")
        if self.least_words < 1:
            raise DataError(f"least_words must be 1 or more, got {self.least_words}.")
        if not (self.require or self.constraints or self.number is not None):
            raise DataError("the rubric requires nothing; name a fact, a number or a constraint.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One prompt with its rubric, perhaps an answer to learn from, and answers that the rubric must fail.

    Rows of one `topic` are related and share a split. `focus` marks the parts on truthfulness and on sensitive prompts.
    """

    id: str
    use_case: UseCase
    form: PromptForm
    topic: str
    prompt: str
    rubric: Rubric
    kind: Literal["model"]
    focus: Literal["", "truthfulness", "sensitive"] = ""
    demonstration: str = ""
    bad: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise DataError(f"the prompt of {self.id!r} is empty; write one.")
        if not _TOPIC.fullmatch(self.topic):
            raise DataError(f"the topic {self.topic!r} of {self.id!r} is not lower-case words joined by hyphens.")
        if self.focus == "truthfulness" and not self.bad:
            raise DataError(f"{self.id!r} is on truthfulness and names no wrong answer in `bad`.")
        if self.rubric.refuse and self.focus != "sensitive":
            raise DataError(f"{self.id!r} is to be refused and is not marked sensitive.")

    @property
    def split(self) -> Split:
        """The split of its topic."""
        return split_of(self.topic)


@cache
def load() -> tuple[Row, ...]:
    """Return all rows, use case by use case; a file that is not the published one raises DataError."""
    manifest = read_json(DATA / "manifest.json")["files"]
    rows: list[Row] = []
    for use_case in USE_CASE_SHARES:
        path = DATA / f"{use_case}.jsonl"
        if sha256_of(path) != manifest[path.name]["sha256"]:
            raise DataError(f"{path} is not the published file; restore it, or take your own rows in by themselves.")
        rows += read(path)
    return check(rows)


def read(path: Path) -> list[Row]:
    """Read rows from JSON lines; the first malformed one raises DataError with file, line and reason."""
    return read_records(path, Row)


def check(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows, after a look at what no single row shows: every id and every prompt is there once."""
    ids: set[str] = set()
    texts: dict[str, str] = {}
    for row in rows:
        if row.id in ids:
            raise DataError(f"The id {row.id!r} is used twice; give every row its own.")
        ids.add(row.id)
        text = " ".join(row.prompt.split())
        if text in texts:
            raise DataError(f"{texts[text]} and {row.id} have the same prompt; keep one of them.")
        texts[text] = row.id
    return tuple(rows)


def prompt_of(row: Row) -> Prompt:
    """Return a row as intake takes it: its topic stands for the user, so that related prompts stay together."""
    stage: Literal["sft", "ppo", "evaluation"] = "sft" if row.demonstration else "ppo"
    return Prompt(
        id=f"starter-{row.id}",
        text=row.prompt,
        source="starter",
        user=f"starter/{row.topic}",
        form=row.form,
        use_case=row.use_case,
        consent=NOTICE,
        split=row.split,
        stage="evaluation" if row.split == "test" else stage,
        meta={"row": row.id, "kind": row.kind, "focus": row.focus, "topic": row.topic},
    )


def demonstration_of(row: Row) -> Demonstration:
    """Return the answer of a row that has one; its kind is `model`."""
    if not row.demonstration:
        raise DataError(f"The row {row.id!r} has no demonstration; ask only those that have one.")
    return Demonstration(
        id=f"starter-demonstration-{row.id}",
        prompt_id=f"starter-{row.id}",
        text=row.demonstration,
        labeler=EDITION,
        kind=row.kind,
        instruction_version=f"{EDITION}-demonstration",
    )
