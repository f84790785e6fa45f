"""Trainings of claims that run in a process of their own, with JSON arguments; see `tutelage.pipeline.parallel`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tutelage.config import from_dict
from tutelage.files import read_json, read_records, write_json
from tutelage.records import RankedGroup
from tutelage.train.folds import Part, PartData, PartSettings, score_parts


def score(
    *,
    run_dir: str,
    settings: dict[str, Any],
    ranked: str,
    folds: str,
    init: str,
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Score rankings out of fold; the scores go beside the folds."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def watch(done: float, total: float, figures: Mapping[str, float]) -> None:
        report({"step": done, "steps": total} | {name: float(value) for name, value in figures.items()})

    chosen = from_dict(PartSettings, settings, "the recipe")
    rankings, dealt = read_records(ranked, RankedGroup), read_json(folds)
    parts = [_fold(dealt, fold, chosen.seed) for fold in sorted(set(dealt))]
    found = score_parts(Path(run_dir), chosen, PartData(rankings, parts), Path(init), watch)
    by_number = {number: scores for part in found.scores for number, scores in part.items()}
    write_json(Path(run_dir) / "scores.json", [by_number[number] for number in range(len(rankings))])


def _fold(dealt: Sequence[int], fold: int, seed: int) -> Part:
    """Make the training that learns from all folds but one, which it scores."""
    numbers = range(len(dealt))
    learned = [number for number in numbers if dealt[number] != fold]
    return Part(f"fold-{fold}", learned, [number for number in numbers if dealt[number] == fold], seed)
