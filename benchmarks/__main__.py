"""Measure speed and memory: `python -m benchmarks [generation|scoring|training|labeling|serving ...] [--json FILE]`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import generation, labeling, logprobs, serving, training
from benchmarks.measure import ROUNDS, Row, table, write

PARTS = ("generation", "scoring", "training", "labeling", "serving")


def main() -> None:
    """Measure what is asked for and print it; speeds beside peers stand in one table."""
    options = _options()
    parts = options.parts or PARTS
    if "labeling" in parts:
        for backend in (options.database,) if options.database else labeling.BACKENDS:
            labeling.report(backend, labeling.Size())
    rows = list(_rows(options, parts))
    if rows:
        print(table(rows))
    if options.json:
        write(rows, options.json)
    if options.plot:
        from benchmarks.plot import draw

        draw(rows, options.plot)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, help="all when none is named")
    parser.add_argument("--all", action="store_true", help="the whole grid (hours on two cores)")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="turns of each side of training and serving that count"
    )
    parser.add_argument("--case", default="", metavar="TEXT", help="only cases of training whose name holds this")
    parser.add_argument("--vllm", default="", metavar="PYTHON", help="the Python of an environment that has vLLM")
    parser.add_argument("--model", type=Path, metavar="DIR", help="the model for serving")
    parser.add_argument("--classifier", default="", metavar="DIR", help="the content filter for serving; else rules")
    parser.add_argument("--trl", default="", metavar="PYTHON", help="the Python of an environment that has TRL")
    parser.add_argument("--trl-ppo", default="", metavar="PYTHON", help="the same, with a TRL that has PPO")
    parser.add_argument("--database", choices=labeling.BACKENDS, help="the one for labeling; both when none is named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows for programs")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw ours and the peers as a picture")
    options = parser.parse_args()
    if "training" in (options.parts or PARTS) and not (options.trl and options.trl_ppo):
        parser.error("training needs --trl and --trl-ppo; scripts/trl.sh makes both environments.")
    if "serving" in options.parts and not options.model:
        parser.error("serving needs --model; name a directory with a model and its tokenizer.")
    return options


def _rows(options: argparse.Namespace, parts: Sequence[str]) -> Iterator[Row]:
    if "generation" in parts:
        for row in generation.rows(options.all, options.vllm):
            print(f"{row.case}: {row.ours:,.0f} {row.unit}, {row.ratio:.2f} times {row.peer}", flush=True)
            yield row
    if "scoring" in parts:
        yield from logprobs.rows()
    if "training" in parts:
        asked = [case for case in training.cases(options.all) if options.case in case.name]
        for row in training.rows(asked, training.Pythons(options.trl, options.trl_ppo), options.rounds):
            print(f"{row.case}: {row.ours:,.3g} {row.unit}, {row.ratio:.2f} times {row.peer}; {row.note}", flush=True)
            yield row
    if "serving" in parts and options.model:
        plan = serving.Plan(
            model=options.model.absolute(), vllm=options.vllm, classifier=options.classifier, rounds=options.rounds
        )
        for row in serving.rows(plan):
            print(f"{row.case}: {row.ours:,.3g} {row.unit}, {row.ratio:.2f} times {row.peer}; {row.note}", flush=True)
            yield row


if __name__ == "__main__":
    main()
