"""Preferences once more: fitted over all pairs and at equal length, and by what the prompts and the labelers were like.

Each figure holds an arm against the baseline, with the judgements of one kind and group of labelers; only the
interaction compares two groups. Where a slice has no judgement there is no figure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from itertools import combinations

from tutelage.core.contests import bradley_terry, length_controlled
from tutelage.core.statistics import Estimate, win_rate
from tutelage.evaluate.comparison import Comparison, Judged
from tutelage.evaluate.measures import Figures
from tutelage.evaluate.records import ArmRanking
from tutelage.evaluate.score import Judgements, beaten, gap
from tutelage.evaluate.tables import Cell, Table, judged_cell, title_of
from tutelage.evaluate.wording import points

#: Further from the raw rate than this, a rate at equal length is said to be unsure.
UNSURE = 0.10
AGREE, DISAGREE = "labelers agree", "labelers disagree"


def figures(part: Judged, comparison: Comparison) -> Figures:
    """Score one part against the baseline.

    `bradley_terry` M, `equal_length` M, TRAIT NAME M for prompts alike in a trait, and `agreement` AGREE or DISAGREE M,
    the last over prompts with two judgements or more, by whether they say the same of the two arms.
    """
    found: Figures = {}
    for arm in comparison.others:
        model = arm.model
        rows = beaten(part.rankings, model, comparison.baseline)
        if not rows:
            continue
        if fitted := _fitted(part.rankings, model, comparison):
            found["bradley_terry", model] = fitted
        if controlled := _at_equal_length(rows, model, comparison):
            found["equal_length", model] = controlled
        for trait, known in comparison.traits.items():
            for name, prompts in _alike(rows, known).items():
                found[trait, name, model] = _of(rows, prompts)
        for name, prompts in _by_agreement(rows).items():
            found["agreement", name, model] = _of(rows, prompts)
    return found


def interactions(comparison: Comparison) -> Figures:
    """Give the win rate by one group minus that by another, on the prompts that both judged: KIND, GROUP, OTHER, M."""
    found: Figures = {}
    for one, other in combinations(comparison.parts, 2):
        shared = {row.prompt_id for row in one.rankings} & {row.prompt_id for row in other.rankings}
        if one.kind != other.kind:
            continue
        for arm in comparison.others:
            sides = [
                beaten([row for row in part.rankings if row.prompt_id in shared], arm.model, comparison.baseline)
                for part in (one, other)
            ]
            if all(sides):
                found[one.kind, one.group, other.group, arm.model] = gap(*sides)
    return found


def tables(comparison: Comparison) -> tuple[Table, ...]:
    """Show all that was found; tables without a row are left out."""
    made = (
        _fitted_table(comparison),
        _slices(comparison, "use_case", "Preferred to the baseline by use case of the prompt"),
        _slices(comparison, "sent_to", "Preferred to the baseline by the model that the prompt was sent to"),
        _slices(comparison, "agreement", "By whether the labelers of a prompt say the same of the two arms"),
        _interaction_table(comparison),
    )
    return tuple(table for table in made if table)


def _fitted(rankings: Sequence[ArmRanking], model: str, comparison: Comparison) -> Estimate | None:
    arms = [arm.model for arm in comparison.arms]
    ranks = [[row.ranks.get(arm, math.nan) for arm in arms] for row in rankings]
    where = [row.prompt_id for row in rankings], [row.labeler for row in rankings]
    return bradley_terry(ranks, arms.index(model), arms.index(comparison.baseline), *where)


def _at_equal_length(rows: Judgements, model: str, comparison: Comparison) -> Estimate | None:
    """Give the rate at equal length; None where a length is unknown, or where equal length is beyond the data."""
    sizes = comparison.lengths
    pairs = [((prompt, model), (prompt, comparison.baseline)) for prompt in rows.prompts]
    if not all(one in sizes and other in sizes for one, other in pairs):
        return None
    longer = [sizes[one] - sizes[other] for one, other in pairs]
    found = length_controlled(rows.values, longer, rows.prompts, rows.labelers)
    return found.estimate if found and not found.outside else None


def _by_agreement(rows: Judgements) -> dict[str, set[str]]:
    said: defaultdict[str, list[float]] = defaultdict(list)
    for value, prompt in zip(rows.values, rows.prompts, strict=True):
        said[prompt].append(value)
    sets = {
        AGREE: {prompt for prompt, values in said.items() if len(values) > 1 and len(set(values)) == 1},
        DISAGREE: {prompt for prompt, values in said.items() if len(set(values)) > 1},
    }
    return {name: prompts for name, prompts in sets.items() if prompts}


def _alike(rows: Judgements, known: Mapping[str, str]) -> dict[str, set[str]]:
    sets: defaultdict[str, set[str]] = defaultdict(set)
    for prompt in rows.prompts:
        if prompt in known:
            sets[known[prompt]].add(prompt)
    return dict(sorted(sets.items()))


def _of(rows: Judgements, prompts: Set[str]) -> Estimate:
    kept = [row for row in zip(rows.values, rows.prompts, rows.labelers, strict=True) if row[1] in prompts]
    values, asked, labelers = zip(*kept, strict=True)
    return win_rate(values, asked, labelers)


def _fitted_table(comparison: Comparison) -> Table:
    rows = []
    for part in comparison.parts:
        found = figures(part, comparison)
        for arm in comparison.others:
            raw = beaten(part.rankings, arm.model, comparison.baseline)
            if not raw:
                continue
            plain = win_rate(raw.values, raw.prompts, raw.labelers)
            equal = found.get(("equal_length", arm.model))
            unsure = equal is not None and abs(equal.mean - plain.mean) > UNSURE
            rows.append(
                (
                    Cell(part.name),
                    Cell(arm.name),
                    judged_cell(plain),
                    judged_cell(found.get(("bradley_terry", arm.model))),
                    judged_cell(equal),
                    Cell("unsure: far from the raw rate" if unsure else ""),
                )
            )
    return Table(
        caption="Preferred to the baseline: raw, fitted over all pairs (Bradley and Terry), and at equal length",
        columns=("judged by", "arm", "raw", "all pairs", "equal length", ""),
        rows=tuple(rows),
    )


def _slices(comparison: Comparison, section: str, caption: str) -> Table:
    rows = []
    for part in comparison.parts:
        found = figures(part, comparison)
        for name in dict.fromkeys(path[1] for path in found if path[0] == section):
            cells = (judged_cell(found.get((section, name, arm.model))) for arm in comparison.others)
            rows.append((Cell(part.name), Cell(name if section == "sent_to" else title_of(name)), *cells))
    columns = ("judged by", "", *(arm.name for arm in comparison.others))
    return Table(caption=caption, columns=columns, rows=tuple(rows))


def _interaction_table(comparison: Comparison) -> Table:
    found = interactions(comparison)
    rows = []
    for kind, one, other in dict.fromkeys(path[:3] for path in found):
        cells = (judged_cell(found.get((kind, one, other, arm.model)), points) for arm in comparison.others)
        rows.append((Cell(f"{title_of(one)} minus {title_of(other)}"), *cells))
    return Table(
        caption="How far two groups of labelers differ in how often they prefer an arm, on prompts that both judged",
        columns=("groups", *(arm.name for arm in comparison.others)),
        rows=tuple(rows),
    )
