"""Filing work: which prompts have no tasks, and tasks for as many of them as are wanted."""

from __future__ import annotations

import secrets
from typing import Any, get_args

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from tutelage.errors import DataError, UserError
from tutelage.feedback import instructions, targets
from tutelage.feedback.app.lead.asked import GROUPS, OPEN, USE_CASES
from tutelage.feedback.targets import Target
from tutelage.feedback.work import TaskKind
from tutelage.records import Purpose, Split, Stage
from tutelage.store import audit, progress
from tutelage.store.audit import Event
from tutelage.web.access import Current
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

KINDS: tuple[TaskKind, ...] = tuple(targets.OUTPUTS)
#: Screening has pages of its own.
PURPOSES: tuple[Purpose, ...] = tuple(purpose for purpose in get_args(Purpose) if purpose != "screening")
STAGES = tuple(stage for stage in get_args(Stage) if stage)
FIRST = {
    "kind": "rank",
    "purpose": "train",
    "group": "training",
    "version": "",
    "count": "100",
    "overlap": "1",
    "outputs": "4",
    "split": "train",
    "stage": "",
    "use_case": "",
}
_NUMBERS = ("count", "overlap", "outputs")

router = APIRouter(prefix="/lead/file", dependencies=[OPEN])


@router.get("")
def file(request: Request, here: Here) -> HTMLResponse:
    """Show prompts without tasks, and the form that files some."""
    return _page(request, here, FIRST)


@router.post("")
def file_batch(request: Request, here: Here, person: Current, fields: Fields) -> Response:
    """Say how many prompts there are for what the form asks, or file it."""
    given = {name: fields.get(name, first) for name, first in FIRST.items()}
    try:
        target = _target(here, given)
        if fields.get("step") != "file":
            return _page(request, here, given, target=target, found=len(targets.prompts_for(here.store, target)))
        name = f"filed-{fields.get('id') or secrets.token_hex(8)}"
        details = {name: value for name, value in given.items() if value}
        event = Event(actor=person.id, action="tasks.file", subject=name, details=details)
        filed = targets.file(audit.audited(here.store, event, now=here.now()), target, name=name, now=here.now())
    except UserError as error:
        return _page(request, here, given, problem=str(error))
    return _page(request, here, given, filed=filed)


def _page(request: Request, here: Site, given: dict[str, str], **told: Any) -> HTMLResponse:
    values = {
        "given": given,
        "unfiled": progress.unfiled(here.store),
        "choices": {
            "kind": KINDS,
            "purpose": PURPOSES,
            "group": GROUPS,
            "split": get_args(Split),
            "stage": STAGES,
            "use_case": USE_CASES,
            "version": tuple(instructions.published(here.store)),
        },
        "target": None,
        "found": 0,
        "filed": 0,
        "problem": "",
        "id": secrets.token_hex(8),
    }
    return here.pages.render(request, "lead/file.html", 400 if told.get("problem") else 200, **{**values, **told})


def _target(here: Site, given: dict[str, str]) -> Target:
    """Read the form; where it names no instructions, the usual ones are taken."""
    known = {"kind": KINDS, "purpose": PURPOSES, "group": GROUPS}
    if any(given[name] not in values for name, values in known.items()):
        raise DataError(here.pages.words("lead.unknown"))
    if not all(given[name].isdecimal() for name in _NUMBERS):
        raise DataError(here.pages.words("lead.file.numbers"))
    numbers = {name: int(given[name]) for name in _NUMBERS}
    if given["kind"] == "demonstrate":
        numbers["outputs"] = 0
    version = given["version"] or targets.usual(here.store, given["kind"], given["purpose"])  # type: ignore[arg-type]
    return Target(**{**given, **numbers, "version": version})  # type: ignore[arg-type]
