"""Draw a table of speeds: one line per case, ours, the peer and the machine's limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Row


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw the rows with a limit as points on one line each, on a logarithmic scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [row for row in rows if row.limit is not None]
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.45 * len(shown)), layout="constrained")
    for place, row in enumerate(reversed(shown)):
        axes.plot([row.theirs, row.limit], [place, place], color="0.85", linewidth=2, zorder=1)
        for value, marker, color, label in (
            (row.theirs, "o", "0.45", "best peer"),
            (row.ours, "D", "#1f6f5c", "this engine"),
            (row.limit, "|", "0.2", "matrix products alone"),
        ):
            axes.scatter(value, place, marker=marker, color=color, zorder=2, label=label if place == 0 else None)
        axes.annotate(f"{row.ratio:.1f}×", (row.ours, place), (0, 6), textcoords="offset points", ha="center")
    axes.set_yticks(range(len(shown)), [row.case for row in reversed(shown)])
    axes.set_xscale("log")
    axes.set_xlabel(shown[0].unit if shown else "")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150)
