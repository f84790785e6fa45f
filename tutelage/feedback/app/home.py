"""The home page: what there is to do for the one who looks."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from tutelage.store.accounts import ROLES
from tutelage.web.access import Current, require
from tutelage.web.site import Here

router = APIRouter(dependencies=[Depends(require(*ROLES))])


@router.get("/")
def home(request: Request, here: Here, person: Current) -> HTMLResponse:
    """Show the home page."""
    return here.pages.render(request, "home.html")
