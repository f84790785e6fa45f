"""Where labelers differ most, and one such prompt: both orders side by side, and what to do about it."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import MissingError, UserError
from tutelage.feedback import filing, work
from tutelage.feedback.app.lead import asked, conversations
from tutelage.feedback.app.lead.asked import GROUPS, OPEN, Asked, AskedFor
from tutelage.feedback.app.lead.conversations import To
from tutelage.feedback.views import disagreements as view
from tutelage.feedback.views.disagreements import Case
from tutelage.store import audit, judged, tasks
from tutelage.store.audit import Event
from tutelage.web.access import Current
from tutelage.web.errors import ApiError
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

PAGE = 50

router = APIRouter(prefix="/lead/disagreements", dependencies=[OPEN])


@router.get("")
def disagreements(
    request: Request, here: Here, found: AskedFor, every: bool = False, after: Annotated[int, Query(ge=0)] = 0
) -> HTMLResponse:
    """Show prompts by how far the labelers of one group differ, or, with `every`, of all groups together."""
    items = view.find(here.store, found.looked, group=None if every else found.group, flag=found.flag)
    shown = items[after : after + PAGE]
    return asked.page(
        request,
        here,
        "lead/disagreements.html",
        found,
        items=shown,
        texts=view.beginnings(here.store, shown),
        every=every,
        after=after,
        total=len(items),
        following=after + PAGE if after + PAGE < len(items) else None,
    )


@router.get("/{prompt:path}")
def case(request: Request, here: Here, found: AskedFor, prompt: str) -> HTMLResponse:
    """Show one prompt with what everybody made of it."""
    return _page(request, here, found, prompt)


@router.post("/{prompt:path}")
def act(request: Request, here: Here, person: Current, found: AskedFor, prompt: str, fields: Fields) -> Response:
    """Write to labelers about this prompt, or file it again; the form's `step` says which."""
    shown = _case(here, found, prompt)
    try:
        if fields.get("step") == "repeat":
            _repeat(here, person.id, shown, fields)
            return RedirectResponse("/lead", status_code=303)
        to = [
            _to(here, side.context.labeler, side.context.assignment_id, _chosen(shown, fields.get("output", "")))
            for number, side in enumerate(shown.sides)
            if f"to-{number}" in fields
        ]
        return RedirectResponse(conversations.begin(here, person, to, fields), status_code=303)
    except UserError as error:
        return _page(request, here, found, prompt, problem=str(error), text=fields.get("text", ""))


def _page(
    request: Request, here: Site, found: Asked, prompt: str, *, problem: str = "", text: str = ""
) -> HTMLResponse:
    shown = _case(here, found, prompt)
    return asked.page(
        request,
        here,
        "lead/case.html",
        found,
        case=shown,
        people=conversations.people_of(here),
        submissions=_submissions(here, shown),
        can_repeat=any(side.context.assignment_id for side in shown.sides),
        groups=GROUPS,
        problem=problem,
        text=text,
        id=secrets.token_hex(8),
    )


def _case(here: Site, found: Asked, prompt: str) -> Case:
    shown = view.open_case(here.store, found.of_prompt(prompt))
    if shown is None:
        raise MissingError(here.pages.words("lead.case.none"))
    return shown


def _submissions(here: Site, shown: Case) -> dict[str, str]:
    """Return by labeler the submission that stands for their judgement of the prompt."""
    ids = {side.context.labeler: side.context.assignment_id for side in shown.sides if side.context.assignment_id}
    return {
        labeler: made.id
        for labeler, assignment in ids.items()
        for made in judged.handed(here.store, assignment=assignment)
        if made.is_latest
    }


def _chosen(shown: Case, letter: str) -> str:
    if not letter:
        return ""
    found = {output.letter: output.completion.id for output in shown.outputs}
    if letter not in found:
        raise ApiError(400, f"There is no output {letter!r} here; reload the page and choose again.")
    return found[letter]


def _to(here: Site, labeler: str, assignment: str, completion: str) -> To:
    """Name an output as this labeler saw it."""
    if not assignment:
        return To(labeler=labeler)
    outputs = work.shown(here.store, assignment, labeler).outputs
    presented = tasks.holdings(here.store, [assignment])[assignment].presented
    ids = {known: output.id for known, output in zip(presented, outputs, strict=True)}
    return To(labeler=labeler, assignment_id=assignment, output=ids.get(completion, ""))


def _repeat(here: Site, actor: str, shown: Case, fields: dict[str, str]) -> None:
    made = next(side.context.assignment_id for side in shown.sides if side.context.assignment_id)
    task = tasks.holdings(here.store, [made])[made].task_id
    group, overlap = fields.get("group", ""), fields.get("overlap", "")
    if group not in GROUPS or not overlap.isdecimal():
        raise ApiError(400, here.pages.words("lead.unknown"))
    name = f"repeat-{fields.get('id') or secrets.token_hex(8)}"
    event = Event(actor=actor, action="tasks.repeat", subject=task, details={"group": group, "overlap": int(overlap)})
    store = audit.audited(here.store, event, now=here.now())
    filing.repeat(store, task, name=name, group=group, overlap=int(overlap), now=here.now())
