"""Timing on a noisy machine: sides take turns, each turn stands between two probes, and a disturbed turn is repeated.

A probe is one matrix product of fixed size. A turn whose slower probe is over 10 % slower than the best probe seen was
disturbed by something else on the machine.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

#: Undisturbed turns per side, and how often a disturbed one is taken again before it counts after all.
ROUNDS, REPEATS = 5, 3
#: How much slower than the best a probe may be.
DISTURBED = 1.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: ours beside the peer's best configuration, with the range of the rounds' ratios.

    `limit` is what the machine's own measured speed would allow, in the same unit; None where there is no such bound.
    """

    case: str
    unit: str
    ours: float
    peer: str
    theirs: float
    ratio: float
    low: float
    high: float
    limit: float | None = None
    note: str = ""


def probe(size: int = 1024, dtype: torch.dtype = torch.float32, least: float = 0.05) -> float:
    """Return the GFLOP/s of a square matrix product, repeated for at least `least` seconds."""
    left, right = torch.ones(size, size, dtype=dtype), torch.ones(size, size, dtype=dtype)
    left @ right
    count, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < least:
        left @ right
        count += 1
    return 2 * size**3 * count / passed / 1e9


def bandwidth(bytes_: int = 1 << 28) -> float:
    """Return the GB/s at which memory is read."""
    block = torch.ones(bytes_ // 4)
    block.sum()
    started = time.perf_counter()
    for _ in range(4):
        block.sum()
    return 4 * bytes_ / (time.perf_counter() - started) / 1e9


def turns(sides: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return each side's seconds over the rounds; a side says itself how long it took. The first round warms up."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    best = max(probe() for _ in range(5))
    for number in range(rounds + 1):
        for name, side in sides.items():
            for attempt in range(REPEATS + 1):
                before = probe()
                seconds = side()
                slower = min(before, after := probe())
                best = max(best, before, after)
                if slower * DISTURBED >= best or attempt == REPEATS or number == 0:
                    break
            if number:
                found[name].append(seconds)
    return found


def compare(case: str, unit: str, amount: float, seconds: Mapping[str, Sequence[float]], ours: str = "ours") -> Row:
    """Return the row of a comparison of speeds: `amount` of units, against the peer whose median is best."""
    peers = {name: statistics.median(values) for name, values in seconds.items() if name != ours}
    peer = min(peers, key=lambda name: peers[name])
    ratios = [theirs / mine for mine, theirs in zip(seconds[ours], seconds[peer], strict=True)]
    return Row(
        case=case,
        unit=unit,
        ours=amount / statistics.median(seconds[ours]),
        peer=peer,
        theirs=amount / peers[peer],
        ratio=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
    )


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table that a person can read."""
    head = ("case", "unit", "ours", "theirs", "ratio", "range", "limit", "of it", "peer")
    lines = [head]
    for row in rows:
        limit, share = ("", "") if row.limit is None else (f"{row.limit:,.0f}", f"{100 * row.ours / row.limit:.0f} %")
        lines.append(
            (row.case, row.unit, _number(row.ours), _number(row.theirs), f"{row.ratio:.2f}",
             f"{row.low:.2f}-{row.high:.2f}", limit, share, f"{row.peer}{'; ' if row.note else ''}{row.note}")
        )  # fmt: skip
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    left = {0, 1, len(head) - 1}
    return "\n".join(
        "  ".join(
            entry.ljust(width) if column in left else entry.rjust(width)
            for column, (entry, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the rows for programs."""
    path.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=2) + "\n", encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
