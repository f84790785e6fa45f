"""Import demonstrations and rankings that people made elsewhere, from JSON lines.

A file is read whole before anything is stored: a malformed row is named by file and line, and then nothing is imported.
All rows of one conversation tree belong to one split, decided once by the salted hash of the tree: they share text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from tutelage import pii
from tutelage.core import rankings
from tutelage.errors import DataError, SettingsError
from tutelage.files import numbered_lines
from tutelage.records import Completion, Demonstration, Instructions, Kind, Labeler, Prompt, Ranking, Split, Stage
from tutelage.store import Store, completions, labelers, labels, prompts, users
from tutelage.store.prompts import Found, Mark, PiiStatus

T = TypeVar("T")
What = Literal["demonstrations", "rankings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """Where a format keeps what we need; `consent` names what its contributors agreed to."""

    consent: str
    id: str = "id"
    tree: str = "tree"
    prompt: str = "prompt"
    demonstration: str = "completion"
    outputs: str = "completions"
    output_id: str = "id"
    output_text: str = "text"
    output_rank: str = "rank"
    synthetic: str = "synthetic"


FORMATS: Mapping[str, Format] = {"oasst": Format(consent="oasst: published by its contributors under Apache-2.0")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import added: rows, and how many prompts of them are in each split."""

    what: What
    rows: int
    prompts: dict[Split, int]
    quarantined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    line: int
    prompt: Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class _Demonstrated(_Row):
    text: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranked(_Row):
    outputs: tuple[Completion, ...]
    ranks: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file in a format, the shares of trees in each split, and the stage its prompts are set aside for."""

    path: Path
    format: str
    shares: Mapping[Split, float]
    stage: Stage = ""


def import_labels(store: Store, source: Source, *, now: datetime) -> Imported:
    """Import a file of demonstrations or of rankings; which it is, its first row says by the fields it has."""
    fields = _fields(source)
    for number, line in numbered_lines(source.path):
        try:
            first = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{source.path}:{number}: {error}; nothing was imported.") from None
        names = first.keys() if isinstance(first, dict) else ()
        if fields.outputs in names:
            return import_rankings(store, source, now=now)
        if fields.demonstration in names:
            return import_demonstrations(store, source, now=now)
        raise DataError(
            f"{source.path}:{number}: the row has neither {fields.demonstration!r} (a demonstration) nor "
            f"{fields.outputs!r} (a ranking); nothing was imported."
        )
    raise DataError(f"{source.path} holds no row; nothing was imported.")


def import_demonstrations(store: Store, source: Source, *, now: datetime) -> Imported:
    """Import answers as demonstrations; those that a model wrote are kept under the kind `model`."""
    rows = _read(source, _demonstrated)
    people = _prepare(store, source.format, now)
    imported = _add_prompts(store, "demonstrations", source, rows, now)
    made = [
        Demonstration(
            id=f"{source.format}-demonstration-{row.prompt.id}",
            prompt_id=row.prompt.id,
            text=row.text,
            labeler=people[row.kind],
            kind=row.kind,
            instruction_version=f"{source.format}-demonstration",
        )
        for row in rows
    ]
    labels.add(store, labels.Judgements(demonstrations=made), now=now)
    return imported


def import_rankings(store: Store, source: Source, *, now: datetime) -> Imported:
    """Import rankings of two or more completions; equal ranks are ties. The file's order is stored as presented."""
    rows = _read(source, _ranked)
    people = _prepare(store, source.format, now)
    imported = _add_prompts(store, "rankings", source, rows, now)
    completions.add(store, [output for row in rows for output in row.outputs], now=now)
    made = []
    for row in rows:
        ids = tuple(output.id for output in row.outputs)
        made.append(
            Ranking(
                id=f"{source.format}-ranking-{row.prompt.id}",
                prompt_id=row.prompt.id,
                labeler=people["human"],
                kind="human",
                instruction_version=f"{source.format}-comparison",
                purpose="train",
                groups=rankings.groups(row.ranks, ids),
                presented=ids,
            )
        )
    labels.add(store, labels.Judgements(rankings=made), now=now)
    return imported


def _read(source: Source, parse: Callable[[Source, int, dict[str, Any]], T]) -> list[T]:
    fields = _fields(source)
    rows, seen = [], set()
    for number, line in numbered_lines(source.path):
        try:
            found = json.loads(line)
            if not isinstance(found, dict):
                raise DataError("the row is no JSON object")
            row = parse(source, number, found)
            name = found[fields.id]
            if name in seen:
                raise DataError(f"the id {name} is used twice")
        except (DataError, json.JSONDecodeError) as error:
            raise DataError(f"{source.path}:{number}: {str(error).rstrip('.')}; nothing was imported.") from None
        seen.add(name)
        rows.append(row)
    return rows


def _fields(source: Source) -> Format:
    if source.format not in FORMATS:
        raise SettingsError(f"There is no import format {source.format!r}; there are: {', '.join(FORMATS)}.")
    return FORMATS[source.format]


