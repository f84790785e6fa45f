"""Folds for judging a model on rows that it did not learn from: whole groups, so that no fold knows another's texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np


def deal(keys: Sequence[str], folds: int, seed: int) -> list[int]:
    """Give each row its fold, from 0; rows of one key share a fold, and folds have nearly as many rows.

    Groups go to the fold that has the fewest rows so far, the largest group first; among groups of one size chance
    decides, by the seed and the keys alone, whatever the order of the rows. ValueError for fewer keys than folds.
    """
    sizes = Counter(keys)
    if folds < 2 or len(sizes) < folds:
        raise ValueError(f"{len(sizes)} groups cannot be dealt to {folds} folds; there must be two or more folds.")
    names = sorted(sizes)
    chance = np.random.default_rng(seed).permutation(len(names)).tolist()
    filled = [0] * folds
    fold_of: dict[str, int] = {}
    for _, _, name in sorted((-sizes[name], place, name) for name, place in zip(names, chance, strict=True)):
        fold = filled.index(min(filled))
        fold_of[name] = fold
        filled[fold] += sizes[name]
    return [fold_of[key] for key in keys]
