"""Write a page of plots about one training, or about several over each other, from their run directories alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage.errors import DataError, UserError
from tutelage.evaluate import drift
from tutelage.evaluate.layout import Comparison, Picture, Section, Written
from tutelage.evaluate.plots import Series, curves
from tutelage.evaluate.report import environment, style
from tutelage.evaluate.tables import Cell, Table
from tutelage.files import write_text
from tutelage.runs import Run, flatten

#: Metrics worth a figure of their own, in order, with their names and units.
SHOWN = {
    "objective/score": ("Reward", "mean score of a rollout batch"),
    "validation/policy/score": ("Validation reward", "mean score on validation prompts"),
    "validation/policy/judged": ("Judge", "what the judge says on validation prompts"),
    "objective/kl": ("KL", "nats a completion, from the reference"),
    "ppo/policy/entropy": ("Entropy", "nats a token"),
    "tokens/completion_mean": ("Length", "tokens a completion"),
    "objective/ended": ("Ended", "share of completions with an end token"),
    "ppo/policy/clipfrac": ("Clipped", "share of tokens beyond the clip"),
    "ppo/val/var_explained": ("Explained variance", "of the returns, by the value model"),
    "ppo/loss/ptx": ("Loss on the mix", "nats a token"),
    "gradient/ptx:ppo": ("Gradients, mix to PPO", "ratio of their norms"),
    "objective/kl_coef": ("KL coefficient", "beta"),
    "loss": ("Loss", "nats"),
    "heldout/loss": ("Held-out loss", "nats"),
    "accuracy": ("Accuracy", "share of pairs in the right order"),
    "heldout/accuracy": ("Held-out accuracy", "share of pairs in the right order"),
    "policy/lr": ("Learning rate", "policy"),
    "reward/lr": ("Learning rate", "reward model"),
    "policy/gradient": ("Gradient", "norm before clipping"),
    "seconds": ("Seconds", "a step"),
}
#: Colours and shapes for runs whose directory does not bear the name of an arm.
COLOURS = ("ppo_ptx", "ppo", "sft", "base", "prompted_base", "base_more")
#: Points that are drawn of one line, rows of the table beside a figure, and rollouts whose samples are shown.
POINTS, ROWS, ROLLOUTS = 400, 10, 3
#: From how many points on a line is drawn as its moving mean, with the points themselves thin behind it.
NOISY = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A run with the name and the colour that it has on the page."""

    run: Run
    name: str
    colour: str
    rows: list[dict[str, float]]

    def line(self, metric: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Give steps and values of a metric where it is finite."""
        points = [
            (row["step"], row[metric])
            for row in self.rows
            if isinstance(row.get(metric), (int, float)) and math.isfinite(row[metric])
        ]
        every = max(1, math.ceil(len(points) / POINTS))
        kept = points[::every]
        return tuple(float(step) for step, _ in kept), tuple(float(value) for _, value in kept)


def write(directories: Sequence[Path], page: Path) -> Path:
    """Write the page of one run, or of several over each other; return its path."""
    if page.suffix != ".html":
        raise UserError(f"A page is one .html file; name one instead of {page}.")
    write_text(page, render([Run.open(directory) for directory in directories]))
    return page


def render(runs: Sequence[Run]) -> str:
    """Give the page as HTML."""
    shown = named(runs)
    for one in shown:
        if not one.rows:
            raise DataError(f"The run {one.run.directory} has no metrics yet; let it take a step first.")
    sections = [
        Section(id="curves", title=_moved(shown), pictures=tuple(pictures(shown))),
        drift.section(shown),
        Section(id="samples", title=samples_title(shown), comparisons=tuple(samples(shown))),
        Section(id="settings", title=_settings_title(shown), tables=(settings(shown),)),
        Section(id="cost", title="What it took", tables=(cost(shown), every_metric(shown))),
    ]
    return (
        environment()
        .get_template("training.html")
        .render(
            style=style(),
            title=title(shown),
            kinds=[_facts(one) for one in shown],
            runs=shown,
            sections=[section for section in sections if section],
            labels={
                "curves": "Curves",
                "drift": "Reward and KL",
                "samples": "Samples",
                "settings": "Settings",
                "cost": "Cost and metrics",
            },
        )
    )


def named(runs: Sequence[Run]) -> list[Shown]:
    """Give every run the shortest name that tells it from the others, and a colour of its own."""
    names = _names([run.directory.resolve() for run in runs])
    free = [colour for colour in COLOURS if colour not in {name.rpartition("/")[2] for name in names}]
    found: list[Shown] = []
    for run, name in zip(runs, names, strict=True):
        own = name.rpartition("/")[2]
        used = {one.colour for one in found}
        colour = own if own in COLOURS and own not in used else free.pop(0) if free else ""
        found.append(Shown(run=run, name=name, colour=colour, rows=run.read_metrics()))
    return found


def _names(paths: Sequence[Path]) -> list[str]:
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise UserError(f"{paths[0]} is named twice; name runs that differ.")


def pictures(shown: Sequence[Shown]) -> list[Picture]:
    """Draw every metric that is worth a figure and that some run has."""
    found = []
    for number, (metric, (name, unit)) in enumerate(SHOWN.items()):
        lines = [(one, *one.line(metric)) for one in shown]
        lines = [(one, x, y) for one, x, y in lines if len(x) > 1]
        if (
            not lines or len({value for _, _, y in lines for value in y}) == 1
        ):  # what never moves stands in the settings
            continue
        series = [drawn for one, x, y in lines for drawn in _series(one, x, y, len(lines) > 1)]
        ends = "; ".join(f"{one.name} {_number(y[0])} to {_number(y[-1])}" for one, _, y in lines)
        span = f"{_number(lines[0][2][0])} to {_number(lines[0][2][-1])}"
        found.append(
            Picture(
                title=f"{name}: {span}" if len(shown) == 1 else name,
                svg=curves(f"curve-{number}", series, ("step", unit), f"{name} over the steps: {ends}"),
                table=_points(name, lines),
            )
        )
    return found


def _series(one: Shown, x: tuple[float, ...], y: tuple[float, ...], several: bool) -> list[Series]:
    """Draw a line as it is, or a long one as its moving mean over its thin self; the page's key names the runs."""
    if len(x) < NOISY:
        return [Series(label="", model=one.colour, x=x, y=y)]
    mean = Series(label="", model=one.colour, x=x, y=moving_mean(y, len(y) // 20), plain=True)
    return [mean] if several else [Series(label="", model=one.colour, x=x, y=y, thin=True), mean]


def moving_mean(values: Sequence[float], reach: int) -> tuple[float, ...]:
    """Average each value with up to `reach` on either side."""
    found = []
    for at in range(len(values)):
        part = values[max(0, at - reach) : at + reach + 1]
        found.append(sum(part) / len(part))
    return tuple(found)


def _points(name: str, lines: Sequence[tuple[Shown, tuple[float, ...], tuple[float, ...]]]) -> Table:
    values = [dict(zip(x, y, strict=True)) for _, x, y in lines]
    steps = sorted(set().union(*values))
    at = sorted({round(i * (len(steps) - 1) / (ROWS - 1)) for i in range(ROWS)})
    rows = tuple(
        (Cell(f"{steps[i]:.0f}"), *(Cell(_number(found[steps[i]]) if steps[i] in found else "") for found in values))
        for i in at
    )
    return Table(caption=name, columns=("step", *(one.name for one, _, _ in lines)), rows=rows)


def samples(shown: Sequence[Shown]) -> list[Comparison]:
    """Show what was sampled in the first, the middle and the last rollout.

    Runs that got a prompt at the same step stand side by side.
    """
    asked: dict[tuple[int, str], dict[str, dict[str, Any]]] = {}
    for one in shown:
        for row in one.run.read_samples():
            if "prompt" in row and "completion" in row:
                asked.setdefault((int(row["step"]), str(row["prompt"])), {})[one.name] = row
    steps = sorted({step for step, _ in asked})
    chosen = {steps[round(i * (len(steps) - 1) / (ROLLOUTS - 1))] for i in range(ROLLOUTS)} if steps else set()
    found = []
    for step in sorted(chosen, reverse=True):
        prompts = [(prompt, outputs) for (at, prompt), outputs in asked.items() if at == step]
        prompts.sort(key=lambda pair: -len(pair[1]))
        found += [_comparison(step, prompt, outputs, shown) for prompt, outputs in prompts[:4]]
    return found


def _comparison(step: int, prompt: str, outputs: Mapping[str, Mapping[str, Any]], shown: Sequence[Shown]) -> Comparison:
    written = [
        Written(
            arm=one.name,
            model=one.colour,
            text=str(outputs[one.name]["completion"]),
            cut=outputs[one.name].get("ended") is False,
            verdicts=f"reward {_number(outputs[one.name]['score'])}" if "score" in outputs[one.name] else "",
        )
        for one in shown
        if one.name in outputs
    ]
    return Comparison(prompt_id=f"at step {step}", prompt=prompt, tags="", outputs=tuple(written))


def samples_title(shown: Sequence[Shown]) -> str:
    """Say whose samples these are."""
    return "What the policy wrote" if len(shown) == 1 else "What the policies wrote for the same prompts"


def settings(shown: Sequence[Shown]) -> Table:
    """List all settings of one run, or those in which several differ."""
    kinds = ("stage", "settings", "seeds", "parents", "code")
    trees = [flatten({name: one.run.record[name] for name in kinds}) for one in shown]
    names = list(dict.fromkeys(name for tree in trees for name in tree))
    if len(trees) > 1:
        names = [name for name in names if len({str(tree.get(name)) for tree in trees}) > 1]
    rows = tuple((Cell(name), *(Cell(_plain(tree.get(name, ""))) for tree in trees)) for name in names)
    return Table(caption="", columns=("", *(one.name for one in shown)), rows=rows)


def cost(shown: Sequence[Shown]) -> Table:
    """List the compute of every role."""
    totals = [one.run.ledger.totals() for one in shown]
    roles = list(dict.fromkeys(role for found in totals for role in found))
    rows = tuple(
        (
            Cell(role),
            *(
                Cell(f"{found[role].flops:.3g}", f"{found[role].seconds:,.0f} s\n{found[role].tokens:,} tokens")
                if role in found
                else Cell("")
                for found in totals
            ),
        )
        for role in roles
    )
    return Table(caption="Floating point operations by role", columns=("", *(one.name for one in shown)), rows=rows)


def every_metric(shown: Sequence[Shown]) -> Table:
    """List the last value of every metric."""
    last: list[dict[str, float]] = [{} for _ in shown]
    for one, values in zip(shown, last, strict=True):
        for row in one.rows:
            values.update(row)
    names = sorted({name for values in last for name in values} - {"step"})
    rows = tuple((Cell(name), *(Cell(_plain(values.get(name, ""))) for values in last)) for name in names)
    return Table(caption="Last value of every metric", columns=("", *(one.name for one in shown)), rows=rows)


def title(shown: Sequence[Shown]) -> str:
    """Name the page."""
    return "Training of " + " and ".join(one.name for one in shown)


def _moved(shown: Sequence[Shown]) -> str:
    """Say what the first figure shows; a run says how far it came."""
    for metric, (name, _) in SHOWN.items():
        ends = [(one, one.line(metric)[1]) for one in shown]
        ends = [(one, y) for one, y in ends if len(y) > 1]
        if ends:
            parts = [
                f"from {_number(y[0])} to {_number(y[-1])}{f' in {one.name}' if len(shown) > 1 else ''}"
                for one, y in ends
            ]
            return f"{name} went {' and '.join(parts)}"
    return "Curves"


def _settings_title(shown: Sequence[Shown]) -> str:
    return "Every setting, and what the run was made from" if len(shown) == 1 else "In what the runs differ"


def _facts(one: Shown) -> str:
    run, begun = one.run, one.run.record["created"][:10]
    told = f"{run.stage}, {run.record['status']}, {run.last_step():,} steps, begun {begun}"
    kept = [
        f"{choice.output} is of step {choice.step:,} ({SHOWN[choice.metric][0].lower()} {_number(choice.value)})"
        for choice in run.choices()
    ]
    return "; ".join([told, *kept])


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _plain(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
