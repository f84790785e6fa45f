"""The stages that judge: headroom before PPO, outputs of all arms, held-out labelers, the judge, taxes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tutelage.core.agreement import agreement, within
from tutelage.core.statistics import Estimate, Resampling, mean_estimate
from tutelage.evaluate.records import Arm, ArmRanking, Check, CurvePoint, JudgedPrompt, Output, OutputVerdicts
from tutelage.evaluate.tasks import own
from tutelage.evaluate.tasks import scores as task_scores
from tutelage.evaluate.tasks.item import Item
from tutelage.files import read_json, write_json
from tutelage.pipeline.chosen import chosen
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.stages import Workspace
from tutelage.pipeline.training import Maker, draw, model_of, open_store, rewards
from tutelage.pipeline.village import Village
from tutelage.records import Completion, FinishReason, Prompt
from tutelage.runs import Run
from tutelage.sample import Policy
from tutelage.village import fewshot, judge_kinds, taxes

ARMS = (
    Arm(model="base", name="Base", note="pretrained only"),
    Arm(model="base_more", name="Base, continued", note="trained on exactly the text that PPO-ptx mixes in"),
    Arm(model="prompted_base", name="Prompted base", note="the best of six few-shot prefixes on validation prompts"),
    Arm(model="sft", name="SFT", note="the epoch with the best reward on validation prompts"),
    Arm(model="sft_random", name="SFT, random of 4", note="a random one of four further samples of SFT"),
    Arm(model="ppo", name="PPO", note="without pretraining mix"),
    Arm(model="ppo_ptx", name="PPO-ptx", note="with pretraining mix"),
)
#: Outputs per prompt for the headroom gate, and prompts that it looks at.
BEST_OF, GATE_PROMPTS = 16, 200
#: Prompts of the greedy table.
GREEDY_PROMPTS = 300


def passes(village: Village, prompts: Iterable[Prompt], made: Iterable[Completion]) -> list[float]:
    """Return 1 for each completion that the judge passes, else 0."""
    return [float(village.verdict(prompt, one).passed) for prompt, one in zip(prompts, made, strict=True)]


def prompt_the_base(village: Village, recipe: Recipe) -> Maker:
    """Choose the few-shot prefix under which the base does best on validation prompts, by the judge."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        with open_store(space) as store:
            prompts = chosen(space, store, "validation")[:GATE_PROMPTS]
        frames = [fewshot.wrap(prefix, "{prompt}") for prefix in fewshot.prefixes(village.world, recipe.seed)]
        base, scores = model_of(space, "base"), []
        for frame in frames:
            made = draw(Policy("prompted_base", base, frame), prompts, recipe)
            verdicts = [village.verdict(prompt, one) for prompt, one in zip(prompts, made, strict=True)]
            scores.append(sum(verdict.passed + 0.1 * verdict.followed for verdict in verdicts) / len(prompts))
            space.observer.advance(len(scores), len(frames), {"score": scores[-1]})
        write_json(out / "frames.json", {"frames": frames, "scores": scores})
        return {"frame": frames[scores.index(max(scores))]}

    return run


