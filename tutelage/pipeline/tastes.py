"""Judge reward models of groups of labelers who want different things, under each way of joining the groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from tutelage.core import taste
from tutelage.core.disagreement import Judged, decompose
from tutelage.core.folds import deal
from tutelage.core.rankings import groups as grouped
from tutelage.core.rankings import pairs
from tutelage.errors import DataError, SettingsError
from tutelage.evaluate import aggregation
from tutelage.evaluate.aggregation import GroupReport, Served
from tutelage.evaluate.comparison import KINDS
from tutelage.feedback.importers import write_faults
from tutelage.feedback.rowfiles import Fault, read
from tutelage.files import write_json, write_records, write_text
from tutelage.pipeline.folding import LEFT_OUT, PAGE, REPORT, FoldRow, FoldRows
from tutelage.records import RankedGroup
from tutelage.train.folds import Part, PartData, PartSettings, Watch, score_parts

SERVED = "served.jsonl"
#: The rules that need no training: they join the groups' own models.
JOINED = ("mean", "least")


class GroupSettings(PartSettings):
    """Reward models of groups of labelers, judged on conversations that they did not learn from."""

    favour: float = Field(4.0, gt=1)
    """How much a ranking counts whose labeler is of the group that the prompt concerns, beside the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRows:
    """Rankings, N, by labelers of groups: `group` [N] of the labeler, `concern` [N] the group that the prompt concerns.

    "" in `concern` is none; `concern` is () where that is not known. `again` are second judgements of labelers who
    judged the same before: they tell noise from taste, and nothing learns from them.
    """

    found: FoldRows
    group: Sequence[str]
    concern: Sequence[str] = ()
    again: Sequence[FoldRow] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasted:
    """A report with what it rests on."""

    report: GroupReport
    rankings: int
    left_out: int
    shortened: int


class _Model(NamedTuple):
    """A model of one fold: its rule, of whose labels it learns ("" all), and its part."""

    fold: int
    rule: str
    group: str
    part: Part


def grouped_rows(found: FoldRows, groups: Path, concerns: Path | None) -> GroupRows:
    """Say of each ranking which group its labeler is of, by a file, and which one its prompt concerns, by another."""
    of_labeler, names = _read(groups, "labeler"), set()
    kept, faults = [], list(found.faults)
    for line, row in enumerate(found.rows, start=1):
        if row.ranking.labeler in of_labeler:
            kept.append(row)
            names.add(of_labeler[row.ranking.labeler])
        else:
            faults.append(Fault(line=line, reason=f"{groups} names no group of the labeler {row.ranking.labeler!r}"))
    if len(names) < 2:
        raise DataError(
            f"The labelers of the rankings are of {len(names)} of the groups in {groups}; two or more are compared."
        )
    of_prompt = _read(concerns, "prompt") if concerns is not None else {}
    if unknown := sorted(set(of_prompt.values()) - names):
        raise DataError(
            f"{concerns} names the group {unknown[0]!r}, of which no ranking is; there are: {_list(names)}."
        )
    first, again = _first(kept)
    return GroupRows(
        found=replace(found, rows=first, faults=faults),
        group=[of_labeler[row.ranking.labeler] for row in first],
        concern=[of_prompt.get(row.ranking.prompt_id) or of_prompt.get(row.conversation, "") for row in first]
        if of_prompt
        else (),
        again=again,
    )


