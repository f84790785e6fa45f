"""Plan a study of judgements: what it can find, or how many prompts and labelers it takes."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage.core import power
from tutelage.core.clusters import Components
from tutelage.core.power import Aim, Design
from tutelage.core.statistics import components
from tutelage.errors import DataError, SettingsError
from tutelage.evaluate.cells import Cells, Columns
from tutelage.evaluate.metrics.sets import find
from tutelage.evaluate.outputs import read
from tutelage.evaluate.wording import count, plain

#: What is measured, and the task that reads its ready figures.
MEASURES = {"win-rate": "rate", "accuracy": "rate", "likert": "score"}
#: How far the prompts' own rates spread where two labelers agree on 73 % (paper, 3.4): sqrt((2 * 0.73 - 1) / 4).
PROMPT_SPREAD = 0.34


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Spreads (standard deviations) of single judgements, of prompts' own means and of labelers' own means.

    `expected` is the rate around which a rate's judgements spread; None stands for what is usual of a rate.
    """

    expected: float = 0.5
    sd: float | None = None
    prompt_spread: float | None = None
    labeler_spread: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The design, what it finds, and (for an effect) how many prompts or labelers it takes, None where none is enough.

    `prompts` are enough with the design's labelers; `labelers`, where it names some, on its prompts.
    """

    measure: str
    parts: Components
    design: Design
    aim: Aim
    detectable: float
    effect: float | None = None
    prompts: int | None = None
    labelers: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Give everything for programs."""
        plain = {"measure": self.measure, "variances": self.parts._asdict(), **self.design._asdict()}
        found = {"detectable": self.detectable if self.detectable < float("inf") else None, **self.aim._asdict()}
        if self.effect is not None:
            found |= {"effect": self.effect, "prompts_needed": self.prompts, "labelers_needed": self.labelers}
        return plain | found


def check(measure: str) -> None:
    """Refuse what is not measured; SettingsError says what is."""
    if measure not in MEASURES:
        close = difflib.get_close_matches(measure, MEASURES, n=1)
        hint = f"; did you mean {close[0]}?" if close else "."
        raise SettingsError(f"{measure} is not measured{hint} There are {', '.join(MEASURES)}.")


def given(measure: str, spreads: Given) -> Components:
    """Split the variance of judgements by what is said of it; SettingsError where that cannot be."""
    check(measure)
    if measure == "likert":
        if spreads.sd is None or spreads.prompt_spread is None:
            raise SettingsError(
                "Ratings have no usual spread: give --sd and --prompt-spread, or judgements with --from."
            )
        total = spreads.sd**2
    elif spreads.sd is not None:
        raise SettingsError("The spread of a rate follows from --expected; leave --sd out.")
    elif not 0 < spreads.expected < 1:
        raise SettingsError(f"--expected is a rate between 0 and 1, not {spreads.expected}.")
    else:
        total = spreads.expected * (1 - spreads.expected)
    prompt = PROMPT_SPREAD if spreads.prompt_spread is None else spreads.prompt_spread
    rest = total - prompt**2 - spreads.labeler_spread**2
    if rest < 0:
        raise SettingsError(
            f"Prompts that spread by {prompt:g} and labelers by {spreads.labeler_spread:g} spread more than single "
            f"judgements, by {total**0.5:.3g}; give smaller spreads."
        )
    return Components(prompt**2, spreads.labeler_spread**2, rest)


def estimated(measure: str, path: Path, columns: Columns) -> Components:
    """Estimate the parts from the judgements of a file. DataError where they are too few."""
    check(measure)
    chosen = find(MEASURES[measure])
    columns.check(chosen)
    if not columns.item or not columns.labeler:
        raise SettingsError("Judgements are split by prompt and labeler: name their columns with --item and --labeler.")
    table = read(path, columns.missing)
    table.require(columns.names)
    cells = Cells(table.path, columns, chosen)
    rows = [one for row in table.rows if (one := cells.scored(row)).values]
    if len({one.item for one in rows}) < 2:
        raise DataError(f"{path} has judgements of fewer than two prompts; spreads need several.")
    values = [float(one.values[chosen.metrics[0]]) for one in rows]
    parts = components(values, [one.item for one in rows], [one.labeler for one in rows])
    if len({(one.item, one.labeler) for one in rows}) > len({one.item for one in rows}):
        return parts
    # Each prompt has one labeler: prompt and rest are not told apart, so more labelers a prompt shall not seem to help.
    return Components(parts.rest, parts.labeler, 0.0)


def plan(measure: str, parts: Components, design: Design, effect: float | None, aim: Aim) -> Plan:
    """Say what a design finds, and what an effect takes. SettingsError for a design that cannot be."""
    if effect is not None and effect <= 0:
        raise SettingsError(f"An effect is above 0, not {effect:g}.")
    if design.labelers is not None and design.labelers < design.overlap:
        raise SettingsError(f"{design.overlap} labelers cannot judge a prompt where there are {design.labelers}.")
    if effect is None:
        needed: tuple[int | None, int | None] = (None, None)
    else:
        labelers = power.labelers_needed(parts, design, effect, aim) if design.labelers else None
        needed = (power.prompts_needed(parts, design, effect, aim), labelers)
    return Plan(
        measure=measure,
        parts=parts,
        design=design,
        aim=aim,
        detectable=power.detectable(parts, design, aim),
        effect=effect,
        prompts=needed[0],
        labelers=needed[1],
    )


def told(plan: Plan) -> str:
    """Say a plan in sentences, spreads first."""
    unit = _points if MEASURES[plan.measure] == "rate" else _number
    spreads = [unit(variance**0.5) for variance in plan.parts]
    lines = [
        f"Spread of judgements: prompts {spreads[0]}, labelers {spreads[1]}, chance {spreads[2]}.",
        f"{_size(plan.design)} find {unit(plan.detectable)} or more "
        f"in {plan.aim.power:.0%} of studies, with intervals of {plan.aim.level:.0%}.",
    ]
    if not plan.parts.labeler:
        lines.append("Labelers are taken as alike, so this speaks of these labelers only.")
    if plan.effect is not None:
        effect = unit(plan.effect)
        who = f"with {count(plan.design.labelers)} labelers" if plan.design.labelers else "with labelers as given"
        lines.append(
            f"To find {effect} {who}, no number of prompts is enough."
            if plan.prompts is None
            else f"To find {effect} {who}: {count(plan.prompts)} prompts."
        )
        if plan.design.labelers:
            lines.append(
                f"On {count(plan.design.prompts)} prompts, no number of labelers is enough."
                if plan.labelers is None
                else f"On {count(plan.design.prompts)} prompts: {count(plan.labelers)} labelers."
            )
    return "\n".join(lines)


def _size(design: Design) -> str:
    shared = f" of {count(design.labelers)}" if design.labelers else ""
    judged = f"{count(design.overlap)}{shared} labeler{'s' if (design.labelers or design.overlap) > 1 else ''}"
    return f"{count(design.prompts)} prompts, each judged by {judged},"


def _points(value: float) -> str:
    return f"{plain(100 * value, 1)} points"


def _number(value: float) -> str:
    return plain(value, 2)
