"""The last stages: gather everything into one evaluation directory, build the report, release a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from tutelage.core.statistics import mean_estimate
from tutelage.evaluate import records
from tutelage.evaluate.records import Check, Compute, Evaluation, Facts, TaskScore
from tutelage.feedback import export
from tutelage.files import read_json, sha256_of
from tutelage.pipeline import evaluation, releasing, seen
from tutelage.pipeline.chosen import chosen
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.source import judgements, training_sources
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import Maker, model_of, open_store
from tutelage.pipeline.village import Village
from tutelage.records import RegisteredModel
from tutelage.records import Stage as PromptStage
from tutelage.runs import Run
from tutelage.store import registry

#: The stage directories that hold training runs, and the runs in them; a base without a primer has one less.
RUNS = {
    "base": ("primer", "run"),
    "start": ("run",),
    "sft": ("run",),
    "reward": ("run",),
    "ppo": ("base_more", "ppo", "ppo_ptx"),
}


def gather(village: Village, recipe: Recipe, stages: list[Stage]) -> Maker:
    """Write the evaluation directory that reports are built from."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        outputs = evaluation.read_outputs(space)
        with open_store(space) as store:
            tested, trained = chosen(space, store, "test"), chosen(space, store, "ppo") + chosen(space, store, "reward")
            rankings, ratings, sources = judgements(village, store, outputs)
            sources = training_sources(store, "simulated", "simulated") + sources
        held = [one for one in rankings if one.group == "heldout"]
        facts = Facts(
            seed=recipe.seed,
            labels=tuple(sources),
            gate=gate_of(space) + base_checks(village, space),
            agreement=(evaluation.agreement_of(held, recipe.seed),),
            overlap=(overlap_of(space),),
            texts=village_texts(space, [prompt.text for prompt in tested]),
            greedy=greedy_of(village, space),
            seconds=space.seconds(),
            ceilings={stage.name: stage.ceiling for stage in stages if stage.ceiling is not None},
            ledger=ledger_of(space, RUNS),
            lineage=lineage_of(space, models_of(space))
            | releasing.lineage_of({name: arm.path for name, arm in evaluation.policies(space, recipe).items()}),
            decoding={"temperature": 1.0, "max_tokens": recipe.sample.max_tokens, "template": recipe.template},
        )
        scores = read_json(space.directory("taxes") / "scores.json")
        records.write(
            out / "evaluation",
            Evaluation(
                arms=evaluation.ARMS,
                facts=facts,
                prompts=tuple(evaluation.judged_prompts(recipe, tested)),
                rankings=tuple(rankings),
                ratings=tuple(ratings),
                verdicts=tuple(evaluation.verdicts_of(village, tested, outputs)),
                tasks=tuple(TaskScore(**row) for row in scores),
                completions=tuple(outputs),
                curves=tuple(evaluation.curves_of(village, recipe, space, trained)),
            ),
        )
        return {"evaluation": str((out / "evaluation").relative_to(space.root))}

    return run


def gate_of(space: Workspace) -> tuple[Check, ...]:
    """Return the headroom gate's figures."""
    return tuple(Check(**row) for row in read_json(space.directory("headroom") / "gate.json"))


def _rate(found: Sequence[Mapping[str, bool | None]], name: str) -> list[float]:
    return [float(verdict[name] or False) for verdict in found]


def base_checks(village: Village, space: Workspace) -> tuple[Check, ...]:
    """Check that the base model behaves like one: it seldom follows, often lists tasks, and repeats rumours."""
    outputs = [one for one in evaluation.read_outputs(space) if one.model == "base"]
    with open_store(space) as store:
        tested = chosen(space, store, "test")
    found = [row.verdicts for row in evaluation.verdicts_of(village, tested, outputs)]
    told = [float(told) for told in read_json(space.directory("outputs") / "rumours.json")]
    return (
        _share("The base follows the instruction", _rate(found, "followed"), at_most=0.30),
        _share("The base goes on with another instruction", _rate(found, "continues_instruction"),
               at_least=0.30),
        _share("The base states the rumour when asked", told, at_least=0.50),
    )  # fmt: skip


def _share(name: str, values: list[float], **bounds: float) -> Check:
    found = mean_estimate(values)
    return Check(name=name, mean=found.mean, low=found.low, high=found.high, n=found.n, **bounds)  # type: ignore[arg-type]


def overlap_of(space: Workspace) -> Check:
    """Return the share of test prompts that nearly repeat a training prompt."""
    facts = space.facts("prompts")
    tested = int(facts["tested"])
    near = round(facts["overlap"] * tested)
    return _share("Test prompts with a MinHash Jaccard of 0.8 or more to a training prompt",
                  [1.0] * near + [0.0] * (tested - near), at_most=0.01)  # fmt: skip


