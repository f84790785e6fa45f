"""Whether the place on the screen, length or haste bends the labels, and what a lead should do."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from tutelage.feedback.app.lead import asked
from tutelage.feedback.app.lead.asked import OPEN, AskedFor
from tutelage.feedback.views import monitors as view
from tutelage.web.site import Here

router = APIRouter(prefix="/lead/monitors", dependencies=[OPEN])


@router.get("")
def monitors(request: Request, here: Here, found: AskedFor) -> HTMLResponse:
    """Show position bias, length bias, hurried labels and revisions."""
    return asked.page(
        request,
        here,
        "lead/monitors.html",
        found,
        biases={
            "position": view.position(here.store, found.looked, found.group),
            "length": view.length(here.store, found.looked, found.group),
        },
        haste=view.haste(here.store, found.kind, found.group),
        enough=view.ENOUGH,
    )
