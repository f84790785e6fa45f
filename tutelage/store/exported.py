"""What exports read, whatever they are for: prompts, and judgements of single outputs, one after the other.

Rows come while they are read: an export of any size needs the memory of a part.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Row, Select, String, Table, cast, or_, select

from tutelage.records import Group, Split, UseCase
from tutelage.store.database import Store
from tutelage.store.judgements import current
from tutelage.store.return_tables import returns
from tutelage.store.tables import assignments, completions, labelers, prompts, submissions, tasks
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
