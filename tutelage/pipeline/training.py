"""The stages that make models: base, SFT, samples to rank, reward model, baseline, PPO with and without mix."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from tutelage.errors import DataError
from tutelage.feedback import dataset, export
from tutelage.feedback.export import Query
from tutelage.files import content_hash, read_json, write_json
from tutelage.models.load import fresh, save
from tutelage.models.scoring import Answer, Scorer
from tutelage.models.tokenizer import train_tokenizer
from tutelage.pipeline.parallel import Job, run_jobs
from tutelage.pipeline.recipe import BaseSettings, Recipe, section
from tutelage.pipeline.seen import Seen
from tutelage.pipeline.stages import Workspace
from tutelage.records import Completion, Kind, Prompt, RankedGroup
from tutelage.runs import Run
from tutelage.sample import Policy, Progress, SamplingSettings, sample_texts
from tutelage.store import Store, completions
from tutelage.train import ranks
from tutelage.train.batching import Example
from tutelage.train.four import Parents
from tutelage.train.loop import LoopSettings
from tutelage.train.ppo import PPOData, PPOSettings, train_ppo
from tutelage.train.pretrain import PretrainSettings, Texts, train_pretrain
from tutelage.train.reward import RewardData, RewardSettings, train_reward
from tutelage.train.sft import SFTData, SFTSettings, train_sft

Maker = Callable[[Workspace, Path], dict[str, Any]]


def watch(space: Workspace) -> Callable[[int, int, Mapping[str, float]], None]:
    """Show a training's steps to whoever watches the pipeline."""
    return lambda step, steps, metrics: space.observer.advance(step, steps, metrics)


