"""Model versions, which never change, and the aliases that point at them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select, union_all

from tutelage.errors import DataError, MissingError
from tutelage.records import RegisteredModel
from tutelage.store import batches, counters
from tutelage.store.database import Store
from tutelage.store.release_tables import alias_moves
from tutelage.store.tables import aliases, demonstrations, labelers, model_prompts, models, prompts, rankings
from tutelage.store.withdrawal_tables import model_labels


class Version(NamedTuple):
    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class Learned(NamedTuple):
    """How many labels of a kind of labeler, or prompts of a source, a model version was trained on.

    Labels are told apart by the instructions they were made under, and `labelers` counts who made them. `consent` names
    what permits the use of prompts: the version of a consent, or the licence of published ones.
    """

    what: str
    kind: str
    rows: int
    consent: str = ""
    labelers: int = 0
    instructions: str = ""


def register(
    store: Store,
    model: RegisteredModel,
    *,
    prompt_hashes: Iterable[str],
    label_ids: Iterable[str] = (),
    now: datetime,
) -> RegisteredModel:
    """Add a model version with all it was trained on, prompts by hash and labels by id; return it with its number.

    Version 0 asks for the next number. The same files under the same name are the version they were before.
    """
    with store.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE")
        same = select(models).where(models.c.name == model.name, models.c.sha256 == model.sha256)
        row = connection.execute(same).one_or_none()
        if row is not None:
            return _model(row)
        last = connection.scalar(select(func.max(models.c.version)).where(models.c.name == model.name)) or 0
        version = model.version or last + 1
        if version <= last:
            raise DataError(
                f"{model.name} {version} is registered already and a version never changes; the next is {last + 1}."
            )
        added = replace(model, version=version)
        connection.execute(models.insert(), {**_row(added), "created": now})
        key = {"name": added.name, "version": added.version}
        batches.insert(connection, model_prompts, [{**key, "text_hash": h} for h in sorted(set(prompt_hashes))])
        batches.insert(connection, model_labels, [{**key, "label_id": made} for made in sorted(set(label_ids))])
    return added


def find(store: Store) -> list[RegisteredModel]:
    """Return all model versions by name and number."""
    with store.read() as connection:
        return [_model(row) for row in connection.execute(select(models).order_by(models.c.name, models.c.version))]


def get(store: Store, name: str) -> RegisteredModel:
    """Return a model by `alias`, `name` (its newest version) or `name@version`."""
    base, at, number = name.partition("@")
    with store.read() as connection:
        moved = connection.execute(select(aliases).where(aliases.c.alias == name)).one_or_none()
        if moved is not None:
            base, at, number = moved.name, "@", str(moved.version)
        query = select(models).where(models.c.name == base).order_by(models.c.version.desc()).limit(1)
        if number.isdecimal():
            query = query.where(models.c.version == int(number))
        row = connection.execute(query).one_or_none()
    if row is None or (at and not number.isdecimal()):
        raise MissingError(f"There is no model {name!r} in the registry; `tutelage models list` shows what there is.")
    return _model(row)


def point(store: Store, alias: str, model: RegisteredModel, *, now: datetime) -> None:
    """Make an alias name a registered model version from now on; `releases.promote` does it with a decision."""
    row = {"alias": alias, "name": model.name, "version": model.version, "changed": now}
    moved = {"action": "pointed", "by": "", "reason": "", "gates": [], "created": now}
    with store.write() as connection:
        if connection.scalar(select(models.c.name).where(models.c.name == alias)):
            raise DataError(f"{alias!r} is the name of a model; choose another alias.")
        if not connection.scalar(select(models.c.name).where(*_key(model))):
            raise MissingError(f"{model.name} {model.version} is not in the registry; register it first.")
        batches.insert_new(connection, aliases, [row])
        connection.execute(aliases.update().where(aliases.c.alias == alias).values(row))
        del row["changed"]
        connection.execute(alias_moves.insert(), {**row, **moved})
        counters.add_one(connection)


def pointed(store: Store) -> dict[str, Version]:
    """Return where every alias points."""
    with store.read() as connection:
        return {row.alias: Version(row.name, row.version) for row in connection.execute(select(aliases))}


def trained_on(store: Store, hashes: Iterable[str]) -> dict[Version, set[str]]:
    """Return, for each model version that saw any of these prompts, which ones it saw."""
    found: dict[Version, set[str]] = {}
    with store.read() as connection:
        for part in batches.of(sorted(set(hashes))):
            for row in connection.execute(select(model_prompts).where(model_prompts.c.text_hash.in_(part))):
                found.setdefault(Version(row.name, row.version), set()).add(row.text_hash)
    return dict(sorted(found.items()))


def trained_on_labels(store: Store, labeler: str) -> dict[Version, int]:
    """Return, for each model version that learned from a labeler, from how many of the labeler's labels."""
    mine = union_all(*(select(table.c.id).where(table.c.labeler == labeler) for table in (demonstrations, rankings)))
    query = (
        select(model_labels.c.name, model_labels.c.version, func.count().label("labels"))
        .where(model_labels.c.label_id.in_(mine))
        .group_by(model_labels.c.name, model_labels.c.version)
        .order_by(model_labels.c.name, model_labels.c.version)
    )
    with store.read() as connection:
        return {Version(row.name, row.version): row.labels for row in connection.execute(query)}


