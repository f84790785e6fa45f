"""The queries that may feed a trainer. What must never be trained on is left out here and nowhere else.

Left out: labels of held-out, opposed and researching people; labels for any purpose but `train`; superseded labels;
labels that were returned and have no new revision; labels of labelers who withdrew, and orders of texts that such a
labeler wrote; prompts of another split, without consent, quarantined for personal data, dropped by intake, or of users
who withdrew, or without a person's review where the store's rule asks for one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, select

from tutelage.records import Demonstration, Group, Kind, Ranking, Rating, Split, Stage
from tutelage.store import batches, exported, labels
from tutelage.store.database import Store
from tutelage.store.exported import Assessed, PromptText, of_prompts, parts
from tutelage.store.privacy import cleared
from tutelage.store.prompts import allowed
from tutelage.store.return_tables import returns
from tutelage.store.tables import assignments, completions, demonstrations, labelers, prompts, rankings, ratings
from tutelage.store.withdrawal_tables import labeler_withdrawals


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstrated:
    """A demonstration with its prompt, the group of its labeler and its time."""

    prompt: PromptText
    label: Demonstration
    group: Group
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A ranking with its prompt, the group of its labeler, its time and the texts of its completions by id.

    `cut` has the ids of those that were cut at the length cap; `ratings` what was handed in with the ranking, by
    completion id, {} when nothing was rated.
    """

    prompt: PromptText
    label: Ranking
    group: Group
    created: datetime
    texts: Mapping[str, str]
    cut: frozenset[str]
    ratings: Mapping[str, Rating]


def demonstrated(store: Store, *, split: Split, kind: Kind) -> Iterator[Demonstrated]:
    """Yield the demonstrations to learn from, by prompt and label id."""
    with store.read() as connection:
        for rows in parts(connection, _labels(demonstrations, split, kind)):
            for row in rows:
                label = labels.demonstration(row)
                yield Demonstrated(
                    prompt=exported.prompt(row), label=label, group=row.labeler_group, created=row.created
                )


def ranked(store: Store, *, split: Split, kind: Kind, tasks: str = "") -> Iterator[Ranked]:
    """Yield the rankings to learn from, by prompt and label id; with `tasks`, of tasks whose ids begin so."""
    query = _labels(rankings, split, kind)
    if tasks:
        query = query.join(assignments, assignments.c.id == rankings.c.assignment_id)
        query = query.where(assignments.c.task_id.startswith(tasks, autoescape=True))
    with store.read() as connection:
        withdrawn = set(connection.scalars(select(labeler_withdrawals.c.labeler)))
        for rows in parts(connection, query):
            outputs = _outputs(connection, rows)
            judged = _ratings(connection, rows)
            for row in rows:
                if not withdrawn.intersection(outputs[output].authored_by for output in row.presented):
                    yield _ranked(row, outputs, judged.get(row.id, {}))


def prompted(store: Store, *, split: Split, stage: Stage) -> Iterator[PromptText]:
    """Yield the prompts to sample from in training, by id."""
    query = of_prompts().where(_trainable(split), prompts.c.stage == stage).order_by(prompts.c.id)
    with store.read() as connection:
        for rows in parts(connection, query):
            yield from map(exported.prompt, rows)


def rated(store: Store, *, split: Split, kind: Kind) -> Iterator[Assessed[Rating]]:
    """Yield the ratings of single outputs to learn from, those that were handed in with an order too."""
    return exported.assessed(store, ratings, _made(ratings, split, kind), labels.rating)


def _trainable(split: Split) -> Any:
    return and_(allowed(), cleared(), prompts.c.split == split)


def _made(table: Table, split: Split, kind: Kind) -> tuple[Any, ...]:
    """Return the conditions on who made a label, what for and about which prompts."""
    mine = labelers.c.group == "training", table.c.purpose == "train", table.c.kind == kind
    return _trainable(split), *mine


def _labels(table: Table, split: Split, kind: Kind) -> Select[Any]:
    return (
        of_prompts()
        .add_columns(*table.c, labelers.c.group.label("labeler_group"))
        .join(table, table.c.prompt_id == prompts.c.id)
        .join(labelers, labelers.c.id == table.c.labeler)
        .where(*_made(table, split, kind), labels.current(table))
        .where(table.c.id.not_in(select(returns.c.submission_id)))
        .order_by(prompts.c.id, table.c.id)
    )


def _outputs(connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, Row[Any]]:
    columns = select(*completions.c["id", "text", "finish_reason", "authored_by"])
    found: dict[str, Row[Any]] = {}
    for part in batches.of(sorted({output for row in rows for output in row.presented})):
        found |= {output.id: output for output in connection.execute(columns.where(completions.c.id.in_(part)))}
    return found


def _ratings(connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, dict[str, Rating]]:
    """Return, by ranking, the ratings that were handed in with it, by completion; their ids begin with the ranking's.

    An earlier submission of the same work may hold others, which no later rating supersedes if the later one has none.
    """
    found: dict[str, dict[str, Rating]] = {}
    for part in batches.of(sorted({row.assignment_id for row in rows if row.assignment_id})):
        for row in connection.execute(select(ratings).where(ratings.c.assignment_id.in_(part))):
            submission, _, _ = row.id.rpartition(":")
            found.setdefault(submission, {})[row.completion_id] = labels.rating(row)
    return found


def _ranked(row: Row[Any], outputs: Mapping[str, Row[Any]], judged: Mapping[str, Rating]) -> Ranked:
    return Ranked(
        prompt=exported.prompt(row),
        label=labels.ranking(row),
        group=row.labeler_group,
        created=row.created,
        texts={output: outputs[output].text for output in row.presented},
        cut=frozenset(output for output in row.presented if outputs[output].finish_reason == "length"),
        ratings=judged,
    )
