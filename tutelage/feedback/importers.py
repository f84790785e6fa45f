"""Import demonstrations and rankings that were made elsewhere, in the shapes in which they are published (`shapes`).

A file is read whole before anything is stored. Rows that cannot be used are told by their line and left out; the others
come in together or not at all, and what is there already stays as it is. All rows of one conversation belong to one
split, decided once by the salted hash of the conversation: they share text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from tutelage import pii
from tutelage.core import rankings
from tutelage.errors import DataError, SettingsError
from tutelage.feedback.rowfiles import Fault, read
from tutelage.feedback.shapes import Judged, Output, judged
from tutelage.files import content_hash, write_records
from tutelage.records import Completion, Demonstration, Instructions, Kind, Labeler, Prompt, Ranking, Split, Stage
from tutelage.store import Store, completions, labelers, labels, prompts, users
from tutelage.store.joined import joined
from tutelage.store.prompts import Found, Mark, PiiStatus

#: Called while prompts are looked through, with how many are done and how many there are.
Progress = Callable[[int, int], None]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file in a format, what it is called, whose labels it holds, and under which licence it was published.

    `shares` are those of conversations in each split, `stage` is what new prompts are set aside for. `fields` maps our
    names of fields to the file's, where they differ; `origin` says where the file came from, by default its name.
    """

    path: Path
    format: str
    name: str
    kind: Kind
    licence: str
    shares: Mapping[Split, float]
    stage: Stage = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SettingsError(
                f"{self.name!r} cannot name a source; use letters, digits, dots, hyphens and underscores."
            )
        if not self.licence.strip():
            raise SettingsError("Say under which licence the labels were published; without one none is trained on.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did: labels by kind of label, how many of them are new, and the rows that were left out.

    `prompts` counts labels in each split; `quarantined` those whose prompt holds personal data.
    """

    demonstrations: int
    rankings: int
    new: int
    faults: tuple[Fault, ...]
    prompts: dict[Split, int]
    quarantined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Label:
    """A row as it comes into the store."""

    line: int
    prompt: Prompt
    outputs: tuple[Completion, ...]
    made: Demonstration | Ranking


def import_labels(store: Store, source: Source, *, now: datetime, progress: Progress | None = None) -> Imported:
    """Import the rows of a file that can be used; a file without any is a DataError, and nothing is stored."""
    found, faults = read_labels(source.path, source.format, source.fields)
    with joined(store) as together:
        wanted = [_label(source, row) for row in found]
        known = labels.find(together, [label.made.id for label in wanted])
        made, conflicts = _without_conflicts(together, wanted, known)
        faults = sorted([*faults, *conflicts], key=lambda fault: fault.line)
        if not made:
            raise _nothing(source.path, faults)
        _prepare(together, source, made, now)
        splits, quarantined = _add_prompts(together, source, made, now, progress or (lambda *_: None))
        completions.add(together, [output for label in made for output in label.outputs], now=now)
        ours = labels.Judgements(
            demonstrations=[label.made for label in made if isinstance(label.made, Demonstration)],
            rankings=[label.made for label in made if isinstance(label.made, Ranking)],
        )
        labels.add(together, ours, now=now)
    return Imported(
        demonstrations=len(ours.demonstrations),
        rankings=len(ours.rankings),
        new=sum(label.made.id not in known for label in made),
        faults=tuple(faults),
        prompts=splits,
        quarantined=quarantined,
    )


def read_labels(path: Path, format: str, fields: Mapping[str, str]) -> tuple[list[Judged], list[Fault]]:
    """Read the rows of a file that can be used, each once, and why the others cannot; without any it is a DataError."""
    rows: list[Judged] = []
    faults: list[Fault] = []
    names: dict[str, int] = {}
    known: dict[str, int] = {}
    for one in judged(read(path), format, fields):
        if isinstance(one, Fault):
            faults.append(one)
        elif one.key in known:
            faults.append(Fault(line=one.line, reason=f"it says what line {known[one.key]} says"))
        elif one.id and one.id in names:
            faults.append(Fault(line=one.line, reason=f"the id {one.id} is used in line {names[one.id]}"))
        else:
            names[one.id] = known[one.key] = one.line
            rows.append(one)
    if not rows:
        raise _nothing(path, faults)
    return rows, faults


def write_faults(path: Path, faults: Sequence[Fault]) -> None:
    """List rows that were left out as JSON lines with line and reason, without their texts, which may be anything."""
    write_records(path, faults)


def _nothing(path: Path, faults: Sequence[Fault]) -> DataError:
    if not faults:
        return DataError(f"{path} holds no row; nothing was imported.")
    return DataError(
        f"{path}:{faults[0].line}: {faults[0].reason.rstrip('.')}; none of the {len(faults)} rows can be used, and "
        "nothing was imported."
    )


def _label(source: Source, row: Judged) -> _Label:
    prompt_id = row.prompt_id or row.id or _named(source, "prompt", row.prompt)
    prompt = Prompt(
        id=prompt_id,
        text=row.prompt,
        source="imported",
        user=f"{source.name} tree {row.tree}",
        consent=f"{source.name}: published under {source.licence}",
        stage=source.stage,
        meta={
            "format": source.format,
            "source": source.name,
            "origin": source.origin or source.path.name,
            "tree": row.tree,
        },
    )
    name = row.id or _named(source, "label", row.key)
    if not row.ranks:
        return _Label(line=row.line, prompt=prompt, outputs=(), made=_demonstration(source, row, prompt_id, name))
    outputs = tuple(_completion(source, prompt_id, output) for output in row.outputs)
    ids = tuple(output.id for output in outputs)
    ranking = Ranking(
        id=f"{source.name}-ranking-{name}",
        prompt_id=prompt_id,
        labeler=_labeler(source, source.kind, row.labeler),
        kind=source.kind,
        instruction_version=f"{source.name}-comparison",
        purpose="train",
        groups=rankings.groups(row.ranks, ids),
        presented=tuple(sorted(ids)) if source.format == "pairs" else ids,  # a pair's file names the better one first
    )
    return _Label(line=row.line, prompt=prompt, outputs=outputs, made=ranking)


def _demonstration(source: Source, row: Judged, prompt_id: str, name: str) -> Demonstration:
    """Make a demonstration; one that the file says a model wrote is of the kind `model`, whatever the others are."""
    kind: Kind = "model" if row.outputs[0].synthetic else source.kind
    return Demonstration(
        id=f"{source.name}-demonstration-{name}",
        prompt_id=prompt_id,
        text=row.outputs[0].text,
        labeler=_labeler(source, kind, row.labeler),
        kind=kind,
        instruction_version=f"{source.name}-demonstration",
    )


def _completion(source: Source, prompt_id: str, output: Output) -> Completion:
    return Completion(
        id=f"{source.name}-{output.id}" if output.id else _named(source, prompt_id, output.text),
        prompt_id=prompt_id,
        text=output.text,
        policy=_labeler(source, "model" if output.synthetic else source.kind),
        finish_reason="stop",
    )


def _labeler(source: Source, kind: Kind, name: str = "") -> str:
    return f"{source.name}-{name or {'human': 'people'}.get(kind, kind)}"


def _named(source: Source, *parts: str) -> str:
    """Name what the file gives no name by what it is, so that a second import finds it."""
    return f"{source.name}-{content_hash(parts)[:20]}"


def _without_conflicts(
    store: Store, made: Sequence[_Label], known: Mapping[str, Demonstration | Ranking]
) -> tuple[list[_Label], list[Fault]]:
    """Leave out what is in the store, or earlier in the file, under the same name and with another content."""
    there = {name: prompt.text for name, prompt in prompts.get(store, (label.prompt.id for label in made)).items()}
    texts = completions.get(store, (output.id for label in made for output in label.outputs))
    outputs = {name: (one.prompt_id, one.text) for name, one in texts.items()}
    kept, faults = [], []
    for label in made:
        name = label.prompt.id
        other = [one.id for one in label.outputs if outputs.get(one.id, (name, one.text)) != (name, one.text)]
        if there.get(name, label.prompt.text) != label.prompt.text:
            reason = f"the prompt {name} is there with another text"
        elif other:
            reason = f"the completion {other[0]} is there with another text or prompt"
        elif known.get(label.made.id, label.made) != label.made:
            reason = f"the label {label.made.id} is there with another content or kind"
        else:
            there[name] = label.prompt.text
            outputs |= {one.id: (name, one.text) for one in label.outputs}
            kept.append(label)
            continue
        faults.append(Fault(line=label.line, reason=reason))
    return kept, faults


def _prepare(store: Store, source: Source, made: Sequence[_Label], now: datetime) -> None:
    """Register who made the labels and what is known of their instructions."""
    people = {label.made.labeler: label.made.kind for label in made}
    labelers.add(store, [Labeler(id=name, group="training", kind=kind) for name, kind in people.items()], now=now)
    text = f"Labels imported from {source.name}. What its labelers were told is not part of the data."
    for version in (
        Instructions(version=f"{source.name}-demonstration", task="demonstration", text=text),
        Instructions(version=f"{source.name}-comparison", task="comparison", text=text),
    ):
        labelers.publish(store, version, now=now)


def _add_prompts(
    store: Store, source: Source, made: Sequence[_Label], now: datetime, progress: Progress
) -> tuple[dict[Split, int], int]:
    """Add the prompts that are not in the store yet; look for personal data in those of the training split.

    Return the labels in each split, and how many of them have a quarantined prompt.
    """
    known = prompts.get(store, (label.prompt.id for label in made))
    trees = {label.prompt.user: store.user_hash(label.prompt.user) for label in made}
    splits = users.assign(store, trees.values(), shares=source.shares, now=now)
    wanted = {label.prompt.id: label.prompt for label in made if label.prompt.id not in known}
    new, marks, findings = [], {}, []
    for done, prompt in enumerate(wanted.values(), start=1):
        user = trees[prompt.user]
        prompt = replace(prompt, user=user, split=splits[user])
        found = _personal_data(prompt) if prompt.split == "train" else []
        status: PiiStatus = "quarantined" if found else "clean" if prompt.split == "train" else ""
        marks[prompt.id] = Mark(pii=status)
        new.append(prompt)
        findings += found
        progress(done, len(wanted))
    prompts.add(store, new, now=now, marks=marks, findings=findings)
    counts = Counter(splits[trees[label.prompt.user]] for label in made)
    held = prompts.marks(store, (label.prompt.id for label in made))
    quarantined = sum(held[label.prompt.id].pii == "quarantined" for label in made)
    return {split: counts[split] for split in users.SPLITS}, quarantined


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
