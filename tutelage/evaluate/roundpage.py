"""Write the page of a run of several rounds: what came in with each, and what was made of it; no text of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tutelage.core.statistics import Estimate
from tutelage.evaluate import plots
from tutelage.evaluate.layout import Picture, Section
from tutelage.evaluate.plots import Row, Scale
from tutelage.evaluate.report import environment, plain_figure, style
from tutelage.evaluate.tables import Cell, Table
from tutelage.evaluate.wording import NOT_MEASURED, count, percent, preference

LABELS = {"preference": "Preference", "incoming": "What came in", "gates": "Gates"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What came in with a round and what came of it.

    `prompts` counts them by what became of them, in order. `ranked` are the rankings of this round, `learned` those of
    all rounds that the reward model learned from, `accuracy` its share of right pairs on validation prompts, `asked`
    the prompts that PPO sampled from. `win_rate` is that of its `model` over the one `before`, by held-out labelers;
    `refused` says why it was not released, "" when it was.
    """

    number: int
    prompts: Mapping[str, int]
    ranked: int
    learned: int
    accuracy: float | None
    asked: int
    model: str
    before: str = ""
    win_rate: Estimate | None = None
    gates: Sequence[str] = field(default=())
    refused: str = ""


def render(rounds: Sequence[Round], *, seed: int) -> str:
    """Write the page; labelers are those of the village, and it says so."""
    later = [one for one in rounds if one.before]
    sections = [
        Section(id="preference", title="Each round against what customers were served", pictures=_pictures(later)),
        Section(id="incoming", title="What came in with each round, and who learned from it", tables=(_came(rounds),)),
        Section(id="gates", title=_decision(rounds[-1]), tables=tuple(_gates(one) for one in later)),
    ]
    page = environment().get_template("rounds.html")
    return page.render(
        title=headline(rounds), style=style(), sections=sections, labels=LABELS, seed=seed, method=METHOD
    )


def headline(rounds: Sequence[Round]) -> str:
    """Say whether the last round is preferred to what it would replace."""
    last = rounds[-1]
    return preference(f"Round {last.number}", f"the release before it ({last.before})", last.win_rate)


METHOD = (
    "Held-out labelers ranked the outputs of the arms to the same held-out prompts without knowing which model wrote "
    "which; a tie counts one half. Intervals are 95 %, for new prompts and new labelers.",
    "A prompt comes in when the application that sent it agreed to the notice on training and neither it nor the end "
    "user withdrew; what was not agreed to is counted where it was sent, and nowhere else.",
)


def as_json(one: Round) -> dict[str, Any]:
    """Return a round as programs read it."""
    return asdict(one) | {"win_rate": None if one.win_rate is None else plain_figure(one.win_rate)}


def _pictures(rounds: Sequence[Round]) -> tuple[Picture, ...]:
    title = "Preferred to the release before"
    rows = [
        Row(label=f"Round {one.number}", figure=one.win_rate, numbers=percent(one.win_rate, 1), model="ppo_ptx")
        for one in rounds
        if one.win_rate is not None
    ]
    if not rows:
        return ()
    lines = tuple((Cell(row.label), Cell(row.numbers), Cell(count(row.figure.n))) for row in rows)
    alt = f"{title}. " + "; ".join(f"{row.label}: {row.numbers}" for row in rows)
    scale = Scale(reference=0.5, low=0.0, high=1.0, caption="preferred to the release before")
    svg = plots.intervals("rounds", rows, scale, alt)
    table = Table(caption=title, columns=("", "mean [95 % interval]", "n"), rows=lines)
    return (Picture(title=title, svg=svg, table=table),)


def _came(rounds: Sequence[Round]) -> Table:
    """Put one line per count and one column per round."""
    names = list(dict.fromkeys(name for one in reversed(rounds) for name in one.prompts))
    rows = [(f"prompts {name}", *(_counted(one.prompts.get(name)) for one in rounds)) for name in names]
    rows += [
        ("rankings made in the round", *(count(one.ranked) for one in rounds)),
        ("rankings that the reward model learned from", *(count(one.learned) for one in rounds)),
        ("pairs of validation prompts that it orders as labelers did", *(_share(one.accuracy) for one in rounds)),
        ("prompts that PPO sampled from", *(count(one.asked) for one in rounds)),
        ("model", *(one.model for one in rounds)),
        ("released", *("no" if one.refused else "yes" for one in rounds)),
    ]
    return Table(
        caption="Prompts, labels and models, round by round",
        columns=("", *(f"round {one.number}" for one in rounds)),
        rows=tuple(tuple(map(Cell, row)) for row in rows),
    )


def _counted(value: int | None) -> str:
    return "–" if value is None else count(value)


def _share(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.1%}"


def _decision(last: Round) -> str:
    if not last.refused:
        return f"{last.model} was released in the place of {last.before}"
    return f"{last.model} was not released; customers are still served {last.before}"


def _gates(one: Round) -> Table:
    rows = tuple((Cell(str(number)), Cell(said)) for number, said in enumerate(one.gates, start=1))
    return Table(caption=f"The gates of round {one.number}", columns=("gate", "what was found"), rows=rows)
