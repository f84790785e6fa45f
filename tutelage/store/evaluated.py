"""The queries for what people said of outputs to measure models. No query that feeds a trainer takes any of it.

A label is made for one purpose: `tutelage.store.training` takes `train` and nothing else, these take `evaluation` and
nothing else, each from one group of labelers. Left out: what exports never hold (`tutelage.store.exported`), and
prompts without consent, quarantined for personal data, dropped by intake, or of users who withdrew.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table

from tutelage.records import Group, Kind, Rating, ToxicityRating
from tutelage.store import exported, labels
from tutelage.store import toxicity as stored
from tutelage.store.database import Store
from tutelage.store.exported import Assessed, Ranked
from tutelage.store.kind_tables import toxicity_ratings
from tutelage.store.prompts import allowed
from tutelage.store.tables import labelers, rankings, ratings


def rated(store: Store, *, kind: Kind, group: Group) -> Iterator[Assessed[Rating]]:
    """Yield the ratings of single outputs that a group made for evaluation, those handed in with an order too."""
    return exported.assessed(store, ratings, _made(ratings, kind, group), labels.rating)


def compared(store: Store, *, kind: Kind, group: Group) -> Iterator[Ranked]:
    """Yield the orders of outputs that a group made for evaluation."""
    return exported.ranked(store, _made(rankings, kind, group))


def toxicity(store: Store, *, kind: Kind, group: Group) -> Iterator[Assessed[ToxicityRating]]:
    """Yield a group's judgements of how toxic outputs are."""
    return exported.assessed(store, toxicity_ratings, _made(toxicity_ratings, kind, group), stored.rating)


def _made(table: Table, kind: Kind, group: Group) -> tuple[Any, ...]:
    return allowed(), labelers.c.group == group, table.c.purpose == "evaluation", table.c.kind == kind
