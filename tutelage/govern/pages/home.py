"""The first page of the site: what there is to do for the one who looks."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from tutelage.govern.pages.common import show
from tutelage.store.accounts import STAFF
from tutelage.web.access import Current
from tutelage.web.site import Here

router = APIRouter()


@router.get("/")
def home(request: Request, here: Here, person: Current) -> Response:
    """Lead customers to their applications and the operator's people to what waits; tell others where they work."""
    if person.role == "customer":
        return RedirectResponse("/apps", status_code=303)
    if person.role in STAFF:
        return RedirectResponse("/console/queue", status_code=303)
    return show(request, here, "home.html", {})
