"""From evaluations to releases: the figures of a model version under the names that gates use, and a recipe's release.

A figure's name is its path in the report without the judged model: `win_rate/sft` is how often labelers prefer the
model to SFT, `difference/toxic` its rate of toxic outputs minus that of the reference, `gap/refused/sft` its rate of
refusals minus that of SFT, `tax/all tasks` what alignment cost on tasks. Figures of an evaluation by people begin with
who judged: `human/heldout/win_rate/sft`. `FIGURES` in `evaluate.score` says what each path holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tutelage.core.statistics import Estimate, win_rate
from tutelage.errors import DataError, MissingError, RefusedError
from tutelage.evaluate import records, score
from tutelage.evaluate.records import Evaluation
from tutelage.files import content_hash, read_json, sha256_of
from tutelage.records import RegisteredModel
from tutelage.release import promotion
from tutelage.release.gates import Gate
from tutelage.release.promotion import Order
from tutelage.runs import Run
from tutelage.store import Store, registry, requests, results
from tutelage.store.registry import Version
from tutelage.store.results import Figure, Results

#: The name of the alias that the API serves.
DEFAULT = "default"
#: What the hash of a judged arm is called in an evaluation's lineage.
JUDGED = "judged "
#: Where the judged model stands in the path of a figure; figures without one model have no place here.
PLACES = {
    **dict.fromkeys(("win_rate", "opposed", "drop", "likert", "loss", "loss_rise", "words", "cut", "scored_win"), 1),
    **dict.fromkeys(("rates", "difference", "gap", "tasks", "tax", "greedy", "flags"), 2),
}
UNGATED = "The recipe names no gates."


def lineage_of(arms: Mapping[str, Path]) -> dict[str, str]:
    """Return the hash of every judged arm, as an evaluation's lineage names it."""
    return {f"{JUDGED}{arm}": sha256_of(path) for arm, path in arms.items()}


def figures_of(found: Mapping[tuple[str, ...], Estimate], arm: str) -> dict[str, Figure]:
    """Return the figures that judge one arm, by the names that gates use; one without finite ends was not measured."""
    figures: dict[str, Figure] = {}
    for path, one in found.items():
        place = PLACES.get(path[0])
        if place is not None and path[place : place + 1] == (arm,) and all(map(math.isfinite, one[:3])):
            name = "/".join(part for number, part in enumerate(path) if number != place)
            figures[name] = Figure(one.mean, one.low, one.high, one.n)
    return figures


def results_of(directory: Path, model: RegisteredModel) -> Results:
    """Read an evaluation's directory, of a recipe or by people, as the results of the version that it judged."""
    if (directory / "models.json").is_file():
        evaluation = records.read(directory)
        arms = {name.removeprefix(JUDGED): digest for name, digest in evaluation.facts.lineage.items()
                if name.startswith(JUDGED)}  # fmt: skip
        return _results(model, directory, figures_of(score.figures_of(evaluation), _arm(arms, model, directory)))
    if (directory / "report.json").is_file() and (directory / "run.json").is_file():
        arm = _arm(Run.open(directory).parents, model, directory)
        return _results(model, directory, _figures_of_people(read_json(directory / "report.json"), arm, directory))
    raise MissingError(
        f"{directory} holds no evaluation: name one that `tutelage run` wrote (evaluation-*/evaluation) or the folder "
        "of `tutelage evaluate people`."
    )


def results_of_calls(store: Store, model: RegisteredModel) -> Results:
    """Count what became of the calls that a version took, as a canary say, from the log; callers are the clusters.

    `calls/failed` is the share of its calls that failed, `calls/unsafe` that of its answers in which the filter found
    severity 2, where one was asked.
    """
    calls = requests.answered_by(store, str(Version(model.name, model.version)))
    taken = [one for one in calls if one.action in ("served", "cut", "failed")]
    answers = [one for one in taken if one.action != "failed" and one.policy_version]
    rows = {
        "calls/failed": [(one, one.action == "failed") for one in taken],
        "calls/unsafe": [(one, one.completion_severity == 2) for one in answers],
    }
    figures: dict[str, Figure] = {}
    for name, found in rows.items():
        if found:
            callers = [f"{one.application_id}/{one.end_user}" for one, _ in found]
            rate = win_rate([float(value) for _, value in found], callers)
            figures[name] = Figure(rate.mean, rate.low, rate.high, rate.n)
    return Results(
        name=model.name,
        version=model.version,
        sha256=model.sha256,
        source=f"the log of {len(calls)} calls",
        source_sha256=content_hash(sorted(one.id for one in calls)),
        figures=figures,
    )


def release(
    store: Store,
    models: Mapping[str, RegisteredModel],
    evaluation: tuple[Path, Evaluation] | None,
    chosen: RegisteredModel,
    gates: tuple[Gate, ...],
    *,
    now: datetime,
) -> str:
    """Keep what each arm's model was judged by, and let the API's default name the chosen one if its gates pass.

    Return the sentence of the gate that failed, "" when the model was promoted. The default stays what it was then.
    """
    if evaluation is not None:
        directory, rows = evaluation
        found = score.figures_of(rows)
        for arm, model in models.items():
            results.record(store, _results(model, directory, figures_of(found, arm)), by="", now=now)
    if registry.pointed(store).get(DEFAULT) == Version(chosen.name, chosen.version):
        return ""
    order = Order(alias=DEFAULT, gates=gates, is_ungated=not gates, reason="" if gates else UNGATED)
    try:
        promotion.promote(store, f"{chosen.name}@{chosen.version}", order, now=now)
    except RefusedError as refused:
        return str(refused)
    return ""


def _arm(hashes: Mapping[str, str], model: RegisteredModel, directory: Path) -> str:
    """Find the arm whose files were those of the version."""
    for arm, digest in hashes.items():
        if digest == model.sha256:
            return arm
    raise DataError(
        f"The evaluation in {directory} judged other files than those of {model.name}@{model.version} (SHA-256 "
        f"{model.sha256[:12]}); evaluate this version."
    )


def _results(model: RegisteredModel, directory: Path, figures: Mapping[str, Figure]) -> Results:
    return Results(
        name=model.name,
        version=model.version,
        sha256=model.sha256,
        source=str(directory),
        source_sha256=sha256_of(directory),
        figures=figures,
    )


def _figures_of_people(report: Mapping[str, Any], arm: str, directory: Path) -> dict[str, Figure]:
    """Read the figures of an arm, each kind and group of labelers by itself; those that may change are refused."""
    if report["missing"]:
        raise DataError(
            f"{report['missing']} of {report['asked']} judgements in {directory} are still to come, and figures may "
            "change; hand the results in when all are there."
        )
    found: dict[str, Figure] = {}
    for part in report["parts"]:
        paths = {path: one for path, one in _leaves(part) if len(path) > 1}
        figures = {path: Estimate(one["mean"], _end(one["low"]), _end(one["high"]), one["n"])
                   for path, one in paths.items()}  # fmt: skip
        found |= {f"{part['kind']}/{part['group']}/{name}": one for name, one in figures_of(figures, arm).items()}
    return found


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            is_figure = {"mean", "low", "high", "n"} <= value.keys()
            found += [((*path, name), value)] if is_figure else _leaves(value, (*path, name))
    return found


def _end(value: float | None) -> float:
    return math.inf if value is None else value
