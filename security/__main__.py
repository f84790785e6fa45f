"""Run the scanners against our own servers on this machine and print what they found: `make security`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from security import findings, targets
from security.findings import BlindError, Outcome
from security.locked import ROOT
from security.tools import TOOLS, Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which tools run, against which model, how many prompts of each probe, and where results go."""

    tools: Sequence[str]
    model: str
    prompts: int
    out: Path


def options(given: Sequence[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m security", description=__doc__)
    parser.add_argument("--tools", nargs="+", choices=list(TOOLS), default=list(TOOLS), help="only these")
    parser.add_argument("--without", nargs="+", choices=list(TOOLS), default=[], help="all but these")
    parser.add_argument("--model", default="", help="a model directory; without one, a tiny model with random weights")
    parser.add_argument("--prompts", type=int, default=8, help="prompts of each probe of garak that can be cut")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "security", help="the folder for results")
    read = parser.parse_args(given)
    chosen = [name for name in read.tools if name not in read.without]
    return Options(tools=chosen, model=read.model, prompts=read.prompts, out=read.out)


def ran(name: str, tool: Callable[[Scan, Outcome], None], scan: Scan) -> Outcome:
    """Run one tool in a folder of its own."""
    outcome, began = Outcome(tool=name), time.monotonic()
    folder = scan.folder / name
    folder.mkdir()
    try:
        tool(Scan(folder=folder, model=scan.model, prompts=scan.prompts), outcome)
    except BlindError as error:
        outcome.blind = str(error)
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def main(given: Sequence[str]) -> int:
    """Run the tools one after the other; return 1 when one found something new or could not look."""
    wanted = options(given)
    wanted.out.mkdir(parents=True, exist_ok=True)
    known = findings.allowances()
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="tutelage-security-") as work:
        model = Path(wanted.model).resolve() if wanted.model else targets.tiny(Path(work) / "tiny")
        scan = Scan(folder=Path(work) / "scans", model=model, prompts=wanted.prompts)
        scan.folder.mkdir()
        for name in wanted.tools:
            print(f"{name} ...", file=sys.stderr, flush=True)
            outcome = ran(name, TOOLS[name], scan)
            outcome.allow(known)
            outcomes.append(outcome)
            for path in (scan.folder / name).glob("*.json*"):
                shutil.copy(path, wanted.out / f"{name}-{path.name}")
    findings.write(outcomes, wanted.out / "summary.json")
    print(findings.table(outcomes))
    for one in findings.stale(known, outcomes):
        print(f"no longer needed in security/allowed.toml: {one.tool} {one.rule} {one.place}")
    return 0 if all(one.is_clean for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
