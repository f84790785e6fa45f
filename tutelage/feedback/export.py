"""Training exports: what a trainer may learn from, with a manifest that names every label and prompt it holds.

What is left out is decided by the queries of `tutelage.store.training`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from tutelage.core import rankings
from tutelage.errors import DataError
from tutelage.files import content_hash, write_json, write_records
from tutelage.records import Kind, RankedGroup, Split, Stage
from tutelage.store import Store, registry, training, users
from tutelage.store.registry import Version

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")
#: The test split belongs to evaluation and is never exported.
ExportSplit = Literal["train", "validation"]
What = Literal["demonstrations", "rankings", "prompts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationRow:
    """A prompt and the answer that a labeler wrote: one example of supervised fine-tuning."""

    prompt_id: str = ""
    prompt: str
    completion: str
    labeler: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRow:
    """A prompt to sample from in PPO."""

    prompt_id: str = ""
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Where an export comes from. `labels` and `prompts` (text hashes) are in the order of the rows.

    `sha256` is the hash of the rows: equal hashes are equal exports.
    """

    what: What
    split: Split
    rows: int
    sha256: str
    labels: tuple[str, ...]
    prompts: tuple[str, ...]
    kinds: dict[str, int]
    groups: dict[str, int]
    labelers: dict[str, int]
    instruction_versions: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Export(Generic[Row]):
    """Rows for a trainer, and their manifest."""

    rows: tuple[Row, ...]
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """What a withdrawal means: prompts left out of every later build, and the prompts each model version saw before."""

    user: str
    prompts: int
    models: dict[Version, int]


def demonstrations(store: Store, *, kind: Kind, split: ExportSplit = "train") -> Export[DemonstrationRow]:
    """Export demonstrations by labelers of one kind, by prompt and label id."""
    found = training.demonstrated(store, split=_exported(split), kind=kind)
    rows = [
        DemonstrationRow(
            prompt_id=one.prompt.id, prompt=one.prompt.text, completion=one.label.text, labeler=one.label.labeler
        )
        for one in found
    ]
    return Export(rows=tuple(rows), manifest=_manifest("demonstrations", split, rows, found))


def ranked_groups(store: Store, *, kind: Kind, split: ExportSplit = "train", tasks: str = "") -> Export[RankedGroup]:
    """Export rankings by labelers of one kind: one row holds all completions that one labeler ranked for one prompt.

    With `tasks`, only rankings of tasks whose ids begin so are exported, such as those of one batch of samples.
    Completions are in the order of the labeler's screen, which says nothing about rank. Equal ranks are ties.
    """
    found = training.ranked(store, split=_exported(split), kind=kind, tasks=tasks)
    rows = [
        RankedGroup(
            prompt=one.prompt.text,
            completions=tuple(one.texts[output] for output in one.label.presented),
            ranks=rankings.ranks(one.label.groups, one.label.presented),
            prompt_id=one.prompt.id,
            labeler=one.label.labeler,
            cut=tuple(output in one.cut for output in one.label.presented),
        )
        for one in found
    ]
    return Export(rows=tuple(rows), manifest=_manifest("rankings", split, rows, found))


def prompts(store: Store, *, stage: Stage = "ppo", split: ExportSplit = "train") -> Export[PromptRow]:
    """Export the prompts set aside for a stage, by id."""
    found = training.prompted(store, split=_exported(split), stage=stage)
    rows = [PromptRow(prompt_id=prompt.id, prompt=prompt.text) for prompt in found]
    manifest = Manifest(
        what="prompts",
        split=split,
        rows=len(rows),
        sha256=_hash(rows),
        labels=(),
        prompts=tuple(prompt.hash for prompt in found),
        kinds={},
        groups={},
        labelers={},
        instruction_versions={},
    )
    return Export(rows=tuple(rows), manifest=manifest)


def select(store: Store, what: What, *, kind: Kind, split: ExportSplit = "train", stage: Stage = "ppo") -> Export[Any]:
    """Export by name; prompts have no kind, and only prompts a stage."""
    if what == "prompts":
        return prompts(store, stage=stage, split=split)
    return (demonstrations if what == "demonstrations" else ranked_groups)(store, kind=kind, split=split)


def check_rows(found: Export[Row], kind: Kind) -> None:
    """Refuse an export without rows."""
    what, split = found.manifest.what, found.manifest.split
    if found.rows:
        return
    if what == "prompts":
        raise DataError(f"The store has no prompt for this stage in the split {split}; see `tutelage prompts counts`.")
    raise DataError(
        f"The store has no {what} by labelers of the kind {kind} in the split {split}; choose another --kind, or "
        "bring some in with `tutelage labels import`."
    )


def write(export: Export[Row], directory: Path) -> None:
    """Write an export as `rows.jsonl` and `manifest.json` in a directory."""
    write_records(directory / "rows.jsonl", export.rows)
    write_json(directory / "manifest.json", asdict(export.manifest))


def withdraw(store: Store, user: str, *, now: datetime) -> Withdrawal:
    """Take back a user's consent: every later export leaves the user's prompts out. Say which models saw them.

    `user` is the name that the user sends prompts under, or its hash in the store.
    """
    name = user if users.splits(store, [user]) else store.user_hash(user)
    hashes = users.prompt_hashes(store, name)
    users.withdraw(store, [name], now=now)
    saw = registry.trained_on(store, hashes)
    return Withdrawal(user=name, prompts=len(hashes), models={version: len(seen) for version, seen in saw.items()})


def _exported(split: ExportSplit) -> Split:
    if split not in ("train", "validation"):
        raise DataError(f"The split {split!r} is never exported for training; choose train or validation.")
    return split


def _manifest(
    what: Literal["demonstrations", "rankings"],
    split: Split,
    rows: Sequence[DataclassInstance],
    found: Sequence[training.Demonstrated | training.Ranked],
) -> Manifest:
    labels = [one.label for one in found]
    return Manifest(
        what=what,
        split=split,
        rows=len(rows),
        sha256=_hash(rows),
        labels=tuple(label.id for label in labels),
        prompts=tuple(one.prompt.hash for one in found),
        kinds=_counts(label.kind for label in labels),
        groups=_counts(one.group for one in found),
        labelers=_counts(label.labeler for label in labels),
        instruction_versions=_counts(label.instruction_version for label in labels),
    )


def _counts(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _hash(rows: Sequence[DataclassInstance]) -> str:
    return content_hash([asdict(row) for row in rows])
