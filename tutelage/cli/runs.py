"""`tutelage runs`: what was run, from what, at which cost, and how two runs differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tutelage.cli.options import RunsRoot
from tutelage.cli.terminal import print_table, warn

if TYPE_CHECKING:
    from tutelage.runs import Run

DEFAULT_ROOT = Path("runs")
Page = Annotated[
    Path | None,
    typer.Option("--page", metavar="FILE", help="Write curves and samples as one .html page.", show_default=False),
]
SHORT_HASH = 12

group = typer.Typer(help="List, show and compare run directories.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="runs")


@group.command("list", epilog="Example: tutelage runs list --root runs")
def list_command(root: RunsRoot = DEFAULT_ROOT) -> None:
    """List all runs under a folder; directories that this version cannot read are told and left out."""
    rows = []
    for run in _readable(root):
        last = run.last_step()
        told = "" if last is None else last
        rows.append((run.directory, run.stage, run.record["status"], told, run.record["created"]))
    print_table(("run", "stage", "status", "last step", "created"), rows)


@group.command("show", epilog="Example: tutelage runs show runs/sft")
def show(
    directory: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    root: RunsRoot = DEFAULT_ROOT,
    page: Page = None,
) -> None:
    """Show one run: settings, where it comes from, what it made, what it cost, and its last metrics.

    With --page, its curves and samples are written as one page instead.
    """
    from tutelage.runs import Run, flatten, lineage

    if page is not None:
        _write([directory], page)
        return
    run = Run.open(directory)
    code = run.record["code"]
    facts = [("stage", run.stage), ("status", run.record["status"]), ("created", run.record["created"])]
    facts += [("code", f"{code['version']} {code['commit']}".strip())]
    facts += [(f"seed {name}", seed) for name, seed in run.record["seeds"].items()]
    facts += [(name, value) for name, value in run.record["platform"].items()]
    facts += [("changed when resumed", sentence) for sentence in run.changes]
    print_table(("fact", "value"), facts, title=str(directory))
    print_table(("setting", "value"), list(flatten(run.settings).items()))
    known = _readable(root) if root.is_dir() else [run]
    origins = [
        ("  " * (depth - 1) + name, sha256[:SHORT_HASH], maker.directory if maker else "from outside")
        for depth, name, sha256, maker in lineage(run, known)
    ]
    print_table(("made from", "sha256", "run"), origins)
    print_table(("output", "sha256", "path"), [(n, s[:SHORT_HASH], run.output(n)) for n, s in run.outputs.items()])
    if choices := run.choices():
        print_table(("kept", "of step", "for the highest", "value"), choices)
    print_table(("compute", "FLOPs", "seconds", "tokens"), [(role, *s) for role, s in run.ledger.totals().items()])
    print_table(("metric", "last value"), sorted(_last_values(run).items()))


@group.command("compare", epilog="Example: tutelage runs compare runs/ppo runs/ppo-2 --page compared.html")
def compare(
    directories: Annotated[list[Path], typer.Argument(metavar="RUN", help="Two or more run directories.")],
    page: Page = None,
) -> None:
    """Compare runs: the settings, seeds and parents in which they differ, then their last metrics.

    With --page, their curves are written over each other into one page instead.
    """
    from tutelage.errors import UserError
    from tutelage.runs import Run

    if len(directories) < 2:
        raise UserError("Comparing needs at least two runs; name another run directory.")
    if page is not None:
        _write(directories, page)
        return
    opened = [Run.open(directory) for directory in directories]
    columns = [str(directory) for directory in directories]
    origins = [_origin(run) for run in opened]
    names = list(dict.fromkeys(name for origin in origins for name in origin))
    differing = [(name, *(origin.get(name, "") for origin in origins)) for name in names]
    differing = [row for row in differing if any(value != row[1] for value in row[2:])]
    print_table(("differs", *columns), differing)
    last = [_last_values(run) for run in opened]
    metrics = sorted({name for values in last for name in values})
    print_table(("last metric", *columns), [(name, *(values.get(name, "") for values in last)) for name in metrics])


@group.command("tensorboard", epilog="Example: tutelage runs tensorboard runs/ppo tensorboard/ppo")
def tensorboard(
    directory: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Where TensorBoard reads; a new or empty directory.")],
) -> None:
    """Write a run's metrics and samples as event files for TensorBoard, which the extra `tensorboard` brings."""
    from tutelage.evaluate.tensorboard import convert
    from tutelage.runs import Run

    rows = convert(Run.open(directory), out)
    print(f"Wrote {rows} rows of metrics: tensorboard --logdir {out}")


def _write(directories: list[Path], page: Path) -> None:
    from tutelage.evaluate import training

    print(f"Page: {training.write(directories, page)}")


def _readable(root: Path) -> list[Run]:
    from tutelage.errors import UserError
    from tutelage.runs import Run, find_runs

    readable = []
    for directory in find_runs(root):
        try:
            readable.append(Run.open(directory))
        except UserError as error:
            warn(str(error))
    return readable


def _origin(run: Run) -> dict[str, Any]:
    from tutelage.runs import flatten

    return flatten({name: run.record[name] for name in ("stage", "settings", "seeds", "parents", "code")})


def _last_values(run: Run) -> dict[str, float]:
    """Return each metric's last value; not every step has every metric."""
    values: dict[str, float] = {}
    for row in run.read_metrics():
        values.update(row)
    return values
