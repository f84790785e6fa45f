"""Make the tables of a report as plain data: a caption, headed columns and rows of cells, each figure with its n."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tutelage.core.statistics import Estimate, detected_by
from tutelage.evaluate.expectations import Claim, bounds, ceilings, measured, slowest
from tutelage.evaluate.measures import ALL_TASKS, Path
from tutelage.evaluate.records import Check
from tutelage.evaluate.score import Analysis, holm, p_value
from tutelage.evaluate.wording import count, number, percent, plain, points

Write = Callable[[Estimate | None], str]


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell says, and below it, smaller, what it rests on; `link` is the id of a part of the page."""

    text: str
    small: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A caption that says what and of what, column heads, and rows that begin with their head."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __bool__(self) -> bool:
        return bool(self.rows)


def cell(figure: Estimate | None, write: Write = percent) -> Cell:
    """Write a figure over its interval and n; a dash where nothing was applicable."""
    if figure is None:
        return Cell("–")
    mean, _, interval = write(figure).partition(" [")
    return Cell(mean, f"[{interval}\nn {count(figure.n)}" if interval else f"n {count(figure.n)}")


def judged_cell(figure: Estimate | None, write: Write = percent) -> Cell:
    """Write a figure of people's judgements, and beside its n the true difference that so many find."""
    shown = cell(figure, write)
    if figure is None:
        return shown
    smallest = detected_by(figure)
    said = plain(smallest, 2) if write is number else f"{plain(100 * smallest, 0)} points"
    return Cell(shown.text, f"{shown.small}, detects {said if math.isfinite(smallest) else 'nothing'}")


def by_arm(analysis: Analysis, caption: str, paths: Sequence[tuple[str, Path]], write: Write = percent) -> Table:
    """Put one line per path and one column per arm; the arm is the last part of the path."""
    rows = [
        (Cell(label), *(cell(analysis.find(*path, model), write) for model in analysis.models)) for label, path in paths
    ]
    return Table(caption=caption, columns=("", *(arm.name for arm in analysis.arms)), rows=tuple(rows))


def win_matrix(analysis: Analysis, section: str = "win_rate") -> Table:
    """Show every arm against every arm."""
    rows = [
        (
            Cell(analysis.name(model)),
            *(Cell("") if model == other else cell(analysis.find(section, model, other)) for other in analysis.models),
        )
        for model in analysis.models
    ]
    return Table(
        caption="How often the arm of the line is preferred to that of the column; ties count one half; 95 % intervals",
        columns=("preferred", *(f"to {arm.name}" for arm in analysis.arms)),
        rows=tuple(rows),
    )


def rates(analysis: Analysis, names: Sequence[str], caption: str) -> Table:
    """Show rates over applicable outputs, a line per name."""
    return by_arm(analysis, caption, [(name.replace("_", " "), ("rates", name)) for name in names])


def title_of(name: str) -> str:
    """Write a name of the records as words."""
    words = {"heldout": "held out", "qa": "QA"}
    return " ".join(words.get(word, word) for word in name.split("_"))


def names_under(analysis: Analysis, section: str) -> list[str]:
    """List the names a section of figures has, in order."""
    return list(dict.fromkeys(path[0] for path in analysis.under(section)))


def flag_names(analysis: Analysis) -> set[str]:
    """Collect the names of the labelers' flags; all other rates are the judge's."""
    return {name for evaluation in analysis.evaluations for row in evaluation.ratings for name in row.flags}


def taxes(analysis: Analysis) -> Table:
    """Show every task: the scores, both taxes, their difference, and its p-value adjusted for all tasks."""
    tasks = [task for task in names_under(analysis, "tax") if task != ALL_TASKS]
    raw = {task: p_value(gap) for task in tasks if (gap := analysis.find("tax_difference", task))}
    paid = {task: p_value(tax) for task in tasks if (tax := analysis.find("tax", task, "ppo"))}
    adjusted, adjusted_paid = holm(raw), holm(paid)
    rows, base, name = [], analysis.terms.reference, analysis.name(analysis.terms.reference)
    for task in [*tasks, ALL_TASKS] if tasks else []:
        rows.append(
            (
                Cell(title_of(task)),
                *(cell(analysis.find("tasks", task, model)) for model in (base, "ppo", "ppo_ptx")),
                cell(analysis.find("tax", task, "ppo"), points),
                Cell(p_text(adjusted_paid.get(task))),
                cell(analysis.find("tax", task, "ppo_ptx"), points),
                cell(analysis.find("tax_difference", task), points),
                Cell(p_text(adjusted.get(task))),
            )
        )
    return Table(
        caption=f"Tasks: scores, taxes ({name} minus arm), what the mix saves; paired by item, p after Holm over tasks",
        columns=("", name, "PPO", "PPO-ptx", "tax of PPO", "p", "tax of PPO-ptx", "PPO minus PPO-ptx", "p"),
        rows=tuple(rows),
    )


