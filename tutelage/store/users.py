"""Users: the split each was given at first sight, and those who took their consent back."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, select, union

from tutelage.errors import DataError, SettingsError
from tutelage.records import Split
from tutelage.store import audit, batches
from tutelage.store.database import Store
from tutelage.store.kind_tables import privacy_reviews
from tutelage.store.tables import prompts, users, withdrawals

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def split_of(digest: str, shares: Mapping[Split, float]) -> Split:
    """Return the split in which a uniform hash falls: its first 52 bits as a fraction of the running sum of shares."""
    if set(shares) - set(SPLITS) or min(shares.values(), default=-1) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise SettingsError(
            f"The shares of train, validation and test must be >= 0 and add up to 1, not {dict(shares)}."
        )
    place = int(digest[:13], 16) / 16**13
    total = 0.0
    for split in SPLITS:
        total += shares.get(split, 0.0)
        if place < total:
            return split
    return max(SPLITS, key=lambda split: shares.get(split, 0.0))


def assign(
    store: Store,
    hashes: Iterable[str],
    *,
    shares: Mapping[Split, float],
    now: datetime,
    wanted: Mapping[str, Split] | None = None,
) -> dict[str, Split]:
    """Return the split of each user hash, frozen at first sight.

    A user seen for the first time gets the split that `wanted` names, else the one of the salted hash. A user who was
    given another split before than the one wanted is refused: moving would put one person's texts on both sides.
    """
    wanted = wanted or {}
    found = sorted(set(hashes))
    rows = [
        {"user": user, "split": wanted.get(user) or split_of(store.digest("split", user), shares), "created": now}
        for user in found
    ]
    with store.write() as connection:
        batches.insert_new(connection, users, rows)
        frozen = _splits(connection, found)
        for user, split in wanted.items():
            if frozen.get(user, split) != split:
                raise DataError(
                    f"User {user} was put into the split {frozen[user]!r} when first seen and cannot move to {split!r}."
                )
    return frozen


def splits(store: Store, hashes: Iterable[str]) -> dict[str, Split]:
    """Return the splits of those users that were seen before."""
    with store.read() as connection:
        return _splits(connection, sorted(set(hashes)))


def withdraw(store: Store, hashes: Iterable[str], *, by: str, now: datetime) -> None:
    """Record that users took their consent back; for ever, and once is enough. `by` is a person, "" for a command."""
    found = sorted(set(hashes))
    with store.write() as connection:
        known: set[str] = set()
        for part in batches.of(found):
            known.update(connection.scalars(select(withdrawals.c.user).where(withdrawals.c.user.in_(part))))
        new = [user for user in found if user not in known]
        batches.insert_new(connection, withdrawals, [{"user": user, "created": now} for user in new])
        for user in new:
            audit.append(connection, audit.Event(actor=by, action="user.withdraw", subject=user), now=now)


def withdrawn(store: Store) -> set[str]:
    """Return the hashes of all users who took their consent back."""
    with store.read() as connection:
        return set(connection.scalars(select(withdrawals.c.user)))


def prompt_hashes(store: Store, user: str) -> set[str]:
    """Return the text hashes of all prompts of a user hash, those from before a redaction included."""
    now = select(prompts.c.text_hash).where(prompts.c.user == user)
    before = select(privacy_reviews.c.before).join(prompts, prompts.c.id == privacy_reviews.c.prompt_id)
    with store.read() as connection:
        return set(connection.scalars(union(now, before.where(prompts.c.user == user))))


def _splits(connection: Connection, found: list[str]) -> dict[str, Split]:
    result: dict[str, Split] = {}
    for part in batches.of(found):
        for row in connection.execute(select(users.c.user, users.c.split).where(users.c.user.in_(part))):
            result[row.user] = row.split
    return result
