"""The arms of the starter loop: what each writes for held-out prompts, what programs find in it, and what is released.

Three arms are the model that the run begins with, which was tuned on instructions and rounded to four bits before this:
asked in plain text, in its own chat template, and tuned on its own answers. It is therefore never called a base.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tutelage.evaluate import conduct, records
from tutelage.evaluate.conduct import Answered
from tutelage.evaluate.constraints import Stated
from tutelage.evaluate.records import (
    Arm,
    CurvePoint,
    Evaluation,
    Facts,
    JudgedPrompt,
    Output,
    OutputMeasures,
    OutputScore,
    OutputVerdicts,
    TaskScore,
    TextLoss,
)
from tutelage.files import read_json, write_json
from tutelage.models.load import load_tokenizer
from tutelage.models.tokens import Renderer, Template
from tutelage.pipeline import evaluation, gathering, releasing, training
from tutelage.pipeline.chosen import chosen
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.source import judgements, training_sources
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import Maker, model_of, open_store
from tutelage.records import Completion, Prompt
from tutelage.runs import Run
from tutelage.sample import Policy

if TYPE_CHECKING:
    from tutelage.pipeline.starting import Starter

ARMS = (
    Arm(model="start", name="Start", note="the model that the run begins with, prompts as plain text"),
    Arm(model="start_prompted", name="Start, prompted", note="the same in its own chat template"),
    Arm(model="start_self", name="Start, tuned on itself", note="as many SFT steps on its own answers"),
    Arm(model="sft", name="SFT", note="tuned on the demonstrations; PPO starts here"),
    Arm(model="ppo", name="PPO", note="without pretraining mix"),
    Arm(model="ppo_ptx", name="PPO-ptx", note="with pretraining mix"),
)
#: The stage directories that hold training runs.
RUNS = {"start": ("run",), "start_self": ("run",), "reward": ("run",), "ppo_ptx": ("run",), "ppo": ("run",)}
#: Texts of each kind that the report shows.
SHOWN = 10
#: Said first of all, and by whom.
WRITTEN = "A language model wrote all prompts, demonstrations and rubrics; labelers are programs that read rubrics."


class Asked(NamedTuple):
    """An arm as it is asked: its policy, and how prompts are rendered for it."""

    policy: Policy
    template: Template


def arms_of(space: Workspace, recipe: Recipe) -> dict[str, Asked]:
    """Return every arm; of PPO the weights that the recipe releases."""
    base, weights = model_of(space, "base"), recipe.release.weights

    def tuned(name: str, path: Path) -> Asked:
        return Asked(Policy(name, path), recipe.template)

    return {
        "start": Asked(Policy("start", base), "plain"),
        "start_prompted": Asked(Policy("start_prompted", base), "chat"),
        "start_self": tuned("start_self", model_of(space, "start_self")),
        "sft": tuned("sft", model_of(space, "start")),
        "ppo": tuned("ppo", model_of(space, "ppo").parent / weights),
        "ppo_ptx": tuned("ppo_ptx", model_of(space, "ppo_ptx").parent / weights),
    }


def outputs_of_arms(source: Starter, recipe: Recipe) -> Maker:
    """Let every arm answer every held-out prompt, several times, at temperature 1."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        with open_store(space) as store:
            prompts = chosen(space, store, "test")
        several, found = source.settings.samples, list[Output]()
        arms = arms_of(space, recipe)
        total = len(arms) * len(prompts) * several
        for name, asked in arms.items():
            tell = training.telling(space, len(found), total)
            made = training.draw(asked.policy, prompts, recipe, tell, per_prompt=several, template=asked.template)
            found += [
                Output(seed=recipe.seed, prompt_id=one.prompt_id, model=name, text=one.text,
                       finish_reason=one.finish_reason, sample=number % several)
                for number, one in enumerate(made)
            ]  # fmt: skip
        write_json(out / "outputs.json", [asdict(one) for one in found])
        return {"outputs": len(found)}

    return run


