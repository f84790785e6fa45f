"""Prompts and what was found in them."""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, and_, case, func, insert, select, update

from tutelage.records import Prompt, Split, Stage
from tutelage.store import batches, traffic
from tutelage.store.database import Store
from tutelage.store.tables import pii_findings, prompts, withdrawals

#: Why a prompt is in use or not; a `brief` tells a labeler what to write, and `corrected` gave way to a revision.
Status = Literal["kept", "endpoint", "duplicate", "capped", "brief", "corrected"]
PiiStatus = Literal["", "clean", "quarantined", "reviewed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What intake decided about a prompt: `group` names the prompt it is a near-duplicate of, "" for none."""

    status: Status = "kept"
    pii: PiiStatus = ""
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A place in a prompt with personal data: characters `start` to `end`, and what was done about it."""

    prompt_id: str
    kind: str
    start: int
    end: int
    detector: str
    action: Literal["quarantined", "noted", "redacted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many prompts of one source, split and stage there are, and how many of them may be used."""

    source: str
    split: str
    stage: str
    prompts: int
    usable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A kept prompt as later intakes compare with it."""

    id: str
    text: str
    user: str


def normalise(text: str) -> str:
    """Return the form in which prompts are compared: NFKC, every run of white space one space, none at the ends."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def text_hash(text: str) -> str:
    """Return the SHA-256 of the normalised text: how lineage names a prompt."""
    return hashlib.sha256(normalise(text).encode("utf-8", "replace")).hexdigest()


def add(
    store: Store,
    new: Sequence[Prompt],
    *,
    now: datetime,
    marks: Mapping[str, Mark] | None = None,
    findings: Iterable[Found] = (),
) -> None:
    """Add prompts, whose `user` is a hash that has a split, with what intake decided and found."""
    marks = marks or {}
    with store.write() as connection:
        batches.insert(connection, prompts, [_row(prompt, marks.get(prompt.id, Mark()), now) for prompt in new])
        add_findings(connection, findings, now)


def get(store: Store, ids: Iterable[str]) -> dict[str, Prompt]:
    """Return the prompts of these ids; unknown ids are left out."""
    found: dict[str, Prompt] = {}
    with store.read() as connection:
        for part in batches.of(sorted(set(ids))):
            for row in connection.execute(select(prompts).where(prompts.c.id.in_(part))):
                found[row.id] = _prompt(row)
    return found


def marks(store: Store, ids: Iterable[str]) -> dict[str, Mark]:
    """Return what intake decided about these prompts; unknown ids are left out."""
    columns = prompts.c["id", "status", "pii", "dedupe_group"]
    found: dict[str, Mark] = {}
    with store.read() as connection:
        for part in batches.of(sorted(set(ids))):
            for row in connection.execute(select(*columns).where(prompts.c.id.in_(part))):
                found[row.id] = Mark(status=row.status, pii=row.pii, group=row.dedupe_group)
    return found


def counts(store: Store) -> list[Tally]:
    """Count all prompts, and those that may be used (`allowed`), by source, split and stage."""
    keys = (prompts.c.source, prompts.c.split, prompts.c.stage)
    usable = func.sum(case((allowed(), 1), else_=0)).label("usable")
    query = select(*keys, func.count().label("prompts"), usable).group_by(*keys).order_by(*keys)
    with store.read() as connection:
        return [Tally(**row._mapping) for row in connection.execute(query)]


def unchecked(store: Store) -> int:
    """Return how many prompts could be trained on without having been looked through for personal data."""
    query = select(func.count()).where(
        allowed(), prompts.c.split == "train", prompts.c.pii.not_in(("clean", "reviewed"))
    )
    with store.read() as connection:
        return int(connection.scalar(query) or 0)


def seen(store: Store) -> list[Seen]:
    """Return all prompts that were kept."""
    query = select(prompts.c.id, prompts.c.text, prompts.c.user).where(prompts.c.status == "kept")
    with store.read() as connection:
        return [Seen(id=row.id, text=row.text, user=row.user) for row in connection.execute(query)]


def usable_of(store: Store, ids: Iterable[str]) -> list[Prompt]:
    """Return those of these prompts that may be shown and answered (`allowed`), by id; unknown ids are left out."""
    found: list[Prompt] = []
    for part in batches.of(sorted(set(ids))):
        found += _all(store, select(prompts).where(allowed(), prompts.c.id.in_(part)).order_by(prompts.c.id))
    return found


def usable(store: Store, *, split: Split | None = None, stage: Stage | None = None) -> list[Prompt]:
    """Return the prompts that may be shown and answered (`allowed`), by id."""
    query = select(prompts).where(allowed()).order_by(prompts.c.id)
    if split is not None:
        query = query.where(prompts.c.split == split)
    if stage is not None:
        query = query.where(prompts.c.stage == stage)
    return _all(store, query)


def page(store: Store, *, after: str, limit: int, split: str = "", stage: str = "") -> list[Prompt]:
    """Return up to `limit` prompts that may be shown (`allowed`), by id, those after an id; "" takes all."""
    query = select(prompts).where(allowed(), prompts.c.id > after).order_by(prompts.c.id).limit(limit)
    for column, wanted in ((prompts.c.split, split), (prompts.c.stage, stage)):
        if wanted:
            query = query.where(column == wanted)
    return _all(store, query)


def allowed() -> Any:
    """Return the condition under which a prompt may be used at all.

    It was kept, holds no personal data that was found, and its user agreed to a notice and did not withdraw, nor did
    the application that sent it.
    """
    return and_(prompts.c.status == "kept", prompts.c.pii != "quarantined", prompts.c.consent != "", _is_there())


def writable() -> Any:
    """Return the condition under which a brief may be shown to labelers who write prompts."""
    return and_(prompts.c.status == "brief", prompts.c.pii != "quarantined", _is_there())


def reviewable() -> Any:
    """Return the condition under which a person may look through a text for personal data."""
    return and_(prompts.c.status.in_(("kept", "brief")), prompts.c.consent != "", _is_there())


def _is_there() -> Any:
    return and_(prompts.c.user.not_in(select(withdrawals.c.user)), ~traffic.withdrawn())


def set_stage(store: Store, ids: Iterable[str], stage: Stage) -> None:
    """Set prompts aside for a stage."""
    with store.write() as connection:
        for part in batches.of(sorted(set(ids))):
            connection.execute(update(prompts).where(prompts.c.id.in_(part)).values(stage=stage))


def quarantine(connection: Connection, findings: Sequence[Found], *, now: datetime) -> None:
    """Put prompts with personal data out of use; part of the caller's transaction."""
    ids = sorted({finding.prompt_id for finding in findings})
    connection.execute(update(prompts).where(prompts.c.id.in_(ids)).values(pii="quarantined"))
    add_findings(connection, findings, now)


def findings(store: Store) -> list[Found]:
    """Return all findings in the order in which they were made."""
    with store.read() as connection:
        return [
            Found(
                prompt_id=row.prompt_id,
                kind=row.kind,
                start=row.start,
                end=row.end,
                detector=row.detector,
                action=row.action,
            )
            for row in connection.execute(select(pii_findings).order_by(pii_findings.c.number))
        ]


def add_findings(connection: Connection, findings: Iterable[Found], now: datetime) -> None:
    """Write down what was found, as part of the caller's transaction."""
    rows = [
        {
            "prompt_id": finding.prompt_id,
            "kind": finding.kind,
            "start": finding.start,
            "end": finding.end,
            "detector": finding.detector,
            "action": finding.action,
            "created": now,
        }
        for finding in findings
    ]
    if rows:
        connection.execute(insert(pii_findings), rows)


def _all(store: Store, query: Select[Any]) -> list[Prompt]:
    with store.read() as connection:
        return [_prompt(row) for row in connection.execute(query)]


def _row(prompt: Prompt, mark: Mark, now: datetime) -> dict[str, Any]:
    return {
        "id": prompt.id,
        "text": prompt.text,
        "text_hash": text_hash(prompt.text),
        "source": prompt.source,
        "user": prompt.user,
        "use_case": prompt.use_case,
        "form": prompt.form,
        "model": prompt.model,
        "endpoint": prompt.endpoint,
        "consent": prompt.consent,
        "split": prompt.split,
        "stage": prompt.stage,
        "pii": mark.pii,
        "status": mark.status,
        "dedupe_group": mark.group,
        "meta": prompt.meta,
        "created": now,
    }


def _prompt(row: Row[Any]) -> Prompt:
    return Prompt(
        id=row.id,
        text=row.text,
        source=row.source,
        user=row.user,
        form=row.form,
        use_case=row.use_case,
        model=row.model,
        endpoint=row.endpoint,
        consent=row.consent,
        split=row.split,
        stage=row.stage,
        meta=row.meta,
    )
