"""What each labeler did: labels, time, skips and revisions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Subquery, case, func, select

from tutelage.records import Group, Kind
from tutelage.store.account_tables import people, sessions
from tutelage.store.database import Store
from tutelage.store.progress import handed_in
from tutelage.store.tables import assignments, completions, labelers, prompts, task_completions, tasks

#: A reader takes in at most about 400 words a minute (Rayner et al. 2016, "So Much to Read, So Little Time"); with six
#: characters a word, the space included, that is 25 ms a character.
READING_MS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One labeler's work. `active_ms` is measured by the pages, over the `measured` labels that have any.

    `hurried` of these took less time than reading their texts once at the speed `READING_MS`. `revised` labels were
    handed in more than once. `seen` is when the person last looked at a page, None for who has no account.
    """

    labeler: str
    name: str
    group: Group
    kind: Kind
    is_screened: bool
    labels: int = 0
    revised: int = 0
    measured: int = 0
    active_ms: int = 0
    hurried: int = 0
    skipped: int = 0
    expired: int = 0
    last: datetime | None = None
    seen: datetime | None = None


def paces(store: Store) -> list[Pace]:
    """Return every labeler's pace, by pseudonym."""
    done, handed = _done(), _states()
    last_seen = (
        select(sessions.c.person, func.max(sessions.c.seen).label("seen")).group_by(sessions.c.person).subquery()
    )
    query = (
        select(
            *labelers.c,
            people.c.name,
            last_seen.c.seen,
            *done.c["labels", "revised", "measured", "active_ms", "hurried", "last"],
            *handed.c["skipped", "expired"],
        )
        .outerjoin(people, people.c.labeler == labelers.c.id)
        .outerjoin(last_seen, last_seen.c.person == people.c.id)
        .outerjoin(done, done.c.labeler == labelers.c.id)
        .outerjoin(handed, handed.c.labeler == labelers.c.id)
        .order_by(labelers.c.id)
    )
    counts = ("labels", "revised", "measured", "active_ms", "hurried", "skipped", "expired")
    with store.read() as connection:
        return [
            Pace(
                labeler=row.id,
                name=row.name or "",
                group=row.group,
                kind=row.kind,
                is_screened=row.screened,
                last=row.last,
                seen=row.seen,
                **{name: int(getattr(row, name) or 0) for name in counts},
            )
            for row in connection.execute(query)
        ]


def _done() -> Subquery:
    handed, characters = handed_in(), _characters()
    is_measured = handed.c.active_ms > 0
    hurried = case((is_measured & (handed.c.active_ms < READING_MS * characters.c.characters), 1), else_=0)
    return (
        select(
            assignments.c.labeler,
            func.count().label("labels"),
            func.sum(case((handed.c.revisions > 1, 1), else_=0)).label("revised"),
            func.sum(case((is_measured, 1), else_=0)).label("measured"),
            func.sum(handed.c.active_ms).label("active_ms"),
            func.sum(hurried).label("hurried"),
            func.max(handed.c.last).label("last"),
        )
        .join(handed, handed.c.assignment_id == assignments.c.id)
        .join(characters, characters.c.id == assignments.c.task_id)
        .group_by(assignments.c.labeler)
        .subquery("done")
    )


def _characters() -> Any:
    """Return how many characters each task shows: its prompt and its outputs."""
    outputs: Select[Any] = (
        select(task_completions.c.task_id, func.sum(func.length(completions.c.text)).label("characters"))
        .join(completions, completions.c.id == task_completions.c.completion_id)
        .group_by(task_completions.c.task_id)
    )
    shown = outputs.subquery("outputs")
    whole = func.length(prompts.c.text) + func.coalesce(shown.c.characters, 0)
    return (
        select(tasks.c.id, whole.label("characters"))
        .join(prompts, prompts.c.id == tasks.c.prompt_id)
        .outerjoin(shown, shown.c.task_id == tasks.c.id)
        .subquery("characters")
    )


def _states() -> Subquery:
    def count(state: str) -> Any:
        return func.sum(case((assignments.c.state == state, 1), else_=0)).label(state)

    return select(assignments.c.labeler, count("skipped"), count("expired")).group_by(assignments.c.labeler).subquery()
