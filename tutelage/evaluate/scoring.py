"""Outputs that were made elsewhere, scored by group, with paired contrasts between groups over the same items.

What is missing stays missing: a row without an output, a reference or a score has no figure, and is counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tutelage.core.clusters import Floats
from tutelage.core.statistics import (
    Estimate,
    Resampling,
    cluster_bootstrap,
    mean_estimate,
    paired_difference,
    rate_difference,
    two_way,
    win_rate,
)
from tutelage.errors import DataError, SettingsError
from tutelage.evaluate.cells import Cells, Columns, Scored
from tutelage.evaluate.metrics import bleu
from tutelage.evaluate.metrics.sets import MetricSet, find
from tutelage.evaluate.outputs import Table, read
from tutelage.evaluate.report import plain_figure
from tutelage.evaluate.score import holm, p_value

#: A group by its values of the group columns.
Key = tuple[str, ...]
#: Resampled files for an interval of BLEU, and the seed of the draws.
RESAMPLES, SEED = 1000, 0
#: Of all intervals.
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What one group's rows say; `missing` counts rows without a figure by what they lack."""

    key: Key
    rows: int
    items: int
    missing: dict[str, int]
    figures: dict[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """First minus second over the `items` that both have; `unpaired` counts the items of one of them alone.

    `adjusted` is the p-value after Holm over the contrasts of the metric.
    """

    metric: str
    first: Key
    second: Key
    items: int
    unpaired: int
    difference: Estimate
    p: float
    adjusted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All groups in the order of the file, and their contrasts."""

    task: str
    path: Path
    by: tuple[str, ...]
    rows: int
    groups: tuple[Group, ...]
    contrasts: tuple[Contrast, ...]


def score(path: Path, task: str, columns: Columns, *, baseline: str = "") -> Report:
    """Score a file. SettingsError for a task or columns that are not there, DataError for rows that cannot be read.

    Groups that differ in the first group column only are contrasted: each with every other, or with `baseline`.
    """
    chosen = find(task)
    columns.check(chosen)
    table = read(path, columns.missing)
    table.require(columns.names)
    by_group = _grouped(table, columns, chosen)
    contrasts: tuple[Contrast, ...] = ()
    if columns.by and columns.item:
        contrasts = contrasts_of(by_group, _pairs(list(by_group), columns, baseline), chosen)
    elif baseline:
        raise SettingsError("A baseline is contrasted by item: name group columns with --by, and items with --item.")
    return Report(
        task=task,
        path=path,
        by=columns.by,
        rows=len(table.rows),
        groups=groups_of(by_group, chosen),
        contrasts=contrasts,
    )


def groups_of(by_group: Mapping[Key, Sequence[Scored]], chosen: MetricSet) -> tuple[Group, ...]:
    """Estimate every metric of every group."""
    return tuple(_group(key, rows, chosen) for key, rows in by_group.items())


def contrasts_of(
    by_group: Mapping[Key, Sequence[Scored]], pairs: Iterable[tuple[Key, Key]], chosen: MetricSet
) -> tuple[Contrast, ...]:
    """Contrast pairs of groups, item by item; p-values are adjusted over the pairs of a metric."""
    found = [one for first, second in pairs for one in _contrasts(by_group, first, second, chosen)]
    return tuple(_adjusted(found))


def _grouped(table: Table, columns: Columns, chosen: MetricSet) -> dict[Key, list[Scored]]:
    cells, found = Cells(table.path, columns, chosen), defaultdict(list)
    for row in table.rows:
        one = cells.scored(row)
        found[one.group].append(one)
    if not any(one.values for rows in found.values() for one in rows):
        lacking = Counter(one.missing for rows in found.values() for one in rows).most_common(1)[0][0]
        raise DataError(f"{table.path} has no row to score: every {lacking} is missing.")
    return dict(found)


def _group(key: Key, rows: Sequence[Scored], chosen: MetricSet) -> Group:
    found = {metric: figure for metric in chosen.metrics if (figure := _figure(rows, metric, chosen))}
    return Group(
        key=key,
        rows=len(rows),
        items=len({row.item for row in rows}),
        missing=dict(Counter(row.missing for row in rows if row.missing)),
        figures=found,
    )


def _figure(rows: Sequence[Scored], metric: str, chosen: MetricSet) -> Estimate | None:
    """Estimate a metric over the rows that it applies to; None where there is none."""
    there = [row for row in rows if metric in row.values]
    if not there:
        return None
    clusters = [row.cluster for row in there]
    labelers = [row.labeler for row in there if row.labeler] or None
    if metric == "bleu":
        sums = _by_cluster(np.array([row.values[metric] for row in there]), clusters)
        return cluster_bootstrap(sums, bleu.bleu, len(there), _resampling())
    values = [float(row.values[metric]) for row in there]
    if chosen.cells != "number":
        return win_rate(values, clusters, labelers)
    return mean_estimate(values, clusters) if labelers is None else two_way(values, clusters, labelers)


def _pairs(keys: Sequence[Key], columns: Columns, baseline: str) -> Iterator[tuple[Key, Key]]:
    """Yield the groups to contrast: alike in all group columns but the first."""
    if baseline and baseline not in {key[0] for key in keys}:
        there = ", ".join(dict.fromkeys(key[0] for key in keys))
        raise SettingsError(f"No row has {columns.by[0]} {baseline}, the baseline; there are {there}.")
    for one, other in combinations(keys, 2):
        if one[1:] == other[1:]:
            first, second = (other, one) if one[0] == baseline else (one, other)
            if not baseline or second[0] == baseline:
                yield first, second


def _contrasts(by_group: Mapping[Key, Sequence[Scored]], one: Key, other: Key, chosen: MetricSet) -> Iterator[Contrast]:
    for metric in chosen.metrics:
        first, second = (_by_item(by_group[key], metric) for key in (one, other))
        both = [name for name in first if name in second]
        if not both:
            continue
        clusters = [first[name].cluster for name in both]
        sides = [np.array([side[name].value for name in both]) for side in (first, second)]
        labelers = [name[1] for name in both if name[1]] or None
        if metric == "bleu":
            difference = _bleu_difference(sides[0], sides[1], clusters)
        elif chosen.cells == "number":
            difference = paired_difference(sides[0], sides[1], clusters, labelers)
        else:
            difference = rate_difference(sides[0], sides[1], clusters, labelers)
        yield Contrast(
            metric=metric,
            first=one,
            second=other,
            items=len({name[0] for name in both}),
            unpaired=len({name[0] for name in first} ^ {name[0] for name in second}),
            difference=difference,
            p=p_value(difference),
            adjusted=1.0,
        )


@dataclass(frozen=True, slots=True)
class _Item:
    cluster: str
    value: Floats


def _by_item(rows: Sequence[Scored], metric: str) -> dict[tuple[str, str], _Item]:
    """Average a metric over the rows of an item (and labeler), such as several outputs for one prompt."""
    found: dict[tuple[str, str], list[Scored]] = defaultdict(list)
    for row in rows:
        if metric in row.values:
            found[row.item, row.labeler].append(row)
    return {
        name: _Item(some[0].cluster, np.mean([np.asarray(row.values[metric]) for row in some], axis=0))
        for name, some in found.items()
    }


def _bleu_difference(first: Floats, second: Floats, clusters: Sequence[str]) -> Estimate:
    """Draw the same items for both sides."""
    sums = _by_cluster(np.hstack([first, second]), clusters)
    difference = cluster_bootstrap(
        sums,
        lambda total: bleu.bleu(total[..., : bleu.WIDTH]) - bleu.bleu(total[..., bleu.WIDTH :]),
        len(first),
        _resampling(),
    )
    assert difference is not None, "BLEU is defined for every sum"
    return difference


def _by_cluster(rows: Floats, clusters: Sequence[str]) -> Floats:
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
    sums = np.zeros((int(codes.max()) + 1, rows.shape[1]))
    np.add.at(sums, codes, rows)
    return sums


def _resampling() -> Resampling:
    """Draw the same resamples for every group, so that a file always gives the same figures."""
    return Resampling(np.random.default_rng(SEED), RESAMPLES, LEVEL)


def _adjusted(contrasts: Sequence[Contrast]) -> Iterator[Contrast]:
    """Adjust the p-values for having looked at all contrasts of a metric."""
    by_metric: dict[str, dict[str, float]] = defaultdict(dict)
    for place, one in enumerate(contrasts):
        by_metric[one.metric][str(place)] = one.p
    adjusted = {place: value for found in by_metric.values() for place, value in holm(found).items()}
    for place, one in enumerate(contrasts):
        yield replace(one, adjusted=adjusted[str(place)])


def as_json(report: Report) -> dict[str, Any]:
    """Give everything for programs; an open bound is null."""

    def named(key: Key) -> dict[str, str]:
        return dict(zip(report.by, key, strict=True))

    return {
        "task": report.task,
        "file": str(report.path),
        "rows": report.rows,
        "level": LEVEL,
        "groups": [
            {
                "group": named(one.key),
                "rows": one.rows,
                "items": one.items,
                "missing": one.missing,
                "metrics": {metric: plain_figure(figure) for metric, figure in one.figures.items()},
            }
            for one in report.groups
        ],
        "contrasts": [
            {
                "metric": one.metric,
                "first": named(one.first),
                "second": named(one.second),
                "items": one.items,
                "unpaired": one.unpaired,
                "difference": plain_figure(one.difference),
                "p": one.p,
                "p_holm": one.adjusted,
            }
            for one in report.contrasts
        ],
    }
