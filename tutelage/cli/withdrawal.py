"""What `tutelage prompts withdraw` and `tutelage labels withdraw` print: which models and runs learned before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutelage.cli.terminal import print_table

if TYPE_CHECKING:
    from tutelage.feedback.withdrawal import Withdrawal
    from tutelage.pipeline.seen import Seen
    from tutelage.store.registry import Version

Runs = Annotated[Path, typer.Option("--root", metavar="DIR", help="The runs to look through.")]
DEFAULT_RUNS = Path("runs")


def left_out(found: Withdrawal) -> list[str]:
    """Say what a withdrawal leaves out from now on."""
    labels = [f"{number} {name.replace('_', ' ')}" for name, number in found.labels.items()]
    return [f"{found.prompts} prompts", *labels]


def tell(who: str, left: Sequence[str], models: Mapping[Version, int], gone: Seen, runs: Path) -> None:
    """Print what is left out from now on, and who learned from it before."""
    print(f"{who} is withdrawn: {', '.join(left)} are in no later export. Exports made before hold them still.")
    rows = learned(models, gone, runs)
    if not rows:
        print(f"No registered model and no run under {runs} learned from them.")
        return
    print_table(("model or run", "learned from"), rows)


def learned(models: Mapping[Version, int], gone: Seen, runs: Path) -> list[tuple[str, int]]:
    """Return the models and runs that learned from prompts or labels, each with how many."""
    from tutelage.pipeline import seen

    rows = [(f"{name}@{version}", number) for (name, version), number in models.items()]
    return rows + [(str(path), number) for path, number in seen.touched(runs, gone)]
