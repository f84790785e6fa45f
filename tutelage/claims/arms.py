"""What experiments have in common: further arms that answer prompts, labelers who judge them, rates side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

from tutelage.claims.figures import to_json
from tutelage.core.statistics import win_rate
from tutelage.evaluate import people
from tutelage.evaluate.measures import Figures, averaged, paired, share
from tutelage.evaluate.people import Asking, Collected
from tutelage.evaluate.records import ArmRanking, Output
from tutelage.evaluate.score import beaten
from tutelage.feedback import instructions, work
from tutelage.pipeline.chosen import chosen
from tutelage.pipeline.labeling import work_through
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.stages import Workspace
from tutelage.pipeline.training import Maker, draw, open_store
from tutelage.pipeline.village import Village
from tutelage.records import Completion, Group, Prompt
from tutelage.sample import Policy

#: Says of a completion of a prompt whether something is so; None where it does not apply.
Check = Callable[[Prompt, Completion], bool | None]


def experiment(measure: Callable[[Workspace], Figures]) -> Maker:
    """Make a stage of what measures figures; they are the facts that it leaves."""

    def run(space: Workspace, _: Path) -> dict[str, Any]:
        return {"figures": to_json(measure(space))}

    return run


def asked(space: Workspace, group: str) -> list[Prompt]:
    """Return the prompts of a run that were chosen for a purpose."""
    with open_store(space) as store:
        return chosen(space, store, group)


def answers(recipe: Recipe, policies: Mapping[str, Policy], prompts: Sequence[Prompt]) -> list[Output]:
    """Let every policy answer every prompt once, as the arms of the run did."""
    return [
        Output(seed=recipe.seed, prompt_id=one.prompt_id, model=name, text=one.text, finish_reason=one.finish_reason)
        for name, policy in policies.items()
        for one in draw(policy, prompts, recipe)
    ]


def judged(space: Workspace, village: Village, outputs: Sequence[Output], group: Group, name: str) -> Collected:
    """Let the labelers of a group rate and rank arms' outputs through the queue, under the evaluation instructions."""
    how = Asking(
        instruction_version=instructions.EVALUATION, group=group, overlap=village.settings.overlap, name=f"claim {name}"
    )
    with open_store(space) as store:
        work.file_tasks(store, people.ask(store, outputs, how, now=datetime.now(UTC)), now=datetime.now(UTC))
        work_through(store, village.labelers(group), "evaluation", lambda done: space.observer.advance(done, 0, {}))
        return people.collect(store, outputs, how, "simulated")


def win_rates(rankings: Sequence[ArmRanking], arms: Iterable[str], prefix: str = "win_rate") -> Figures:
    """Give how often each arm stands above each other one."""
    figures: Figures = {}
    for model, baseline in permutations(arms, 2):
        if rows := beaten(rankings, model, baseline):
            figures[prefix, model, baseline] = win_rate(rows.values, rows.prompts, rows.labelers)
    return figures


def rates(
    recipe: Recipe, policies: Mapping[str, Policy], prompts: Sequence[Prompt], checks: Mapping[str, Check]
) -> Figures:
    """Let policies answer prompts and give, for each check, every arm's rate and the paired difference of every two."""
    rows = [
        (check, name, prompt.id, float(found))
        for name, policy in policies.items()
        for prompt, made in zip(prompts, draw(policy, prompts, recipe), strict=True)
        for check, says in checks.items()
        if (found := says(prompt, made)) is not None
    ]
    values = averaged(rows)
    figures: Figures = {("rate", check, name): share(found.values()) for (check, name), found in values.items()}
    for check in checks:
        for model, other in permutations(policies, 2):
            if difference := paired(values.get((check, model), {}), values.get((check, other), {})):
                figures["rate_gap", check, model, other] = difference
    return figures
