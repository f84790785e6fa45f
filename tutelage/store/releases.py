"""Which version an alias names: promotions, canaries, versions that are kept for a while, and the way back.

Every change is one transaction with its row in the alias's history and its event in the log. It raises the counter that
gateways read, so they follow within a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, delete, select

from tutelage.errors import ConflictError, DataError, MissingError, SettingsError
from tutelage.records import RegisteredModel
from tutelage.store import audit, batches, counters, registry
from tutelage.store.database import Store
from tutelage.store.registry import Version
from tutelage.store.release_tables import alias_moves, canaries, kept_versions
from tutelage.store.tables import aliases, models

Action = Literal["pointed", "promoted", "rolled_back", "canary", "canary_ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who decided (a person's id, "" on the command line), why, and what each gate found.

    With `keep_until`, the version that is replaced answers under its own name until then.
    """

    by: str = ""
    reason: str = ""
    gates: Sequence[Mapping[str, Any]] = ()
    keep_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Something that happened to an alias. `version` is what it names since, or the canary with its `share`."""

    number: int = 0
    alias: str
    action: Action
    version: Version
    share: float | None = None
    decision: Decision
    at: datetime


class Kept(NamedTuple):
    """A version that an alias named: deprecated `since` then, it answers under its own name `until` then."""

    model: RegisteredModel
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What answers calls of one name: `share` of them the canary, the others the main version."""

    main: RegisteredModel
    canary: RegisteredModel | None = None
    share: float = 0.0
    kept: tuple[Kept, ...] = ()


def promote(
    store: Store,
    alias: str,
    model: RegisteredModel,
    *,
    expected: Version | None,
    decision: Decision,
    now: datetime,
) -> None:
    """Let an alias name a version from now on, if it still names `expected`; a canary of it ends."""
    version = Version(model.name, model.version)
    with store.write() as connection:
        before = _named(connection, alias)
        if before != expected:
            raise ConflictError(
                f"{alias} was moved meanwhile and names {before}; look at `tutelage models list --history` and decide "
                "again."
            )
        if before == version:
            raise DataError(f"{alias} names {version} already.")
        _check(connection, alias, version)
        connection.execute(delete(canaries).where(canaries.c.alias == alias))
        _point(connection, alias, version, now)
        until = decision.keep_until
        if before is not None and until is not None:
            row = {"alias": alias, **before._asdict(), "since": now, "until": until}
            connection.execute(kept_versions.insert(), row)
        move = Move(alias=alias, action="promoted", version=version, decision=decision, at=now)
        _note(connection, move, before=str(before or ""), keep_until=until.isoformat() if until else "")


def start_canary(
    store: Store, alias: str, model: RegisteredModel, share: float, *, decision: Decision, now: datetime
) -> None:
    """Let a version answer a share of what is asked of an alias; the same version again changes the share."""
    if not 0 < share < 1:
        raise SettingsError(f"The share of a canary is {share}; choose one between 0 and 1, such as 0.05.")
    version = Version(model.name, model.version)
    with store.write() as connection:
        main = _named(connection, alias)
        if main is None:
            raise DataError(f"{alias} names nothing yet, so nothing shares its traffic; promote {version} without it.")
        if main == version:
            raise DataError(f"{alias} names {version} already; a canary is another version.")
        _check(connection, alias, version)
        row = connection.execute(select(canaries).where(canaries.c.alias == alias)).one_or_none()
        if row is not None and (row.name, row.version) != version:
            raise ConflictError(
                f"{row.name}@{row.version} is the canary of {alias}; end it first with `tutelage models rollback`."
            )
        connection.execute(delete(canaries).where(canaries.c.alias == alias))
        connection.execute(canaries.insert(), {"alias": alias, **version._asdict(), "share": share, "created": now})
        move = Move(alias=alias, action="canary", version=version, share=share, decision=decision, at=now)
        _note(connection, move)


def roll_back(store: Store, alias: str, *, decision: Decision, now: datetime) -> Move:
    """Take the last step back: end the canary if there is one, else name the version that was named before."""
    with store.write() as connection:
        named = _named(connection, alias)
        if named is None:
            raise MissingError(f"There is no alias {alias!r}; `tutelage models list` shows those there are.")
        row = connection.execute(select(canaries).where(canaries.c.alias == alias)).one_or_none()
        if row is not None:
            connection.execute(delete(canaries).where(canaries.c.alias == alias))
            ended = Version(row.name, row.version)
            return _note(connection, Move(alias=alias, action="canary_ended", version=ended, decision=decision, at=now))
        target = previous(_history(connection, alias))
        if target is None:
            raise DataError(f"{alias} never named another version than {named}; there is nothing to go back to.")
        _point(connection, alias, target, now)
        move = Move(alias=alias, action="rolled_back", version=target, decision=decision, at=now)
        return _note(connection, move, before=str(named))


