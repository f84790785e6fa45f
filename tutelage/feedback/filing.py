"""Filing work for people: on what the store holds already, and on prompts that they are to write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from tutelage.errors import DataError, MissingError
from tutelage.feedback import briefs, instructions, work
from tutelage.feedback.work import Task
from tutelage.records import Group, Purpose
from tutelage.store import Store, audit, openings, tasks
from tutelage.store import filing as stored

What = Literal["demonstrate", "rate", "rank", "review", "toxicity", "plain", "few_shot", "user_based"]
#: What can always be filed: prompts to write.
WRITTEN: tuple[What, ...] = ("plain", "few_shot", "user_based")
#: What is filed about prompts of a lead's choice, for any purpose.
CHOSEN: tuple[What, ...] = ("demonstrate", "rate", "rank")
#: How many outputs a task shows; the paper's labelers ranked up to nine (3.5).
OUTPUTS: dict[What, tuple[int, int]] = {"rate": (1, 9), "rank": (2, 9), "toxicity": (1, 9)}
#: What one click files of each kind: an afternoon's work of one person.
FIRST = 20
#: What one filing may ask for; more is done by filing again.
MOST, MOST_LABELERS = 10_000, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """How many tasks to file, each for `overlap` labelers of a group.

    `uses` are what people want to use an assistant for: `count` prompts are to be written for each. The rest is for
    answers, ratings and orders. `version` are the instructions, "" the newest that fit. `outputs` is how many are
    shown, prompts with fewer are left out; 0 shows all there are, up to nine. "" takes any split, stage and use case.
    """

    what: What
    count: int
    overlap: int = 1
    group: Group = "training"
    uses: tuple[str, ...] = ()
    purpose: Purpose = "train"
    version: str = ""
    outputs: int = 0
    split: str = "train"
    stage: str = ""
    use_case: str = ""


def possible(store: Store) -> dict[What, int]:
    """Count what could be filed about what the store holds without further choice; kinds without any are left out."""
    about: tuple[What, ...] = (*CHOSEN, "review", "toxicity")
    counts = {what: found(store, _usual(what, 1)) for what in about}
    return {what: count for what, count in counts.items() if count}


def first(store: Store) -> list[Filing]:
    """Return the filings of the one click with which work begins; a store without any work begins with prompts."""
    about: tuple[What, ...] = ("demonstrate", "rank")
    counts = {what: found(store, _usual(what, 1)) for what in about}
    held = [_usual(what, min(FIRST, count)) for what, count in counts.items() if count]
    return held or [_usual("plain", FIRST)]


def usual_stage(what: str) -> str:
    """Return the stage of the prompts that such work is about without further choice, "" for any."""
    return "sft" if what == "demonstrate" else ""


def told(store: Store, filing: Filing) -> str:
    """Return the instructions that a filing's tasks are done under."""
    if filing.version:
        return filing.version
    task = {"demonstrate": "demonstration", "review": "privacy", "toxicity": "toxicity"}.get(filing.what, "prompt")
    if filing.what in ("rate", "rank"):
        task = "evaluation" if filing.purpose == "evaluation" else "comparison"
    versions = [one.version for one in instructions.published(store).values() if one.task == task]
    if not versions:
        raise MissingError(f"There are no instructions for {task} yet; publish some first.")
    return versions[-1]


def prompts_for(store: Store, filing: Filing) -> list[str]:
    """Return all prompts that there are for a filing, not only `count`, in an order of chance.

    Of those to look through for personal data, those with findings come first; prompts to write need none.
    """
    _check(filing)
    if filing.what in WRITTEN:
        return []
    if filing.what == "review":
        return openings.to_review(store, filing.group)
    return openings.find(store, _open(filing))


def found(store: Store, filing: Filing) -> int:
    """Count the prompts that there are for a filing."""
    _check(filing)
    if filing.what in WRITTEN or filing.what == "review":
        return len(prompts_for(store, filing))
    return openings.count(store, _open(filing))


