"""Trainings of claims that run in a process of their own, with JSON arguments; see `tutelage.pipeline.parallel`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tutelage.config import from_dict
from tutelage.files import read_json, read_records, write_json
from tutelage.records import RankedGroup
from tutelage.train.folds import FoldData, FoldSettings, score_folds


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

    chosen = from_dict(FoldSettings, settings, "the recipe")
    data = FoldData(read_records(ranked, RankedGroup), read_json(folds))
    found = score_folds(Path(run_dir), chosen, data, Path(init), watch)
    write_json(Path(run_dir) / "scores.json", found.scores)
