"""The queries that may feed a trainer. What must never be trained on is left out here and nowhere else.

Left out: labels of held-out, opposed and researching people; labels for any purpose but `train`; superseded labels;
labels that were returned and have no new revision; labels of labelers who withdrew, and orders of texts that such a
labeler wrote; prompts of another split, without consent, quarantined for personal data, dropped by intake, or of users
who withdrew, or without a person's review where the store's rule asks for one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, and_

from tutelage.records import Demonstration, Group, Kind, Rating, Split, Stage
from tutelage.store import exported, labels
from tutelage.store.database import Store
from tutelage.store.exported import Assessed, PromptText, Ranked, of_prompts, parts
from tutelage.store.privacy import cleared
from tutelage.store.prompts import allowed
from tutelage.store.tables import demonstrations, labelers, prompts, rankings, ratings


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstrated:
    """A demonstration with its prompt, the group of its labeler and its time."""

    prompt: PromptText
    label: Demonstration
    group: Group
    created: datetime


def demonstrated(store: Store, *, split: Split, kind: Kind) -> Iterator[Demonstrated]:
    """Yield the demonstrations to learn from, by prompt and label id."""
    with store.read() as connection:
        for rows in parts(connection, exported.standing(demonstrations, _made(demonstrations, split, kind))):
            for row in rows:
                label = labels.demonstration(row)
                yield Demonstrated(
                    prompt=exported.prompt(row), label=label, group=row.labeler_group, created=row.created
                )


def ranked(store: Store, *, split: Split, kind: Kind, tasks: str = "") -> Iterator[Ranked]:
    """Yield the rankings to learn from, by prompt and label id; with `tasks`, of tasks whose ids begin so."""
    return exported.ranked(store, _made(rankings, split, kind), tasks)


def prompted(store: Store, *, split: Split, stage: Stage) -> Iterator[PromptText]:
    """Yield the prompts to sample from in training, by id."""
    query = of_prompts().where(_trainable(split), prompts.c.stage == stage).order_by(prompts.c.id)
    with store.read() as connection:
        for rows in parts(connection, query):
            yield from map(exported.prompt, rows)


def rated(store: Store, *, split: Split, kind: Kind) -> Iterator[Assessed[Rating]]:
    """Yield the ratings of single outputs to learn from, those that were handed in with an order too."""
    return exported.assessed(store, ratings, _made(ratings, split, kind), labels.rating)


def _trainable(split: Split) -> Any:
    return and_(allowed(), cleared(), prompts.c.split == split)


def _made(table: Table, split: Split, kind: Kind) -> tuple[Any, ...]:
    """Return the conditions on who made a label, what for and about which prompts."""
    mine = labelers.c.group == "training", table.c.purpose == "train", table.c.kind == kind
    return _trainable(split), *mine
