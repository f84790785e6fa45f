"""Filing work for people on what the store holds already: prompts without answers, answers without an order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tutelage.errors import DataError
from tutelage.feedback import instructions, work
from tutelage.feedback.work import Task
from tutelage.store import Store, openings

Kind = Literal["demonstrate", "rank"]
KINDS: tuple[Kind, ...] = ("demonstrate", "rank")
#: What one click files of each kind: an afternoon's work of one person.
FIRST = 20
#: What one filing may ask for; more is done by filing again.
MOST, MOST_LABELERS = 10_000, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """How many tasks of a kind to file, each for `overlap` labelers of the training group."""

    kind: Kind
    count: int
    overlap: int = 1


def possible(store: Store) -> dict[Kind, int]:
    """Count what could be filed; a kind without anything is left out."""
    found = {"demonstrate": len(openings.to_demonstrate(store)), "rank": len(openings.to_rank(store))}
    return {kind: found[kind] for kind in KINDS if found[kind]}


def first(store: Store) -> list[Filing]:
    """Return the filings of the one click with which work begins; [] where the store holds nothing to work on."""
    return [Filing(kind=kind, count=min(FIRST, count)) for kind, count in possible(store).items()]


def file(store: Store, filings: Sequence[Filing], *, now: datetime) -> int:
    """File tasks under the newest of the shipped instructions; return how many.

    Prompts are drawn by a hash with the store's salt: a small batch is like the whole.
    """
    new = [task for filing in filings for task in _tasks(store, filing)]
    if not new:
        raise DataError("Nothing is left to file; bring in prompts, or sample answers to rank.")
    work.file_tasks(store, new, now=now)
    return len(new)


def _tasks(store: Store, filing: Filing) -> list[Task]:
    if not 1 <= filing.count <= MOST or not 1 <= filing.overlap <= MOST_LABELERS:
        raise DataError(f"File 1 to {MOST} tasks at a time, each for 1 to {MOST_LABELERS} labelers.")
    if filing.kind == "demonstrate":
        version = instructions.newest(store, instructions.DEMONSTRATION).version
        return [_task(filing, prompt, version) for prompt in _drawn(store, openings.to_demonstrate(store), filing)]
    version, ranked = instructions.newest(store, instructions.COMPARISON).version, openings.to_rank(store)
    return [
        _task(filing, prompt, version, tuple(_shuffled(store, ranked[prompt])[: openings.MOST]))
        for prompt in _drawn(store, ranked, filing)
    ]


def _task(filing: Filing, prompt: str, version: str, completions: tuple[str, ...] = ()) -> Task:
    return Task(
        id=f"{openings.PREFIX}{filing.kind}/{prompt}",
        kind=filing.kind,
        purpose="train",
        prompt_id=prompt,
        completion_ids=completions,
        instruction_version=version,
        overlap=filing.overlap,
    )


def _drawn(store: Store, ids: Sequence[str] | dict[str, list[str]], filing: Filing) -> list[str]:
    return _shuffled(store, list(ids))[: filing.count]


def _shuffled(store: Store, ids: Sequence[str]) -> list[str]:
    return sorted(ids, key=lambda one: store.digest("filing", one))
