"""The labelers: pace, agreement, gold items, hard reading and its limit; one of them with their labels."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import UserError
from tutelage.feedback import conversations, leading
from tutelage.feedback.actor import Actor
from tutelage.feedback.app.lead import asked
from tutelage.feedback.app.lead.asked import OPEN, Asked, AskedFor
from tutelage.feedback.conversations import To
from tutelage.feedback.leading import RULES
from tutelage.feedback.views import labelers as view
from tutelage.store import judged, welfare
from tutelage.web.access import Current, require
from tutelage.web.errors import ApiError
from tutelage.web.forms import Fields, number
from tutelage.web.site import Here, Site

#: How many of a labeler's last labels are listed.
SHOWN = 50

router = APIRouter(prefix="/lead/labelers", dependencies=[OPEN])


@router.get("")
def labelers(request: Request, here: Here, found: AskedFor, sort: str = "labeler", down: bool = False) -> HTMLResponse:
    """Show all labelers of one kind in one table, sorted by what the reader chose, by pseudonym at first."""
    if sort not in view.SORTS:
        raise ApiError(400, here.pages.words("lead.unknown"))
    return _list(request, here, found, sort=sort, is_down=down)


@router.post("", dependencies=[Depends(require(*RULES))])
def limit(request: Request, here: Here, person: Current, found: AskedFor, fields: Fields) -> Response:
    """Set how much hard reading a person is given in 24 hours; an empty field is no limit."""
    most = number(fields, "most")
    if most is None and fields.get("most", "").strip():
        return _list(request, here, found, problem=here.pages.words("lead.labelers.limit.number"))
    leading.limit_hard_reading(here.store, Actor(person=person), most, now=here.now())
    return RedirectResponse("/lead/labelers", status_code=303)


@router.get("/{labeler}")
def labeler(request: Request, here: Here, found: AskedFor, labeler: str) -> HTMLResponse:
    """Show one labeler's numbers and last labels."""
    return _page(request, here, found, labeler)


@router.post("/{labeler}")
def write(request: Request, here: Here, person: Current, found: AskedFor, labeler: str, fields: Fields) -> Response:
    """Begin a conversation with the labeler."""
    try:
        return asked.written(here, person, [To(labeler=labeler)], fields)
    except UserError as error:
        return _page(request, here, found, labeler, problem=str(error), text=fields.get("text", ""))


def _list(
    request: Request, here: Site, found: Asked, *, sort: str = "labeler", is_down: bool = False, problem: str = ""
) -> HTMLResponse:
    values = {
        "lines": view.lines(here.store, found.looked, sort=sort, is_down=is_down),
        "sorts": tuple(view.SORTS),
        "sort": sort,
        "is_down": is_down,
        "limit": welfare.limit(here.store),
        "rules": RULES,
        "problem": problem,
    }
    return asked.page(request, here, "lead/labelers.html", found, **values)


def _page(
    request: Request, here: Site, found: Asked, labeler: str, *, problem: str = "", text: str = ""
) -> HTMLResponse:
    line = view.of_one(here.store, labeler, found.task)
    values = {
        "line": line,
        "handed": judged.handed(here.store, labeler=labeler, limit=SHOWN),
        "can_write": labeler in conversations.people_of(here.store),
        "problem": problem,
        "text": text,
        "id": secrets.token_hex(8),
    }
    return asked.page(request, here, "lead/labeler.html", found, **values)
