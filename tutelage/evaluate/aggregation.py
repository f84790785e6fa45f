"""Whose preferences a reward model serves: who gains and who loses under each way of joining groups of labelers.

Every figure is of rankings that the models did not learn from. `right` is the share of a ranking's pairs that a model
orders as the labeler did, `chosen` how the completion that it scores highest fares in that ranking against the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tutelage.core.disagreement import Disagreement
from tutelage.core.statistics import Estimate, rate_difference, win_rate
from tutelage.evaluate import plots
from tutelage.evaluate.layout import Picture, Section
from tutelage.evaluate.measures import Figures
from tutelage.evaluate.plots import Row, Scale
from tutelage.evaluate.report import environment, nested, plain_figure, style
from tutelage.evaluate.tables import Cell, Table, cell
from tutelage.evaluate.wording import count, number, percent, points

#: Ways to join groups, and what they mean.
RULES: dict[str, str] = {
    "pooled": "one model of all rankings, each counts once",
    "balanced": "one model, in which every group counts alike",
    "own": "a model for each group, of its rankings alone",
    "conditioned": "one model that is told which group it judges for",
    "weighted": "one model, in which the group that a prompt concerns counts more",
    "mean": "the mean of the groups' own models",
    "least": "of the groups' own models, the one that likes a completion least",
}
#: What the others are held against.
BASELINE = "pooled"
LABELS = {"gains": "Gains and losses", "accuracy": "Accuracy", "disagreement": "Disagreement", "rules": "Rules"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How one ranking fares under one rule: no text, and names only of labeler, group, row and conversation.

    `concerned` says whether the prompt concerns the labeler's group; None where that was not asked.
    """

    rule: str
    row: str
    conversation: str
    labeler: str
    group: str
    right: float
    chosen: float
    concerned: bool | None = None


