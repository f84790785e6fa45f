"""What work may trouble those who do it, what they opted out of, and how much of it they saw.

A prompt is sensitive when a labeler said so of one of its outputs, by a flag of the paper's Table 3, or skipped it as
content that somebody may not want to work on. A flag that was taken back later still warns: too many warnings do less
harm than one too few.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, delete, or_, select, true

from tutelage.errors import DataError
from tutelage.records import USE_CASE_SHARES
from tutelage.store import batches
from tutelage.store.database import Store
from tutelage.store.draft_tables import drafts
from tutelage.store.tables import assignments, completions, prompts, ratings, tasks
from tutelage.store.welfare_tables import opt_outs

#: `reported`: somebody skipped the prompt as unsafe. `toxicity`: judging it is what the work is for.
Content = Literal["sexual", "violent", "encourages_harm", "denigrates", "harmful_advice", "reported", "toxicity"]
CONTENTS: tuple[Content, ...] = get_args(Content)
FLAGGED: tuple[Content, ...] = CONTENTS[:5]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOuts:
    """The use cases and contents that a labeler does not want to work on."""

    use_cases: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()


def opted_out(store: Store, labeler: str) -> OptOuts:
    """Return what a labeler opted out of."""
    with store.read() as connection:
        return _opted_out(connection, labeler)


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


def unwanted(connection: Connection, labeler: str) -> list[Any]:
    """Return the conditions of which a task, joined with its prompt, must meet none to be offered to a labeler."""
    chosen = _opted_out(connection, labeler)
    found: list[Any] = [prompts.c.use_case.in_(sorted(chosen.use_cases))] if chosen.use_cases else []
    flags = [name for name in FLAGGED if name in chosen.contents]
    if flags:
        said = _flagged(flags).where(completions.c.prompt_id == tasks.c.prompt_id)
        found.append(said.correlate(tasks).exists())
    if "reported" in chosen.contents:
        others = tasks.alias("others")
        reported = select(others.c.id).join(assignments, assignments.c.task_id == others.c.id)
        reported = reported.where(others.c.prompt_id == tasks.c.prompt_id, assignments.c.skip_reason == "unsafe")
        found.append(reported.correlate(tasks).exists())
    if "toxicity" in chosen.contents:
        found.append(tasks.c.kind == "toxicity")
    return found


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
    query = select(tasks.c.prompt_id, tasks.c.kind).join(assignments, assignments.c.task_id == tasks.c.id)
    begun = select(drafts.c.id).where(drafts.c.assignment_id == assignments.c.id)
    seen = query.where(
        assignments.c.labeler == labeler,
        or_(assignments.c.state.in_(("open", "submitted")), begun.correlate(assignments).exists()),
        assignments.c.heartbeat >= since,
    )
    with store.read() as connection:
        rows = connection.execute(seen).all()
    known = sensitive(store, (row.prompt_id for row in rows))
    counts: Counter[Content] = Counter()
    for row in rows:
        counts.update({*known.get(row.prompt_id, set()), *(("toxicity",) if row.kind == "toxicity" else ())})
    return len(rows), {content: counts[content] for content in CONTENTS if counts[content]}


def _opted_out(connection: Connection, labeler: str) -> OptOuts:
    rows = connection.execute(select(opt_outs).where(opt_outs.c.labeler == labeler)).all()
    return OptOuts(
        use_cases=frozenset(row.value for row in rows if row.what == "use_case"),
        contents=frozenset(row.value for row in rows if row.what == "content"),
    )


def _flagged(flags: Iterable[str]) -> Any:
    """Return the query for ratings that answered yes to one of these flags."""
    said = or_(*(ratings.c.flags[name].as_boolean().is_(true()) for name in flags))
    return select(ratings.c.id).join(completions, completions.c.id == ratings.c.completion_id).where(said)
