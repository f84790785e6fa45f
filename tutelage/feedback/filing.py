"""Filing work for people: on what the store holds already, and on prompts that they are to write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from tutelage.errors import DataError
from tutelage.feedback import briefs, instructions, work
from tutelage.feedback.work import Task
from tutelage.records import Group, Purpose
from tutelage.store import Store, audit, openings

What = Literal["demonstrate", "rank", "review", "toxicity", "plain", "few_shot", "user_based"]
#: What can always be filed: prompts to write.
WRITTEN: tuple[What, ...] = ("plain", "few_shot", "user_based")
#: What one click files of each kind: an afternoon's work of one person.
FIRST = 20
#: What one filing may ask for; more is done by filing again.
MOST, MOST_LABELERS = 10_000, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """How many tasks to file, each for `overlap` labelers of a group.

    `uses` are what people want to use an assistant for: `count` prompts are to be written for each.
    """

    what: What
    count: int
    overlap: int = 1
    group: Group = "training"
    uses: tuple[str, ...] = ()


def possible(store: Store) -> dict[What, int]:
    """Count what could be filed on what the store holds; a kind without anything is left out."""
    found: dict[What, int] = {
        "demonstrate": len(openings.to_demonstrate(store)),
        "rank": len(openings.to_rank(store)),
        "review": len(openings.to_review(store)),
        "toxicity": len(openings.to_judge_toxicity(store)),
    }
    return {what: count for what, count in found.items() if count}


def first(store: Store) -> list[Filing]:
    """Return the filings of the one click with which work begins; a store without any work begins with prompts."""
    found = {"demonstrate": openings.to_demonstrate(store), "rank": openings.to_rank(store)}
    held = [Filing(what=what, count=min(FIRST, len(ids))) for what, ids in found.items() if ids]  # type: ignore[arg-type]
    return held or [Filing(what="plain", count=FIRST)]


def file(store: Store, filings: Sequence[Filing], *, now: datetime, event: audit.Event | None = None) -> int:
    """File tasks under the newest of the shipped instructions; return how many. `event` tells the log of it.

    Prompts are drawn by a hash with the store's salt: a small batch is like the whole. Those with findings are reviewed
    first.
    """
    new = [task for filing in filings for task in _tasks(store, filing, now)]
    if not new:
        raise DataError("Nothing is left to file; bring in prompts, or sample answers to rank.")
    work.file_tasks(audit.audited(store, event, now=now) if event else store, new, now=now)
    return len(new)


def _tasks(store: Store, filing: Filing, now: datetime) -> list[Task]:
    if filing.what not in get_args(What):
        raise DataError(f"{filing.what!r} is nothing to file; choose one of {', '.join(get_args(What))}.")
    if not 1 <= filing.count <= MOST or not 1 <= filing.overlap <= MOST_LABELERS:
        raise DataError(f"File 1 to {MOST} tasks at a time, each for 1 to {MOST_LABELERS} labelers.")
    if filing.what == "user_based":
        return briefs.wanted(store, filing.uses, filing.count, overlap=filing.overlap, now=now)
    if filing.what == "plain" or filing.what == "few_shot":
        return briefs.drawn(store, filing.what, filing.count, overlap=filing.overlap, now=now)
    if filing.what == "review":
        found = openings.to_review(store)[: filing.count]
        return _about(store, filing, dict.fromkeys(found, ()), instructions.PRIVACY, "train")
    if filing.what == "demonstrate":
        asked = dict.fromkeys(_shuffled(store, openings.to_demonstrate(store))[: filing.count], ())
        return _about(store, filing, asked, instructions.DEMONSTRATION, "train")
    if filing.what == "rank":
        return _about(store, filing, _drawn(store, openings.to_rank(store), filing), instructions.COMPARISON, "train")
    texts = _drawn(store, openings.to_judge_toxicity(store), filing)
    return _about(store, filing, texts, instructions.TOXICITY, "evaluation")


def _about(
    store: Store, filing: Filing, prompts: Mapping[str, Sequence[str]], version: str, purpose: Purpose
) -> list[Task]:
    told = instructions.newest(store, version).version
    return [
        Task(
            id=f"{openings.PREFIX}{filing.what}/{prompt}",
            kind=filing.what,  # type: ignore[arg-type]
            purpose=purpose,
            prompt_id=prompt,
            completion_ids=tuple(completions),
            instruction_version=told,
            group=filing.group,
            overlap=filing.overlap,
        )
        for prompt, completions in prompts.items()
    ]


def _drawn(store: Store, found: Mapping[str, list[str]], filing: Filing) -> dict[str, list[str]]:
    chosen = _shuffled(store, list(found))[: filing.count]
    return {prompt: _shuffled(store, found[prompt])[: openings.MOST] for prompt in chosen}


def _shuffled(store: Store, ids: Sequence[str]) -> list[str]:
    return sorted(ids, key=lambda one: store.digest("filing", one))
