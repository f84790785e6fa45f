"""Withdrawal of a user or of a labeler: out of every later export, and a list of the models that learned before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tutelage.errors import DataError
from tutelage.feedback.actor import Actor
from tutelage.feedback.staff import check_looks_after
from tutelage.store import Store, accounts, registry, users, withdrawals
from tutelage.store.accounts import Person
from tutelage.store.registry import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """What a withdrawal means. `who` is a user's hash or a labeler's pseudonym.

    `prompts` and `labels` (by kind) are left out of every later export; `models` holds, for each model version that
    learned from them before, from how many: of a user prompts, of a labeler labels and own prompts together.
    """

    who: str
    prompts: int
    labels: Mapping[str, int]
    models: Mapping[Version, int]


def withdraw_user(store: Store, user: str, *, by: str, now: datetime) -> Withdrawal:
    """Take back a user's consent; once is enough. `user` is the name that prompts are sent under, or its hash.

    `by` is a person, "" on the command line.
    """
    name = user if users.splits(store, [user]) else store.user_hash(user)
    hashes = users.prompt_hashes(store, name)
    users.withdraw(store, [name], by=by, now=now)
    saw = registry.trained_on(store, hashes)
    return Withdrawal(
        who=name, prompts=len(hashes), labels={}, models={version: len(seen) for version, seen in saw.items()}
    )


def withdraw_labeler(store: Store, labeler: str, *, by: str, now: datetime) -> Withdrawal:
    """Take back a labeler's labels, texts and prompts; once is enough. `by` is a person, "" on the command line."""
    withdrawals.withdraw(store, labeler, by=by, now=now)
    return effect(store, labeler)


def labeler_of(store: Store, actor: Actor, whom: str) -> Person:
    """Return somebody who makes labels and whom this actor looks after."""
    other = accounts.get(store, whom)
    check_looks_after(actor.person, other.role)
    _check_labels(other)
    return other


def withdraw(store: Store, actor: Actor, whom: str, *, now: datetime) -> Withdrawal:
    """Take back the labels of somebody whom this actor looks after, for ever."""
    other = labeler_of(store, actor, whom)
    return withdraw_labeler(actor.marked(store, now=now), other.labeler, by=actor.person.id, now=now)


def ask(store: Store, actor: Actor, *, now: datetime) -> None:
    """Ask that one's own labels are used no more; who looks after labelers does it."""
    _check_labels(actor.person)
    withdrawals.ask(actor.marked(store, now=now), actor.person.labeler, by=actor.person.id, now=now)


def effect(store: Store, labeler: str) -> Withdrawal:
    """Say what the withdrawal of a labeler means, or would mean."""
    counted = withdrawals.stored(store, labeler)
    learned = registry.trained_on_labels(store, labeler)
    for version, hashes in registry.trained_on(store, users.prompt_hashes(store, store.user_hash(labeler))).items():
        learned[version] = learned.get(version, 0) + len(hashes)
    return Withdrawal(
        who=labeler,
        prompts=counted["prompts"],
        labels={name: counted[name] for name in withdrawals.LABELS},
        models=dict(sorted(learned.items())),
    )


def _check_labels(person: Person) -> None:
    if not person.labeler:
        raise DataError("This account makes no labels, so there is nothing to withdraw.")
