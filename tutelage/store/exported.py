"""What exports read, whatever they are for: prompts, orders, and judgements of single outputs, one after the other.

Rows come while they are read: an export of any size needs the memory of a part.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Row, Select, String, Table, cast, or_, select

from tutelage.records import Group, Ranking, Rating, Split, UseCase
from tutelage.store import batches, labels
from tutelage.store.database import Store
from tutelage.store.judgements import current
from tutelage.store.return_tables import returns
from tutelage.store.tables import (
    assignments,
    completions,
    labelers,
    prompts,
    rankings,
    ratings,
    submissions,
    tasks,
)
from tutelage.store.withdrawal_tables import labeler_withdrawals

Label = TypeVar("Label")
#: Rows that are in memory together.
PART = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptText:
    """A prompt as trainers read it; `hash` is its name in lineage, `created` the time at which it came in."""

    id: str
    text: str
    hash: str
    use_case: UseCase | str
    source: str
    split: Split | str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed(Generic[Label]):
    """A judgement of one output, with its prompt, the group of its labeler and its time.

    `policy` names the model that wrote `output`; `is_cut` says that it was cut at the length cap. `work` is the kind of
    task that the judgement was handed in with, "" for an imported one.
    """

    prompt: PromptText
    output: str
    policy: str
    is_cut: bool
    label: Label
    group: Group
    work: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A ranking with its prompt, the group of its labeler, its time and the texts of its completions by id.

    `policies` says by id which model wrote what. `cut` has the ids of those that were cut at the length cap; `ratings`
    what was handed in with the ranking, by completion id, {} when nothing was rated.
    """

    prompt: PromptText
    label: Ranking
    group: Group
    created: datetime
    texts: Mapping[str, str]
    policies: Mapping[str, str]
    cut: frozenset[str]
    ratings: Mapping[str, Rating]


def of_prompts() -> Select[Any]:
    """Return the query for prompts as `prompt` reads them; a judgement's own columns fit beside them."""
    return select(
        prompts.c.id.label("of_prompt"),
        prompts.c.text.label("prompt_text"),
        prompts.c.text_hash.label("prompt_hash"),
        prompts.c.created.label("prompt_created"),
        *prompts.c["use_case", "source", "split"],
    )


def prompt(row: Row[Any]) -> PromptText:
    """Return the prompt of a row of `of_prompts`."""
    return PromptText(
        id=row.of_prompt,
        text=row.prompt_text,
        hash=row.prompt_hash,
        use_case=row.use_case,
        source=row.source,
        split=row.split,
        created=row.prompt_created,
    )


def parts(connection: Connection, query: Select[Any]) -> Iterator[Sequence[Row[Any]]]:
    """Read a query's rows part by part, all from the moment at which it began."""
    with connection.execute(query, execution_options={"yield_per": PART}) as result:
        yield from result.partitions()


def assessed(
    store: Store, table: Table, conditions: Sequence[Any], read: Callable[[Row[Any]], Label]
) -> Iterator[Assessed[Label]]:
    """Yield the judgements of outputs in a table that stand and meet the conditions, by prompt and label id.

    None stands that a later revision of the same work does not repeat, that was returned, whose labeler withdrew, or
    that is about a text by a labeler who withdrew.
    """
    query = (
        of_prompts()
        .add_columns(
            *table.c,
            completions.c.text.label("output"),
            *completions.c["policy", "finish_reason"],
            labelers.c.group.label("labeler_group"),
            tasks.c.kind.label("work"),
        )
        .join(completions, completions.c.prompt_id == prompts.c.id)
        .join(table, table.c.completion_id == completions.c.id)
        .join(labelers, labelers.c.id == table.c.labeler)
        .outerjoin(assignments, assignments.c.id == table.c.assignment_id)
        .outerjoin(tasks, tasks.c.id == assignments.c.task_id)
        .where(current(table), ~_is_dropped(table), *conditions)
        .where(completions.c.authored_by.not_in(select(labeler_withdrawals.c.labeler)))
        .order_by(prompts.c.id, table.c.id)
    )
    with store.read() as connection:
        for rows in parts(connection, query):
            for row in rows:
                yield Assessed(
                    prompt=prompt(row),
                    output=row.output,
                    policy=row.policy,
                    is_cut=row.finish_reason == "length",
                    label=read(row),
                    group=row.labeler_group,
                    work=row.work or "",
                    created=row.created,
                )


def standing(table: Table, conditions: Sequence[Any]) -> Select[Any]:
    """Return the query for judgements about prompts that stand and meet the conditions, by prompt and label id.

    None stands that is superseded or returned, or whose labeler withdrew.
    """
    return (
        of_prompts()
        .add_columns(*table.c, labelers.c.group.label("labeler_group"))
        .join(table, table.c.prompt_id == prompts.c.id)
        .join(labelers, labelers.c.id == table.c.labeler)
        .where(*conditions, current(table))
        .where(table.c.id.not_in(select(returns.c.submission_id)))
        .order_by(prompts.c.id, table.c.id)
    )


def ranked(store: Store, conditions: Sequence[Any], tasks: str = "") -> Iterator[Ranked]:
    """Yield the rankings that stand and meet the conditions; with `tasks`, of tasks whose ids begin so.

    Orders of a text by a labeler who withdrew are left out.
    """
    query = standing(rankings, conditions)
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


def _outputs(connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, Row[Any]]:
    columns = select(*completions.c["id", "text", "policy", "finish_reason", "authored_by"])
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
        prompt=prompt(row),
        label=labels.ranking(row),
        group=row.labeler_group,
        created=row.created,
        texts={output: outputs[output].text for output in row.presented},
        policies={output: outputs[output].policy for output in row.presented},
        cut=frozenset(output for output in row.presented if outputs[output].finish_reason == "length"),
        ratings=judged,
    )


def _is_dropped(table: Table) -> Any:
    """Return the condition under which the submission of a judgement was corrected or returned.

    The judgements of outputs are named like their submission, with the place of the output. A correction may hold none.
    """
    own, later = submissions.alias("own"), submissions.alias("later")
    corrected = select(later.c.id).where(later.c.assignment_id == own.c.assignment_id, later.c.supersedes == own.c.id)
    returned = select(returns.c.id).where(returns.c.submission_id == own.c.id)
    named = table.c.id == own.c.id + ":" + cast(table.c.position, String)
    mine = select(own.c.id).where(own.c.assignment_id == table.c.assignment_id, named)
    return mine.where(or_(corrected.exists(), returned.exists())).correlate(table).exists()
