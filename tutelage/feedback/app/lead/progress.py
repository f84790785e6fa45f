"""How far the labels are from what was asked for, and where the queue stands."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from tutelage.feedback.app.lead.asked import OPEN
from tutelage.feedback.views import progress as view
from tutelage.web.site import Here

router = APIRouter(prefix="/lead", dependencies=[OPEN])


@router.get("")
def progress(request: Request, here: Here) -> HTMLResponse:
    """Show labels done of target and the time left, by kind, purpose and group, by use case and by source."""
    found = view.of(here.store, now=here.now())
    queue = view.queue(here.store, now=here.now())
    return here.pages.render(
        request,
        "lead/progress.html",
        found=found,
        lines=found.lines(*view.BY["purpose"]),
        use_cases=found.lines(*view.BY["use_case"]),
        sources=found.lines(*view.BY["source"]),
        kinds=queue.kinds,
        free=queue.free,
        states=queue.states,
        reasons=sorted(queue.reasons.items()),
    )
