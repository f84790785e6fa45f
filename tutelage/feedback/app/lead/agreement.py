"""How far labelers agree, with intervals, beside what the paper reports."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from tutelage.feedback.app.lead import asked
from tutelage.feedback.app.lead.asked import OPEN, AskedFor
from tutelage.feedback.views import agreement as view
from tutelage.store import withdrawals
from tutelage.web.site import Here

#: Weeks that the figure shows; its table has all.
WEEKS = 26

router = APIRouter(prefix="/lead/agreement", dependencies=[OPEN])


@router.get("")
def agreement(request: Request, here: Here, found: AskedFor) -> HTMLResponse:
    """Show agreement by group, use case and labeler, on flags, and over time."""
    views = view.of(here.store, found.looked)
    return asked.page(
        request,
        here,
        "lead/agreement.html",
        found,
        groups=views.groups(),
        scales=views.scales(),
        use_cases=views.use_cases(found.group),
        labelers=views.labelers(),
        oneself=views.oneself(),
        flags=views.flags(found.group),
        weeks=views.weeks(found.group),
        shown_weeks=WEEKS,
        withdrew=len(withdrawals.withdrawn(here.store)),
        paper=(view.PAPER_TRAINING, view.PAPER_HELDOUT),
    )
