"""Trainings that run in a process of their own, with JSON arguments; see `parallel`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tutelage.config import from_dict
from tutelage.files import read_json
from tutelage.pipeline.judging import read_judge
from tutelage.train.four import Parents
from tutelage.train.ppo import PPOData, PPOSettings, train_ppo
from tutelage.train.pretrain import PretrainSettings, Texts, train_pretrain

Report = Callable[[dict[str, Any]], None]


def reinforce(
    *, run_dir: str, settings: dict[str, Any], data: Mapping[str, str], parents: Mapping[str, str], report: Report
) -> None:
    """Run PPO on the prompts and texts that `data` names, from the policy and reward model that `parents` names.

    The judge that `data` names chooses among the policies on the way.
    """
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    chosen = from_dict(PPOSettings, settings, "the recipe")
    prompts, texts = read_json(Path(data["prompts"])), read_json(Path(data["texts"])) if chosen.ptx_coef else []
    models = Parents(Path(parents["policy"]), Path(parents["reward"]))
    validation, judge = read_judge(Path(data["judge"]))
    train_ppo(Path(run_dir), chosen, PPOData(prompts, texts, validation), models, _telling(report), judge)


def continue_base(*, run_dir: str, settings: dict[str, Any], texts: str, base: str, report: Report) -> None:
    """Continue a base model on pretraining text."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    chosen = from_dict(PretrainSettings, settings, "the recipe")
    documents = read_json(Path(texts))
    train_pretrain(
        Path(run_dir), chosen, Texts(documents, documents[: chosen.heldout_rows]), Path(base), _telling(report)
    )


def _telling(report: Report) -> Callable[[int, int, Mapping[str, float]], None]:
    def progress(step: int, steps: int, metrics: Mapping[str, float]) -> None:
        report({"step": step, "steps": steps} | {name: float(value) for name, value in metrics.items()})

    return progress
