"""Where labelers differ most, and one such prompt: both orders side by side, and what to do about it."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import UserError
from tutelage.feedback import conversations, leading
from tutelage.feedback.actor import Actor
from tutelage.feedback.app.lead import asked
from tutelage.feedback.app.lead.asked import GROUPS, OPEN, Asked, AskedFor
from tutelage.feedback.leading import Again
from tutelage.feedback.views import disagreements as view
from tutelage.feedback.views.disagreements import Case
from tutelage.store import tasks
from tutelage.store.accounts import Person
from tutelage.web.access import Current
from tutelage.web.errors import ApiError
from tutelage.web.forms import Fields, number
from tutelage.web.site import Here, Site

PAGE = 50

router = APIRouter(prefix="/lead/disagreements", dependencies=[OPEN])


@router.get("")
def disagreements(
    request: Request, here: Here, found: AskedFor, every: bool = False, after: Annotated[int, Query(ge=0, le=2**53)] = 0
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
    shown = view.open_case(here.store, found.of_prompt(prompt))
    try:
        if fields.get("step") == "repeat":
            _repeat(here, person, shown, fields)
            return RedirectResponse("/lead", status_code=303)
        output = _chosen(shown, fields.get("output", ""))
        to = [
            conversations.as_seen(here.store, side.context.labeler, side.context.assignment_id, output)
            for number, side in enumerate(shown.sides)
            if f"to-{number}" in fields
        ]
        return asked.written(here, person, to, fields)
    except UserError as error:
        return _page(request, here, found, prompt, problem=str(error), text=fields.get("text", ""))


def _page(
    request: Request, here: Site, found: Asked, prompt: str, *, problem: str = "", text: str = ""
) -> HTMLResponse:
    shown = view.open_case(here.store, found.of_prompt(prompt))
    return asked.page(
        request,
        here,
        "lead/case.html",
        found,
        case=shown,
        people=conversations.people_of(here.store),
        submissions=view.submissions(here.store, shown),
        can_repeat=any(side.context.assignment_id for side in shown.sides),
        groups=GROUPS,
        problem=problem,
        text=text,
        id=secrets.token_hex(8),
    )


def _chosen(shown: Case, letter: str) -> str:
    if not letter:
        return ""
    found = {output.letter: output.completion.id for output in shown.outputs}
    if letter not in found:
        raise ApiError(400, f"There is no output {letter!r} here; reload the page and choose again.")
    return found[letter]


def _repeat(here: Site, person: Person, shown: Case, fields: dict[str, str]) -> None:
    made = next(side.context.assignment_id for side in shown.sides if side.context.assignment_id)
    group = next((one for one in GROUPS if one == fields.get("group")), None)
    overlap = number(fields, "overlap")
    if group is None or overlap is None:
        raise ApiError(400, here.pages.words("lead.unknown"))
    again = Again(task=tasks.holdings(here.store, [made])[made].task_id, group=group, overlap=overlap)
    key = fields.get("id") or secrets.token_hex(8)
    leading.repeat(here.store, Actor(person=person), again, key, now=here.now())
