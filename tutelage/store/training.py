"""The queries that may feed a trainer. What must never be trained on is left out here, in SQL, and nowhere else.

Left out: labels of held-out, opposed and researching people; labels for any purpose but `train`; superseded labels;
prompts of another split, without consent, quarantined for personal data, dropped by intake, or of users who withdrew.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Table, and_, select

from tutelage.records import Demonstration, Group, Kind, Ranking, Split, Stage
from tutelage.store import batches, labels
from tutelage.store.database import Store
from tutelage.store.prompts import allowed
from tutelage.store.tables import assignments, completions, demonstrations, labelers, prompts, rankings


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptText:
    """A prompt as trainers read it; `hash` is its name in lineage."""

    id: str
    text: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstrated:
    """A demonstration with its prompt and the group of its labeler."""

    prompt: PromptText
    label: Demonstration
    group: Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A ranking with its prompt, the group of its labeler and the texts of its completions by id; `cut` has the ids of
    those that were cut at the length cap.
    """

    prompt: PromptText
    label: Ranking
    group: Group
    texts: dict[str, str]
    cut: frozenset[str]


def demonstrated(store: Store, *, split: Split, kind: Kind) -> list[Demonstrated]:
    """Return the demonstrations to learn from, by prompt and label id."""
    with store.read() as connection:
        return [
            Demonstrated(
                prompt=_prompt(row),
                label=Demonstration(
                    id=row.id,
                    prompt_id=row.prompt_id,
                    text=row.text,
                    labeler=row.labeler,
                    kind=row.kind,
                    instruction_version=row.instruction_version,
                    purpose=row.purpose,
                    supersedes=row.supersedes,
                ),
                group=row.labeler_group,
            )
            for row in connection.execute(_labels(demonstrations, split, kind))
        ]


def ranked(store: Store, *, split: Split, kind: Kind, tasks: str = "") -> list[Ranked]:
    """Return the rankings to learn from, by prompt and label id; with `tasks`, of tasks whose ids begin so."""
    query = _labels(rankings, split, kind)
    if tasks:
        query = query.join(assignments, assignments.c.id == rankings.c.assignment_id)
        query = query.where(assignments.c.task_id.startswith(tasks, autoescape=True))
    with store.read() as connection:
        rows = connection.execute(query).all()
        texts: dict[str, str] = {}
        cut: set[str] = set()
        for part in batches.of(sorted({output for row in rows for output in row.presented})):
            columns = select(completions.c.id, completions.c.text, completions.c.finish_reason)
            for output in connection.execute(columns.where(completions.c.id.in_(part))):
                texts[output.id] = output.text
                if output.finish_reason == "length":
                    cut.add(output.id)
    return [
        Ranked(
            prompt=_prompt(row),
            label=labels.ranking(row),
            group=row.labeler_group,
            texts={output: texts[output] for output in row.presented},
            cut=frozenset(cut.intersection(row.presented)),
        )
        for row in rows
    ]


def prompted(store: Store, *, split: Split, stage: Stage) -> list[PromptText]:
    """Return the prompts to sample from in training, by id."""
    query = _prompts().where(_trainable(split), prompts.c.stage == stage).order_by(prompts.c.id)
    with store.read() as connection:
        return [_prompt(row) for row in connection.execute(query)]


def _trainable(split: Split) -> Any:
    return and_(allowed(), prompts.c.split == split)


def _prompts() -> Select[Any]:
    return select(
        prompts.c.id.label("of_prompt"), prompts.c.text.label("prompt_text"), prompts.c.text_hash.label("prompt_hash")
    )


def _labels(table: Table, split: Split, kind: Kind) -> Select[Any]:
    return (
        _prompts()
        .add_columns(*table.c, labelers.c.group.label("labeler_group"))
        .join(table, table.c.prompt_id == prompts.c.id)
        .join(labelers, labelers.c.id == table.c.labeler)
        .where(_trainable(split))
        .where(labelers.c.group == "training", table.c.purpose == "train", table.c.kind == kind, labels.current(table))
        .order_by(prompts.c.id, table.c.id)
    )


def _prompt(row: Any) -> PromptText:
    return PromptText(id=row.of_prompt, text=row.prompt_text, hash=row.prompt_hash)