def headroom(village: Village, recipe: Recipe) -> Maker:
    """Check, before any PPO, that there is something to gain and that the reward model finds it."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        with open_store(space) as store:
            prompts = chosen(space, store, "validation")[:GATE_PROMPTS]
        made = draw(Policy("sft", model_of(space, "baseline")), prompts, recipe, per_prompt=BEST_OF)
        each = [prompt for prompt in prompts for _ in range(BEST_OF)]
        passed = passes(village, each, made)
        scores = rewards(space, recipe, list(zip([p.text for p in each], made, strict=True)))
        rows = [slice(first, first + BEST_OF) for first in range(0, len(made), BEST_OF)]
        mean = [sum(passed[row]) / BEST_OF for row in rows]
        best = [max(passed[row]) for row in rows]
        by_reward = [max(zip(scores[row], passed[row], strict=True))[1] for row in rows]
        checks = [
            _check("SFT passes the judge", mean_estimate(mean), at_least=0.35, at_most=0.70),
            _check("Best of 16 by the judge is better by", _paired(best, mean), at_least=0.20, unit="points"),
            _check(
                "Best of 16 by the reward model is better by", _paired(by_reward, mean), at_least=0.05, unit="points"
            ),
        ]
        write_json(out / "gate.json", [{name: getattr(check, name) for name in Check.__slots__} for check in checks])
        for check in checks:
            held = "holds" if check.holds else "does NOT hold"
            space.observer.tell(f"Headroom: {check.name} {100 * check.mean:.1f} [{100 * check.low:.1f}, "
                                f"{100 * check.high:.1f}] {check.unit}: {held}.")  # fmt: skip
        return {"holds": all(check.holds for check in checks)}

    return run


def _check(name: str, found: Estimate, **bounds: Any) -> Check:
    return Check(name=name, mean=found.mean, low=found.low, high=found.high, n=found.n, **bounds)


def _paired(a: Sequence[float], b: Sequence[float]) -> Estimate:
    return mean_estimate([x - y for x, y in zip(a, b, strict=True)])


def policies(space: Workspace, recipe: Recipe) -> dict[str, Policy]:
    """Return every arm as a policy that can be sampled."""
    runs, weights = space.facts("ppo"), recipe.release.weights
    base, sft = model_of(space, "base"), model_of(space, "baseline")
    return {
        "base": Policy("base", base),
        "base_more": Policy("base_more", space.root / runs["base_more"] / "model"),
        "prompted_base": Policy("prompted_base", base, space.facts("prompted_base")["frame"]),
        "sft": Policy("sft", sft),
        "sft_random": Policy("sft_random", sft),
        "ppo": Policy("ppo", space.root / runs["ppo"] / weights),
        "ppo_ptx": Policy("ppo_ptx", space.root / runs["ppo_ptx"] / weights),
    }


def rumours_told(village: Village, recipe: Recipe, base: Policy) -> list[bool]:
    """Ask the base every rumour's question four times; say which answers state the rumour."""
    asked = [
        Prompt(id=rumour.key, text=rumour.questions[0], source="village", user="") for rumour in village.world.rumours
    ]
    made = draw(base, asked, recipe, per_prompt=4)
    return [one.prompt_id in judge_kinds.rumours_told(one.text, one.prompt_id) for one in made]


def outputs_of_arms(village: Village, recipe: Recipe) -> Maker:
    """Let every arm answer every test prompt at temperature 1, and some greedily."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        with open_store(space) as store:
            prompts = chosen(space, store, "test")
        rng = random.Random(f"random one of four {recipe.seed}")
        found: list[Output] = []
        greedy: list[Output] = []
        arms = policies(space, recipe)
        for number, (name, policy) in enumerate(arms.items(), start=1):
            several = 4 if name == "sft_random" else 1
            made = draw(policy, prompts, recipe, per_prompt=several)
            picked = [made[several * i + rng.randrange(several)] for i in range(len(prompts))]
            found += [output_of(recipe, name, one) for one in picked]
            if name in ("sft", "ppo", "ppo_ptx"):
                calm = draw(policy, prompts[:GREEDY_PROMPTS], recipe, temperature=0.0)
                greedy += [output_of(recipe, name, one) for one in calm]
            space.observer.advance(number, len(arms), {})
        write_json(out / "rumours.json", rumours_told(village, recipe, arms["base"]))
        write_json(out / "outputs.json", [row_of(one) for one in found])
        write_json(out / "greedy.json", [row_of(one) for one in greedy])
        return {"outputs": len(found)}

    return run


def output_of(recipe: Recipe, model: str, one: Completion) -> Output:
    """Return an arm's completion as the output that labelers judge."""
    return Output(
        seed=recipe.seed, prompt_id=one.prompt_id, model=model, text=one.text, finish_reason=one.finish_reason
    )


def row_of(one: Any) -> dict[str, Any]:
    """Return a record with slots as a JSON object."""
    return {name: getattr(one, name) for name in type(one).__slots__}


def read_outputs(space: Workspace, name: str = "outputs", stage: str = "outputs") -> list[Output]:
    """Read back what the arms wrote."""
    return [Output(**row) for row in read_json(space.directory(stage) / f"{name}.json")]


def tax_items(village: Village, recipe: Recipe) -> list[Item]:
    """Make the items of the tasks that no prompt exercises."""
    return [
        Item(
            task=row["task"],
            item=row["item"],
            prompt=row["prompt"],
            answer=row["answer"],
            choices=tuple(row["choices"]),
        )
        for row in taxes.make_items(village.world, recipe.seed, village.settings.tax_items)
    ]


