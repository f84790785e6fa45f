"""The home page: what there is to do for the one who looks."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from tutelage.feedback import work
from tutelage.feedback.app.people import LOOKS_AFTER
from tutelage.feedback.app.work import KINDS, WORKERS
from tutelage.store import accounts, drafts
from tutelage.store.accounts import ROLES
from tutelage.web.access import Current, require
from tutelage.web.site import Here

#: How much finished work the page offers to open again.
SHOWN = 10

router = APIRouter(dependencies=[Depends(require(*ROLES))])


@router.get("/")
def home(request: Request, here: Here, person: Current, done: str = "") -> HTMLResponse:
    """Show the home page; `done` is the work that was just handed in."""
    everybody = accounts.all_people(here.store) if person.role in LOOKS_AFTER else []
    works = person.role in WORKERS
    waiting = work.available(here.store, person.labeler) if works else {}
    return here.pages.render(
        request,
        "home.html",
        is_first=not any(one.role in ("candidate", "labeler") for one in everybody),
        done=done,
        works=works,
        waiting=[(kind, waiting[kind]) for kind in KINDS if kind in waiting],
        begun=drafts.on_desk(here.store, person.labeler),
        finished=drafts.handed_in(here.store, person.labeler, limit=SHOWN),
    )
