"""A run directory: what one training or evaluation run was made from, what it did, what it cost and what it made.

    run.json        format, stage, settings, parents and outputs by content hash, code, seeds, platform, status
    metrics.jsonl   one row per step: {"step": n, name: number, ...}
    samples.jsonl   texts the run made on its way, with their step
    ledger.jsonl    the compute that was spent: FLOPs, seconds and tokens by role

Reports read only these files. A run that was killed is opened again and goes on; its metrics are first cut back to the
step it resumes from, so that every step is there once. The ledger is never cut: work that was lost was spent all the
same.
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tutelage import __version__
from tutelage.config import Settings
from tutelage.errors import DataError, MissingError, UserError
from tutelage.files import append_jsonl, content_hash, keep_jsonl, read_json, read_jsonl, sha256_of, write_json

#: The version of the layout above; a directory of another one is refused.
FORMAT = 1
RUN_FILE = "run.json"
UNFINISHED, FINISHED = "unfinished", "finished"
#: Output of a run: the metric whose highest value it had. The reward model is what the policy learns to please, so
#: where a judge exists that it does not learn from, that one has a choice of its own.
CHOSEN_BY = {"best": "validation/policy/score", "best_judged": "validation/policy/judged"}
#: JSON has no such numbers, and a loss that is not finite must not look like one that is missing.
NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Spent(NamedTuple):
    """Compute of one role (a model and what was done with it): floating point operations, seconds and tokens."""

    flops: float
    seconds: float
    tokens: int


class Choice(NamedTuple):
    """Weights that were kept because of what they scored: the output, the step they are of, the metric, its value."""

    output: str
    step: int
    metric: str
    value: float


class Ledger:
    """The compute that a run spent, row by row."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, role: str, *, flops: float = 0.0, seconds: float = 0.0, tokens: int = 0) -> None:
        """Add compute to a role such as "policy update", "rollout" or "reward scoring"."""
        append_jsonl(self._path, [{"role": role, "flops": flops, "seconds": seconds, "tokens": tokens}])

    def totals(self) -> dict[str, Spent]:
        """Sum the rows by role, in the order in which roles first appear."""
        totals: dict[str, Spent] = {}
        for row in _rows(self._path):
            before = totals.get(row["role"], Spent(0.0, 0.0, 0))
            totals[row["role"]] = Spent(
                before.flops + row["flops"], before.seconds + row["seconds"], before.tokens + row["tokens"]
            )
        return totals


