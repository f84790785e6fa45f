"""Which prompts a run uses for what: chosen once by the stage `prompts`, read by the stages after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tutelage.files import read_json, write_json
from tutelage.pipeline.stages import Workspace
from tutelage.prompts import intake, similarity
from tutelage.records import Prompt
from tutelage.store import Store, prompts

FILE = "chosen.json"


def choose(out: Path, kept: Sequence[Prompt], groups: Mapping[str, Sequence[Prompt]]) -> dict[str, Any]:
    """Write which prompts each purpose has, in order; return how many, and how many held-out ones repeat training."""
    write_json(out / FILE, {name: [prompt.id for prompt in some] for name, some in groups.items()})
    training = {prompt.id: prompt.text for prompt in kept if prompt.split == "train"}
    tested = {prompt.id: prompt.text for prompt in kept if prompt.split == "test"}
    overlap = similarity.overlap(tested, training)
    counts = {name: len(some) for name, some in groups.items()}
    return {"kept": len(kept), "overlap": overlap.share, "tested": len(tested), **counts}


def chosen(space: Workspace, store: Store, group: str, stage: str = "prompts") -> list[Prompt]:
    """Return the prompts that a stage chose for a purpose, in order."""
    ids = read_json(space.directory(stage) / FILE)[group]
    found = prompts.get(store, ids)
    return [found[name] for name in ids]


def write_rules(path: Path, report: intake.IntakeReport) -> None:
    """Write what each rule of intake did."""
    rules = [
        {"name": rule.name, "before": rule.before, "after": rule.after, "dropped": len(rule.dropped),
         "proof": rule.proof}
        for rule in report.rules
    ]  # fmt: skip
    write_json(path, rules)


def validation_prompts(space: Workspace, store: Store) -> list[Prompt]:
    """Return the prompts that models are chosen on."""
    return chosen(space, store, "validation")


def ppo_prompts(space: Workspace, store: Store) -> list[str]:
    """Return the texts that PPO samples from: its own prompts and the ranked ones."""
    return [prompt.text for group in ("ppo", "reward") for prompt in chosen(space, store, group)]
