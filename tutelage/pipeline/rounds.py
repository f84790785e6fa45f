"""Later rounds of the loop: customers ask the release, and what they agreed to give trains the next one.

Comparisons are collected on the best policy there is, and a new reward model and policy trained with them, again and
again (paper, 3.1). The reward model of a round begins where the first one began and learns from the rankings of all
rounds. PPO goes on from the release that customers were served, and is held to the supervised model, as the first was.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tutelage.errors import DataError, RefusedError
from tutelage.files import content_hash, read_jsonl, write_json
from tutelage.pipeline import calling, training
from tutelage.pipeline import traffic as returning
from tutelage.pipeline.checking import Reader
from tutelage.pipeline.chosen import choose, chosen, write_rules
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.seen import Seen
from tutelage.pipeline.source import rank, to_rank
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import Maker, model_of, open_store
from tutelage.pipeline.village import Village
from tutelage.pipeline.voting import prompt_id
from tutelage.records import Prompt, RegisteredModel
from tutelage.sample import Policy
from tutelage.store import Store, prompts, registry
from tutelage.train.four import Parents
from tutelage.train.ppo import PPOData, train_ppo
from tutelage.village.callers import make_calls


def name_of(stage: str, number: int) -> str:
    """Name a stage of a round; those of the first have no number."""
    return stage if number == 1 else f"{stage}_{number}"


def up_to(stage: str, number: int) -> tuple[str, ...]:
    """Name a stage of every round up to one."""
    return tuple(name_of(stage, one) for one in range(1, number + 1))


def seed_of(recipe: Recipe, number: int) -> int:
    """Give a round's own seed, so that nothing is drawn twice alike."""
    return recipe.seed + 1000 * (number - 1)


def round_stages(village: Village, recipe: Recipe, number: int) -> list[Stage]:
    """Return the stages of a later round up to its policy."""

    def titled(title: str) -> str:
        return f"Round {number}: {title}"

    def own(stage: str) -> str:
        return name_of(stage, number)

    source: dict[str, Any] = {"village": village.settings.model_dump(), "seed": recipe.seed}
    rounds = recipe.rounds
    before = up_to("release", number - 1)
    return [
        Stage(
            own("traffic"),
            titled("customers ask the release"),
            let_customers_ask(village, recipe, number),
            source | parts(recipe, "sample") | {"calls": rounds.calls},
            (*before, "prompts"),
        ),
        Stage(
            own("intake"),
            titled("take in what they agreed to give"),
            take_traffic(recipe, number),
            parts(recipe, "intake", "sample") | {"ranked": rounds.ranked},
            (own("traffic"), "start", "prompts", *up_to("intake", number - 1)[1:]),
        ),
        Stage(
            own("samples"),
            titled("sample the release for ranking"),
            sample_release(recipe, number),
            parts(recipe, "sample"),
            (own("intake"), own("traffic")),
        ),
        Stage(
            own("rankings"),
            titled("labelers rank"),
            rank(village, recipe, own("intake"), own("samples")),
            source,
            (own("samples"), own("intake")),
        ),
        Stage(
            own("reward"),
            titled("train the reward model on all rounds"),
            training.reward_model(recipe, "simulated", "simulated", up_to("rankings", number)),
            parts(recipe, "reward"),
            ("start", *up_to("rankings", number)),
        ),
        Stage(
            own("ppo"),
            titled("PPO-ptx goes on from the release"),
            go_on(recipe, number),
            parts(recipe, "ppo", "sample") | {"episodes": rounds.episodes},
            ("start", "corpus", "prompts", own("traffic"), own("reward"), *up_to("intake", number)[1:]),
        ),
    ]


def in_force(space: Workspace, number: int) -> str:
    """Return the version that customers are served when a round begins: the last one that passed its gates."""
    for stage in reversed(up_to("release", number - 1)):
        if space.facts(stage)["default"]:
            return str(space.facts(stage)["model"])
    refused = space.facts(name_of("release", number - 1))["refused"]
    raise RefusedError(
        f"Round {number} begins with a model that customers are served, and none was released. {refused}"
    )


def release_of(space: Workspace, number: int) -> RegisteredModel:
    """Return the model that customers of a round were served."""
    with open_store(space) as store:
        return registry.get(store, str(space.facts(name_of("traffic", number))["model"]))