class Run:
    """One run directory, open for reading and appending."""

    def __init__(self, directory: Path, record: dict[str, Any]) -> None:
        self.directory = directory
        self.record = record
        self.ledger = Ledger(directory / "ledger.jsonl")

    @classmethod
    def create(
        cls,
        directory: Path | str,
        *,
        stage: str,
        settings: Settings | Mapping[str, Any],
        parents: Mapping[str, str] | None = None,
        seeds: Mapping[str, int] | None = None,
        platform: Mapping[str, Any] | None = None,
    ) -> Run:
        """Make a new run directory; one that exists is refused."""
        directory = Path(directory)
        if (directory / RUN_FILE).exists():
            raise UserError(f"{directory} is a run already; choose another directory or delete this one.")
        record = {
            "format": FORMAT,
            **_origin(stage, settings, parents, seeds, platform),
            "code": code_version(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": UNFINISHED,
            "resumed": [],
            "outputs": {},
        }
        write_json(directory / RUN_FILE, record)
        return cls(directory, record)

    @classmethod
    def open(cls, directory: Path | str) -> Run:
        """Open a run directory; one of another format version is refused with a sentence."""
        directory = Path(directory)
        path = directory / RUN_FILE
        if not path.is_file():
            raise MissingError(f"{directory} is not a run directory: it has no {RUN_FILE}.")
        record = read_json(path)
        if not isinstance(record, dict) or "format" not in record:
            raise DataError(f"{path} is not the record of a run; restore it or delete the directory.")
        if record["format"] != FORMAT:
            made_by = record.get("code", {}).get("version", "unknown")
            raise UserError(
                f"{directory} has run format {record['format']} and this program ({__version__}) reads format "
                f"{FORMAT}; open it with the version that made it ({made_by}) or choose another directory."
            )
        missing = {"stage", "settings", "parents", "code", "created", "status", "outputs"} - record.keys()
        if missing:
            raise DataError(f"{path} lacks {', '.join(sorted(missing))}; restore it or delete the directory.")
        return cls(directory, record)

    @classmethod
    def begin(
        cls,
        directory: Path | str,
        *,
        stage: str,
        settings: Settings | Mapping[str, Any],
        parents: Mapping[str, str] | None = None,
        seeds: Mapping[str, int] | None = None,
        platform: Mapping[str, Any] | None = None,
    ) -> Run:
        """Create a run, or go on with the one that is there; one that was made from something else is refused.

        `parents` maps a name ("base", "dataset") to the content hash of what was used under it. `platform` describes
        the machine as far as results depend on it (torch build, CPU capability, threads): when it has changed, the
        run goes on and `changes` tells.
        """
        run = cls.begun(directory, stage=stage, settings=settings, parents=parents, seeds=seeds)
        if run is None:
            return cls.create(
                directory, stage=stage, settings=settings, parents=parents, seeds=seeds, platform=platform
            )
        if not run.is_finished:
            run._note_resume(_origin(stage, settings, parents, seeds, platform)["platform"])
        return run

    @classmethod
    def begun(
        cls,
        directory: Path | str,
        *,
        stage: str,
        settings: Settings | Mapping[str, Any],
        parents: Mapping[str, str] | None = None,
        seeds: Mapping[str, int] | None = None,
    ) -> Run | None:
        """Open the run in a directory, None where there is none; refuse one of something else. Nothing is written."""
        directory = Path(directory)
        if not (directory / RUN_FILE).exists():
            return None
        run = cls.open(directory)
        wanted = _origin(stage, settings, parents, seeds, None)
        same = ("stage", "settings", "parents", "seeds")
        changed = differences({name: run.record[name] for name in same}, {name: wanted[name] for name in same})
        if changed:
            told = "; ".join(f"{name} was {old!r} and is now {new!r}" for name, old, new in changed)
            raise UserError(f"{directory} was made from something else ({told}); choose another directory.")
        return run

    @property
    def stage(self) -> str:
        return str(self.record["stage"])

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.record["settings"])

    @property
    def parents(self) -> dict[str, str]:
        return dict(self.record["parents"])

    @property
    def is_finished(self) -> bool:
        return bool(self.record["status"] == FINISHED)

    @property
    def outputs(self) -> dict[str, str]:
        """What the run made, by name, as content hashes: the names that children give their parents."""
        return {name: output["sha256"] for name, output in self.record["outputs"].items()}

    @property
    def changes(self) -> list[str]:
        """Tell how code and platform differed when the run was resumed; none means the promise of equal bits holds."""
        return [sentence for resume in self.record.get("resumed", []) for sentence in resume["changes"]]

    def output(self, name: str) -> Path:
        """Return the path of an output."""
        if name not in self.record["outputs"]:
            made = ", ".join(self.record["outputs"]) or "nothing yet"
            raise MissingError(f"The run {self.directory} has no output {name}; it made {made}.")
        return self.directory / str(self.record["outputs"][name]["path"])

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Append the metrics of one step."""
        row = {name: _number(value) for name, value in values.items()}
        append_jsonl(self.directory / "metrics.jsonl", [{"step": step, **row}])

    def samples(self, step: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append texts that were made at one step."""
        append_jsonl(self.directory / "samples.jsonl", [{"step": step, **row} for row in rows])

    def read_metrics(self) -> list[dict[str, float]]:
        """Read all metrics, oldest first; numbers that are not finite come back as they were."""
        rows = _rows(self.directory / "metrics.jsonl")
        return [{name: NON_FINITE.get(value, value) for name, value in row.items()} for row in rows]

    def last_step(self) -> int | None:
        """Give the last step that was trained; figures of the whole run stand in a row behind it, without seconds."""
        rows = self.read_metrics()
        trained = [row for row in rows if "seconds" in row] or rows
        return int(trained[-1]["step"]) if trained else None

    def choices(self) -> list[Choice]:
        """Say of which step the weights are that were kept for their score."""
        rows = self.read_metrics()
        found = []
        for output, metric in CHOSEN_BY.items():
            scored = [row for row in rows if metric in row]
            if scored and (self.directory / output).is_dir():
                best = max(scored, key=lambda row: row[metric])  # the first of several, as it was kept
                found.append(Choice(output, int(best["step"]), metric, best[metric]))
        return found

    def read_samples(self) -> list[dict[str, Any]]:
        """Read all samples, oldest first."""
        return list(_rows(self.directory / "samples.jsonl"))

    def truncate_metrics(self, step: int) -> None:
        """Forget metrics and samples of all steps after `step`, from which the run is resumed."""
        for name in ("metrics.jsonl", "samples.jsonl"):
            if (self.directory / name).exists():
                keep_jsonl(self.directory / name, lambda row: row["step"] <= step)

    def finish(self, outputs: Mapping[str, Path | str]) -> None:
        """Mark the run as finished and record the hashes of what it made; paths lie inside the run directory."""
        made = {}
        for name, path in outputs.items():
            inside = (self.directory / path).resolve().relative_to(self.directory.resolve())
            made[name] = {"path": inside.as_posix(), "sha256": sha256_of(self.directory / inside)}
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        self._write({**self.record, "status": FINISHED, "outputs": made, "finished": finished})

    def _note_resume(self, platform: Mapping[str, Any]) -> None:
        before = {"code": self.record["code"], "platform": self.record["platform"]}
        changed = differences(before, {"code": code_version(), "platform": dict(platform)})
        told = [f"{name} was {old!r} and is now {new!r}" for name, old, new in changed]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._write({**self.record, "resumed": [*self.record["resumed"], {"at": now, "changes": told}]})

    def _write(self, record: dict[str, Any]) -> None:
        write_json(self.directory / RUN_FILE, record)
        self.record = record