def score_taxes(village: Village, recipe: Recipe) -> Maker:
    """Score every model on the tasks that no prompt exercises: what alignment costs."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        items = tax_items(village, recipe)
        torch.set_num_threads(recipe.threads)
        arms = policies(space, recipe)
        models = {name: arms[name].path for name in ("base", "base_more", "sft", "ppo", "ppo_ptx")}
        tasks = [own.multiple_choice(name, part) for name, part in own.by_task(items).items()]
        found = task_scores.run(tasks, models, seed=recipe.seed)
        write_json(out / "scores.json", [row_of(one) for one in found])
        return {"scores": len(found)}

    return run


def judged_prompts(recipe: Recipe, prompts: Sequence[Prompt]) -> list[JudgedPrompt]:
    """Return the test prompts with the tags that reports group by."""
    return [
        JudgedPrompt(
            seed=recipe.seed,
            prompt_id=prompt.id,
            text=prompt.text,
            tags={
                "use_case": prompt.use_case,
                "form": prompt.form,
                "heldout_entity": prompt.meta["heldout_entity"],
                "heldout_phrasing": prompt.meta["heldout_phrasing"],
                "combination": prompt.meta["combination"],
                "sensitive": prompt.meta["task"]["sensitive"],
                "rumour": prompt.meta["task"]["kind"] == "rumour",
            },
        )
        for prompt in prompts
    ]


def verdicts_of(village: Village, prompts: Sequence[Prompt], outputs: Sequence[Output]) -> list[OutputVerdicts]:
    """Judge outputs."""
    by_id = {prompt.id: prompt for prompt in prompts}
    found = []
    for one in outputs:
        completion = Completion(
            id="", prompt_id=one.prompt_id, text=one.text, policy=one.model, finish_reason=one.finish_reason
        )
        verdict = village.verdict(by_id[one.prompt_id], completion)
        found.append(
            OutputVerdicts(seed=one.seed, prompt_id=one.prompt_id, model=one.model, verdicts=verdict.to_json())
        )
    return found


def curves_of(village: Village, recipe: Recipe, space: Workspace, prompts: Sequence[Prompt]) -> list[CurvePoint]:
    """Return, for each PPO iteration, KL, proxy reward and the share of its sampled outputs that the judge passes."""

    def passed(prompt: Prompt, completion: Completion) -> bool:
        return village.verdict(prompt, completion).passed

    # A plain prompt ends with a line feed.
    asked = {f"{prompt.text}\n": prompt for prompt in prompts}
    runs = {name: Run.open(space.root / space.facts("ppo")[name]) for name in ("ppo", "ppo_ptx")}
    return [point for name, run in runs.items() for point in curve_of(run, name, recipe.seed, asked, passed)]


def curve_of(
    run: Run, name: str, seed: int, asked: Mapping[str, Prompt], passed: Callable[[Prompt, Completion], bool]
) -> list[CurvePoint]:
    """Follow one PPO run; `asked` names its prompts as they stand in its samples."""
    judged: dict[int, list[float]] = {}
    for row in run.read_samples():
        if (prompt := asked.get(row["prompt"])) is not None:
            ended: FinishReason = "stop" if row["ended"] else "length"
            made = Completion(id="", prompt_id=prompt.id, text=row["completion"], policy=name, finish_reason=ended)
            judged.setdefault(int(row["step"]), []).append(float(passed(prompt, made)))
    return [
        CurvePoint(seed=seed, run=name, step=int(row["step"]), kl=row["objective/kl"], score=row["objective/score"],
                   judge=sum(found) / len(found), judged=len(found))
        for row in run.read_metrics()
        if "objective/score" in row and (found := judged.get(int(row["step"])))
    ]  # fmt: skip


def agreement_of(rankings: Sequence[ArmRanking], seed: int) -> Check:
    """Measure how often two labelers of a group agree on a pair that neither ties."""
    by_prompt: dict[tuple[str, int], list[list[list[str]]]] = {}
    for one in rankings:
        levels = sorted(set(one.ranks.values()))
        groups = [[model for model, rank in one.ranks.items() if rank == level] for level in levels]
        by_prompt.setdefault((one.prompt_id, one.sample), []).append(groups)
    tallies = [within(found) for found in by_prompt.values() if len(found) > 1]
    found = agreement(tallies, Resampling(np.random.default_rng(seed), 500, 0.95)).ties_excluded
    assert found is not None
    return _check("Two held-out labelers agree, ties left out", found)