def history(store: Store, alias: str) -> list[Move]:
    """Return what happened to an alias, the oldest first."""
    with store.read() as connection:
        return _history(connection, alias)


def previous(moves: Iterable[Move]) -> Version | None:
    """Return the version that a roll-back leads to: a version that was left by a roll-back is not one."""
    named: list[Version] = []
    for move in moves:
        if move.action in ("pointed", "promoted") and named[-1:] != [move.version]:
            named.append(move.version)
        elif move.action == "rolled_back":
            named.pop()
    return named[-2] if len(named) > 1 else None


def find_canaries(store: Store) -> dict[str, tuple[Version, float]]:
    """Return the canary of every alias that has one, and its share."""
    with store.read() as connection:
        rows = connection.execute(select(canaries))
        return {row.alias: (Version(row.name, row.version), row.share) for row in rows}


def routes(store: Store, names: Sequence[str], *, now: datetime) -> dict[str, Route]:
    """Return what answers each of these names (aliases, registered names, exact versions)."""
    found = {name: Route(main=registry.get(store, name)) for name in names}
    shares, kept = find_canaries(store), _kept(store, now)
    for name, route in found.items():
        canary, share = shares.get(name, (None, 0.0))
        found[name] = Route(
            main=route.main,
            canary=registry.get(store, str(canary)) if canary else None,
            share=share,
            kept=tuple(kept.get(name, ())),
        )
    return found


def takes(alias: str, canary: Version, share: float, caller: str) -> bool:
    """Say whether a caller's calls go to the canary: the same caller always does, and stays when the share grows."""
    drawn = hashlib.sha256(f"{alias}\0{canary}\0{caller}".encode("utf-8", "replace")).digest()
    return int.from_bytes(drawn[:8]) < share * 2**64


def _named(connection: Connection, alias: str) -> Version | None:
    """Return what an alias names, and keep others from moving it until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE aliases IN SHARE ROW EXCLUSIVE MODE")
    row = connection.execute(select(aliases).where(aliases.c.alias == alias)).one_or_none()
    return Version(row.name, row.version) if row else None


def _check(connection: Connection, alias: str, version: Version) -> None:
    if connection.scalar(select(models.c.name).where(models.c.name == alias)):
        raise DataError(f"{alias!r} is the name of a model; choose another alias.")
    key = (models.c.name == version.name, models.c.version == version.version)
    if not connection.scalar(select(models.c.name).where(*key)):
        raise MissingError(f"{version} is not in the registry; register it first.")


def _point(connection: Connection, alias: str, version: Version, now: datetime) -> None:
    """Move an alias. The version that it names is deprecated no more."""
    row = {"alias": alias, **version._asdict(), "changed": now}
    batches.insert_new(connection, aliases, [row])
    connection.execute(aliases.update().where(aliases.c.alias == alias).values(row))
    mine = (kept_versions.c.name == version.name) & (kept_versions.c.version == version.version)
    connection.execute(delete(kept_versions).where(kept_versions.c.alias == alias, mine))


def _note(connection: Connection, move: Move, **details: str) -> Move:
    """Write the history's row, tell gateways, and write the log, which comes last; return the move with its number."""
    decision = move.decision
    row = {
        "alias": move.alias,
        "action": move.action,
        **move.version._asdict(),
        "share": move.share,
        "by": decision.by,
        "reason": decision.reason,
        "gates": [*map(dict, decision.gates)],
        "created": move.at,
    }
    number = connection.execute(alias_moves.insert().returning(alias_moves.c.number), row).scalar_one()
    counters.add_one(connection)
    told = {"version": str(move.version), "reason": decision.reason, "share": move.share, **details}
    event = audit.Event(actor=decision.by, action=f"alias.{move.action}", subject=move.alias, details=told)
    audit.append(connection, event, now=move.at)
    return replace(move, number=number)


def _history(connection: Connection, alias: str) -> list[Move]:
    query = select(alias_moves).where(alias_moves.c.alias == alias).order_by(alias_moves.c.number)
    return [
        Move(
            number=row.number,
            alias=row.alias,
            action=row.action,
            version=Version(row.name, row.version),
            share=row.share,
            decision=Decision(by=row.by, reason=row.reason, gates=row.gates),
            at=row.created,
        )
        for row in connection.execute(query)
    ]


def _kept(store: Store, now: datetime) -> dict[str, list[Kept]]:
    query = select(kept_versions).where(kept_versions.c.until > now).order_by(kept_versions.c.since)
    with store.read() as connection:
        rows = connection.execute(query).all()
    found: dict[str, list[Kept]] = {}
    for row in rows:
        model = registry.get(store, f"{row.name}@{row.version}")
        found.setdefault(row.alias, []).append(Kept(model, row.since, row.until))
    return found
