"""Write the page of reward models that were judged out of fold: accuracy, calibration, folds; no text of the data."""

from __future__ import annotations

from collections.abc import Sequence

from tutelage.core.calibration import Calibration
from tutelage.core.statistics import Estimate
from tutelage.evaluate import plots
from tutelage.evaluate.folds import FoldReport
from tutelage.evaluate.layout import Picture, Section
from tutelage.evaluate.plots import Row, Scale, Series
from tutelage.evaluate.report import environment, style
from tutelage.evaluate.tables import Cell, Table
from tutelage.evaluate.wording import SPACE, change, count, number, percent, plain, points

LABELS = {"accuracy": "Accuracy", "calibration": "Calibration", "folds": "Folds"}


def render(found: FoldReport, provenance: str, files: Sequence[str]) -> str:
    """Write the page; `provenance` says of what the rankings are, `files` lie beside the page."""
    sections = [
        Section(
            id="accuracy",
            title="Beside a length rule and the labelers themselves",
            text=tuple(said(found)),
            pictures=(accuracy_picture(found),),
        ),
        Section(
            id="calibration",
            title=calibration_title(found.calibration),
            text=(calibration_text(found.calibration),),
            pictures=(calibration_picture(found.calibration),),
        ),
        Section(id="folds", title="Every fold by itself", tables=(fold_table(found),)),
    ]
    page = environment().get_template("reward.html")
    return page.render(
        title=headline(found),
        style=style(),
        provenance=provenance,
        sections=sections,
        labels=LABELS,
        method=method(found),
        files=files,
    )


def headline(found: FoldReport) -> str:
    """Say what the folds show."""
    new = "labelers" if found.by == "labeler" else f"{found.by}s"
    told = f"On new {new}, the reward model orders {percent(found.model, 1)} of {count(found.model.n)} pairs as they do"
    if found.in_group is None:
        return told
    return f"{told}; on those it learned from {percent(found.in_group, 1)}"


def said(found: FoldReport) -> list[str]:
    """Say what the accuracy must be held against, a sentence each."""
    told = [
        f"“The {found.against} wins” is right in {percent(found.rule, 1)}; the reward model minus that rule is "
        f"{points(found.difference)}. {100 * found.detectable:.1f} points would be seen 4 times in 5."
    ]
    if found.drop is not None:
        fall = change(found.drop, up="falls", down="rises")
        told.append(f"From labelers that it learned from to new ones its accuracy {fall}.")
    if found.ceiling is None:
        told.append(
            "No two labelers ranked the same completions, so how far they agree is not known, and with it how often "
            "any model can be right."
        )
    else:
        a, most = found.ceiling.agreement, 100 * found.ceiling.most
        told.append(
            f"Two labelers order a pair alike in {percent(a, 1)} (n = {count(a.n)}, ties left out), so no model can be "
            f"right in more than {plain(most, 1)}{SPACE}% of pairs on average, and in fewer where some are harder."
        )
    return told


def accuracy_picture(found: FoldReport) -> Picture:
    """Draw accuracy held out and in group, the rule, and how far labelers agree."""
    shares: list[tuple[str, Estimate | None, str]] = [
        ("new labelers" if found.by == "labeler" else "held out", found.model, "ppo_ptx"),
        ("labelers it learned from", found.in_group, "ppo_ptx"),
        (f"“the {found.against} wins”", found.rule, "base"),
        ("two labelers agree", found.ceiling.agreement if found.ceiling else None, ""),
    ]
    rows = [
        Row(label=label, figure=share, numbers=percent(share, 1), model=colour)
        for label, share, colour in shares
        if share is not None
    ]
    title = "Pairs in the order of the labelers"
    lines = tuple((Cell(row.label), Cell(row.numbers), Cell(count(row.figure.n))) for row in rows)
    table = Table(caption=title, columns=("", "mean [95 % interval]", "n"), rows=lines)
    scale = Scale(reference=0.5, caption="pairs in the order of the labelers")
    alt = f"{title}. " + "; ".join(f"{row.label}: {row.numbers}" for row in rows)
    return Picture(title=title, svg=plots.intervals("accuracy", rows, scale, alt), table=table)