class Change(NamedTuple):
    """A dotted name and its value in two trees, None where it is absent."""

    name: str
    old: Any
    new: Any


class Ancestor(NamedTuple):
    """One line of a run's lineage: the depth below the run, the name it was used under, its hash, and its run."""

    depth: int
    name: str
    sha256: str
    run: Run | None


def find_runs(root: Path | str) -> list[Path]:
    """Find all run directories under a folder, sorted by path."""
    root = Path(root)
    if not root.is_dir():
        raise MissingError(f"There is no folder {root} with runs in it; name another one.")
    return sorted(path.parent for path in root.rglob(RUN_FILE))


def list_runs(root: Path | str) -> list[Run]:
    """Open all runs under a folder, sorted by path."""
    return [Run.open(directory) for directory in find_runs(root)]


def lineage(run: Run, runs: Sequence[Run]) -> Iterator[Ancestor]:
    """Walk from a run to all that it was made from; a parent that none of `runs` made ends its branch."""
    makers = {sha256: made for made in runs for sha256 in made.outputs.values()}
    yield from _ancestors(run, makers, 1, frozenset({run.directory}))


def _ancestors(run: Run, makers: Mapping[str, Run], depth: int, seen: frozenset[Path]) -> Iterator[Ancestor]:
    for name, sha256 in run.parents.items():
        maker = makers.get(sha256)
        if maker is not None and maker.directory in seen:
            maker = None
        yield Ancestor(depth, name, sha256, maker)
        if maker is not None:
            yield from _ancestors(maker, makers, depth + 1, seen | {maker.directory})


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a tree's leaves by their dotted names."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves |= flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return leaves


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """List the leaves in which two trees differ, in the order of the first."""
    before, after = flatten(old), flatten(new)
    changes = (Change(name, before.get(name), after.get(name)) for name in dict.fromkeys([*before, *after]))
    return [change for change in changes if change.old != change.new]


def code_version() -> dict[str, str]:
    """Return the package version and, in a checkout, the commit, with "+changes" when tracked files differ from it."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return {"version": __version__, "commit": ""}
    commit = _git(root, "rev-parse", "HEAD")
    is_changed = bool(commit) and bool(_git(root, "status", "--porcelain", "--untracked-files=no", "--", "tutelage"))
    return {"version": __version__, "commit": commit + ("+changes" if is_changed else "")}


def settings_hash(settings: Settings | Mapping[str, Any]) -> str:
    """Hash settings by content, as one of the inputs that decide whether a result can be used again."""
    return content_hash(_plain(settings))


def _origin(
    stage: str,
    settings: Settings | Mapping[str, Any],
    parents: Mapping[str, str] | None,
    seeds: Mapping[str, int] | None,
    platform: Mapping[str, Any] | None,
) -> dict[str, Any]:
    origin = {
        "stage": stage,
        "settings": _plain(settings),
        "parents": dict(parents or {}),
        "seeds": dict(seeds or {}),
        "platform": dict(platform or {}),
    }
    # Through JSON, so that it compares equal to what is read back.
    plain: dict[str, Any] = json.loads(json.dumps(origin))
    return plain


def _git(root: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _plain(settings: Settings | Mapping[str, Any]) -> dict[str, Any]:
    return settings.model_dump(mode="json") if isinstance(settings, Settings) else dict(settings)


def _rows(path: Path) -> list[dict[str, Any]]:
    return read_jsonl(path) if path.exists() else []


def _number(value: float) -> float | str:
    if isinstance(value, int):
        return value
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