def gather_arms(source: Starter, recipe: Recipe, stages: Sequence[Stage]) -> Maker:
    """Write the evaluation directory that reports are built from."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        outputs = evaluation.read_outputs(space)
        with open_store(space) as store:
            tested = chosen(space, store, "test")
            trained = chosen(space, store, "ppo") + chosen(space, store, "reward")
            rankings, ratings, sources = judgements(source, store, outputs)
            sources = training_sources(store, "model", "simulated") + sources
        facts = Facts(
            seed=recipe.seed,
            terms="starter",
            labels=tuple(sources),
            agreement=(evaluation.agreement_of(rankings, recipe.seed),),
            overlap=(gathering.overlap_of(space),),
            texts=texts_of(space),
            notes=notes_of(space),
            seconds=space.seconds(),
            ceilings={stage.name: stage.ceiling for stage in stages if stage.ceiling is not None},
            ledger=gathering.ledger_of(space, RUNS),
            lineage=gathering.lineage_of(space, models_of(space))
            | releasing.lineage_of({name: arm.policy.path for name, arm in arms_of(space, recipe).items()}),
            decoding={
                "temperature": 1.0,
                "max_tokens": recipe.sample.max_tokens,
                "samples": source.settings.samples,
                "template": recipe.template,
                "precision": recipe.sample.precision,
            },
        )
        made = Evaluation(
            arms=ARMS,
            facts=facts,
            prompts=judged_prompts(source, recipe, tested),
            rankings=tuple(rankings),
            ratings=tuple(ratings),
            verdicts=verdicts_of(source, tested, outputs),
            measures=measures_of(source, outputs),
            tasks=tuple(TaskScore(**row) for row in left_by(space, "taxes", "scores")),
            completions=tuple(outputs),
            curves=curves_of(source, recipe, space, trained),
            scores=tuple(OutputScore(**row) for row in left_by(space, "testimony", "scores")),
            losses=tuple(TextLoss(**row) for row in left_by(space, "taxes", "losses")),
        )
        records.write(out / "evaluation", made)
        return {"evaluation": str((out / "evaluation").relative_to(space.root))}

    return run


def left_by(space: Workspace, stage: str, name: str) -> list[dict[str, Any]]:
    """Return the rows that a stage left; none where the recipe has no such stage."""
    if not space.has(stage):
        return []
    rows: list[dict[str, Any]] = read_json(space.directory(stage) / f"{name}.json")
    return rows


def judged_prompts(source: Starter, recipe: Recipe, prompts: Sequence[Prompt]) -> tuple[JudgedPrompt, ...]:
    """Return the held-out prompts with the tags that reports group by."""
    return tuple(
        JudgedPrompt(
            seed=recipe.seed,
            prompt_id=prompt.id,
            text=prompt.text,
            tags={
                "use_case": prompt.use_case,
                "form": prompt.form,
                "sensitive": prompt.meta["focus"] == "sensitive",
                "truthfulness": prompt.meta["focus"] == "truthfulness",
                "constraints": bool(source.rows[prompt.id].rubric.constraints),
            },
        )
        for prompt in prompts
    )


def verdicts_of(source: Starter, prompts: Sequence[Prompt], outputs: Sequence[Output]) -> tuple[OutputVerdicts, ...]:
    """Check every output against the rubric of its prompt."""
    by_id = {prompt.id: prompt for prompt in prompts}
    found = []
    for one in outputs:
        verdict = source.verdict(by_id[one.prompt_id], _completion(one))
        said: dict[str, bool | None] = {
            "passed": verdict.passed,
            "answered": verdict.answered,
            "appropriate": verdict.appropriate,
        }
        found.append(
            OutputVerdicts(seed=one.seed, prompt_id=one.prompt_id, model=one.model, verdicts=said, sample=one.sample)
        )
    return tuple(found)


def measures_of(source: Starter, outputs: Sequence[Output]) -> tuple[OutputMeasures, ...]:
    """Count refusals and constraints kept, by a reading that no labeler and no training shares."""
    found = []
    for one in outputs:
        row = source.rows[one.prompt_id]
        stated = tuple(
            Stated(kind=part.kind, low=part.low, high=part.high, texts=part.texts) for part in row.rubric.constraints
        )
        answered = Answered(
            text=one.text,
            refuse=row.rubric.refuse,
            sensitive=row.focus == "sensitive",
            constraints=stated,
        )
        values = conduct.measure(answered)
        found.append(
            OutputMeasures(seed=one.seed, prompt_id=one.prompt_id, model=one.model, values=values, sample=one.sample)
        )
    return tuple(found)


def _completion(one: Output) -> Completion:
    return Completion(id="", prompt_id=one.prompt_id, text=one.text, policy=one.model, finish_reason=one.finish_reason)


def curves_of(source: Starter, recipe: Recipe, space: Workspace, prompts: Sequence[Prompt]) -> tuple[CurvePoint, ...]:
    """Return, for each PPO iteration, KL, proxy reward and the share of its sampled outputs that pass their rubric."""
    renderer = Renderer(load_tokenizer(model_of(space, "start")), recipe.template)
    rendered = renderer.prompts_ids([prompt.text for prompt in prompts])
    asked = {renderer.decode(ids): prompt for ids, prompt in zip(rendered, prompts, strict=True)}

    def passed(prompt: Prompt, completion: Completion) -> bool:
        return source.verdict(prompt, completion).passed

    points: list[CurvePoint] = []
    for name in ("ppo", "ppo_ptx"):
        run = Run.open(space.directory(name) / "run")
        points += evaluation.curve_of(run, name, recipe.seed, asked, passed)
    return tuple(points)


def texts_of(space: Workspace) -> dict[str, tuple[str, ...]]:
    """Return some of the texts that models learned from, the first of each kind."""
    answers = read_json(space.directory("answers") / "answers.json")
    return {
        f"pretraining text, {space.facts('corpus')['source']}": tuple(training.texts_of(space)[:SHOWN]),
        "the model's own answers": tuple(f"{row['prompt']}\n→ {row['completion']}" for row in answers[:SHOWN]),
    }


def notes_of(space: Workspace) -> tuple[str, ...]:
    """Say what a reader must know of the data, the reward models and the memory."""
    corpus, reward = space.facts("corpus"), space.facts("reward")
    size = f", {corpus['tokens']:,} tokens" if "tokens" in corpus else ""
    said = [
        WRITTEN,
        f"Pretraining text: {corpus['documents']:,} documents{size}, {corpus['source']}; SHA-256 {corpus['sha256']}.",
        f"The reward model was trained on {reward['rankings']:,} rankings and orders "
        f"{reward['heldout_accuracy']:.1%} of the pairs of validation prompts as the training labelers did.",
    ]
    if peaks := space.peaks():
        stage = max(peaks, key=lambda name: peaks[name])
        said.append(f"The stage that held most memory, {stage}, held {peaks[stage] / 1e9:.1f} GB.")
    if space.has("witness"):
        found = space.facts("witness")
        said.append(
            f"The witness was trained on {found['rankings']:,} rankings by people, and orders "
            f"{found['heldout_accuracy']:.1%} of the pairs of {found['heldout']:,} others as people did."
        )
    else:
        said.append("No folder of people's data was named (starter.data): nothing human judged or was measured here.")
    return tuple(said)


def models_of(space: Workspace) -> dict[str, Path]:
    """Return every model of the run."""
    names = ["base", "start", "start_self", "reward", "ppo", "ppo_ptx"]
    return {name: model_of(space, name) for name in [*names, *(["witness"] if space.has("witness") else [])]}


def release_arms(recipe: Recipe) -> Maker:
    """Register the models of the run and point the API's default at the chosen one, if its gates pass."""

    def run(space: Workspace, _: Path) -> dict[str, Any]:
        arms = arms_of(space, recipe)
        names = {"base": "start", "sft": "sft", "ppo": "ppo", "ppo_ptx": "ppo_ptx"}
        paths = {name: arms[arm].policy.path for name, arm in names.items()}
        return gathering.release_models(space, recipe, paths, ("sft", "ppo"), names)

    return run
