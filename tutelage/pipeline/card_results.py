"""What evaluations found of a model, for its card: the figures of their report files that name it, and their pages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tutelage.errors import DataError, MissingError
from tutelage.evaluate.report import STAGES
from tutelage.files import read_json

REPORT, PAGE = "report.json", "report.html"
#: Figures that a card shows of one evaluation; the others stand in its page.
MOST = 40
#: Parts of report files that hold no figures of the whole.
_DETAILS = {"calibration", "folds", "seeds", "interactions", "items"}
_FIGURE = {"mean", "low", "high", "n"}


class Figure(NamedTuple):
    """A figure by its path in the report, with its 95 % interval; a bound that the data do not give is None."""

    path: tuple[str, ...]
    mean: float
    low: float | None
    high: float | None
    n: int


class Result(NamedTuple):
    """The figures of one evaluation that name a model, how many more it has, and the page of all, if there is one.

    `judges` says of which kinds those were who judged, "" where the file does not say.
    """

    name: str
    figures: Sequence[Figure]
    more: int
    page: Path | None
    judges: str


def read_results(place: Path, names: Sequence[str]) -> Result:
    """Read the report file of an evaluation: a file, a run with one, or a recipe's run.

    `names` are what the model may be called in it; where none is, all figures count. A DataError where there is none.
    """
    file = _find(place)
    content = read_json(file)
    if not isinstance(content, dict):
        raise DataError(f"{file} is no report of an evaluation; name the {REPORT} of one, or its run.")
    called = set(names)
    for arm, about in (content.get("arms") or {}).items():
        if isinstance(about, dict) and about.get("model") in called:
            called.add(arm)
    everything = list(_figures(content, ()))
    if not everything:
        raise DataError(f"{file} holds no figure with mean, low, high and n; name the {REPORT} of an evaluation.")
    found = [one for one in everything if called & set(one.path)] or everything
    found.sort(key=lambda one: one.path[0] != "win_rate" and "win_rate" not in one.path)
    page = file.with_name(PAGE)
    return Result(
        name=place.stem if place.is_file() else place.resolve().name,
        figures=found[:MOST],
        more=len(everything) - min(len(found), MOST),
        page=page if page.is_file() else None,
        judges=", ".join(_kinds(content)),
    )


def _find(place: Path) -> Path:
    if place.is_file():
        return place
    if (place / REPORT).is_file():
        return place / REPORT
    if (place / STAGES).is_file() and (stage := read_json(place / STAGES).get("report")):
        found: list[Path] = sorted((place / stage).rglob(REPORT))
        if found:
            return found[0]
    raise MissingError(f"{place} holds no {REPORT}; name the run of an evaluation, or the file itself.")


def _kinds(content: Mapping[str, Any]) -> list[str]:
    """Name the kinds of labelers that a report tells of."""
    found = [content.get("kind"), *(content.get("labels") or [])]
    found += [part.get("kind") for part in content.get("parts") or [] if isinstance(part, dict)]
    return sorted({str(kind) for kind in found if isinstance(kind, str)})


def _figures(content: Any, path: tuple[str, ...]) -> Iterator[Figure]:
    if isinstance(content, dict):
        if content.keys() >= _FIGURE and isinstance(content["mean"], (int, float)):
            if math.isfinite(content["mean"]):
                yield Figure(path, content["mean"], content["low"], content["high"], int(content["n"]))
            return
        for name, inside in content.items():
            if name not in _DETAILS:
                yield from _figures(inside, (*path, str(name)))
    elif isinstance(content, list):
        for number, inside in enumerate(content, start=1):
            if isinstance(inside, dict) and "kind" in inside:
                label = " ".join(str(inside[name]) for name in ("kind", "group") if name in inside)
                yield from _figures(inside, (*path[:-1], label))
            else:
                yield from _figures(inside, (*path, str(number)))
