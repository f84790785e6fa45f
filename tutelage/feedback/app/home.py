"""The home page: what there is to do for the one who looks."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from tutelage.feedback.app.people import LOOKS_AFTER
from tutelage.store import accounts
from tutelage.store.accounts import ROLES
from tutelage.web.access import Current, require
from tutelage.web.site import Here

router = APIRouter(dependencies=[Depends(require(*ROLES))])


@router.get("/")
def home(request: Request, here: Here, person: Current) -> HTMLResponse:
    """Show the home page."""
    everybody = accounts.all_people(here.store) if person.role in LOOKS_AFTER else []
    is_first = not any(one.role in ("candidate", "labeler") for one in everybody)
    return here.pages.render(request, "home.html", is_first=is_first)
