"""File work for many prompts at once, and the same work again: what a lead asks for, made into tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tutelage.errors import DataError, MissingError
from tutelage.feedback import instructions, work
from tutelage.feedback.work import Task, TaskKind
from tutelage.records import Group, Purpose
from tutelage.store import Store, completions, progress, tasks
from tutelage.store.progress import Missing

#: The kinds of tasks about prompts, and how many outputs each may show; the paper's labelers ranked up to nine (3.5).
OUTPUTS: dict[TaskKind, tuple[int, int]] = {"demonstrate": (0, 0), "rate": (1, 9), "rank": (2, 9)}
#: More at once would be an oversight.
MOST_TASKS = 10_000
MOST_LABELERS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Tasks to file for up to `count` prompts that have none of this kind, purpose and group.

    `version` are the instructions; `outputs` is how many outputs a task shows. "" takes any split, stage and use case.
    """

    kind: TaskKind
    purpose: Purpose
    group: Group
    version: str
    count: int
    overlap: int = 1
    outputs: int = 0
    split: str = ""
    stage: str = ""
    use_case: str = ""

    @property
    def missing(self) -> Missing:
        shared = ("kind", "purpose", "group", "outputs", "split", "stage", "use_case")
        return Missing(**{name: getattr(self, name) for name in shared})


def usual(store: Store, kind: TaskKind, purpose: Purpose) -> str:
    """Return the newest instructions that such a task is usually done under; other versions may fit as well."""
    task = "demonstration" if kind == "demonstrate" else "evaluation" if purpose == "evaluation" else "comparison"
    versions = [one.version for one in instructions.published(store).values() if one.task == task]
    if not versions:
        raise MissingError(f"There are no instructions for {task} yet; publish some first.")
    return versions[-1]


def prompts_for(store: Store, target: Target) -> list[str]:
    """Return the prompts that there are for a target, in an order of chance: all of them, not only `target.count`."""
    _check(target)
    return progress.without_task(store, target.missing)


def file(store: Store, target: Target, *, name: str, now: datetime) -> int:
    """File the target; return how many tasks it has. Filing it again under the same name changes nothing."""
    if known := tasks.beginning_with(store, f"{name}-"):
        return len(known)
    chosen = prompts_for(store, target)[: target.count]
    if not chosen:
        raise DataError("There is no such prompt without such a task; choose other prompts or another kind of task.")
    shown = _outputs(store, chosen, target.outputs)
    new = [
        Task(
            id=f"{name}-{number}",
            kind=target.kind,
            purpose=target.purpose,
            prompt_id=prompt,
            instruction_version=target.version,
            completion_ids=shown.get(prompt, ()),
            group=target.group,
            overlap=target.overlap,
        )
        for number, prompt in enumerate(chosen)
    ]
    work.file_tasks(store, new, now=now)
    return len(new)


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


def _outputs(store: Store, prompts: Sequence[str], count: int) -> dict[str, tuple[str, ...]]:
    """Choose by chance which `count` outputs of each prompt are shown."""
    if not count:
        return {}
    return {
        prompt: tuple(sorted((one.id for one in known), key=lambda output: store.digest("shown", output))[:count])
        for prompt, known in completions.of_prompts(store, prompts).items()
    }


def _check(target: Target) -> None:
    if not 1 <= target.count <= MOST_TASKS:
        raise DataError(f"File work for 1 to {MOST_TASKS:,} prompts at once, not for {target.count:,}.")
    _check_overlap(target.overlap)
    if target.kind not in OUTPUTS:
        raise DataError(f"Tasks of the kind {target.kind!r} are not filed for prompts; choose {', '.join(OUTPUTS)}.")
    least, most = OUTPUTS[target.kind]
    if not least <= target.outputs <= most:
        raise DataError(f"Such a task shows {least} to {most} outputs, not {target.outputs}.")


def _check_overlap(overlap: int) -> None:
    if not 1 <= overlap <= MOST_LABELERS:
        raise DataError(f"Ask for 1 to {MOST_LABELERS} labelers a task, not for {overlap}.")
