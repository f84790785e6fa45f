"""Measure speed and memory: `python -m benchmarks [generation|scoring ...] [--all] [--vllm PYTHON] [--json FILE]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import generation, logprobs
from benchmarks.measure import Row, table, write


def main() -> None:
    """Measure what is asked for and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=["generation", "scoring"], help="all when none is named")
    parser.add_argument("--all", action="store_true", help="the whole grid of generation (hours on two cores)")
    parser.add_argument("--vllm", default="", metavar="PYTHON", help="the Python of an environment that has vLLM")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows for programs")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw ours and the peers as a picture")
    options = parser.parse_args()
    parts = options.parts or ["generation", "scoring"]
    rows: list[Row] = []
    if "generation" in parts:
        for row in generation.rows(options.all, options.vllm):
            print(f"{row.case}: {row.ours:,.0f} {row.unit}, {row.ratio:.2f} times {row.peer}", flush=True)
            rows.append(row)
    if "scoring" in parts:
        rows += logprobs.rows()
    print(table(rows))
    if options.json:
        write(rows, options.json)
    if options.plot:
        from benchmarks.plot import draw

        draw(rows, options.plot)


if __name__ == "__main__":
    main()
