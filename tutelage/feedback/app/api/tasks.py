"""Tasks: filing them one by one or by count, asking again, rules of the queue, and the prompts to file about."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from tutelage.feedback import filing, leading, work
from tutelage.feedback.app.api import cursors
from tutelage.feedback.app.api.access import By, only
from tutelage.feedback.app.api.cursors import After, Limit
from tutelage.feedback.app.api.schema import refusals
from tutelage.feedback.desk import kind_of
from tutelage.feedback.filing import Filing
from tutelage.feedback.leading import RULES, SEES
from tutelage.feedback.wire import tasks as wire
from tutelage.feedback.wire.parts import Key, Name, Page
from tutelage.feedback.work import Task
from tutelage.records import Prompt
from tutelage.store import completions, privacy, progress, prompts

TAG = "tasks"

seen = APIRouter(dependencies=[Depends(only(*SEES))], responses=refusals(403))
ruling = APIRouter(dependencies=[Depends(only(*RULES))], responses=refusals(403))
router = APIRouter()


@seen.put("/tasks", responses=refusals(404))
def file_tasks(asking: By, body: wire.Tasks) -> wire.Filed:
    """File tasks at the end of the queue, all or none; filing the same task again changes nothing.

    A task about people's training data takes the group `training`. Prompts and completions come in by the command line.
    """
    new = [_task(one) for one in body.tasks]
    audited = asking.actor.audited(asking.store, "tasks.file", new[0].id, now=asking.now, tasks=len(new))
    work.file_tasks(audited, new, now=asking.now)
    return wire.Filed(tasks=len(new))


@seen.get("/prompts")
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


@seen.put("/repeats/{key}", responses=refusals(404))
def repeat_task(asking: By, key: Key, body: wire.Again) -> wire.Repeated:
    """File a task again, to see whether the answers stay the same, under a key that the client makes."""
    again = leading.Again(task=body.task, group=body.group, overlap=body.overlap)
    return wire.Repeated(task=leading.repeat(asking.store, asking.actor, again, key, now=asking.now))


@seen.get("/unfiled")
def list_unfiled(asking: By) -> list[wire.Unfiled]:
    """Count the prompts that may be used, and those without a task, by what they are set aside for."""
    return [wire.Unfiled.model_validate(one) for one in progress.unfiled(asking.store)]


@seen.post("/unfiled", responses=refusals(404))
def preview_filing(asking: By, body: wire.Filing) -> wire.Found:
    """Count the prompts that there are for a filing; nothing is filed."""
    asked = _filing(body)
    return wire.Found(prompts=filing.found(asking.store, asked), version=filing.told(asking.store, asked))


@seen.get("/filing")
def read_filing(asking: By) -> wire.Possible:
    """Count what could be filed on what the store holds, and say whether training waits for reviews."""
    possible = {str(what): count for what, count in filing.possible(asking.store).items()}
    return wire.Possible(possible=possible, review_is_required=privacy.is_required(asking.store))


@seen.put("/filings/{key}", responses=refusals(404))
def file_work(asking: By, key: Key, body: wire.Filing) -> wire.Filed:
    """File as many tasks as are asked for, or as there are, under a key that the client makes.

    The same key again files no more and says how many there are, whatever is asked for.
    """
    filed = leading.file_work(asking.store, asking.actor, [_filing(body)], key, now=asking.now)
    return wire.Filed(tasks=filed)


@ruling.put("/filings/{key}/first")
def file_first_work(asking: By, key: Key) -> wire.Filed:
    """File the first work of a store, as the home page offers it, under a key that the client makes."""
    first = filing.first(asking.store)
    return wire.Filed(tasks=leading.file_work(asking.store, asking.actor, first, key, now=asking.now))


@ruling.put("/filing/review", status_code=204)
def require_review(asking: By, body: wire.Rule) -> None:
    """Let training wait for people's looks through prompts, or not."""
    leading.require_review(asking.store, asking.actor, body.required, now=asking.now)


@ruling.put("/limit", status_code=204)
def limit_hard_reading(asking: By, body: wire.Limit) -> None:
    """Set how much hard reading a person is given in 24 hours, or take the limit away."""
    leading.limit_hard_reading(asking.store, asking.actor, body.most, now=asking.now)


for area in (seen, ruling):
    router.include_router(area)


def _filing(body: wire.Filing) -> Filing:
    return leading.filing_of({**body.model_dump(), "uses": tuple(body.uses)})


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
