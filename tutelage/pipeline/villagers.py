"""Groups of villagers with known tastes rank what a village's recipe had ranked: the control of `tastes`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from tutelage.errors import DataError, SettingsError
from tutelage.labelers.village import LIKINGS, VillageLabeler, make_labelers
from tutelage.pipeline.folding import FoldRow, FoldRows
from tutelage.pipeline.tastes import GroupRows
from tutelage.pipeline.training import ranked_groups
from tutelage.records import RankedGroup
from tutelage.store import Store
from tutelage.village.world import make_world

#: The groups there are, and labelers of each.
GROUPS, LABELERS = ("training", "opposed", *LIKINGS), 8
#: Every so many prompts a labeler of each group is asked twice.
TWICE = 4


def rows_of_village(database: str, seed: int, groups: Sequence[str], limit: int) -> GroupRows:
    """Let a labeler of each group rank the outputs of up to `limit` prompts that the recipe's run had ranked.

    A second one of the group ranks every other prompt too, so that tastes inside groups can be told. `seed` is that of
    the run: it decides what is true in the village. Asked again, a labeler has the same taste and another mood.
    """
    if unknown := [name for name in groups if name not in GROUPS]:
        raise SettingsError(f"No villagers are {unknown[0]!r}; there are: {', '.join(GROUPS)}.")
    if len(set(groups)) < 2:
        raise SettingsError("Name two or more groups of villagers; one alone is compared with nobody.")
    world, rng = make_world(seed), random.Random(f"tastes {seed}")
    with Store.open(database, create=False) as store:
        known = {one.prompt_id: one for one in ranked_groups(store, "simulated", "train")}
    if not known:
        raise DataError("The store holds no rankings by simulated labelers; run the village's recipe first.")
    asked = rng.sample(sorted(known), min(limit, len(known)))
    rows, again, group = [], [], []
    for name in dict.fromkeys(groups):
        labelers = make_labelers(world, seed, name, LABELERS)
        for number, prompt in enumerate(asked):
            for labeler in rng.sample(labelers, 1 + number % 2):
                rows.append(_ranked(labeler, known[prompt]))
                group.append(name)
            if number % TWICE == 0:
                again.append(_ranked(replace(labeler, seed=labeler.seed + 1), known[prompt]))
    return GroupRows(
        found=FoldRows(rows=rows, source=f"the village of seed {seed}", kind="simulated"), group=group, again=again
    )


def _ranked(labeler: VillageLabeler, asked: RankedGroup) -> FoldRow:
    ranks = labeler.rank(asked.prompt, asked.completions, "training")
    ranking = replace(asked, ranks=tuple(ranks), labeler=labeler.id)
    return FoldRow(name=f"{asked.prompt_id} {labeler.id}", conversation=asked.prompt_id, ranking=ranking)
