"""Prompts that people could still work on: usable, in the training split, and without a person's label of the kind."""

from typing import Any, Literal

from sqlalchemy import Select, func, or_, select

from tutelage.store.database import Store
from tutelage.store.prompts import allowed
from tutelage.store.tables import completions, demonstrations, prompts, rankings, tasks

#: A ranking needs two texts; more than nine are more than a labeler can hold in mind (paper, 3.4).
LEAST, MOST = 2, 9
#: How the ids of tasks begin that are filed here, before kind and prompt: no prompt is filed twice.
PREFIX = "people/"


def to_demonstrate(store: Store) -> list[str]:
    """Return the prompts set aside for supervised learning to which no person wrote an answer, by id."""
    query = _free("demonstrate", demonstrations).where(prompts.c.stage == "sft")
    with store.read() as connection:
        return list(connection.scalars(query.order_by(prompts.c.id)))


def to_rank(store: Store) -> dict[str, list[str]]:
    """Return the prompts with sampled completions that no person has ranked, with the ids of these, by id."""
    sampled = completions.c.prompt_id == prompts.c.id, completions.c.authored_by == ""
    several = select(func.count()).where(*sampled).correlate(prompts).scalar_subquery() >= LEAST
    free = _free("rank", rankings).where(several).subquery()
    query = select(completions.c.prompt_id, completions.c.id).join(free, free.c.id == completions.c.prompt_id)
    found: dict[str, list[str]] = {}
    with store.read() as connection:
        for row in connection.execute(query.where(completions.c.authored_by == "").order_by(*query.selected_columns)):
            found.setdefault(row.prompt_id, []).append(row.id)
    return found


def _free(kind: Literal["demonstrate", "rank"], made: Any) -> Select[Any]:
    """Return the query for prompts that nobody is asked about now and no person labeled, in the table `made`."""
    labeled = select(made.c.id).where(made.c.prompt_id == prompts.c.id, made.c.kind == "human")
    asked = select(tasks.c.id).where(
        tasks.c.prompt_id == prompts.c.id,
        tasks.c.kind == kind,
        or_(tasks.c.closed.is_(None), tasks.c.id.startswith(PREFIX, autoescape=True)),
    )
    return select(prompts.c.id).where(
        allowed(),
        prompts.c.split == "train",
        ~labeled.correlate(prompts).exists(),
        ~asked.correlate(prompts).exists(),
    )
