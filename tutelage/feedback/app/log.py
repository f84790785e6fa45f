"""The audit log, for administrators: what was changed by whom, and whether the chain is whole."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from tutelage.store import accounts, audit
from tutelage.store.audit import Head
from tutelage.web.access import require
from tutelage.web.site import Here, Site

PAGE = 100

router = APIRouter(prefix="/log", dependencies=[Depends(require("admin"))])


@router.get("")
def log(request: Request, here: Here, before: Annotated[int | None, Query(ge=1, le=2**53)] = None) -> HTMLResponse:
    """Show a page of the log."""
    return _page(request, here, before, None)


@router.get("/check")
def check(request: Request, here: Here) -> HTMLResponse:
    """Follow the whole chain and say that it holds; a row that does not fit is an error page that names it."""
    return _page(request, here, None, audit.verify(here.store))


def _page(request: Request, here: Site, before: int | None, head: Head | None) -> HTMLResponse:
    entries = audit.find(here.store, before=before, limit=PAGE)
    names = {person.id: person.name for person in accounts.all_people(here.store)}
    older = entries[-1].number if len(entries) == PAGE and entries[-1].number > 1 else None
    return here.pages.render(request, "log.html", entries=entries, names=names, older=older, head=head)
