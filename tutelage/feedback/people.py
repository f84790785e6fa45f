"""Register the people (and others) who judge."""

from collections.abc import Sequence
from datetime import datetime
from typing import get_args

from tutelage.errors import DataError
from tutelage.records import Group, Kind, Labeler
from tutelage.store import Store, labelers


def register(store: Store, new: Sequence[Labeler], *, now: datetime) -> None:
    """Register labelers in their groups, for ever; registering the same one again changes nothing."""
    for labeler in new:
        if not labeler.id.strip():
            raise DataError("A labeler needs a name that is not empty.")
        if labeler.group not in get_args(Group):
            raise DataError(f"Labeler {labeler.id} has the group {labeler.group!r}; there are: {_names(Group)}.")
        if labeler.kind not in get_args(Kind):
            raise DataError(f"Labeler {labeler.id} has the kind {labeler.kind!r}; there are: {_names(Kind)}.")
    labelers.add(store, new, now=now)


def members(store: Store, group: Group) -> list[Labeler]:
    """Return the labelers of a group, by name."""
    return labelers.find(store, group=group)


def _names(words: object) -> str:
    return ", ".join(get_args(words))
