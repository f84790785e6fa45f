"""Texts with labels of harm: from labelers' flags in the store, or from a file that people labelled elsewhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tutelage.errors import DataError, SettingsError
from tutelage.feedback.export import RatingRow
from tutelage.files import read_jsonl
from tutelage.prompts import similarity
from tutelage.safety.categories import BY_NAME, OF_FLAG
from tutelage.safety.text import visible
from tutelage.train.content_filter import Labelled

#: Of ten groups of equal texts, one is for the test and one for calibration.
Part = Literal["train", "calibration", "test"]
PARTS: Mapping[int, Part] = {0: "test", 1: "calibration"}
#: Texts this alike count as the same: the training share has none that is nearly in another.
ALIKE = 0.8
_SPEC = re.compile(r"(?P<category>[^=]+)=(?P<field>[^/:]+)(?:/(?P<total>.+)|:(?P<value>.+))?")
_NAMES = re.compile(r"@\w+|https?://\S+|&\w+;|\brt\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelColumn:
    """Which column of a file is a category: a share or yes/no, a count of a `total`, or a `value` that means yes."""

    category: str
    field: str
    total: str = ""
    value: str = ""


class Parts(NamedTuple):
    """A file's texts by what they are for, and how many of the training share were left out as nearly in another."""

    train: list[Labelled]
    calibration: list[Labelled]
    test: list[Labelled]
    alike: int


def column(spec: str) -> LabelColumn:
    """Read `CATEGORY=FIELD`, `CATEGORY=COUNT/TOTAL` or `CATEGORY=FIELD:VALUE`."""
    found = _SPEC.fullmatch(spec)
    if found is None:
        raise SettingsError(f"--label is {spec!r}; write CATEGORY=FIELD, CATEGORY=COUNT/TOTAL or CATEGORY=FIELD:VALUE.")
    if found["category"] not in BY_NAME:
        raise SettingsError(f"There is no category {found['category']!r}; the categories are {', '.join(BY_NAME)}.")
    return LabelColumn(
        category=found["category"], field=found["field"], total=found["total"] or "", value=found["value"] or ""
    )


def read(file: Path, columns: Sequence[LabelColumn]) -> list[Labelled]:
    """Read a file of texts; without columns each row has its own `labels`, from category to share."""
    rows = read_jsonl(file)
    if not rows:
        raise DataError(f"{file} holds no row; give one JSON object per line.")
    return [_labelled(row, columns, f"{file}, row {number}") for number, row in enumerate(rows, start=1)]


def parted(texts: Sequence[Labelled]) -> Parts:
    """Part texts by the hash of what they say, so that equal ones, names and links aside, stay together.

    The same texts are always parted alike, and what is for the test in one file is so in every other.
    """
    parts: dict[Part, list[Labelled]] = {"train": [], "calibration": [], "test": []}
    for one in texts:
        parts[part_of(one.text)].append(one)
    others = {str(number): one.text for number, one in enumerate(parts["calibration"] + parts["test"])}
    train = {str(number): one.text for number, one in enumerate(parts["train"])}
    near = {name for name, *_ in similarity.overlap(train, others, threshold=ALIKE).near} if train and others else set()
    kept = [one for number, one in enumerate(parts["train"]) if str(number) not in near]
    return Parts(kept, parts["calibration"], parts["test"], len(near))


def part_of(text: str) -> Part:
    """Say what a text is for."""
    said = " ".join(re.findall(r"\w+", _NAMES.sub(" ", visible(text)).casefold()))
    return PARTS.get(int(hashlib.sha256(said.encode()).hexdigest()[:8], 16) % 10, "train")


def flagged(rows: Sequence[RatingRow]) -> list[Labelled]:
    """Give each rated output with the share of labelers who raised each flag of harm, if they answered."""
    answers: dict[str, dict[str, list[bool]]] = {}
    for row in rows:
        of_text = answers.setdefault(row.completion, {})
        for flag, category in OF_FLAG.items():
            if (answer := row.flags.get(flag)) is not None:
                of_text.setdefault(category, []).append(answer)
    return [
        Labelled(text=visible(text), labels={name: sum(said) / len(said) for name, said in found.items()})
        for text, found in answers.items()
        if found
    ]


def _labelled(row: Mapping[str, Any], columns: Sequence[LabelColumn], place: str) -> Labelled:
    text = row.get("text")
    if not isinstance(text, str):
        raise DataError(f"{place} has no text; give every row a field `text`.")
    labels = (
        dict(_own(row, place))
        if not columns
        else {one.category: share for one in columns if (share := _share(row, one, place)) is not None}
    )
    return Labelled(text=visible(text), labels=labels)


def _own(row: Mapping[str, Any], place: str) -> Iterator[tuple[str, float]]:
    labels = row.get("labels")
    if not isinstance(labels, dict):
        raise DataError(f"{place} has no `labels`; give them by category, or name columns with --label.")
    for category, share in labels.items():
        if share is not None:
            yield category, _number(share, f"{place}, label {category}")


def _share(row: Mapping[str, Any], one: LabelColumn, place: str) -> float | None:
    if one.field not in row or (one.total and one.total not in row):
        raise DataError(f"{place} lacks {one.field if one.field not in row else one.total!r}; correct --label.")
    value = row[one.field]
    if value is None:
        return None
    if one.value:
        return float(str(value) == one.value)
    share = _number(value, f"{place}, {one.field}")
    if not one.total:
        return share
    total = _number(row[one.total], f"{place}, {one.total}")
    if not 0 <= share <= total or total == 0:
        raise DataError(f"{place} counts {share:g} of {total:g} people; correct the row.")
    return share / total


def _number(value: Any, place: str) -> float:
    if not isinstance(value, (bool, int, float)):
        raise DataError(f"{place} is {value!r}; give a number from 0 to 1, true or false.")
    return float(value)