def share_threads(recipe: Recipe, loop: LoopSettings) -> None:
    """Share the machine's threads among the processes of one training."""
    torch.set_num_threads(max(1, recipe.threads // loop.processes))


def texts_of(space: Workspace) -> list[str]:
    """Return the pretraining text of the source."""
    texts: list[str] = read_json(space.directory("corpus") / "texts.json")
    return texts


def pretrain(recipe: Recipe) -> Maker:
    """Train a tokenizer and a base model on the source's texts."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        texts = texts_of(space)
        if not (out / "init").is_dir():
            new_model(recipe.base, texts, recipe.seed, out / "init")
        heldout = read_json(space.directory("corpus") / "heldout.json")
        settings = recipe.base.pretrain.model_copy(update={"seed": recipe.seed})
        share_threads(recipe, settings.loop)
        begin = out / "init"
        if recipe.base.primer:
            primer = read_json(space.directory("corpus") / "primer.json")
            first = settings.model_copy(update={"tokens": recipe.base.primer, "schedule": "constant"})
            begin = train_pretrain(out / "primer", first, Texts(primer, heldout), begin, watch(space))
        model = train_pretrain(out / "run", settings, Texts(texts, heldout), begin, watch(space))
        return {"model": str(model.relative_to(space.root)), "heldout_loss": last(out / "run", "heldout/loss")}

    return run


def new_model(base: BaseSettings, texts: Sequence[str], seed: int, target: Path) -> Path:
    """Train a tokenizer on texts and make a model with random weights for it."""
    tokenizer = train_tokenizer(texts, base.vocabulary)
    return save(fresh(base.shape, tokenizer, seed), tokenizer, target)


def first_model(base: BaseSettings, texts: Sequence[str], run_dir: Path) -> Path:
    """Return the untrained model of a run, made on the first call; other settings or texts make another one."""
    made_from = [base.shape.model_dump(), base.vocabulary, base.pretrain.seed, texts]
    target = run_dir / f"init-{content_hash(made_from)[:12]}"
    with ranks.in_turn():
        if not target.is_dir():
            new_model(base, texts, base.pretrain.seed, target)
    return target


def last(run_dir: Path, name: str) -> float | None:
    """Return the last value of a metric of a run, None where it has none."""
    found = [row[name] for row in Run.open(run_dir).read_metrics() if name in row]
    return float(found[-1]) if found else None


def model_of(space: Workspace, stage: str) -> Path:
    """Return the model directory that a stage made."""
    return space.root / str(space.facts(stage)["model"])


def demonstrations(store: Store, kind: Kind, split: export.ExportSplit, seen: Seen | None = None) -> list[Example]:
    """Return exported demonstrations as a trainer reads them; `seen` takes in what they are."""
    rows = list(export.sft(store, kind=kind, split=split))
    for row in rows:
        if seen is not None:
            seen.note(row)
    return [Example(row.prompt, row.completion) for row in rows]


def ranked_groups(
    store: Store, kind: Kind, split: export.ExportSplit, tasks: str = "", seen: Seen | None = None
) -> list[RankedGroup]:
    """Return exported rankings as a trainer reads them; `seen` takes in what they are."""
    groups = []
    for row in export.reward(store, kind=kind, split=split, tasks=tasks):
        if seen is not None:
            seen.note(row)
        groups.append(row.group())
    return groups


def fine_tune(recipe: Recipe, settings: SFTSettings, kind: Kind) -> Maker:
    """Fine-tune the base on demonstrations: the start of PPO, or the baseline."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        seen = Seen()
        with open_store(space) as store:
            train, heldout = demonstrations(store, kind, "train", seen), demonstrations(store, kind, "validation")
            dataset.write(store, Query(what="sft", kind=kind), out / "export", replace=True)
        mix = texts_of(space) if settings.pretraining_mix > 0 else []
        chosen = settings.model_copy(update={"seed": recipe.seed, "template": recipe.template})
        share_threads(recipe, chosen.loop)
        model = train_sft(out / "run", chosen, SFTData(train, heldout, mix), model_of(space, "base"), watch(space))
        seen.write(out / "run")
        return {
            "model": str(model.relative_to(space.root)),
            "demonstrations": len(train),
            "heldout_loss": last(out / "run", "heldout/loss"),
        }

    return run


def open_store(space: Workspace) -> Store:
    """Open the store of a pipeline."""
    return Store.open(f"sqlite:///{space.root / 'tutelage.db'}", salt=str(getattr(space.recipe, "seed", 0)))


def draw(
    policy: Policy, prompts: Sequence[Prompt], recipe: Recipe, progress: Progress | None = None, **chosen: Any
) -> list[Completion]:
    """Sample completions with the recipe's settings; `chosen` overrides them."""
    common = {"max_tokens": recipe.sample.max_tokens, "precision": recipe.sample.precision}
    settings = SamplingSettings(**{"per_prompt": 1, "seed": recipe.seed, "template": recipe.template} | common | chosen)
    return sample_texts(policy, prompts, settings, threads=recipe.threads, progress=progress)


def sample_for_ranking(
    space: Workspace, recipe: Recipe, prompts: Sequence[Prompt], policies: Sequence[Policy]
) -> list[str]:
    """Put `least` to `most` outputs of each prompt into the store, dealt over policies and temperatures; return their
    ids.
    """
    rng = random.Random(f"sampling {recipe.seed}")
    wanted: dict[tuple[Policy, float], list[tuple[Prompt, int]]] = {}
    arms = [(policy, temperature) for policy in policies for temperature in recipe.sample.temperatures]
    for prompt in prompts:
        outputs = rng.randint(recipe.sample.least, recipe.sample.most)
        dealt = [arms[number % len(arms)] for number in range(outputs)]
        for arm in set(dealt):
            wanted.setdefault(arm, []).append((prompt, dealt.count(arm)))
    total, found = sum(count for pairs in wanted.values() for _, count in pairs), list[str]()
    with open_store(space) as store:
        for (policy, temperature), pairs in wanted.items():
            for count in sorted({count for _, count in pairs}):
                part = [prompt for prompt, wished in pairs if wished == count]
                tell = telling(space, len(found), total)
                made = draw(policy, part, recipe, tell, temperature=temperature, per_prompt=count)
                completions.add(store, made, now=datetime.now(UTC))
                found += [one.id for one in made]
    return found


def telling(space: Workspace, before: int, total: int) -> Progress:
    """Tell who watches how far a stage is that has so many parts behind it."""
    return lambda done, _: space.observer.advance(before + done, total, {})


def reward_model(recipe: Recipe, kind: Kind, shown: Kind, stages: Sequence[str] = ("rankings",)) -> Maker:
    """Train the reward model on exported rankings: of the samples that these stages had ranked, or all imported ones.

    `kind` says who ranked, and `shown` who wrote the demonstrations that shall score 0 on average.
    """

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        seen, ranked, heldout = Seen(), list[RankedGroup](), list[RankedGroup]()
        with open_store(space) as store:
            for stage in stages:
                tasks = space.facts(stage)["tasks"] if kind == "simulated" else ""
                ranked += ranked_groups(store, kind, "train", tasks, seen)
                heldout += ranked_groups(store, kind, "validation", tasks)
                query, place = Query(what="reward", kind=kind, tasks=tasks), stage.replace("rankings", "export")
                dataset.write(store, query, out / place, replace=True, may_be_empty=True)
            scored = demonstrations(store, shown, "validation", seen) or demonstrations(store, shown, "train", seen)
        if not ranked or not heldout:
            raise DataError("The store has no rankings to train and validate the reward model on; rank some outputs.")
        settings: RewardSettings = recipe.reward.model_copy(update={"seed": recipe.seed, "template": recipe.template})
        share_threads(recipe, settings.loop)
        data = RewardData(ranked, heldout, scored)
        init = model_of(space, "reward_base" if recipe.reward_base.model else "start")
        model = train_reward(out / "run", settings, data, init, watch(space))
        seen.write(out / "run")
        accuracy = last(out / "run", "heldout/accuracy")
        return {"model": str(model.relative_to(space.root)), "rankings": len(ranked), "heldout_accuracy": accuracy}

    return run


def choose_baseline(recipe: Recipe, prompts_of: Callable[[Workspace, Store], list[Prompt]]) -> Maker:
    """Choose among the baseline's epochs by mean reward on validation prompts (paper, 3.5 and C.1)."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        with open_store(space) as store:
            prompts = prompts_of(space, store)
        epochs = sorted((space.directory("sft") / "run" / "epochs").iterdir())
        scores = {}
        for epoch in epochs:
            made = draw(Policy(epoch.name, epoch), prompts, recipe)
            found = rewards(space, recipe, [(p.text, c) for p, c in zip(prompts, made, strict=True)])
            scores[epoch.name] = sum(found) / len(found)
            space.observer.advance(len(scores), len(epochs), {"reward": scores[epoch.name]})
        best = max(scores, key=lambda name: scores[name])
        write_json(out / "scores.json", scores)
        return {"model": str((space.directory("sft") / "run" / "epochs" / best).relative_to(space.root)), "epoch": best}

    return run


def rewards(space: Workspace, recipe: Recipe, pairs: Sequence[tuple[str, Completion]]) -> list[float]:
    """Score completions with the pipeline's reward model; one that was cut has no end token, as in PPO."""
    torch.set_num_threads(recipe.threads)
    scorer = Scorer(model_of(space, "reward"), recipe.template)
    return scorer.score([Answer(prompt, made.text, made.finish_reason == "stop") for prompt, made in pairs])


def ppo_settings(recipe: Recipe) -> PPOSettings:
    """Return the settings of PPO with what the whole recipe shares."""
    settings: PPOSettings = section(recipe, "ppo")
    return settings


def reinforce(
    recipe: Recipe,
    prompts_of: Callable[[Workspace, Store], list[str]],
    write_judge: Callable[[Workspace, Store, Path], None],
) -> Maker:
    """Run PPO with the mix, PPO without it, and the base continued on exactly the mix, side by side.

    A judge that the policies do not learn from chooses among each one's weights on the way.
    """

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        with open_store(space) as store:
            write_json(out / "prompts.json", prompts_of(space, store))
            write_judge(space, store, out / "judge.json")
        mixed = ppo_settings(recipe)
        texts = str(space.directory("corpus") / "texts.json")
        common = {
            "data": {"prompts": str(out / "prompts.json"), "texts": texts, "judge": str(out / "judge.json")},
            "parents": {"policy": str(model_of(space, "start")), "reward": str(model_of(space, "reward"))},
        }
        plain = mixed.model_copy(update={"ptx_coef": 0.0})
        jobs = [
            ppo_job("ppo_ptx", out, mixed, common),
            ppo_job("ppo", out, plain, common),
            Job(
                "base_more",
                "tutelage.pipeline.jobs:continue_base",
                {"run_dir": str(out / "base_more"), "settings": continued(mixed, recipe).model_dump(mode="json"),
                 "texts": texts, "base": str(model_of(space, "base"))},
            ),
        ]  # fmt: skip
        steps = {job.name: (0, 1) for job in jobs}

        def tell(name: str, row: dict[str, Any]) -> None:
            steps[name] = (row["step"], row["steps"])
            done = sum(step for step, _ in steps.values())
            space.observer.advance(done, sum(count for _, count in steps.values()), {
                f"{name} {short}": row[metric] for short, metric in SHOWN.items() if metric in row})  # fmt: skip

        run_jobs(jobs, max(1, recipe.threads // 2), tell)
        return {name: str((out / name).relative_to(space.root)) for name in ("ppo", "ppo_ptx", "base_more")}

    return run


def reinforce_once(recipe: Recipe, prompts_of: Callable[[Workspace, Store], list[str]], *, mixed: bool = True) -> Maker:
    """Run PPO by itself, with the mix or without it, with all threads: for models too large to train side by side."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        with open_store(space) as store:
            prompts = prompts_of(space, store)
        settings = ppo_settings(recipe) if mixed else ppo_settings(recipe).model_copy(update={"ptx_coef": 0.0})
        torch.set_num_threads(recipe.threads)
        data = PPOData(prompts, texts_of(space) if settings.ptx_coef else [])
        parents = Parents(model_of(space, "start"), model_of(space, "reward"))
        made = train_ppo(out / "run", settings, data, parents, watch(space))
        return {"model": str(made.relative_to(space.root)), "prompts": len(prompts)}

    return run


#: The figures of PPO that the terminal shows, by their short names.
SHOWN = {"reward": "objective/score", "kl": "objective/kl", "entropy": "objective/entropy"}


def ppo_job(name: str, out: Path, settings: PPOSettings, common: Mapping[str, Any]) -> Job:
    """Describe one PPO run for a process of its own."""
    arguments = {"run_dir": str(out / name), "settings": settings.model_dump(mode="json"), **common}
    return Job(name, "tutelage.pipeline.jobs:reinforce", arguments)


def continued(ppo: PPOSettings, recipe: Recipe) -> PretrainSettings:
    """Continue the base as PPO's mix does: the same rows, as many steps, the policy's learning rate."""
    steps = ppo.episodes // ppo.minibatch
    return recipe.base.pretrain.model_copy(
        update={
            "tokens": steps * ppo.ptx_rows * ppo.ptx_row_tokens,
            "row_tokens": ppo.ptx_row_tokens,
            "batch_rows": ppo.ptx_rows,
            "schedule": "constant",
            "warmup": ppo.warmup,
            "seed": ppo.ptx_seed,
            "adam": ppo.policy,
        }
    )