def file(store: Store, filings: Sequence[Filing], *, name: str, now: datetime, event: audit.Event | None = None) -> int:
    """File tasks whose ids begin with `name`; return how many. Filing under the same name again changes nothing.

    What somebody else files at the same time is not filed twice. `event` tells the log of it.
    """
    if known := stored.beginning_with(store, f"{name}-"):
        return len(known)
    new = [task for filing in filings for task in _tasks(store, filing, f"{name}-{filing.what}", now)]
    filed = work.file_unasked(audit.audited(store, event, now=now) if event else store, new, now=now) if new else 0
    if not filed:
        raise DataError(
            "There is nothing left of this to file: choose other prompts or another kind of task, or bring in prompts "
            "and sample outputs."
        )
    return filed


def repeat(store: Store, task: str, *, name: str, group: Group, overlap: int, now: datetime) -> None:
    """File a task again, under the newest version of its instructions, to see whether the answers stay the same."""
    _check_overlap(overlap)
    found = tasks.get(store, task)
    again = Task(
        id=name,
        kind=found.kind,
        purpose="repeat",
        prompt_id=found.prompt_id,
        instruction_version=instructions.newest(store, found.instruction_version).version,
        completion_ids=found.completion_ids,
        group=group,
        overlap=overlap,
    )
    work.file_tasks(store, [again], now=now)


def _usual(what: What, count: int) -> Filing:
    return Filing(what=what, count=count, stage=usual_stage(what))


def _open(filing: Filing) -> openings.Open:
    return openings.Open(
        kind=filing.what,  # type: ignore[arg-type]
        purpose=_purpose(filing),
        group=filing.group,
        outputs=filing.outputs or OUTPUTS.get(filing.what, (0, 0))[0],
        split="test" if filing.what == "toxicity" else filing.split,
        stage=filing.stage,
        use_case=filing.use_case,
    )


def _tasks(store: Store, filing: Filing, name: str, now: datetime) -> list[Task]:
    _check(filing)
    ids = [f"{name}-{number}" for number in range(filing.count * max(1, len(filing.uses)))]
    if filing.what == "user_based":
        asked = briefs.wanted(store, filing.uses, filing.count, now=now)
    elif filing.what in WRITTEN:
        asked = briefs.drawn(store, filing.what, ids[: filing.count], now=now)  # type: ignore[arg-type]
    else:
        asked = prompts_for(store, filing)[: filing.count]
    shown = _shown(store, asked, filing)
    return [
        Task(
            id=id,
            kind="write" if filing.what in WRITTEN else filing.what,  # type: ignore[arg-type]
            purpose=_purpose(filing),
            prompt_id=prompt,
            completion_ids=shown.get(prompt, ()),
            instruction_version=told(store, filing),
            group=filing.group,
            overlap=filing.overlap,
        )
        for id, prompt in zip(ids, asked, strict=False)
    ]


def _shown(store: Store, prompts: Sequence[str], filing: Filing) -> Mapping[str, tuple[str, ...]]:
    """Choose by chance which outputs of each prompt are shown."""
    if filing.what not in OUTPUTS:
        return {}
    most = filing.outputs or OUTPUTS[filing.what][1]
    return {prompt: tuple(ids[:most]) for prompt, ids in openings.outputs(store, prompts).items()}


def _purpose(filing: Filing) -> Purpose:
    if filing.what == "toxicity":
        return "evaluation"
    return filing.purpose if filing.what in CHOSEN else "train"


def _check(filing: Filing) -> None:
    if filing.what not in get_args(What):
        raise DataError(f"{filing.what!r} is nothing to file; choose one of {', '.join(get_args(What))}.")
    if not 1 <= filing.count <= MOST:
        raise DataError(f"File 1 to {MOST:,} tasks at a time, not {filing.count:,}.")
    _check_overlap(filing.overlap)
    least, most = OUTPUTS.get(filing.what, (0, 0))
    if filing.outputs and not least <= filing.outputs <= most:
        raise DataError(f"Such a task shows {least} to {most} outputs, not {filing.outputs}.")


def _check_overlap(overlap: int) -> None:
    if not 1 <= overlap <= MOST_LABELERS:
        raise DataError(f"Ask for 1 to {MOST_LABELERS} labelers a task, not for {overlap}.")
