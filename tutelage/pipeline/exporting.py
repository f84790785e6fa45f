"""Hand a registered model to other programs: a directory that the library's classes load, with card and licence."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tutelage.errors import MissingError, SettingsError, UserError
from tutelage.files import atomic_directory, read_json, write_text
from tutelage.models import export
from tutelage.models.adapters import FOLDER
from tutelage.models.papers import card, copy_licences, licences
from tutelage.pipeline import model_card
from tutelage.pipeline.adding import run_of
from tutelage.pipeline.card_results import read_results
from tutelage.records import RegisteredModel
from tutelage.runs import Run, lineage, list_runs
from tutelage.store import Store, registry

#: What trainings call the model that theirs begins as, which is the base of its adapters.
BEGINNINGS = ("init", "policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Which weights are written, the last or their average, and whether adapters are merged into their base."""

    ema: bool = False
    unmerged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a card says besides what is known: evaluations by their runs or report files, and what the model is for."""

    evaluations: Sequence[Path] = ()
    use: str = ""


class Weights(NamedTuple):
    """A model directory, and where its run wrote it, None where that is gone."""

    path: Path
    written: Path | None


def export_model(store: Store, name: str, target: Path, runs: Path, form: Form, told: Told = Told()) -> RegisteredModel:
    """Write a registered model to a new directory; `runs` are searched for its average and for the base of its adapter.

    A policy loads as a causal language model, a reward model as a sequence classifier. What cannot be written is a
    UserError, and nothing is there.
    """
    model = registry.get(store, name)
    if target.exists():
        raise UserError(f"{target} is there already; choose another directory, or delete it.")
    if model.role == "filter":
        raise SettingsError(f"{model.name} is a content filter, which no other program loads; it is in {model.path}.")
    if model.role == "reward" and (form.ema or form.unmerged):
        raise SettingsError("A reward model has one form; leave out --ema and --unmerged.")
    weights = _weights(model, form)
    called = [model.name, f"{model.name}@{model.version}", model.name.rpartition("-")[2], model.path]
    results = [read_results(place, [*called, name]) for place in told.evaluations]
    pages = [f"evaluation-{number}.html" if one.page else "" for number, one in enumerate(results, start=1)]
    adapted = _adapter(model, weights, store, runs) if form.unmerged else None
    with atomic_directory(target) as part:
        if model.role == "reward":
            export.write_classifier(weights.path, part)
        elif adapted is None:
            export.write_policy(weights.path, part)
        else:
            export.write_adapted(weights.path, *adapted, part)
        copy_licences(Path(model.path), part)
        about = model_card.About(
            model=model,
            card=card(model.path),
            learned=registry.learned_from(store, model),
            licences=[one.name for one in licences(part)],
            is_average=form.ema,
            is_adapted=form.unmerged,
            is_scored_alone=model.role == "reward" and read_json(part / "config.json").get("pad_token_id") is None,
            use=told.use,
            run=run_of(weights.written) if weights.written else None,
            results=results,
            pages=pages,
        )
        for result, page in zip(results, pages, strict=True):
            if result.page:
                shutil.copyfile(result.page, part / page)
        write_text(part / "README.md", model_card.text(about))
        write_text(part / "card.html", model_card.page(about))
    return model


def _weights(model: RegisteredModel, form: Form) -> Weights:
    """Find the weights that are asked for: what is registered, or the average that its run wrote beside it."""
    path = Path(model.path)
    if not path.is_dir():
        raise MissingError(f"{model.name}@{model.version} was {path}, and that is gone; copy it back, or add it again.")
    written = _written(path)
    if not form.ema:
        return Weights(path, written)
    if written is None:
        raise MissingError(f"The run that made {model.name}@{model.version} is gone, and its average with it.")
    run = run_of(written)
    assert run is not None
    average = run.output("ema")
    return Weights(average, average)


def _written(path: Path) -> Path | None:
    """Find where the run of a model wrote it: there, or where it was added from."""
    source = str(card(path).get("source", ""))
    places = [path, *([Path(source)] if source else [])]
    return next((place for place in places if place.is_dir() and run_of(place) is not None), None)


def _adapter(model: RegisteredModel, weights: Weights, store: Store, runs: Path) -> tuple[Path, Path]:
    """Find the base of an adapter and the adapter."""
    run = run_of(weights.written) if weights.written else None
    if run is None or weights.written is None or not (weights.written / FOLDER).is_dir():
        raise MissingError(
            f"{model.name}@{model.version} was not trained with adapters, or the run that made it is gone; leave out "
            "--unmerged."
        )
    wanted = next(run.parents[name] for name in BEGINNINGS if name in run.parents)
    known = [Path(one.path) for one in registry.find(store) if one.sha256 == wanted]
    made = [_output(one.run, wanted) for one in lineage(run, _runs(runs)) if one.run and one.sha256 == wanted]
    base = next((path for path in [*made, *known] if path.is_dir()), None)
    if base is None:
        raise MissingError(
            f"The base of the adapter of {model.name}@{model.version} is neither in the registry nor under {runs}; "
            "name the folder of its run with --root, or leave out --unmerged."
        )
    return base, weights.written / FOLDER


def _runs(root: Path) -> Sequence[Run]:
    return list_runs(root) if root.is_dir() else []


def _output(run: Run, sha256: str) -> Path:
    return run.output(next(name for name, found in run.outputs.items() if found == sha256))