def p_text(value: float | None) -> str:
    """Write a p-value, never as zero."""
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


VILLAGE: tuple[tuple[str, Path, Write], ...] = (
    ("PPO-ptx preferred to SFT", ("win_rate", "ppo_ptx", "sft"), percent),
    ("PPO-ptx preferred to SFT, one of 4", ("win_rate", "ppo_ptx", "sft_random"), percent),
    ("PPO-ptx preferred to prompted base", ("win_rate", "ppo_ptx", "prompted_base"), percent),
    ("PPO preferred to SFT", ("win_rate", "ppo", "sft"), percent),
    ("quality of SFT, 1 to 7", ("likert", "sft"), number),
    ("quality of PPO-ptx, 1 to 7", ("likert", "ppo_ptx"), number),
    ("followed, PPO-ptx minus base", ("difference", "followed", "ppo_ptx"), points),
    ("truthful, PPO-ptx minus base", ("difference", "truthful", "ppo_ptx"), points),
    ("toxic, PPO-ptx minus base", ("difference", "toxic", "ppo_ptx"), points),
    ("tax of PPO, all tasks", ("tax", ALL_TASKS, "ppo"), points),
    ("tax of PPO-ptx, all tasks", ("tax", ALL_TASKS, "ppo_ptx"), points),
    ("tax, PPO minus PPO-ptx", ("tax_difference", ALL_TASKS), points),
)
STARTER: tuple[tuple[str, Path, Write], ...] = (
    *(
        (f"{name} preferred to {other}", ("win_rate", model, baseline), percent)
        for model, name in (("ppo_ptx", "PPO-ptx"), ("ppo", "PPO"), ("sft", "SFT"))
        for baseline, other in (
            ("start_prompted", "the prompted start"),
            ("start", "the start"),
            ("start_self", "the start tuned on its own answers"),
            ("sft", "SFT"),
        )
        if model != baseline
    ),
    *(
        (f"quality of {name}, 1 to 7", ("likert", model), number)
        for model, name in (("start_prompted", "the prompted start"), ("sft", "SFT"), ("ppo_ptx", "PPO-ptx"))
    ),
    *(
        (f"{words}, PPO-ptx minus prompted start", ("gap", name, "ppo_ptx", "start_prompted"), points)
        for name, words in (
            ("constraints_kept", "constraints kept"),
            ("refused_rightly", "refused rightly"),
            ("refused_wrongly", "refused wrongly"),
        )
    ),
    ("people's reward model: PPO-ptx above prompted start", ("scored_win", "ppo_ptx", "start_prompted"), percent),
    ("loss on people's texts, PPO above the start", ("loss_rise", "ppo"), number),
    ("loss on people's texts, PPO-ptx above the start", ("loss_rise", "ppo_ptx"), number),
    ("tax of PPO, all tasks", ("tax", ALL_TASKS, "ppo"), points),
    ("tax of PPO-ptx, all tasks", ("tax", ALL_TASKS, "ppo_ptx"), points),
)
#: The figures that a summary shows, terms by terms.
HEADLINES: dict[str, tuple[tuple[str, Path, Write], ...]] = {"village": VILLAGE, "starter": STARTER}


def seeds(analysis: Analysis) -> Table:
    """Show the main figures of every seed beside the pooled ones."""
    rows = [
        (
            Cell(label),
            *(cell(figures.get(path), write) for figures in analysis.by_seed.values()),
            cell(analysis.find(*path), write),
        )
        for label, path, write in HEADLINES[analysis.evaluations[0].facts.terms]
    ]
    return Table(
        caption="The main figures by seed, and pooled",
        columns=("", *(f"seed {seed}" for seed in analysis.by_seed), "pooled"),
        rows=tuple(rows),
    )


def sliced(analysis: Analysis, wanted: Callable[[str], bool], caption: str) -> Table:
    """Show preferences and pass rates on parts of the prompts."""
    lines, terms = [], analysis.terms
    for name in filter(wanted, names_under(analysis, "slice_win") or names_under(analysis, "slice_rate")):
        wins = (cell(analysis.find("slice_win", name, "ppo_ptx", other)) for other in terms.baselines)
        passed = (cell(analysis.find("slice_rate", name, "passed", model)) for model in terms.told)
        lines.append((Cell(title_of(name.removeprefix("use case: "))), *wins, *passed))
    heads = (
        "",
        *(f"PPO-ptx preferred to {analysis.name(other)}" for other in terms.baselines),
        *(f"{analysis.name(model)} passes" for model in terms.told),
    )
    return Table(caption=caption, columns=heads, rows=tuple(lines))