#: Rankings by row and labeler.
_Rankings = dict[tuple[str, str], Served]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReport:
    """Rates by `right` or `chosen`, rule and group, what each group gains over the pooled model, and disagreement.

    `concerned` holds gains of the weighted model on prompts that concern a group, and on those that do not.
    """

    groups: tuple[str, ...]
    rules: tuple[str, ...]
    rates: Figures
    gains: Figures
    concerned: Figures
    disagreement: Disagreement

    def plain(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        found = self.disagreement
        return {
            "rules": {rule: RULES[rule] for rule in self.rules},
            "rates": nested(self.rates),
            "gains": nested(self.gains),
            "concerned": nested(self.concerned),
            "disagreement": {
                "noise": found.noise and plain_figure(found.noise),
                "own_taste": found.own_taste and plain_figure(found.own_taste),
                "within": {name or "all": plain_figure(figure) for name, figure in found.within.items()},
                "apart": [
                    {
                        "groups": [one.first, one.second],
                        "across": plain_figure(one.across),
                        "taste": plain_figure(one.taste),
                    }
                    for one in found.apart
                ],
            },
        }


def report(served: Sequence[Served], disagreement: Disagreement) -> GroupReport:
    """Score every rule for every group; intervals are for new conversations and new labelers of the group."""
    found = {rule for rule in RULES if any(one.rule == rule for one in served)}
    rules = tuple(rule for rule in RULES if rule in found)
    groups = tuple(sorted({one.group for one in served}))
    rates: Figures = {}
    gains: Figures = {}
    concerned: Figures = {}
    index: defaultdict[tuple[str, str], _Rankings] = defaultdict(dict)
    for one in served:
        index[one.rule, one.group][one.row, one.labeler] = one
    for group in groups:
        base = index[BASELINE, group]
        for rule in rules:
            mine = index[rule, group]
            for measure in ("right", "chosen"):
                rates[measure, rule, group] = win_rate(
                    [getattr(one, measure) for one in mine.values()], *_whose(mine.values())
                )
                if rule != BASELINE:
                    gains[measure, rule, group] = _gain(mine, base, measure)
            if rule == "weighted":
                for said in (True, False):
                    part = {place: one for place, one in mine.items() if one.concerned is said}
                    if part:
                        concerned["theirs" if said else "others", group] = _gain(part, base, "chosen")
    return GroupReport(
        groups=groups, rules=rules, rates=rates, gains=gains, concerned=concerned, disagreement=disagreement
    )


def _gain(mine: _Rankings, base: _Rankings, measure: str) -> Estimate:
    ours, theirs = ([float(getattr(side[place], measure)) for place in mine] for side in (mine, base))
    return rate_difference(ours, theirs, *_whose(mine.values()))


def _whose(rows: Iterable[Served]) -> tuple[list[str], list[str]]:
    listed = list(rows)
    return [one.conversation for one in listed], [one.labeler for one in listed]


def verdict(gain: Estimate) -> str:
    """Say whether a group gains or loses; a figure whose interval holds 0 tells neither."""
    return "gains" if gain.low > 0 else "loses" if gain.high < 0 else "not told apart"


def sentences(found: GroupReport) -> list[str]:
    """Say for each rule who gains and who loses by what it chooses, beside the pooled model."""
    told = []
    for rule in found.rules:
        if rule == BASELINE:
            continue
        said = {group: found.gains["chosen", rule, group] for group in found.groups}
        parts = [f"{group} {verdict(gain)} ({points(gain)})" for group, gain in said.items()]
        told.append(f"{rule.capitalize()}, {RULES[rule]}: {'; '.join(parts)}.")
    return told


def gain_table(found: GroupReport) -> Table:
    """Show how what each rule chooses fares with each group, and the difference from the pooled model."""
    rows = []
    for rule in found.rules:
        figures = [found.rates["chosen", rule, group] for group in found.groups]
        changes = [
            Cell("–") if rule == BASELINE else cell(found.gains["chosen", rule, group], points)
            for group in found.groups
        ]
        worst = min(range(len(figures)), key=lambda at: figures[at].mean)
        rows.append((Cell(rule), *map(cell, figures), *changes, Cell(found.groups[worst])))
    columns = ("rule", *found.groups, *(f"{group}, beside {BASELINE}" for group in found.groups), "served least")
    return Table(
        caption="How the completion that a rule chooses fares against the others in a group's rankings; 50 % is chance",
        columns=columns,
        rows=tuple(rows),
    )


def accuracy_table(found: GroupReport) -> Table:
    """Show the share of pairs that each rule orders as each group does."""
    rows = [(Cell(rule), *(cell(found.rates["right", rule, group]) for group in found.groups)) for rule in found.rules]
    caption = "Pairs in the order of the group, each ranking of the same weight"
    return Table(caption=caption, columns=("rule", *found.groups), rows=tuple(rows))


def concerned_table(found: GroupReport) -> Table:
    """Show what favouring the group that a prompt concerns gives it there, and costs it elsewhere."""
    rows = [
        (Cell(group), *(cell(found.concerned.get((where, group)), points) for where in ("theirs", "others")))
        for group in found.groups
        if any((where, group) in found.concerned for where in ("theirs", "others"))
    ]
    columns = ("group", "on prompts that concern it", "on other prompts")
    return Table(caption=f"The weighted model beside the {BASELINE} one", columns=columns, rows=tuple(rows))


def disagreement_table(found: Disagreement) -> Table:
    """Show what labelers disagree by."""

    def line(name: str, figure: Estimate | None) -> tuple[Cell, Cell, Cell]:
        return Cell(name), Cell(number(figure, 3)), Cell("–" if figure is None else count(figure.n))

    rows = [line("one labeler, asked twice: noise", found.noise)]
    rows += [line(f"two labelers of {name}" if name else "two of one group", one) for name, one in found.within.items()]
    rows.append(line("of that, tastes of their own", found.own_taste))
    for one in found.apart:
        rows.append(line(f"one of {one.first}, one of {one.second}", one.across))
        rows.append(line("of that, taste that the groups do not share", one.taste))
    caption = "Mean squared difference of two judgements of a pair: 0 always alike, 1/2 by chance, 1 always opposite"
    return Table(caption=caption, columns=("who", "difference [95 % interval]", "pairs"), rows=tuple(rows))


def gain_picture(found: GroupReport) -> Picture:
    """Draw what each group gains under each rule."""
    rows = []
    for rule in found.rules:
        for place, group in enumerate(found.groups if rule != BASELINE else ()):
            gain = found.gains["chosen", rule, group]
            rows.append(Row(label=group, figure=gain, numbers=points(gain), heading="" if place else rule))
    title = f"What groups gain and lose beside the {BASELINE} model"
    alt = f"{title}. " + "; ".join(f"{row.heading} {row.label}: {row.numbers}".strip() for row in rows)
    scale = Scale(reference=0.0, unit="points", caption="points of pairs won by the chosen completion")
    return Picture(title=title, svg=plots.intervals("gains", rows, scale, alt), table=gain_table(found))


def render(found: GroupReport, provenance: str, files: Sequence[str]) -> str:
    """Write the page; `provenance` says of what the rankings are, `files` lie beside the page."""
    rules = Table(
        caption="", columns=("rule", "what it is"), rows=tuple((Cell(rule), Cell(RULES[rule])) for rule in found.rules)
    )
    sections = [
        Section(
            id="gains",
            title="Who gains and who loses",
            text=tuple(sentences(found)),
            pictures=(gain_picture(found),),
            tables=(gain_table(found), concerned_table(found)),
        ),
        Section(id="accuracy", title="How well each group is understood", tables=(accuracy_table(found),)),
        Section(
            id="disagreement",
            title="What labelers disagree by: noise and taste",
            tables=(disagreement_table(found.disagreement),),
        ),
        Section(id="rules", title="The rules", tables=(rules,)),
    ]
    page = environment().get_template("reward.html")
    return page.render(
        title=headline(found),
        style=style(),
        provenance=provenance,
        sections=[section for section in sections if section],
        labels=LABELS,
        method=METHOD,
        files=files,
    )


def headline(found: GroupReport) -> str:
    """Say how unequally the pooled model serves."""
    served = {group: found.rates["chosen", BASELINE, group] for group in found.groups}
    best, worst = (pick(served, key=lambda group: served[group].mean) for pick in (max, min))
    return f"One model for all serves {best} with {percent(served[best])} and {worst} with {percent(served[worst])}"


METHOD = [
    "Every figure is of rankings of conversations that the models did not learn from; each ranking counts once. "
    "Intervals are 95 %, for new conversations and new labelers of the group, and not for other trainings: all models "
    "have one seed.",
    "Rules that join the groups' own models take each model's scores centred by prompt and divided by their spread.",
    "Noise is what a labeler asked twice disagrees by; tastes of their own are what two of a group disagree by "
    "besides, and taste that groups do not share is the squared difference of their mean preferences.",
]
