"""Claim 12: PPO pays an alignment tax; the mix removes it, a larger KL penalty does not (paper 4.2 and E.6)."""

from __future__ import annotations

from tutelage.claims.arms import answers, asked, experiment, judged, win_rates
from tutelage.claims.claim import Claim, Part, beside, preferred
from tutelage.claims.training import reinforce
from tutelage.claims.verdicts import Rule
from tutelage.core.statistics import pooled
from tutelage.evaluate.measures import ALL_TASKS, Figures, averaged, paired
from tutelage.evaluate.records import TaskScore
from tutelage.evaluate.tasks import own
from tutelage.evaluate.tasks import scores as task_scores
from tutelage.files import read_json
from tutelage.pipeline.evaluation import read_outputs, tax_items
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.village import Village
from tutelage.sample import Policy
from tutelage.train.ppo import PPOSettings

#: The coefficients of the mix beside the recipe's own, as multiples of it; the KL coefficient, without a mix.
MIXES, BETA = {"mix_4x": 4.0, "mix_16x": 16.0}, {"kl_10x": 10.0}
RUNS = (*MIXES, *BETA)
#: What may be lost on the tasks for the tax to count as removed: one point.
MARGIN = 0.01


def changed(name: str, settings: PPOSettings) -> PPOSettings:
    """Set the coefficient in which a run differs from the recipe's."""
    if name in MIXES:
        return settings.model_copy(update={"ptx_coef": MIXES[name] * settings.ptx_coef})
    kl = settings.kl.model_copy(update={"beta": BETA[name] * settings.kl.beta})
    return settings.model_copy(update={"ptx_coef": 0.0, "kl": kl})


def stages(village: Village, recipe: Recipe) -> list[Stage]:
    """Run PPO with the other coefficients, score everything on the same items, and let held-out labelers compare."""

    def measure(space: Workspace) -> Figures:
        policies = {name: Policy(name, space.root / space.facts("tax_runs")[name]) for name in RUNS}
        tasks = [own.multiple_choice(name, part) for name, part in own.by_task(tax_items(village, recipe)).items()]
        scores = [TaskScore(**row) for row in read_json(space.directory("taxes") / "scores.json")]
        scores += task_scores.run(tasks, {name: policy.path for name, policy in policies.items()}, seed=recipe.seed)
        arms = ("sft", "ppo", "ppo_ptx")
        outputs = [one for one in read_outputs(space) if one.model in arms]
        outputs += answers(recipe, policies, asked(space, "test"))
        rankings = judged(space, village, outputs, "heldout", "tax").rankings
        return win_rates(rankings, (*arms, *RUNS)) | gaps(scores)

    settings = parts(recipe, "ppo", "sample") | {"mixes": MIXES, "beta": BETA}
    trained = reinforce(recipe, dict.fromkeys(RUNS, "start"), changed)
    return [
        Stage("tax_runs", "PPO with other coefficients", trained, settings, ("start", "reward", "corpus", "ppo")),
        Stage(
            "claim_tax",
            "Measure the tax of other coefficients",
            experiment(measure),
            parts(recipe, "release", "sample"),
            ("taxes", "outputs", "tax_runs"),
        ),
    ]


def gaps(scores: list[TaskScore]) -> Figures:
    """Give the score of each arm minus that of each other one, paired by item, over all tasks alike."""
    values = averaged((row.task, row.model, row.item, row.score) for row in scores)
    names, models = dict.fromkeys(task for task, _ in values), dict.fromkeys(model for _, model in values)
    figures: Figures = {}
    for model in models:
        for other in models:
            found = [paired(values[task, model], values[task, other]) for task in names if model != other]
            if found and all(found):
                figures["task_gap", model, other] = pooled([one for one in found if one])
    return figures


def _gap(model: str, other: str, says: str, rule: Rule | None = None) -> Part:
    return Part(says=says, figure=("task_gap", model, other), rule=rule, unit="points")


TAX = Claim(
    name="tax",
    number=12,
    title="PPO pays an alignment tax, and mixing in pretraining removes it",
    source="paper 4.2 and E.6: from a coefficient of 20 on the regressions are gone; no KL coefficient does that",
    parts=(
        Part(
            says="Tasks that no prompt uses: the base minus PPO without the mix",
            figure=("tax", ALL_TASKS, "ppo"),
            rule=Rule(above=0.0),
            unit="points",
            unseen=("tax", ALL_TASKS, "ppo"),
        ),
        Part(
            says="The recipe's mix minus no mix",
            figure=("tax_difference", ALL_TASKS),
            rule=Rule(above=0.0),
            unit="points",
            unseen=("tax_difference", ALL_TASKS),
        ),
        _gap("mix_4x", "base", "Four times the mix minus the base: less than a point is lost", Rule(above=-MARGIN)),
        _gap("mix_4x", "kl_10x", "Four times the mix minus ten times the KL coefficient", Rule(above=0.0)),
    ),
    beside=(
        Part(says="The base minus PPO-ptx", figure=("tax", ALL_TASKS, "ppo_ptx"), unit="points",
             unseen=("tax", ALL_TASKS, "ppo_ptx")),
        _gap("mix_16x", "base", "Sixteen times the mix minus the base"),
        _gap("kl_10x", "base", "Ten times the KL coefficient minus the base"),
        _gap("base_more", "base", "The base that read on in the mix's text minus the base"),
        _gap("mix_4x", "base_more", "Four times the mix minus the base that read on"),
        *(beside(preferred(name, "sft", f"{says} against SFT")) for name, says in (
            ("ppo", "PPO without the mix"), ("ppo_ptx", "The recipe's mix"), ("mix_4x", "Four times the mix"),
            ("mix_16x", "Sixteen times the mix"), ("kl_10x", "Ten times the KL coefficient"))),
    ),
    reason=(
        "PPO of the village stays within three nats of its start, so it forgets little: there is hardly a tax to "
        "remove (docs/log.md, the recipe on three seeds)."
    ),
    stages=stages,
    seconds=390,
)  # fmt: skip
