"""An export as a directory: rows, manifest and a card that a person can read.

    rows.jsonl      one JSON object per row
    rows.parquet    the same rows with named types, if asked for
    manifest.json   what was asked for, counts, instructions, hashes, the program's version
    README.md       the same for people, and for the library `datasets`

The directory is there whole or not at all. The same store gives the same bytes: the time in a manifest is that of the
newest fact in the rows, not of a clock. Rows are written while they are read, so memory does not grow with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass
from dataclasses import replace as replace_fields
from datetime import datetime
from pathlib import Path
from typing import Any

from tutelage import __version__
from tutelage.errors import DataError, UserError
from tutelage.feedback import card, export, parquet
from tutelage.feedback.export import Line, Query
from tutelage.files import atomic_directory, sha256_of, write_json, write_records, write_text
from tutelage.store import Store, labelers
from tutelage.store.labelers import Published

#: What takes a row into a second file.
Add = Callable[[Mapping[str, Any]], None]
ROWS, PARQUET, CARD, MANIFEST = "rows.jsonl", "rows.parquet", "README.md", "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A version of instructions under which labels were made, the hash of its text, and how many labels."""

    version: str
    task: str
    sha256: str
    labels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Where an export comes from.

    `query` holds what was asked for, `words` the same in sentences. `sha256` is the hash of `rows.jsonl`: equal hashes
    are equal exports. `counts` gives the rows by kind, group, labeler and so on; `newest` is the time of the newest
    label (of prompts: the newest prompt), "" without rows. `files` has the hash of every other file.
    """

    query: dict[str, str]
    words: tuple[str, ...]
    rows: int
    sha256: str
    newest: str
    counts: dict[str, dict[str, int]]
    instructions: tuple[Told, ...]
    files: dict[str, str]
    product: str


def write(
    store: Store,
    query: Query,
    directory: Path,
    *,
    with_parquet: bool = False,
    replace: bool = False,
    may_be_empty: bool = False,
) -> Manifest:
    """Write the rows of a query as a directory; one that is there already is refused unless `replace` is set."""
    if directory.exists() and not replace:
        raise UserError(f"{directory} is there already; name another directory, or delete this one.")
    with atomic_directory(directory) as part:
        tally = _Tally()
        writing: AbstractContextManager[Add | None] = nullcontext()
        if with_parquet:
            writing = parquet.writer(part / PARQUET, query.what)
        with closing(export.lines(store, query)) as lines, writing as add:
            write_records(part / ROWS, _counted(lines, tally, add))
        if not tally.rows and not may_be_empty:
            raise _empty(query)
        manifest = _manifest(store, query, tally, part)
        write_text(part / CARD, card.text(manifest, query, PARQUET if with_parquet else ROWS))
        manifest = replace_fields(manifest, files=manifest.files | {CARD: sha256_of(part / CARD)})
        write_json(part / MANIFEST, asdict(manifest))
    return manifest


class _Tally:
    """Counts of the rows that went by."""

    def __init__(self) -> None:
        self.rows = 0
        self.newest: datetime | None = None
        self.counts: dict[str, Counter[str]] = {}

    def add(self, line: Line[Any]) -> None:
        self.rows += 1
        self.newest = max(self.newest or line.created, line.created)
        for name, value in line.counted.items():
            self.counts.setdefault(name, Counter())[value] += 1


def _counted(lines: Iterator[Line[Any]], tally: _Tally, add: Add | None) -> Iterator[Any]:
    for line in lines:
        tally.add(line)
        if add is not None:
            add(asdict(line.row))
        yield line.row


def _manifest(store: Store, query: Query, tally: _Tally, part: Path) -> Manifest:
    counts = {name: dict(sorted(found.items())) for name, found in sorted(tally.counts.items())}
    return Manifest(
        query=query.settings(),
        words=card.in_words(query),
        rows=tally.rows,
        sha256=sha256_of(part / ROWS),
        newest=tally.newest.isoformat() if tally.newest else "",
        counts=counts,
        instructions=_told(labelers.published(store), counts.get("instruction_version", {})),
        files={path.name: sha256_of(path) for path in sorted(part.iterdir())},
        product=f"tutelage {__version__}",
    )


def _told(versions: Mapping[str, Published], labels: Mapping[str, int]) -> tuple[Told, ...]:
    return tuple(
        Told(version=name, task=versions[name].task, sha256=versions[name].sha256, labels=number)
        for name, number in labels.items()
    )


def _empty(query: Query) -> DataError:
    if query.what == "ppo":
        return DataError(
            f"The store has no prompt for the stage {query.stage!r} in the split {query.split}; see `tutelage prompts "
            "counts`."
        )
    noun = card.NOUNS[query.what].lower()
    if not query.is_for_training:
        return DataError(
            f"The store has no {noun} for evaluation by labelers of the kind {query.kind} in the group {query.group}; "
            "choose another --kind or --group."
        )
    return DataError(
        f"The store has no {noun} by labelers of the kind {query.kind} in the split {query.split}; choose another "
        "--kind, or bring some in with `tutelage labels import`."
    )
