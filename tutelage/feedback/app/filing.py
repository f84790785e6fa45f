"""Filing work for people: what the store holds to work on, and how much of it to hand out."""

from __future__ import annotations

import re
from typing import Any, get_args

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError
from tutelage.feedback import filing, work
from tutelage.feedback.filing import Filing, What
from tutelage.store import audit, privacy
from tutelage.store.accounts import Person, Role
from tutelage.web.access import Current, require
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

#: Who may file work.
FILERS: tuple[Role, ...] = ("lead", "admin")

router = APIRouter(prefix="/filing", dependencies=[Depends(require(*FILERS))])


@router.get("")
def page(request: Request, here: Here) -> HTMLResponse:
    """Show what could be filed, and what is filed already."""
    return _page(request, here)


@router.post("")
def file(request: Request, here: Here, person: Current, fields: Fields) -> Response:
    """File as many tasks of a kind as the form says."""
    try:
        _file(here, person, [_read(here, fields)])
    except DataError as error:
        return _page(request, here, fields=fields, problem=str(error))
    return RedirectResponse("/filing", status_code=303)


@router.post("/first")
def file_first(here: Here, person: Current) -> Response:
    """File the first work, as the home page offers it, and go back there."""
    _file(here, person, filing.first(here.store))
    return RedirectResponse("/", status_code=303)


@router.post("/review")
def require_review(here: Here, person: Current, fields: Fields) -> Response:
    """Let training wait for people's reviews, or not."""
    required = fields.get("required") == "yes"
    event = audit.Event(actor=person.id, action="privacy.require", details={"required": required})
    privacy.require(audit.audited(here.store, event, now=here.now()), required)
    return RedirectResponse("/filing", status_code=303)


def _file(here: Site, person: Person, filings: list[Filing]) -> None:
    details: dict[str, Any] = {
        one.what: {"tasks": one.count, "labelers": one.overlap, "group": one.group} for one in filings
    }
    event = audit.Event(actor=person.id, action="tasks.file", details=details)
    filing.file(here.store, filings, now=here.now(), event=event)


def _read(here: Site, fields: dict[str, str]) -> Filing:
    for what in get_args(What):
        if what == fields.get("what"):
            return Filing(
                what=what,
                count=_number(here, fields, "count"),
                overlap=_number(here, fields, "overlap"),
                group="heldout" if fields.get("group") == "heldout" else "training",
                uses=tuple(use.strip() for use in re.split(r"\n\s*\n", fields.get("uses", "")) if use.strip()),
            )
    raise DataError(here.pages.words("filing.choose"))


def _number(here: Site, fields: dict[str, str], name: str) -> int:
    given = fields.get(name, "").strip()
    if not given.isdecimal() or len(given) > 6:
        raise DataError(here.pages.words("filing.number"))
    return int(given)


def _page(request: Request, here: Site, *, fields: dict[str, str] | None = None, problem: str = "") -> HTMLResponse:
    values = {
        "possible": filing.possible(here.store),
        "written": filing.WRITTEN,
        "first": filing.FIRST,
        "progress": work.progress(here.store),
        "is_required": privacy.is_required(here.store),
        "fields": fields or {},
        "problem": problem,
    }
    return here.pages.render(request, "filing.html", 400 if problem else 200, **values)