def taught(rankings: Sequence[RankedGroup], rule: str, groups: Path | None, concerns: Path | None) -> list[RankedGroup]:
    """Ready rankings for one model under a rule: pooled, balanced, conditioned, own:GROUP, or weighted:TIMES.

    Rankings by labelers of no group are for the pooled rule alone.
    """
    name, _, argument = rule.partition(":")
    if name == "pooled" and groups is None:
        return list(rankings)
    if name not in ("balanced", "conditioned", "own", "weighted") or groups is None:
        raise SettingsError(
            f"The rule {rule!r} cannot be followed: with --groups FILE there are balanced, conditioned, own:GROUP and "
            "weighted:TIMES, and without it pooled."
        )
    of_labeler = _read(groups, "labeler")
    kept = [one for one in rankings if one.labeler in of_labeler]
    whose = [of_labeler[one.labeler] for one in kept]
    if name == "own":
        kept = [one for one, group in zip(kept, whose, strict=True) if group == argument]
    if not kept:
        raise DataError(f"No ranking is by a labeler of {argument or 'a group'} in {groups}; name another.")
    if name == "conditioned":
        return [replace(one, prompt=taste.conditioned(one.prompt, of)) for one, of in zip(kept, whose, strict=True)]
    if name == "weighted":
        if concerns is None or not argument.isdecimal() or int(argument) < 2:
            raise SettingsError("The rule weighted:TIMES needs a whole number above 1, and --concerns FILE.")
        of_prompt = _read(concerns, "prompt")
        weights = taste.favour(whose, [of_prompt.get(one.prompt_id, "") for one in kept], float(argument))
    else:
        weights = taste.balance(whose) if name == "balanced" else [1.0] * len(kept)
    return [replace(one, weight=weight) for one, weight in zip(kept, weights, strict=True)]


def asked_for(prompts: Sequence[str], groups: Path | None) -> list[str]:
    """Write prompts as asked on behalf of groups, one after the other by turns; without groups as they are."""
    if groups is None:
        return list(prompts)
    names = sorted(set(_read(groups, "labeler").values()))
    return [taste.conditioned(prompt, names[number % len(names)]) for number, prompt in enumerate(prompts)]


def _first(rows: Sequence[FoldRow]) -> tuple[list[FoldRow], list[FoldRow]]:
    """Part first judgements from those of labelers who judged the same prompt before."""
    seen: set[tuple[str, str, str]] = set()
    first: list[FoldRow] = []
    again: list[FoldRow] = []
    for row in rows:
        key = row.conversation, row.ranking.prompt, row.ranking.labeler
        (again if key in seen else first).append(row)
        seen.add(key)
    return first, again


def _read(path: Path, key: str) -> dict[str, str]:
    """Read which group a labeler is of, or a prompt concerns; one line may not say other than another."""
    found: dict[str, str] = {}
    for row in read(path):
        if isinstance(row, Fault):
            raise DataError(f"{path}, line {row.line}: {row.reason}; give each line {key} and group.")
        name, group = row.fields.get(key), row.fields.get("group")
        if not isinstance(name, str) or not isinstance(group, str) or not name or not group:
            raise DataError(f"{path}, line {row.line}: give each line a {key} and a group, both as text.")
        if found.setdefault(name, group) != group:
            raise DataError(f"{path}, line {row.line}: {name!r} is of {found[name]!r} in an earlier line.")
    if not found:
        raise DataError(f"{path} holds no row; give each line {key} and group.")
    return found


def evaluate(run_dir: Path, settings: GroupSettings, rows: GroupRows, init: Path, watch: Watch) -> Tasted:
    """Train the models of every rule and fold, score what they did not learn from, and write rows, report and page."""
    first = rows.found.rows
    names = sorted(set(rows.group))
    rankings = [row.ranking for row in first]
    told = [
        replace(one, prompt=taste.conditioned(one.prompt, name)) for one, name in zip(rankings, rows.group, strict=True)
    ]
    models = _models(rows, settings, names)
    made = score_parts(run_dir, settings, PartData([*rankings, *told], [one.part for one in models]), init, watch)
    served = []
    for fold in range(settings.folds):
        mine = [(one, scores) for one, scores in zip(models, made.scores, strict=True) if one.fold == fold]
        served += _served(rows, names, mine)
    tasted = Tasted(
        report=aggregation.report(served, decompose(judged_rows(rows))),
        rankings=len(first),
        left_out=len(rows.found.faults),
        shortened=made.shortened,
    )
    write_records(run_dir / SERVED, served)
    write_faults(run_dir / LEFT_OUT, rows.found.faults)
    about = {"source": rows.found.source, "kind": rows.found.kind, "rankings": len(first), "left_out": tasted.left_out}
    write_json(run_dir / REPORT, {**about, "shortened": made.shortened, **tasted.report.plain()})
    sizes = Counter(rows.group)
    provenance = f"{len(first):,} rankings of {rows.found.source}, made by {KINDS[rows.found.kind]}: " + ", ".join(
        f"{name} {sizes[name]:,}" for name in names
    )
    write_text(run_dir / PAGE, aggregation.render(tasted.report, provenance, (SERVED, REPORT, LEFT_OUT)))
    return tasted


