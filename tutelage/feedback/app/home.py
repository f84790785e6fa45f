"""The home page: what there is to do for the one who looks."""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.feedback import filing, staff, work
from tutelage.feedback.actor import Actor
from tutelage.feedback.desk import KINDS
from tutelage.feedback.leading import RULES
from tutelage.store import accounts, drafts, returns
from tutelage.store.accounts import JOINING, LABELING, Person
from tutelage.web.access import Current, require
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

#: How much finished work the page offers to open again.
SHOWN = 10

router = APIRouter(dependencies=[Depends(require(*LABELING))])


@router.get("/")
def home(request: Request, here: Here, person: Current, done: str = "") -> HTMLResponse:
    """Show the home page; `done` is the work that was just handed in."""
    waiting = work.available(here.store, person.labeler, now=here.now()) if person.labels else {}
    return here.pages.render(
        request,
        "home.html",
        done=done,
        waiting=[(kind, waiting[kind]) for kind in KINDS if kind in waiting],
        returned=returns.waiting(here.store, person.labeler) if person.labels else [],
        begun=drafts.on_desk(here.store, person.labeler),
        finished=drafts.handed_in(here.store, person.labeler, limit=SHOWN),
        joining=() if person.labeler else JOINING.get(person.role, ()),
        **(_beginning(here) if person.role in RULES else {}),
    )


@router.post("/join")
def join(here: Here, person: Current, fields: Fields) -> Response:
    """Let a lead or an administrator label as well."""
    staff.join(here.store, Actor(person=person), fields.get("group", ""), now=here.now())
    return RedirectResponse("/", status_code=303)


def _beginning(here: Site) -> dict[str, Any]:
    """Return what is missing before people can label: somebody who does, and work that is filed."""
    is_open = any(count.group == "training" and count.closed < count.tasks for count in work.progress(here.store))
    return {
        "has_labelers": any(_is_there(one) for one in accounts.all_people(here.store)),
        "has_work": is_open,
        "first": [] if is_open else filing.first(here.store),
        "id": secrets.token_hex(8),
    }


def _is_there(person: Person) -> bool:
    return person.is_active and (person.labels or person.role == "candidate")
