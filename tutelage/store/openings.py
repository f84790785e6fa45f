"""What people could still work on: prompts that may be shown, about which no person was asked for this kind of work."""

from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from tutelage.store.database import Store
from tutelage.store.prompts import allowed, reviewable
from tutelage.store.tables import completions, demonstrations, prompts, rankings, tasks
from tutelage.store.tasks import TaskKind

#: A ranking needs two texts; more than nine are more than a labeler can hold in mind (paper, 3.4).
LEAST, MOST = 2, 9
#: How the ids of tasks begin that are filed here, before kind and prompt: no prompt is filed twice.
PREFIX = "people/"


def to_demonstrate(store: Store) -> list[str]:
    """Return the prompts set aside for supervised learning to which no person wrote an answer, by id."""
    query = _free("demonstrate", demonstrations).where(allowed(), prompts.c.split == "train", prompts.c.stage == "sft")
    with store.read() as connection:
        return list(connection.scalars(query.order_by(prompts.c.id)))


def to_rank(store: Store) -> dict[str, list[str]]:
    """Return the prompts with sampled completions that no person has ranked, with the ids of these, by id."""
    return _with_completions(store, _free("rank", rankings).where(allowed(), prompts.c.split == "train"), LEAST)


def to_judge_toxicity(store: Store) -> dict[str, list[str]]:
    """Return the test prompts with sampled completions, with the ids of these, by id."""
    return _with_completions(store, _free("toxicity").where(allowed(), prompts.c.split == "test"), 1)


def to_review(store: Store) -> list[str]:
    """Return the prompts to train on, and the briefs, that no person looked through; those with findings come first."""
    trained = or_(prompts.c.split == "train", prompts.c.status == "brief")
    waits = and_(reviewable(), trained, prompts.c.pii != "reviewed", prompts.c.text != "")
    order = (prompts.c.pii != "quarantined", prompts.c.id)
    with store.read() as connection:
        return list(connection.scalars(_free("review").where(waits).order_by(*order)))


def filed(store: Store, beginning: str) -> int:
    """Count the tasks whose ids begin so."""
    query = select(func.count()).where(tasks.c.id.startswith(beginning, autoescape=True))
    with store.read() as connection:
        return int(connection.scalar(query) or 0)


def _with_completions(store: Store, query: Select[Any], least: int) -> dict[str, list[str]]:
    sampled = completions.c.prompt_id == prompts.c.id, completions.c.authored_by == ""
    several = select(func.count()).where(*sampled).correlate(prompts).scalar_subquery() >= least
    free = query.where(several).subquery()
    joined = select(completions.c.prompt_id, completions.c.id).join(free, free.c.id == completions.c.prompt_id)
    found: dict[str, list[str]] = {}
    with store.read() as connection:
        for row in connection.execute(joined.where(completions.c.authored_by == "").order_by(*joined.selected_columns)):
            found.setdefault(row.prompt_id, []).append(row.id)
    return found


def _free(kind: TaskKind, made: Any = None) -> Select[Any]:
    """Return the query for prompts that nobody is asked about now and no person labeled, in the table `made`."""
    asked = select(tasks.c.id).where(
        tasks.c.prompt_id == prompts.c.id,
        tasks.c.kind == kind,
        or_(tasks.c.closed.is_(None), tasks.c.id.startswith(PREFIX, autoescape=True)),
    )
    query = select(prompts.c.id).where(~asked.correlate(prompts).exists())
    if made is None:
        return query
    labeled = select(made.c.id).where(made.c.prompt_id == prompts.c.id, made.c.kind == "human")
    return query.where(~labeled.correlate(prompts).exists())
