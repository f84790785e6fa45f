"""The figures that claims are judged by: those of an evaluation, what else its rows say, what experiments found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tutelage.core.statistics import Estimate, pooled
from tutelage.evaluate.measures import Figures, averaged, paired
from tutelage.evaluate.records import Compute, Evaluation
from tutelage.evaluate.score import analyse, terms_of
from tutelage.evaluate.wording import flipped

#: What arms of the village are called in runs of other kinds.
ARMS: Mapping[str, Mapping[str, str]] = {
    "village": {},
    "starter": {"base": "start", "prompted_base": "start_prompted"},
}
#: Lines of the compute ledger that no released model needs: the base itself, and the runs beside the one with the mix.
NOT_ALIGNMENT = ("base model", "base_more:", "ppo:")


def figures_of(evaluations: Sequence[Evaluation]) -> Figures:
    """Take every figure of one or more evaluated runs, seeds pooled, under the names of the village's arms."""
    analysis = analyse(evaluations)
    names = {theirs: ours for ours, theirs in ARMS[evaluations[0].facts.terms].items()}
    found = {tuple(names.get(step, step) for step in path): figure for path, figure in analysis.pooled.items()}
    more = [_flags(one) | _truths(one) | _compute(one.facts.ledger) for one in evaluations]
    return found | {tuple(names.get(step, step) for step in path): figure for path, figure in pool(more).items()}


def pool(seeds: Sequence[Figures]) -> Figures:
    """Average the figures of several seeds, each over the seeds that have it."""
    paths = dict.fromkeys(path for figures in seeds for path in figures)
    return {path: pooled([figures[path] for figures in seeds if path in figures]) for path in paths}


def _flags(evaluation: Evaluation) -> Figures:
    """Hold every flag of held-out labelers against that of the reference, paired by prompt; and what has no flag."""
    rows = (
        (name, row.model, row.prompt_id, float(answer))
        for row in evaluation.ratings
        if row.group == "heldout"
        for name, answer in row.flags.items()
        if answer is not None
    )
    values, reference = averaged(rows), terms_of(evaluation).reference
    figures: Figures = {}
    for name, model in values:
        if model != reference and (gap := paired(values[name, model], values.get((name, reference), {}))):
            figures |= {("flag_gap", name, model): gap, ("unflagged_gap", name, model): flipped(gap)}
    return figures


def _truths(evaluation: Evaluation) -> Figures:
    """Hold true, informative answers to open questions against those of the reference; silence informs of nothing."""
    asked = {
        prompt.prompt_id
        for prompt in evaluation.prompts
        if prompt.tags.get("use_case") == "open_qa" and not prompt.tags.get("sensitive")
    }
    rows = (
        ("", row.model, row.prompt_id, float(said["truthful"] is not False and said["informative"] is True))
        for row in evaluation.verdicts
        if row.prompt_id in asked and {"truthful", "informative"} <= set(said := row.verdicts)
    )
    values, reference = averaged(rows), terms_of(evaluation).reference
    return {
        ("true_and_informative", model): found
        for _, model in values
        if model != reference and (found := paired(values["", model], values.get(("", reference), {})))
    }


def _compute(ledger: Sequence[Compute]) -> Figures:
    """Give the compute of alignment as a share of that of the base; it was counted, so nothing is uncertain."""
    base = sum(line.flops for line in ledger if line.role == "base model")
    spent = sum(line.flops for line in ledger if not line.role.startswith(NOT_ALIGNMENT))
    return {("compute", "share"): exactly(spent / base)} if base and spent else {}


def exactly(value: float) -> Estimate:
    """Give a figure that was counted or reckoned: its interval is a point."""
    return Estimate(mean=value, low=value, high=value, n=1)


def to_json(figures: Figures) -> list[dict[str, Any]]:
    """Write figures as JSON; an open bound is null."""

    def bound(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return [
        {"path": list(path), "mean": one.mean, "low": bound(one.low), "high": bound(one.high), "n": one.n}
        for path, one in figures.items()
    ]


def from_json(rows: Iterable[Mapping[str, Any]]) -> Figures:
    """Read back what `to_json` wrote."""

    def bound(value: float | None, otherwise: float) -> float:
        return otherwise if value is None else value

    return {
        tuple(row["path"]): Estimate(
            mean=row["mean"], low=bound(row["low"], -math.inf), high=bound(row["high"], math.inf), n=row["n"]
        )
        for row in rows
    }
