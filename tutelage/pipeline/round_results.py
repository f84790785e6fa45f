"""What a later round came to: held-out labelers hold it against the release, and gates decide what is served."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from tutelage.core.statistics import Estimate
from tutelage.evaluate import records, roundpage, score
from tutelage.evaluate.records import Arm, Evaluation, Facts, Output, TaskScore
from tutelage.evaluate.roundpage import Round
from tutelage.evaluate.tasks import own
from tutelage.evaluate.tasks import scores as task_scores
from tutelage.files import read_json, sha256_of, write_json, write_text
from tutelage.pipeline import evaluation, gathering, releasing
from tutelage.pipeline.chosen import chosen
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.rounds import name_of, release_of
from tutelage.pipeline.seen import Seen
from tutelage.pipeline.source import judge_arms, judgements
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import Maker, draw, open_store
from tutelage.pipeline.village import Village
from tutelage.records import RegisteredModel
from tutelage.release import gates as gate_rules
from tutelage.sample import Policy
from tutelage.store import registry, results

#: Arms of the first round whose outputs and task scores are held against a later round's as they are.
KEPT = ("base", "prompted_base", "sft")
#: The model that customers were served, and the one that the round made.
RELEASED, MADE = "released", "ppo_ptx"
#: What the page reads of the first round, and of later ones.
FIRST = ("prompts", "rankings", "reward", "release")
LATER = ("traffic", "intake", "rankings", "reward", "ppo", "evaluation", "release")


def result_stages(village: Village, recipe: Recipe, number: int) -> list[Stage]:
    """Return the stages that judge a round's policy and release it."""

    def titled(title: str) -> str:
        return f"Round {number}: {title}"

    def own_name(stage: str) -> str:
        return name_of(stage, number)

    source: dict[str, Any] = {"village": village.settings.model_dump(), "seed": recipe.seed}
    weights = {"weights": recipe.release.weights}
    gates = {"gates": [gate.model_dump(mode="json") for gate in (*recipe.release.gates, *recipe.rounds.gates)]}
    made = ("prompts", own_name("ppo"), own_name("traffic"))
    return [
        Stage(
            own_name("outputs"),
            titled("sample both policies"),
            sample_both(recipe, number),
            parts(recipe, "sample") | weights,
            ("outputs", *made),
        ),
        Stage(
            own_name("people"),
            titled("held-out labelers judge"),
            judge_arms(village, read_outputs(number)),
            source,
            (own_name("outputs"),),
        ),
        Stage(
            own_name("taxes"),
            titled("measure the tax"),
            score_taxes(village, recipe, number),
            source | weights,
            ("taxes", *made),
        ),
        Stage(
            own_name("evaluation"),
            titled("gather the evaluation"),
            gather(village, recipe, number),
            parts(recipe) | weights,
            (own_name("people"), own_name("outputs"), own_name("taxes"), *made),
        ),
        Stage(
            own_name("release"),
            titled("release the model if its gates pass"),
            release(recipe, number),
            parts(recipe) | gates | weights,
            (own_name("evaluation"), own_name("reward"), "start", *made),
        ),
        Stage(
            own_name("report"),
            titled("write the page of all rounds"),
            write_page(recipe, number),
            parts(recipe) | gates,
            (*FIRST, *(name_of(stage, one) for one in range(2, number + 1) for stage in LATER)),
        ),
    ]


def policies(space: Workspace, recipe: Recipe, number: int) -> dict[str, Path]:
    """Return the model that customers were served and the one that the round made."""
    made = space.root / space.facts(name_of("ppo", number))["run"] / recipe.release.weights
    return {RELEASED: Path(release_of(space, number).path), MADE: made}


def sample_both(recipe: Recipe, number: int) -> Maker:
    """Let both policies answer every held-out prompt; what the first round's other arms wrote is taken as it is."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        with open_store(space) as store:
            tested = chosen(space, store, "test")
        found = [one for one in evaluation.read_outputs(space) if one.model in KEPT]
        for done, (name, path) in enumerate(policies(space, recipe, number).items(), start=1):
            made = draw(Policy(name, path), tested, recipe)
            found += [evaluation.output_of(recipe, name, one) for one in made]
            space.observer.advance(done, 2, {})
        write_json(out / "outputs.json", [evaluation.row_of(one) for one in found])
        return {"outputs": len(found)}

    return run


def read_outputs(number: int) -> Callable[[Workspace], list[Output]]:
    """Return what reads back what a round's arms wrote."""
    return lambda space: evaluation.read_outputs(space, stage=name_of("outputs", number))


