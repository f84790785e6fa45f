"""A labeler's wellbeing: what one would rather not see, how much of it one saw, and where to turn."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.feedback import wellbeing
from tutelage.feedback.actor import Actor
from tutelage.records import USE_CASE_SHARES
from tutelage.store import welfare
from tutelage.store.welfare import CONTENTS, OptOuts
from tutelage.web.access import Current, require_labeler
from tutelage.web.forms import Fields
from tutelage.web.site import Here

router = APIRouter(prefix="/wellbeing", dependencies=[Depends(require_labeler)])


@router.get("")
def page(request: Request, here: Here, person: Current, saved: bool = False) -> HTMLResponse:
    """Show what one opted out of, what one saw, and support."""
    values: dict[str, Any] = {
        "chosen": welfare.opted_out(here.store, person.labeler),
        "use_cases": tuple(USE_CASE_SHARES),
        "contents": CONTENTS,
        "seen": wellbeing.seen(here.store, person, now=here.now()),
        "limit": welfare.limit(here.store),
        "saved": saved,
    }
    return here.pages.render(request, "wellbeing.html", **values)


@router.post("")
def choose(here: Here, person: Current, fields: Fields) -> Response:
    """Keep what one opted out of."""
    chosen = OptOuts(
        use_cases=frozenset(case for case in USE_CASE_SHARES if fields.get(f"use_case-{case}")),
        contents=frozenset(content for content in CONTENTS if fields.get(f"content-{content}")),
    )
    wellbeing.choose(here.store, Actor(person=person), chosen, now=here.now())
    return RedirectResponse("/wellbeing?saved=true", status_code=303)