def calibration_title(found: Calibration) -> str:
    """Say whether the model is as sure as it is right."""
    if found.slope is None:
        return "Calibration has no finite slope"
    if found.slope.high < 1:
        return f"The model is too sure: its differences count {number(found.slope)} times"
    if found.slope.low > 1:
        return f"The model is not sure enough: its differences count {number(found.slope)} times"
    return f"The model is about as sure as it is right: slope {number(found.slope)}"


def calibration_text(found: Calibration) -> str:
    """Say how the curve is read."""
    return (
        "A model that is 80 % sure of a pair should be right in 80 % of such pairs: the line across. Sureness is "
        f"s(r_winner − r_loser), as the loss takes it. The mean distance from the line is {100 * found.error:.1f} "
        f"points and the loss {found.loss:.3f} nats a pair, where 0.693 knows nothing."
    )


def calibration_picture(found: Calibration) -> Picture:
    """Draw the share right over the sureness of the model."""
    x = tuple(100 * one.sureness for one in found.bins)
    y = tuple(one.right.mean for one in found.bins)
    spread = tuple((one.right.mean - one.right.low, one.right.high - one.right.mean) for one in found.bins)
    ends = (50.0, max(100 * found.bins[-1].sureness, 60.0))
    across = Series(label="", model="", x=ends, y=(0.5, ends[1] / 100), thin=True)
    line = Series(label="", model="ppo_ptx", x=x, y=y, spread=spread)
    title = "How often the model is right, by how sure it is"
    told = [(f"{one.sureness:.1%}", percent(one.right, 1), count(one.right.n)) for one in found.bins]
    return Picture(
        title=title,
        svg=plots.curves(
            "calibration",
            [across, line],
            ("sureness of the model, %", "pairs in the order of the labelers"),
            f"{title}. " + "; ".join(f"{sure} sure: {right}" for sure, right, _ in told),
            percent=True,
        ),
        table=Table(
            caption=title,
            columns=("sureness", "right [95 % interval]", "pairs"),
            rows=tuple(tuple(map(Cell, row)) for row in told),
        ),
    )


def fold_table(found: FoldReport) -> Table:
    """List the folds of every seed."""
    rows = [
        (
            Cell(f"{one.fold} of seed {one.seed}" if found.seeds > 1 else str(one.fold)),
            Cell(count(one.groups)),
            Cell(count(one.pairs)),
            Cell(f"{one.model:.1%}"),
            *((Cell("–" if one.in_group is None else f"{one.in_group:.1%}"),) if found.in_group else ()),
            Cell(f"{one.rule:.1%}"),
        )
        for one in found.folds
    ]
    known = ("labelers it learned from",) if found.in_group else ()
    columns = ("fold", f"{found.by}s", "pairs", "held out", *known, f"the {found.against} wins")
    return Table(caption="Shares of pairs in the order of the labelers", columns=columns, rows=tuple(rows))


def method(found: FoldReport) -> list[str]:
    """Say how the figures were made."""
    if found.by == "labeler":
        dealt = (
            f"Labelers were dealt to {len({one.fold for one in found.folds})} folds of about as many rankings each, "
            "and so were conversations. Each model learned from the other labelers' rankings of the other "
            "conversations, and is judged on conversations that no ranking it learned from is of."
        )
    else:
        dealt = f"Each fold was scored by a model that learned from the other {found.by}s alone."
    return [
        dealt,
        "Intervals are 95 %, for new conversations, and for new labelers where labelers were dealt; ties between "
        "completions give no pair, and equal scores count one half.",
        f"{found.seeds} {'deal' if found.seeds == 1 else 'deals'} of the rows, each with models of its own. Further "
        "deals judge the same rows again: they lessen the models' chance, and are no further labelers.",
    ]
