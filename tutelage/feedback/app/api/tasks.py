"""Tasks: filing them, how far they are, and the prompts to file them about."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from tutelage.feedback import work
from tutelage.feedback.app.api import cursors
from tutelage.feedback.app.api.access import By, only
from tutelage.feedback.app.api.cursors import After, Limit
from tutelage.feedback.app.api.schema import refusals
from tutelage.feedback.desk import kind_of
from tutelage.feedback.wire import tasks as wire
from tutelage.feedback.wire.parts import Name, Page
from tutelage.feedback.work import Task
from tutelage.records import Prompt
from tutelage.store import completions, prompts, tasks
from tutelage.store.accounts import Role

TAG = "tasks"
#: Who sees the work of all.
SEES: tuple[Role, ...] = ("lead", "researcher", "admin")

router = APIRouter(dependencies=[Depends(only(*SEES))], responses=refusals(403))


@router.put("/tasks", responses=refusals(404))
def file_tasks(asking: By, body: wire.Tasks) -> wire.Filed:
    """File tasks at the end of the queue, all or none; filing the same task again changes nothing.

    A task about people's training data takes the group `training`. Prompts and completions come in by the command line.
    """
    new = [_task(one) for one in body.tasks]
    audited = asking.actor.audited(asking.store, "tasks.file", new[0].id, now=asking.now, tasks=len(new))
    work.file_tasks(audited, new, now=asking.now)
    return wire.Filed(tasks=len(new))


@router.get("/progress")
def read_progress(asking: By) -> list[wire.Count]:
    """Count the tasks by kind, purpose and group, and those that are closed."""
    return [wire.Count.model_validate(one) for one in tasks.counts(asking.store)]


@router.get("/prompts")
def list_prompts(
    asking: By, after: After = "", limit: Limit = 50, split: Name = "", stage: Name = ""
) -> Page[wire.Prompt]:
    """List the prompts that may be shown, by id, with the ids of what was written for them."""
    place = cursors.read(after, 1)
    found = prompts.page(asking.store, after=place[0] if place else "", limit=limit + 1, split=split, stage=stage)
    written = completions.of_prompts(asking.store, [one.id for one in found])

    def tell(one: Prompt) -> wire.Prompt:
        names = ("id", "text", "source", "use_case", "split", "stage")
        fields = {name: getattr(one, name) for name in names}
        return wire.Prompt(**fields, completions=[made.id for made in written[one.id]])

    return cursors.page(found, limit, lambda one: [one.id], tell)


def _task(one: wire.Task) -> Task:
    return Task(
        id=one.id,
        kind=kind_of(one.kind),
        purpose=one.purpose,
        prompt_id=one.prompt_id,
        instruction_version=one.instruction_version,
        completion_ids=tuple(one.completion_ids),
        group=one.group,
        overlap=one.overlap,
    )