def score_taxes(village: Village, recipe: Recipe, number: int) -> Maker:
    """Score both policies on the tasks that no prompt exercises."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        torch.set_num_threads(recipe.threads)
        items = evaluation.tax_items(village, recipe)
        tasks = [own.multiple_choice(name, part) for name, part in own.by_task(items).items()]
        found = task_scores.run(tasks, policies(space, recipe, number), seed=recipe.seed)
        before = read_json(space.directory("taxes") / "scores.json")
        rows = [row for row in before if row["model"] in KEPT] + [evaluation.row_of(one) for one in found]
        write_json(out / "scores.json", rows)
        return {"scores": len(rows)}

    return run


def gather(village: Village, recipe: Recipe, number: int) -> Maker:
    """Write the round's evaluation, from which reports are built and gates are read."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        outputs = read_outputs(number)(space)
        with open_store(space) as store:
            tested = chosen(space, store, "test")
            rankings, ratings, sources = judgements(village, store, outputs)
        served = release_of(space, number)
        arms = [arm for arm in evaluation.ARMS if arm.model in KEPT]
        arms.append(Arm(model=RELEASED, name="Released", note=f"served to customers: {served.name}@{served.version}"))
        arms.append(Arm(model=MADE, name=f"Round {number}", note="PPO-ptx, gone on from the released model"))
        facts = Facts(
            seed=recipe.seed,
            labels=tuple(sources),
            agreement=(evaluation.agreement_of([one for one in rankings if one.group == "heldout"], recipe.seed),),
            seconds=space.seconds(),
            lineage=releasing.lineage_of(policies(space, recipe, number)),
            decoding={"temperature": 1.0, "max_tokens": recipe.sample.max_tokens, "template": recipe.template},
        )
        made = Evaluation(
            arms=tuple(arms),
            facts=facts,
            prompts=tuple(evaluation.judged_prompts(recipe, tested)),
            rankings=tuple(rankings),
            ratings=tuple(ratings),
            verdicts=tuple(evaluation.verdicts_of(village, tested, outputs)),
            tasks=tuple(
                TaskScore(**row) for row in read_json(space.directory(name_of("taxes", number)) / "scores.json")
            ),
            completions=tuple(outputs),
        )
        records.write(out / "evaluation", made)
        figure = score.figures_of(made).get(("win_rate", MADE, RELEASED))
        return {
            "evaluation": str((out / "evaluation").relative_to(space.root)),
            "win_rate": None if figure is None else figure._asdict(),
        }

    return run


def release(recipe: Recipe, number: int) -> Maker:
    """Register the round's reward model and policy, and let the default name the policy if its gates pass."""

    def run(space: Workspace, _: Path) -> dict[str, Any]:
        now, before = datetime.now(UTC), release_of(space, number)
        where = space.root / space.facts(name_of("evaluation", number))["evaluation"]
        gates = (*recipe.release.gates, *recipe.rounds.gates)
        trained = {"reward": space.directory(name_of("reward", number)) / "run"}
        trained[MADE] = space.root / space.facts(name_of("ppo", number))["run"]
        learned = Seen.read(space.directory("start") / "run")
        learned.add(Seen.read(trained["reward"]))
        made: dict[str, RegisteredModel] = {}
        with open_store(space) as store:
            for name, path in (("reward", trained["reward"] / "model"), (MADE, trained[MADE] / recipe.release.weights)):
                if name == MADE:
                    learned.add(Seen.read(trained[MADE]))
                    learned.add(Seen(registry.prompt_hashes(store, before), registry.label_ids(store, before)))
                model = RegisteredModel(
                    name=f"{recipe.name}-{name}",
                    version=0,
                    path=str(path.resolve()),
                    sha256=sha256_of(path),
                    run=name_of(name, number),
                    role="reward" if name == "reward" else "policy",
                )
                made[name] = registry.register(
                    store, model, prompt_hashes=learned.prompts, label_ids=learned.labels, now=now
                )
            picked = made[MADE]
            read = where, records.read(where)
            refused = releasing.release(store, {MADE: picked}, read, picked, gates, now=now)
            outcomes = gate_rules.judge(gates, results.newest(store, picked))
        facts = gathering.told(space, picked, refused)
        return facts | {"before": f"{before.name}@{before.version}", "gates": [one.sentence for one in outcomes]}

    return run


def write_page(recipe: Recipe, number: int) -> Maker:
    """Write the page that says what came in with every round and what came of it."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        found = [first_round(space), *(later_round(space, one) for one in range(2, number + 1))]
        write_json(out / "rounds.json", [roundpage.as_json(one) for one in found])
        write_text(out / "rounds.html", roundpage.render(found, seed=recipe.seed))
        return {"report": str((out / "rounds.html").relative_to(space.root))}

    return run


def first_round(space: Workspace) -> Round:
    """Say what the first round learned from; its prompts came in before there was a model to ask."""
    prompts, release = space.facts("prompts"), space.facts("release")
    return Round(
        number=1,
        prompts={"may be used": prompts["kept"]},
        ranked=space.facts("rankings")["rankings"],
        learned=space.facts("reward")["rankings"],
        accuracy=space.facts("reward")["heldout_accuracy"],
        asked=prompts["ppo"] + prompts["reward"],
        model=release["model"],
        refused=release["refused"],
    )


def later_round(space: Workspace, number: int) -> Round:
    """Say what came in with a later round, and what held-out labelers and gates said of what it made."""

    def facts(stage: str) -> dict[str, Any]:
        return space.facts(name_of(stage, number))

    sent, came, release = facts("traffic"), facts("intake"), facts("release")
    counted = {f"sent by the customers of {firm}": count for firm, count in sent["sent"].items()}
    counted |= {"refused by the API": sent["refused"], "taken back by their senders": sent["withdrawn"]}
    counted |= {f"that intake marked {status}": count for status, count in came["decided"].items()}
    counted |= {"too long for a policy": came["too_long"], "may be used": came["kept"]}
    return Round(
        number=number,
        prompts=counted,
        ranked=facts("rankings")["rankings"],
        learned=facts("reward")["rankings"],
        accuracy=facts("reward")["heldout_accuracy"],
        asked=facts("ppo")["prompts"],
        model=release["model"],
        before=release["before"],
        win_rate=Estimate(**won) if (won := facts("evaluation")["win_rate"]) else None,
        gates=tuple(release["gates"]),
        refused=release["refused"],
    )