def _prompt(source: Source, found: dict[str, Any]) -> Prompt:
    fields = FORMATS[source.format]
    return Prompt(
        id=_string(found, fields.id),
        text=_string(found, fields.prompt),
        source="imported",
        user=f"{source.format} tree {_string(found, fields.tree)}",
        consent=fields.consent,
        stage=source.stage,
        meta={"format": source.format, "tree": _string(found, fields.tree)},
    )


def _demonstrated(source: Source, line: int, found: dict[str, Any]) -> _Demonstrated:
    fields = FORMATS[source.format]
    kind: Kind = "model" if _boolean(found, fields.synthetic) else "human"
    return _Demonstrated(line=line, prompt=_prompt(source, found), text=_string(found, fields.demonstration), kind=kind)


def _ranked(source: Source, line: int, found: dict[str, Any]) -> _Ranked:
    fields = FORMATS[source.format]
    prompt, outputs = _prompt(source, found), found.get(fields.outputs)
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs) or len(outputs) < 2:
        raise DataError(f"the field {fields.outputs!r} must be a list of two or more objects")
    made = tuple(
        Completion(
            id=f"{source.format}-{_string(output, fields.output_id)}",
            prompt_id=prompt.id,
            text=_string(output, fields.output_text, empty=True),
            policy=f"{source.format}-model" if _boolean(output, fields.synthetic) else f"{source.format}-people",
            finish_reason="stop",
        )
        for output in outputs
    )
    if len({output.id for output in made}) != len(made):
        raise DataError("a completion id is used twice")
    return _Ranked(
        line=line, prompt=prompt, outputs=made, ranks=tuple(_rank(output, fields.output_rank) for output in outputs)
    )


def _string(found: dict[str, Any], name: str, *, empty: bool = False) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise DataError(f"the field {name!r} must be a text, not {value!r:.40}")
    if not empty and not value.strip():
        raise DataError(f"the field {name!r} is empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(f"the field {name!r} holds half of a character") from None
    return value


def _boolean(found: dict[str, Any], name: str) -> bool:
    value = found.get(name, False)
    if not isinstance(value, bool):
        raise DataError(f"the field {name!r} must be true or false, not {value!r:.40}")
    return value


def _rank(found: dict[str, Any], name: str) -> int:
    value = found.get(name)
    if type(value) is not int or value < 0:
        raise DataError(f"the field {name!r} must be a whole number from 0 (best), not {value!r:.40}")
    return value


def _prepare(store: Store, format: str, now: datetime) -> dict[Kind, str]:
    """Register who made the labels and what is known of their instructions; return the labeler of each kind."""
    people: dict[Kind, str] = {"human": f"{format}-people", "model": f"{format}-model"}
    labelers.add(store, [Labeler(id=name, group="training", kind=kind) for kind, name in people.items()], now=now)
    text = f"Labels imported from the format {format}. What its labelers were told is not part of the data."
    for version in (
        Instructions(version=f"{format}-demonstration", task="demonstration", text=text),
        Instructions(version=f"{format}-comparison", task="comparison", text=text),
    ):
        labelers.publish(store, version, now=now)
    return people


def _add_prompts(store: Store, what: What, source: Source, rows: Sequence[_Row], now: datetime) -> Imported:
    """Add the prompts that are not in the store yet; look for personal data in those of the training split."""
    known = prompts.get(store, (row.prompt.id for row in rows))
    for row in rows:
        if row.prompt.id in known and known[row.prompt.id].text != row.prompt.text:
            raise DataError(
                f"{source.path}:{row.line}: the prompt {row.prompt.id} is in the store with another text; nothing was "
                "imported."
            )
    trees = {row.prompt.user: store.user_hash(row.prompt.user) for row in rows}
    splits = users.assign(store, trees.values(), shares=source.shares, now=now)
    new, marks, findings = [], {}, []
    for row in rows:
        user = trees[row.prompt.user]
        if row.prompt.id in known:
            continue
        prompt = replace(row.prompt, user=user, split=splits[user])
        found = _personal_data(prompt) if prompt.split == "train" else []
        status: PiiStatus = "quarantined" if found else "clean" if prompt.split == "train" else ""
        marks[prompt.id] = Mark(pii=status)
        new.append(prompt)
        findings += found
    prompts.add(store, new, now=now, marks=marks, findings=findings)
    counts = Counter(splits[trees[row.prompt.user]] for row in rows)
    held = prompts.marks(store, (row.prompt.id for row in rows))
    return Imported(
        what=what,
        rows=len(rows),
        prompts={split: counts[split] for split in users.SPLITS},
        quarantined=sum(mark.pii == "quarantined" for mark in held.values()),
    )


def _personal_data(prompt: Prompt) -> list[Found]:
    return [
        Found(
            prompt_id=prompt.id,
            kind=found.kind,
            start=found.start,
            end=found.end,
            detector=found.detector,
            action="quarantined",
        )
        for found in pii.find(prompt.text)
    ]
