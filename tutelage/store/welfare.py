"""What work may trouble those who do it, what they opted out of, and how much of it they saw and may be given.

A prompt is sensitive when a labeler said so of one of its outputs, by a flag of the paper's Table 3, or skipped it as
content that somebody may not want to work on. A flag that was taken back later still warns: too many warnings do less
harm than one too few. Work is hard reading when it is about such a prompt, or judges toxicity.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, true

from tutelage.errors import DataError
from tutelage.records import USE_CASE_SHARES, Labeler
from tutelage.store import batches
from tutelage.store.database import Store
from tutelage.store.draft_tables import drafts
from tutelage.store.tables import assignments, completions, facts, labelers, prompts, ratings, tasks
from tutelage.store.welfare_tables import opt_outs

#: `reported`: somebody skipped the prompt as unsafe. `toxicity`: judging it is what the work is for.
Content = Literal["sexual", "violent", "encourages_harm", "denigrates", "harmful_advice", "reported", "toxicity"]
CONTENTS: tuple[Content, ...] = get_args(Content)
FLAGGED: tuple[Content, ...] = CONTENTS[:5]
#: The time over which hard reading is limited: whenever it begins, wherever a labeler lives.
DAY = timedelta(hours=24)
_RULE = "most hard reading in 24 hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOuts:
    """The use cases and contents that a labeler does not want to work on."""

    use_cases: frozenset[str] = frozenset()
    contents: frozenset[Content] = frozenset()


def opted_out(store: Store, labeler: str) -> OptOuts:
    """Return what a labeler opted out of."""
    with store.read() as connection:
        return opted_out_of(connection, labeler)


def opted_out_of(connection: Connection, labeler: str) -> OptOuts:
    """Return what a labeler opted out of; part of the caller's transaction."""
    rows = connection.execute(select(opt_outs).where(opt_outs.c.labeler == labeler)).all()
    return OptOuts(
        use_cases=frozenset(row.value for row in rows if row.what == "use_case"),
        contents=frozenset(row.value for row in rows if row.what == "content"),
    )


def choose(store: Store, labeler: str, chosen: OptOuts, *, now: datetime) -> None:
    """Put a labeler's choice in the place of the one before."""
    if not chosen.use_cases <= USE_CASE_SHARES.keys() or not chosen.contents <= set(CONTENTS):
        raise DataError("There is no such use case or content; reload the page and choose again.")
    rows = [
        {"labeler": labeler, "what": what, "value": value, "created": now}
        for what, values in (("use_case", chosen.use_cases), ("content", chosen.contents))
        for value in sorted(values)
    ]
    with store.write() as connection:
        connection.execute(delete(opt_outs).where(opt_outs.c.labeler == labeler))
        batches.insert(connection, opt_outs, rows)


def unwanted(chosen: OptOuts) -> list[Any]:
    """Return the conditions of which a task, joined with its prompt, must meet none to be offered to who chose so."""
    cases = [prompts.c.use_case.in_(sorted(chosen.use_cases))] if chosen.use_cases else []
    return [*cases, *_holding(chosen.contents)]


def is_hard() -> ColumnElement[bool]:
    """Return the condition under which a task is hard reading."""
    return or_(*_holding(CONTENTS))


def limit(store: Store) -> int | None:
    """Return how many pieces of hard reading a person is given in 24 hours at most; None is no limit."""
    with store.read() as connection:
        return _limit(connection)


def set_limit(store: Store, most: int | None) -> None:
    """Set how many pieces of hard reading a person is given in 24 hours at most; the queue obeys at once."""
    if most is not None and most < 0:
        raise DataError(f"Nobody can be given {most} pieces of work; write 0 or more, or nothing for no limit.")
    with store.write() as connection:
        connection.execute(delete(facts).where(facts.c.name == _RULE))
        if most is not None:
            connection.execute(facts.insert(), {"name": _RULE, "value": str(most)})


def left(connection: Connection, labeler: Labeler, *, now: datetime) -> int | None:
    """Return how many more pieces of hard reading a labeler may be given now, None where no limit holds.

    What is on the desk counts as well, opened or not. Labelers that are no people need no rest.
    """
    most = _limit(connection) if labeler.kind == "human" else None
    if most is None:
        return None
    given = (
        select(func.count())
        .select_from(assignments)
        .join(tasks, tasks.c.id == assignments.c.task_id)
        .where(assignments.c.labeler == labeler.id, assignments.c.heartbeat > now - DAY, is_hard())
        .where(or_(assignments.c.state == "offered", _was_opened()))
    )
    return max(0, most - int(connection.scalar(given) or 0))