def let_customers_ask(village: Village, recipe: Recipe, number: int) -> Maker:
    """Serve the release and let customers of two firms ask it; who takes it back then does so."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        calling.library()
        wanted = in_force(space, number)
        with open_store(space) as store:
            heldout = [prompt.text for group in ("test", "validation") for prompt in chosen(space, store, group)]
            calls = make_calls(village.world, seed_of(recipe, number), recipe.rounds.calls, heldout)
            firms, journal = calling.open_firms(store, out.name), out / calling.JOURNAL
            calling.forget_lost(store, journal)
            database, tell = f"sqlite:///{space.root / 'tutelage.db'}", training.telling(space, 0, len(calls))
            with (
                calling.keys_of(store, firms) as keys,
                calling.serving(database, wanted, recipe.threads, out / "serve.log") as address,
            ):
                how = calling.Asking(wanted, calling.clients(address, keys), recipe.sample.max_tokens)
                calling.send(calls, how, journal, lambda done: tell(done, len(calls)))
            withdrawn = calling.withdraw(store, calls, firms)
        refused = sum(not row["request"] for row in read_jsonl(journal))
        return {
            "model": wanted,
            "sent": dict(Counter(call.caller.firm for call in calls)),
            "refused": refused,
            "withdrawn": sum(call.caller.withdraws for call in calls),
            "withdrawn_users": withdrawn,
        }

    return run


def take_traffic(recipe: Recipe, number: int) -> Maker:
    """Take in the consented traffic by the rules of intake, and choose what is ranked and what PPO samples from.

    All of it, not the villagers' alone: whoever else asked the release and agreed is a customer too.
    """

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        with open_store(space) as store:
            taken = returning.take_in(store, recipe.intake, stage="reward", now=datetime.now(UTC))
            if taken.report is not None:
                write_rules(out / "intake.json", taken.report)
            earlier = {prompt.id for stage in up_to("intake", number - 1)[1:] for prompt in new_of(space, store, stage)}
            come = [one for one in prompts.usable(store) if one.source == "customer" and one.id not in earlier]
            usable = fitting(space, recipe, come)
            tested = chosen(space, store, "test")
            decided = decided_of(space, store, number)
        # By text: ids of requests are drawn anew in every run.
        usable.sort(key=lambda prompt: content_hash(prompt.text))
        train = [prompt for prompt in usable if prompt.split == "train"]
        if not train:
            raise DataError(
                f"Nothing that customers sent in round {number} may be trained on; raise rounds.calls, which is "
                f"{recipe.rounds.calls}."
            )
        groups = {
            "reward": train[: recipe.rounds.ranked],
            "validation": [prompt for prompt in usable if prompt.split == "validation"],
            "ppo": train,
        }
        facts = choose(out, [*train, *tested], groups)
        return facts | {"kept": len(usable), "too_long": len(come) - len(usable), "decided": decided}

    return run


def decided_of(space: Workspace, store: Store, number: int) -> dict[str, int]:
    """Count what intake decided about the calls of a round; what it may not see, it has not decided about."""
    rows = read_jsonl(space.directory(name_of("traffic", number)) / calling.JOURNAL)
    found = prompts.marks(store, [prompt_id(row["request"], 0) for row in rows])
    counted = Counter("quarantined" if mark.pii == "quarantined" else mark.status for mark in found.values())
    return dict(sorted(counted.items()))


def new_of(space: Workspace, store: Store, stage: str) -> list[Prompt]:
    """Return all prompts that came in with a round."""
    return chosen(space, store, "ppo", stage) + chosen(space, store, "validation", stage)


def fitting(space: Workspace, recipe: Recipe, found: list[Prompt]) -> list[Prompt]:
    """Leave out prompts that have no room for the longest output: a customer may have asked for a shorter one."""
    reader = Reader.of(model_of(space, "start"), recipe)
    room = reader.context - recipe.sample.max_tokens
    lengths = map(len, reader.renderer.prompts_ids([prompt.text for prompt in found]))
    return [prompt for prompt, length in zip(found, lengths, strict=True) if length <= room]


def sample_release(recipe: Recipe, number: int) -> Maker:
    """Sample what labelers rank from the model that customers were served."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        model = release_of(space, number)
        with open_store(space) as store:
            asked = to_rank(space, store, recipe, name_of("intake", number))
        policy = Policy(f"{model.name}@{model.version}", Path(model.path))
        made = training.sample_for_ranking(space, recipe, asked, [policy])
        write_json(out / "completions.json", made)
        return {"completions": len(made), "prompts": len(asked)}

    return run


def go_on(recipe: Recipe, number: int) -> Maker:
    """Go on with PPO-ptx from the release, on the prompts of all rounds, held to the supervised model."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        model = release_of(space, number)
        with open_store(space) as store:
            asked = asked_of(space, store, number)
        seed, settings = seed_of(recipe, number), training.ppo_settings(recipe)
        episodes = recipe.rounds.episodes or settings.episodes
        settings = settings.model_copy(update={"seed": seed, "ptx_seed": seed, "episodes": episodes})
        training.share_threads(recipe, settings.loop)
        data = PPOData([prompt.text for prompt in asked], training.texts_of(space) if settings.ptx_coef else [])
        parents = Parents(
            policy=Path(model.path),
            reward=model_of(space, name_of("reward", number)),
            reference=model_of(space, "start"),
        )
        train_ppo(out / "run", settings, data, parents, training.watch(space))
        Seen({prompts.text_hash(prompt.text) for prompt in asked}).write(out / "run")
        return {"run": str((out / "run").relative_to(space.root)), "prompts": len(asked)}

    return run


def asked_of(space: Workspace, store: Store, number: int) -> list[Prompt]:
    """Return what PPO of a round samples from: the prompts of all rounds that may still be used."""
    found = chosen(space, store, "ppo") + chosen(space, store, "reward")
    found += [prompt for stage in up_to("intake", number)[1:] for prompt in chosen(space, store, "ppo", stage)]
    allowed = {prompt.id for prompt in prompts.usable_of(store, [prompt.id for prompt in found])}
    return [prompt for prompt in found if prompt.id in allowed]