def _models(rows: GroupRows, settings: GroupSettings, names: Sequence[str]) -> list[_Model]:
    """List the trainings: for each fold of conversations one of every rule that learns."""
    first, count = rows.found.rows, len(rows.found.rows)
    talks = [row.conversation for row in first]
    try:
        folds = deal(talks, settings.folds, settings.seed)
    except ValueError:
        raise DataError(
            f"{len(set(talks))} conversations cannot be dealt to {settings.folds} folds; give more rows or fewer folds."
        ) from None
    found = []
    for fold in range(settings.folds):
        train = [number for number, own in enumerate(folds) if own != fold]
        scored = [number for number, own in enumerate(folds) if own == fold]
        whose = [rows.group[number] for number in train]
        if lacking := sorted(set(names) - set(whose)):
            raise DataError(f"No ranking of {lacking[0]!r} is left to learn from in fold {fold + 1}; give more of it.")

        def model(
            rule: str, learns: Sequence[int], scores: Sequence[int], weights: Sequence[float] = (), at: int = 0,
            fold: int = fold,
        ) -> _Model:  # fmt: skip
            name = f"fold-{fold + 1}-{rule}" + (f"-{at}" if at else "")
            return _Model(fold, rule, names[at - 1] if at else "", Part(name, learns, scores, settings.seed, weights))

        found += [model("pooled", train, scored), model("balanced", train, scored, taste.balance(whose))]
        if rows.concern:
            concerned = [rows.concern[number] for number in train]
            found.append(model("weighted", train, scored, taste.favour(whose, concerned, settings.favour)))
        found.append(model("conditioned", [count + number for number in train], [count + number for number in scored]))
        for at, name in enumerate(names, start=1):
            own = [number for number, group in zip(train, whose, strict=True) if group == name]
            found.append(model("own", own, scored, at=at))
    return found


def _served(
    rows: GroupRows, names: Sequence[str], made: Sequence[tuple[_Model, dict[int, list[float]]]]
) -> list[Served]:
    """Say how every ranking of a fold fares under every rule."""
    count = len(rows.found.rows)
    own = {model.group: scores for model, scores in made if model.rule == "own"}
    numbers = list(next(iter(own.values())))
    spread = {name: dict(zip(numbers, taste.standard(list(own[name].values())), strict=True)) for name in names}
    found = []
    for number in numbers:
        row, group = rows.found.rows[number], rows.group[number]
        by_rule: dict[str, Sequence[float]] = {"own": own[group][number]}
        for model, scores in made:
            if model.rule != "own":
                by_rule[model.rule] = scores[count + number if model.rule == "conditioned" else number]
        together = np.stack([spread[name][number] for name in names])
        by_rule |= {rule: taste.joined(together, rule).tolist() for rule in JOINED}
        found += [_one(rows, number, row, rule, scores) for rule, scores in by_rule.items() if pairs(row.ranking.ranks)]
    return found


def _one(rows: GroupRows, number: int, row: FoldRow, rule: str, scores: Sequence[float]) -> Served:
    ranking: RankedGroup = row.ranking
    ordered = pairs(ranking.ranks)
    right = [(1 + np.sign(scores[winner] - scores[loser])) / 2 for winner, loser in ordered]
    return Served(
        rule=rule,
        row=row.name,
        conversation=row.conversation,
        labeler=ranking.labeler,
        group=rows.group[number],
        right=float(np.mean(right)),
        chosen=taste.chosen(scores, ranking.ranks),
        concerned=rows.concern[number] == rows.group[number] if rows.concern else None,
    )


def judged_rows(rows: GroupRows) -> list[Judged]:
    """Write all rankings, second ones too, as orders of texts, each once."""
    of_labeler = {row.ranking.labeler: name for row, name in zip(rows.found.rows, rows.group, strict=True)}
    found = []
    for row in [*rows.found.rows, *rows.again]:
        one = row.ranking
        ranks = dict(zip(reversed(one.completions), reversed(one.ranks), strict=True))
        order = grouped(list(ranks.values()), list(ranks))
        found.append(Judged(f"{row.conversation} {one.prompt}", one.labeler, of_labeler[one.labeler], order))
    return found


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))
