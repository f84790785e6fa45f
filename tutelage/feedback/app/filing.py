"""Filing work for people: what the store holds to work on, and how much of it to hand out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError
from tutelage.feedback import filing, work
from tutelage.feedback.filing import Filing
from tutelage.store import Store, audit
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
        return _page(request, here, problem=str(error))
    return RedirectResponse("/filing", status_code=303)


@router.post("/first")
def file_first(here: Here, person: Current) -> Response:
    """File the first work, as the home page offers it, and go back there."""
    _file(here, person, filing.first(here.store))
    return RedirectResponse("/", status_code=303)


def _file(here: Site, person: Person, filings: list[Filing]) -> None:
    details: dict[str, Any] = {one.kind: {"tasks": one.count, "labelers": one.overlap} for one in filings}
    event = audit.Event(actor=person.id, action="tasks.file", details=details)
    store: Store = audit.audited(here.store, event, now=here.now())
    filing.file(store, filings, now=here.now())


def _read(here: Site, fields: dict[str, str]) -> Filing:
    for kind in filing.KINDS:
        if kind == fields.get("kind"):
            return Filing(kind=kind, count=_number(here, fields, "count"), overlap=_number(here, fields, "overlap"))
    raise DataError(here.pages.words("filing.choose"))


def _number(here: Site, fields: dict[str, str], name: str) -> int:
    given = fields.get(name, "").strip()
    if not given.isdecimal() or len(given) > 6:
        raise DataError(here.pages.words("filing.number"))
    return int(given)


def _page(request: Request, here: Site, *, problem: str = "") -> HTMLResponse:
    values = {"possible": filing.possible(here.store), "progress": work.progress(here.store), "problem": problem}
    return here.pages.render(request, "filing.html", 400 if problem else 200, first=filing.FIRST, **values)
