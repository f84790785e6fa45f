"""The village's judge as PPO asks it: which share of answers to validation prompts has no fault.

The policy never learns from it. PPO runs in processes of its own, so what the judge knows is handed over as a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tutelage.files import read_json, write_json
from tutelage.models.scoring import Answer
from tutelage.pipeline.chosen import chosen
from tutelage.pipeline.stages import Workspace
from tutelage.pipeline.village import Village
from tutelage.store import Store
from tutelage.village.grammar import Grammar
from tutelage.village.judge import Judge
from tutelage.village.tasks import Task
from tutelage.village.world import make_world

#: Validation prompts that PPO answers at each evaluation; all of them would take longer and choose no better step.
PROMPTS = 100


def write_judge(village: Village) -> Callable[[Workspace, Store, Path], None]:
    """Write the prompts that PPO is watched on, with their tasks, and the judge's grammar."""

    def write(space: Workspace, store: Store, path: Path) -> None:
        prompts, grammar = chosen(space, store, "validation")[:PROMPTS], village.judge.grammar
        found = {
            "seed": village.seed,
            "tasks": {prompt.text: prompt.meta["task"] for prompt in prompts},
            "vocabulary": sorted(grammar.vocabulary),
            "pairs": sorted(grammar.pairs),
        }
        write_json(path, found)

    return write


def read_judge(path: Path) -> tuple[list[str], Callable[[Sequence[Answer]], float]]:
    """Return the prompts, and what says which share of answers to them the judge passes."""
    found = read_json(path)
    tasks = {text: Task.from_json(task) for text, task in found["tasks"].items()}
    grammar = Grammar(frozenset(found["vocabulary"]), frozenset((left, right) for left, right in found["pairs"]))
    judge = Judge(make_world(found["seed"]), grammar)

    def passed(answer: Answer) -> bool:
        ended = "stop" if answer.ended else "length"
        return judge.verdict(tasks[answer.prompt], answer.prompt, answer.completion, ended).passed

    return list(tasks), lambda answers: sum(map(passed, answers)) / len(answers)