def lock(connection: Connection, labeler: str) -> None:
    """Let nobody else give this labeler work until the transaction ends, so that what is left stays true."""
    connection.execute(select(labelers.c.id).where(labelers.c.id == labeler).with_for_update(key_share=True))


def sensitive(store: Store, prompt_ids: Iterable[str]) -> dict[str, set[Content]]:
    """Return what is known to be sensitive about these prompts and their outputs; others are left out."""
    found: dict[str, set[Content]] = {}
    with store.read() as connection:
        for part in batches.of(sorted(set(prompt_ids))):
            query = _flagged(FLAGGED).where(completions.c.prompt_id.in_(part))
            for row in connection.execute(query.add_columns(completions.c.prompt_id, ratings.c.flags)):
                said = {name for name in FLAGGED if row.flags.get(name)}
                found.setdefault(row.prompt_id, set()).update(said)
            query = select(tasks.c.prompt_id).join(assignments, assignments.c.task_id == tasks.c.id)
            unsafe = query.where(tasks.c.prompt_id.in_(part), assignments.c.skip_reason == "unsafe")
            for name in connection.scalars(unsafe):
                found.setdefault(name, set()).add("reported")
    return found


def exposure(store: Store, labeler: str, *, since: datetime) -> tuple[int, dict[Content, int]]:
    """Count the work that a labeler opened since a time, and of it what is sensitive, by content."""
    opened = _opened(store, assignments.c.labeler == labeler, assignments.c.heartbeat >= since)
    counts: Counter[Content] = Counter()
    for _, contents in opened:
        counts.update(contents)
    return len(opened), {content: counts[content] for content in CONTENTS if counts[content]}


def exposures(store: Store) -> Counter[str]:
    """Count the hard reading that each labeler opened, ever."""
    return Counter(labeler for labeler, contents in _opened(store) if contents)


def _opened(store: Store, *conditions: ColumnElement[bool]) -> list[tuple[str, set[Content]]]:
    """Return the labeler of each assignment that was opened, and what is sensitive about it."""
    query = select(assignments.c.labeler, *tasks.c["prompt_id", "kind"])
    query = query.join(tasks, tasks.c.id == assignments.c.task_id).where(_was_opened(), *conditions)
    with store.read() as connection:
        rows = connection.execute(query).all()
    known = sensitive(store, (row.prompt_id for row in rows))
    judging: set[Content] = {"toxicity"}
    return [
        (row.labeler, known.get(row.prompt_id, set()) | (judging if row.kind == "toxicity" else set())) for row in rows
    ]


def _was_opened() -> ColumnElement[bool]:
    begun = select(drafts.c.id).where(drafts.c.assignment_id == assignments.c.id)
    return or_(assignments.c.state.in_(("open", "submitted")), begun.correlate(assignments).exists())


def _limit(connection: Connection) -> int | None:
    found = connection.scalar(select(facts.c.value).where(facts.c.name == _RULE))
    return None if found is None else int(found)


def _holding(contents: Iterable[Content]) -> list[ColumnElement[bool]]:
    """Return the conditions under which a task holds each of these contents."""
    found: list[ColumnElement[bool]] = []
    if flags := [name for name in FLAGGED if name in contents]:
        said = _flagged(flags).where(completions.c.prompt_id == tasks.c.prompt_id)
        found.append(said.correlate(tasks).exists())
    if "reported" in contents:
        others, skipped = tasks.alias("others"), assignments.alias("skipped")
        reported = select(others.c.id).join(skipped, skipped.c.task_id == others.c.id)
        reported = reported.where(others.c.prompt_id == tasks.c.prompt_id, skipped.c.skip_reason == "unsafe")
        found.append(reported.correlate(tasks).exists())
    if "toxicity" in contents:
        found.append(tasks.c.kind == "toxicity")
    return found


def _flagged(flags: Iterable[str]) -> Any:
    """Return the query for ratings that answered yes to one of these flags."""
    said = or_(*(ratings.c.flags[name].as_boolean().is_(true()) for name in flags))
    return select(ratings.c.id).join(completions, completions.c.id == ratings.c.completion_id).where(said)
