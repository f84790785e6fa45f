"""How far the labels are from what was asked for, and where the queue stands."""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from tutelage.feedback.app.lead.asked import OPEN
from tutelage.feedback.desk import KINDS
from tutelage.feedback.views import progress as view
from tutelage.feedback.work import TaskKind
from tutelage.store import progress as counted
from tutelage.web.site import Here

router = APIRouter(prefix="/lead", dependencies=[OPEN])


@router.get("")
def progress(request: Request, here: Here) -> HTMLResponse:
    """Show labels done of target and the time left, by kind, purpose and group, by use case and by source."""
    found = view.of(here.store, now=here.now())
    states: Counter[tuple[TaskKind, str]] = Counter()
    reasons: Counter[str] = Counter()
    for hands in counted.hands(here.store, now=here.now()):
        states[hands.kind, hands.state] += hands.assignments
        if hands.state == "skipped":
            reasons[hands.reason] += hands.assignments
    free = counted.places(here.store, now=here.now())
    return here.pages.render(
        request,
        "lead/progress.html",
        found=found,
        lines=found.lines("kind", "purpose", "group"),
        use_cases=found.lines("kind", "use_case"),
        sources=found.lines("kind", "source"),
        kinds=[kind for kind in KINDS if kind in free or kind in {one for one, _ in states}],
        free=free,
        states=states,
        reasons=sorted(reasons.items()),
    )