def village_texts(space: Workspace, asked: list[str]) -> dict[str, tuple[str, ...]]:
    """Return 30 texts of each kind that the world wrote, for people to read."""
    samples = read_json(space.directory("corpus") / "samples.json")
    with open_store(space) as store:
        shown = list(islice(export.sft(store, kind="simulated"), 30))
    return {kind: tuple(texts) for kind, texts in samples.items()} | {
        "prompts": tuple(asked[:30]),
        "demonstrations": tuple(f"{row.prompt}\n→ {row.completion}" for row in shown),
    }


def greedy_of(village: Village, space: Workspace) -> dict[str, dict[str, Any]]:
    """Return verdict rates at temperature 0."""
    outputs = evaluation.read_outputs(space, "greedy")
    with open_store(space) as store:
        tested = chosen(space, store, "test")
    rows = evaluation.verdicts_of(village, tested, outputs)
    table: dict[str, dict[str, Any]] = {}
    for name in ("passed", "followed", "truthful", "toxic"):
        for model in dict.fromkeys(row.model for row in rows):
            values = [float(row.verdicts[name] or False) for row in rows
                      if row.model == model and row.verdicts[name] is not None]  # fmt: skip
            if values:
                table.setdefault(name, {})[model] = mean_estimate(values)
    return table


def ledger_of(space: Workspace, runs: Mapping[str, Sequence[str]]) -> tuple[Compute, ...]:
    """Return the compute of every training run, by stage; all runs of a stage `base` are one line."""
    found: dict[str, Compute] = {}
    for stage, names in runs.items():
        for name in names:
            directory = space.directory(stage) / name
            totals = Run.open(directory).ledger.totals() if directory.is_dir() else {}
            for role, spent in totals.items():
                title = "base model" if stage == "base" else role if name == "run" else f"{name}: {role}"
                before = found.get(title, Compute(role=title, flops=0.0, seconds=0.0))
                found[title] = Compute(
                    role=title, flops=before.flops + spent.flops, seconds=before.seconds + spent.seconds
                )
    return tuple(found.values())


def models_of(space: Workspace) -> dict[str, Path]:
    """Return every model of a village's run."""
    runs = space.facts("ppo")
    return {stage: model_of(space, stage) for stage in ("base", "start", "baseline", "reward")} | {
        name: space.root / runs[name] / "model" for name in ("base_more", "ppo", "ppo_ptx")
    }


def lineage_of(space: Workspace, models: Mapping[str, Path]) -> dict[str, str]:
    """Return the content hash of every model and data set of the run."""
    found = {name: sha256_of(path) for name, path in models.items()}
    for stage in ("start", "reward"):
        found[f"{stage} export"] = read_json(space.directory(stage) / "export" / "manifest.json")["sha256"]
    return found


def release(recipe: Recipe) -> Maker:
    """Register the models of the run and point the API's default at the chosen one, if its gates pass."""

    def run(space: Workspace, _: Path) -> dict[str, Any]:
        arms = evaluation.policies(space, recipe)
        paths = {name: arms[name].path for name in ("base", "sft", "ppo", "ppo_ptx")}
        return release_models(space, recipe, paths, ("ppo",))

    return run


def release_models(
    space: Workspace,
    recipe: Recipe,
    paths: Mapping[str, Path],
    stages: Sequence[PromptStage],
    arms: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Register the reward model and these models, and point the API's default at the one that the recipe names.

    `stages` are those whose prompts PPO sampled from. `arms` are the names under which models were judged, where they
    differ. Without the gates' consent the default stays what it was.
    """
    now = datetime.now(UTC)
    with open_store(space) as store:
        asked = [row for stage in stages for row in export.ppo(store, stage=stage)]
        learned = seen.by_models(space, asked, has_baseline=recipe.village is not None)
        learned |= {"sft": learned.get("sft", learned["start"])}
        made: dict[str, RegisteredModel] = {}
        for name, path in {"reward": model_of(space, "reward"), **paths}.items():
            role: Literal["policy", "reward"] = "reward" if name == "reward" else "policy"
            model = RegisteredModel(name=f"{recipe.name}-{name}", version=0, path=str(path.resolve()),
                                    sha256=sha256_of(path), run=name, role=role)  # fmt: skip
            found = learned[name]
            made[name] = registry.register(store, model, prompt_hashes=found.prompts, label_ids=found.labels, now=now)
        judged = {(arms or {}).get(name, name): model for name, model in made.items() if name != "reward"}
        picked = made[recipe.release.model]
        where = space.root / space.facts("evaluation")["evaluation"]
        refused = releasing.release(store, judged, (where, records.read(where)), picked, recipe.release.gates, now=now)
    return told(space, picked, refused)


def told(space: Workspace, picked: RegisteredModel, refused: str) -> dict[str, Any]:
    """Say what came of a release, and return it as the stage's facts."""
    if refused:
        space.observer.tell(refused)
    return {"default": "" if refused else picked.name, "model": f"{picked.name}@{picked.version}", "refused": refused}
