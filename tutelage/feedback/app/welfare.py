"""A labeler's wellbeing: what one would rather not see, how much of it one saw, and where to turn."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.records import USE_CASE_SHARES
from tutelage.store import audit, welfare
from tutelage.store.welfare import CONTENTS, OptOuts
from tutelage.web.access import Current, require_labeler
from tutelage.web.forms import Fields
from tutelage.web.site import Here

#: The spans of time in days over which the page counts.
SPANS = (1, 7, 30)

router = APIRouter(prefix="/wellbeing", dependencies=[Depends(require_labeler)])


@router.get("")
def page(request: Request, here: Here, person: Current, saved: bool = False) -> HTMLResponse:
    """Show what one opted out of, what one saw, and support."""
    now = here.now()
    seen = {days: welfare.exposure(here.store, person.labeler, since=now - timedelta(days=days)) for days in SPANS}
    values: dict[str, Any] = {
        "chosen": welfare.opted_out(here.store, person.labeler),
        "use_cases": tuple(USE_CASE_SHARES),
        "contents": CONTENTS,
        "seen": seen,
        "limit": welfare.limit(here.store),
        "saved": saved,
    }
    return here.pages.render(request, "wellbeing.html", **values)


@router.post("")
def choose(here: Here, person: Current, fields: Fields) -> Response:
    """Keep what one opted out of. The log tells that it changed, and not how: why one opts out is nobody's business."""
    chosen = OptOuts(
        use_cases=frozenset(case for case in USE_CASE_SHARES if fields.get(f"use_case-{case}")),
        contents=frozenset(content for content in CONTENTS if fields.get(f"content-{content}")),
    )
    event = audit.Event(actor=person.id, action="welfare.choose", subject=person.id)
    welfare.choose(audit.audited(here.store, event, now=here.now()), person.labeler, chosen, now=here.now())
    return RedirectResponse("/wellbeing?saved=true", status_code=303)