def groups(analysis: Analysis) -> Table:
    """Show held-out labelers beside the opposed control group."""
    rows = []
    for model, other in (("ppo_ptx", "sft"), ("ppo_ptx", "prompted_base"), ("ppo", "sft"), ("sft", "base")):
        path = (model, other)
        if analysis.find("opposed", *path) is not None:
            rows.append(
                (
                    Cell(f"{analysis.name(model)} preferred to {analysis.name(other)}"),
                    cell(analysis.find("win_rate", *path)),
                    cell(analysis.find("opposed", *path)),
                    cell(analysis.find("drop", *path), points),
                )
            )
    return Table(
        caption="Held-out labelers and the opposed control group; the difference is on the prompts that both judged",
        columns=("", "held out", "opposed", "held out minus opposed"),
        rows=tuple(rows),
    )


def agreements(analysis: Analysis) -> Table:
    """Show how far labelers of a group agree, in three readings of ties."""
    found = analysis.under("agreement")
    readings = list(dict.fromkeys(path[1] for path in found))
    rows = [
        (Cell(title_of(group)), *(cell(found.get((group, name))) for name in readings))
        for group in dict.fromkeys(path[0] for path in found)
    ]
    return Table(
        caption="Agreement between labelers of a group: share of output pairs ordered alike; n counts pairs",
        columns=("group", *readings),
        rows=tuple(rows),
    )


def checks(analysis: Analysis, pick: Callable[[Analysis], Sequence[tuple[int, Check]]], caption: str) -> Table:
    """Show checks of every seed: the figure, the range, and whether it holds."""
    rows = [
        (Cell(check.name), Cell(str(seed)), Cell(measured(check)), Cell(bounds(check)), Cell(holds(check.holds)))
        for seed, check in pick(analysis)
    ]
    return Table(caption=caption, columns=("check", "seed", "measured", "range", "outcome"), rows=tuple(rows))


def holds(value: bool) -> str:
    """Say an outcome in words."""
    return "holds" if value else "does not hold"


def claims(found: Sequence[Claim]) -> Table:
    """Show every claim with its outcome, those that did not hold first."""
    rows = [(Cell(claim.expected), Cell(claim.measured), Cell(claim.outcome)) for claim in found]
    return Table(
        caption="What was expected and what was measured, 95 % intervals; claims that did not hold come first",
        columns=("expected", "measured", "outcome"),
        rows=tuple(rows),
    )


def labels(analysis: Analysis) -> Table:
    """Show who made which labels."""
    rows = [
        (
            Cell(source.what),
            Cell(source.kind.upper() if source.kind == "simulated" else source.kind),
            Cell(title_of(source.group)),
            Cell(count(source.labelers)),
            Cell(count(source.count)),
            Cell(source.instruction_version or "–"),
            Cell(str(evaluation.seed)),
        )
        for evaluation in analysis.evaluations
        for source in evaluation.facts.labels
    ]
    return Table(
        caption="Labels by what they are and who made them; kinds are never added up",
        columns=("labels", "made by", "group", "labelers", "count", "instructions", "seed"),
        rows=tuple(rows),
    )


def stages(analysis: Analysis) -> Table:
    """Show the seconds of every stage and seed beside the ceiling."""
    limits = ceilings(analysis)
    rows = []
    for stage, seconds in slowest(analysis).items():
        each = [evaluation.facts.seconds.get(stage) for evaluation in analysis.evaluations]
        limit = limits.get(stage)
        said = "–" if limit is None else "within" if seconds <= limit else f"{seconds - limit:,.0f} s over"
        rows.append(
            (
                Cell(stage),
                *(Cell("–" if value is None else plain(value, 1)) for value in each),
                Cell("–" if limit is None else plain(limit, 0)),
                Cell(said),
            )
        )
    return Table(
        caption="Seconds of every stage; the ceiling is for the slowest run",
        columns=("stage", *(f"seed {seed}" for seed in analysis.by_seed), "ceiling", "outcome"),
        rows=tuple(rows),
    )


def compute(analysis: Analysis) -> Table:
    """Show the compute ledger with each role's share of the base model's pretraining."""
    rows = []
    for evaluation in analysis.evaluations:
        ledger = evaluation.facts.ledger
        whole = next((line.flops for line in ledger if line.role in ("pretrain", "base", "base model")), 0.0)
        for line in ledger:
            share = f"{line.flops / whole:.1%}" if whole else "–"
            cells = (line.role, str(evaluation.seed), f"{line.flops:.3g}", plain(line.seconds, 1), share)
            rows.append(tuple(map(Cell, cells)))
    return Table(
        caption="Compute by role, and as a share of pretraining the base",
        columns=("role", "seed", "floating-point operations", "seconds", "share of pretraining"),
        rows=tuple(rows),
    )


def lineage(analysis: Analysis) -> Table:
    """Show what every run was made from, by content hash."""
    rows = [
        (Cell(name), Cell(str(evaluation.seed)), Cell(digest))
        for evaluation in analysis.evaluations
        for name, digest in evaluation.facts.lineage.items()
    ]
    return Table(caption="What the runs were made from", columns=("what", "seed", "sha256"), rows=tuple(rows))
