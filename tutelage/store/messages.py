"""Conversations between one person and the leads and researchers, pinned to a piece of work. Messages stay as sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from tutelage.errors import ConflictError, DataError, MissingError
from tutelage.store import batches
from tutelage.store.account_tables import people
from tutelage.store.database import Store
from tutelage.store.guidance_tables import messages, thread_reads, threads

LONGEST = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation with `person`, about an assignment and perhaps one of its outputs (as the labeler saw it)."""

    id: str
    person: str
    assignment_id: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What somebody wrote; `id` is made by the client, so that sending twice counts once."""

    id: str
    thread: str
    author: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message as it is shown."""

    number: int
    author: str
    author_name: str
    text: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A conversation in a list: who with, how it begins, who wrote last, and whether the reader has seen it all."""

    thread: Thread
    person_name: str
    beginning: str
    last_author: str
    last_at: datetime
    is_unread: bool

    @property
    def waits_for_answer(self) -> bool:
        """Say whether the person, and not a lead or researcher, wrote last."""
        return self.last_author == self.thread.person


def send(store: Store, message: Message, *, now: datetime, opening: Thread | None = None) -> None:
    """Add a message; `opening` is the thread to open with it. The same message again changes nothing."""
    if not message.text.strip():
        raise DataError("The message is empty; write what you want to say.")
    if len(message.text) > LONGEST:
        raise DataError(f"The message has {len(message.text)} characters; write at most {LONGEST}.")
    with store.write() as connection:
        if opening is not None:
            row = {name: getattr(opening, name) for name in Thread.__slots__}
            row["assignment_id"] = opening.assignment_id or None
            batches.insert_new(connection, threads, [{**row, "created": now}])
            if _thread(connection.execute(select(threads).where(threads.c.id == opening.id)).one()) != opening:
                raise ConflictError("This conversation is open already; reload the page and send the message again.")
        row = {name: getattr(message, name) for name in Message.__slots__}
        batches.insert_new(connection, messages, [{**row, "created": now}])
        there = connection.execute(select(messages).where(messages.c.id == message.id)).one()
        if (there.thread, there.author, there.text) != (message.thread, message.author, message.text):
            raise ConflictError("This message was sent before with another text; reload the page and send it again.")
        _mark(connection, message.thread, message.author, there.number)


def get(store: Store, thread: str) -> Thread:
    """Return one conversation."""
    with store.read() as connection:
        row = connection.execute(select(threads).where(threads.c.id == thread)).one_or_none()
    if row is None:
        raise MissingError("There is no such conversation; go back to the list.")
    return _thread(row)


def said(store: Store, thread: str) -> list[Said]:
    """Return what was said in a conversation, in order."""
    query = select(messages, people.c.name).join(people, people.c.id == messages.c.author)
    with store.read() as connection:
        return [
            Said(number=row.number, author=row.author, author_name=row.name, text=row.text, created=row.created)
            for row in connection.execute(query.where(messages.c.thread == thread).order_by(messages.c.number))
        ]


def mark_read(store: Store, thread: str, person: str, number: int) -> None:
    """Remember how far somebody has read; reading an older page moves nothing back."""
    with store.write() as connection:
        _mark(connection, thread, person, number)


def lines(store: Store, reader: str, *, person: str = "") -> list[Line]:
    """Return the conversations with one person, or all, the latest first."""
    query = _lines(reader)
    if person:
        query = query.where(threads.c.person == person)
    with store.read() as connection:
        rows: Sequence[Row[Any]] = connection.execute(query).all()
    return [
        Line(
            thread=_thread(row),
            person_name=row.person_name,
            beginning=row.beginning,
            last_author=row.last_author,
            last_at=row.last_at,
            is_unread=row.last_number > row.seen,
        )
        for row in rows
    ]


def unread(store: Store, reader: str, *, person: str = "") -> int:
    """Count the conversations with something that a reader has not seen."""
    seen = select(thread_reads.c.number).where(thread_reads.c.thread == threads.c.id, thread_reads.c.person == reader)
    last = select(func.max(messages.c.number)).where(messages.c.thread == threads.c.id)
    is_new = last.correlate(threads).scalar_subquery() > func.coalesce(seen.correlate(threads).scalar_subquery(), 0)
    query = select(func.count()).select_from(threads).where(is_new)
    if person:
        query = query.where(threads.c.person == person)
    with store.read() as connection:
        return int(connection.scalar(query) or 0)


def _lines(reader: str) -> Select[Any]:
    ends = (
        select(messages.c.thread, func.min(messages.c.number).label("first"), func.max(messages.c.number).label("last"))
        .group_by(messages.c.thread)
        .subquery()
    )
    first, last = messages.alias("first_message"), messages.alias("last_message")
    mine = (thread_reads.c.thread == threads.c.id) & (thread_reads.c.person == reader)
    return (
        select(
            threads,
            people.c.name.label("person_name"),
            first.c.text.label("beginning"),
            last.c.author.label("last_author"),
            last.c.created.label("last_at"),
            last.c.number.label("last_number"),
            func.coalesce(thread_reads.c.number, 0).label("seen"),
        )
        .join(ends, ends.c.thread == threads.c.id)
        .join(first, first.c.number == ends.c.first)
        .join(last, last.c.number == ends.c.last)
        .join(people, people.c.id == threads.c.person)
        .outerjoin(thread_reads, mine)
        .order_by(last.c.number.desc())
    )


def _mark(connection: Connection, thread: str, person: str, number: int) -> None:
    batches.insert_new(connection, thread_reads, [{"thread": thread, "person": person, "number": 0}])
    mine = (thread_reads.c.thread == thread) & (thread_reads.c.person == person)
    connection.execute(update(thread_reads).where(mine, thread_reads.c.number < number).values(number=number))


def _thread(row: Row[Any]) -> Thread:
    return Thread(id=row.id, person=row.person, assignment_id=row.assignment_id or "", output=row.output)
