"""Labelers who take their labels back. Rows stay, because judgements never change; no query counts them any more."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select, update

from tutelage.errors import MissingError
from tutelage.store import accounts, audit, batches
from tutelage.store.account_tables import people, sessions
from tutelage.store.database import Store
from tutelage.store.draft_tables import drafts
from tutelage.store.guidance_tables import acknowledgements, messages
from tutelage.store.kind_tables import privacy_reviews, toxicity_ratings, written_prompts
from tutelage.store.screening_tables import screening_answers
from tutelage.store.tables import (
    assignments,
    demonstrations,
    labelers,
    prompts,
    rankings,
    ratings,
    submissions,
    users,
)
from tutelage.store.tables import withdrawals as user_withdrawals
from tutelage.store.tasks import HELD
from tutelage.store.withdrawal_tables import labeler_withdrawals, withdrawal_requests

#: What counts as a labeler's labels: every kind of judgement.
LABELS: Mapping[str, Table] = {
    "demonstrations": demonstrations,
    "ratings": ratings,
    "rankings": rankings,
    "written_prompts": written_prompts,
    "privacy_reviews": privacy_reviews,
    "toxicity_ratings": toxicity_ratings,
}


def ask(store: Store, labeler: str, *, by: str, now: datetime) -> None:
    """Record that a labeler wants the own labels to be used no more; asking again changes nothing."""
    with store.write() as connection:
        if _add(connection, withdrawal_requests, {"labeler": labeler, "created": now}):
            audit.append(connection, audit.Event(actor=by, action="labeler.ask_withdrawal", subject=labeler), now=now)
        else:
            store.unchanged()


def asked(store: Store) -> dict[str, datetime]:
    """Return when each labeler who wants to withdraw, and is not withdrawn yet, asked for it."""
    query = select(withdrawal_requests).where(
        withdrawal_requests.c.labeler.not_in(select(labeler_withdrawals.c.labeler))
    )
    return _times(store, query)


def withdrawn(store: Store) -> dict[str, datetime]:
    """Return when each labeler who withdrew did so."""
    return _times(store, select(labeler_withdrawals))


def withdraw(store: Store, labeler: str, *, by: str, now: datetime) -> bool:
    """Take a labeler out of all later use, for ever: labels, prompts and texts. Say whether that was new.

    Open leases end, so that others get the work; drafts are emptied; who only labels is signed out and stays out.
    """
    with store.write() as connection:
        if not _add(connection, labeler_withdrawals, {"labeler": labeler, "by": by, "created": now}):
            store.unchanged()
            return False
        held = update(assignments).where(assignments.c.labeler == labeler, assignments.c.state.in_(HELD))
        leases = connection.execute(held.values(state="expired", lease_until=now)).rowcount
        connection.execute(update(drafts).where(drafts.c.labeler == labeler).values(content=""))
        _withdraw_prompts(connection, store.user_hash(labeler), now)
        person = connection.scalar(
            select(people.c.id).where(people.c.labeler == labeler, people.c.role.in_(accounts.ONLY_LABELS))
        )
        if person is not None:
            connection.execute(update(people).where(people.c.id == person).values(status="suspended"))
            accounts.end_all(connection, person, now)
        details = {"leases": leases, **{name: _count(connection, table, labeler) for name, table in LABELS.items()}}
        event = audit.Event(actor=by, action="labeler.withdraw", subject=labeler, details=details)
        audit.append(connection, event, now=now)
        return True


def label_ids(store: Store, labeler: str) -> set[str]:
    """Return the ids of all labels of a labeler, superseded ones included: a model may have learned from them."""
    with store.read() as connection:
        return {
            made
            for table in LABELS.values()
            for made in connection.scalars(select(table.c.id).where(table.c.labeler == labeler))
        }


def stored(store: Store, labeler: str) -> dict[str, int]:
    """Count all that the store holds about a labeler, by kind; `active_minutes` is the time at work."""
    person = select(people.c.id).where(people.c.labeler == labeler)
    by_labeler = {**LABELS, "drafts": drafts, "assignments": assignments, "acknowledgements": acknowledgements}
    counted: dict[str, Select[Any]] = {
        "prompts": _number(prompts).where(prompts.c.user == store.user_hash(labeler)),
        "screening_answers": _number(screening_answers).where(screening_answers.c.candidate == labeler),
        "messages": _number(messages).where(messages.c.author.in_(person)),
        "sessions": _number(sessions).where(sessions.c.person.in_(person)),
    }
    worked = select(func.sum(submissions.c.active_ms)).where(submissions.c.labeler == labeler)
    with store.read() as connection:
        found = {name: _count(connection, table, labeler) for name, table in by_labeler.items()}
        found |= {name: int(connection.scalar(query) or 0) for name, query in counted.items()}
        return found | {"active_minutes": round(int(connection.scalar(worked) or 0) / 60_000)}


def _add(connection: Connection, table: Any, row: dict[str, Any]) -> bool:
    """Add a labeler's row unless there is one, and say whether it is new.

    The lock keeps a second writer waiting, and nobody who hands work in: that only refers to the labeler.
    """
    labeler = row["labeler"]
    lock = select(labelers.c.id).where(labelers.c.id == labeler).with_for_update(key_share=True)
    if connection.scalar(lock) is None:
        raise MissingError(f"There is no labeler {labeler!r}; the page People shows the pseudonyms.")
    is_new = connection.scalar(select(table.c.labeler).where(table.c.labeler == labeler)) is None
    if is_new:
        connection.execute(table.insert(), row)
    return is_new


def _withdraw_prompts(connection: Connection, user: str, now: datetime) -> None:
    """Take the consent back under which the labeler's own prompts are used; who sent none has no user."""
    if connection.scalar(select(users.c.user).where(users.c.user == user)) is not None:
        batches.insert_new(connection, user_withdrawals, [{"user": user, "created": now}])


def _number(table: Any) -> Select[Any]:
    return select(func.count()).select_from(table)


def _count(connection: Connection, table: Any, labeler: str) -> int:
    return int(connection.scalar(_number(table).where(table.c.labeler == labeler)) or 0)


def _times(store: Store, query: Select[Any]) -> dict[str, datetime]:
    with store.read() as connection:
        return {row.labeler: row.created for row in connection.execute(query)}