def label_ids(store: Store, model: RegisteredModel) -> set[str]:
    """Return the ids of the labels that a model version was trained on."""
    query = select(model_labels.c.label_id).where(
        model_labels.c.name == model.name, model_labels.c.version == model.version
    )
    with store.read() as connection:
        return set(connection.scalars(query))


def prompt_hashes(store: Store, model: RegisteredModel) -> set[str]:
    """Return the hashes of the prompts that a model version was trained on."""
    query = select(model_prompts.c.text_hash).where(
        model_prompts.c.name == model.name, model_prompts.c.version == model.version
    )
    with store.read() as connection:
        return set(connection.scalars(query))


def learned_from(store: Store, model: RegisteredModel) -> list[Learned]:
    """Count what a model version was trained on: labels by kind of labelers and instructions, prompts by source."""
    mine = (model_labels.c.name == model.name) & (model_labels.c.version == model.version)
    found: list[Learned] = []
    with store.read() as connection:
        for table in (demonstrations, rankings):
            query = (
                select(
                    labelers.c.kind,
                    table.c.instruction_version,
                    func.count(),
                    func.count(table.c.labeler.distinct()),
                )
                .select_from(model_labels.join(table, table.c.id == model_labels.c.label_id))
                .join(labelers, labelers.c.id == table.c.labeler)
                .where(mine)
                .group_by(labelers.c.kind, table.c.instruction_version)
                .order_by(labelers.c.kind, table.c.instruction_version)
            )
            found += [
                Learned(table.name, kind, rows, labelers=people, instructions=version)
                for kind, version, rows, people in connection.execute(query)
            ]
        query = (
            select(prompts.c.source, prompts.c.consent, func.count(prompts.c.text_hash.distinct()))
            .select_from(model_prompts.join(prompts, prompts.c.text_hash == model_prompts.c.text_hash))
            .where(model_prompts.c.name == model.name, model_prompts.c.version == model.version)
            .group_by(prompts.c.source, prompts.c.consent)
            .order_by(prompts.c.source, prompts.c.consent)
        )
        found += [Learned(prompts.name, source, rows, consent) for source, consent, rows in connection.execute(query)]
    return found


def _key(model: RegisteredModel) -> tuple[Any, Any]:
    return models.c.name == model.name, models.c.version == model.version


def _row(model: RegisteredModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "version": model.version,
        "path": model.path,
        "sha256": model.sha256,
        "run": model.run,
        "role": model.role,
    }


def _model(row: Row[Any]) -> RegisteredModel:
    return RegisteredModel(
        name=row.name, version=row.version, path=row.path, sha256=row.sha256, run=row.run, role=row.role
    )
