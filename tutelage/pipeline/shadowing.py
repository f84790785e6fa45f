"""Shadow traffic as a leased job: a version and the one in use answer the same consented prompts; what differs is kept.

The answers themselves are kept apart and sent to nobody (`store.shadows`). The version's results get `shadow/NAME`, the
share of its answers that are refusals, that the length cap cut, or that failed, and `shadow_gap/NAME`, the same minus
that of the version in use, paired by prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tutelage.core.statistics import paired_difference, wilson
from tutelage.errors import DataError
from tutelage.evaluate.conduct import declines
from tutelage.files import content_hash
from tutelage.generate.process import EngineOptions
from tutelage.records import RegisteredModel
from tutelage.release import shadow
from tutelage.store import Store, jobs, registry, results, shadows
from tutelage.store.jobs import NewJob
from tutelage.store.registry import Version
from tutelage.store.results import Figure, Results
from tutelage.store.shadows import Shadow

KIND = "shadow"
#: What is counted of an answer.
MEASURES: Mapping[str, Callable[[Shadow], bool]] = {
    "refused": lambda said: declines(said.text),
    "cut": lambda said: said.finish_reason == "length",
    "failed": lambda said: said.finish_reason in ("error", "cancelled"),
}


def ask(store: Store, model: RegisteredModel, alias: str, rows: int, *, now: datetime) -> str:
    """File the job in which a version answers the newest prompts that may be used; return its id."""
    current = registry.pointed(store).get(alias)
    job = NewJob(
        kind=KIND,
        arguments={
            "version": str(Version(model.name, model.version)),
            "current": str(current or ""),
            "rows": rows,
            "before": now.isoformat(),
        },
    )
    jobs.enqueue(store, [job], now=now)
    return job.name


def run(store: Store, arguments: Mapping[str, Any], progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Let both versions answer, and keep what was counted with the new one; a killed job goes on where it was."""
    prompts = shadows.chosen(store, arguments["rows"], before=datetime.fromisoformat(arguments["before"]))
    if not prompts:
        raise DataError("There is no prompt whose user consented to its use, so nothing can be answered for a trial.")
    names = [name for name in dict.fromkeys((arguments["version"], arguments["current"])) if name]
    models = [registry.get(store, name) for name in names]
    for number, model in enumerate(models):
        tell = _counting(progress, number * len(prompts), len(prompts) * len(models))
        shadow.answer(store, model, prompts, EngineOptions(), tell)
    ids = [prompt.id for prompt in prompts]
    said = [shadows.answers(store, Version(model.name, model.version), ids) for model in models]
    figures = figures_of(said[0], said[1] if len(said) > 1 else {})
    made = Results(
        name=models[0].name,
        version=models[0].version,
        sha256=models[0].sha256,
        source=f"shadow of {len(said[0])} prompts",
        source_sha256=content_hash([sorted((key, *one) for key, one in part.items()) for part in said]),
        figures=figures,
    )
    results.record(store, made, by="", now=datetime.now(UTC))
    return {"answers": len(said[0]), **{name: round(figure.mean, 4) for name, figure in figures.items()}}


def _counting(progress: Callable[[int, int], None], before: int, total: int) -> Callable[[int], None]:
    return lambda done: progress(before + done, total)


def figures_of(ours: Mapping[str, Shadow], theirs: Mapping[str, Shadow]) -> dict[str, Figure]:
    """Count what a version's answers are like, and hold them against another's to the same prompts."""
    figures: dict[str, Figure] = {}
    both = sorted(ours.keys() & theirs.keys())
    for name, counts in MEASURES.items():
        if ours:
            rate = wilson(sum(map(counts, ours.values())), len(ours))
            figures[f"shadow/{name}"] = Figure(rate.mean, rate.low, rate.high, rate.n)
        if len(both) > 1:
            gap = paired_difference(
                [float(counts(ours[key])) for key in both], [float(counts(theirs[key])) for key in both], both
            )
            figures[f"shadow_gap/{name}"] = Figure(gap.mean, gap.low, gap.high, gap.n)
    return figures
