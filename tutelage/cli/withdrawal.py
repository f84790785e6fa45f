"""What `tutelage prompts withdraw` and `tutelage labels withdraw` print: which models and runs learned before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutelage.cli.terminal import print_table

if TYPE_CHECKING:
    from tutelage.feedback.withdrawal import Withdrawal
    from tutelage.pipeline.seen import Seen

Runs = Annotated[Path, typer.Option("--root", metavar="DIR", help="The runs to look through.")]
DEFAULT_RUNS = Path("runs")


def tell(found: Withdrawal, gone: Seen, runs: Path) -> None:
    """Print what is left out from now on, and who learned from it before."""
    from tutelage.pipeline import seen

    left = [
        f"{found.prompts} prompts",
        *(f"{number} {name.replace('_', ' ')}" for name, number in found.labels.items()),
    ]
    print(f"{found.who} is withdrawn: {', '.join(left)} are in no later export. Exports made before hold them still.")
    rows: list[tuple[str, int]] = [(f"{name}@{version}", number) for (name, version), number in found.models.items()]
    rows += [(str(path), number) for path, number in seen.touched(runs, gone)]
    if not rows:
        print(f"No registered model and no run under {runs} learned from them.")
        return
    print_table(("model or run", "learned from"), rows)
