"""What pages of customers and of the operator's people share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import ConflictError, DataError, RefusedError
from tutelage.web.site import Site

#: What a page can say was done, by the name that stands in its address.
DONE = (
    "saved",
    "sandbox",
    "in_review",
    "key_revoked",
    "agreed",
    "refused",
    "withdrawn",
    "appealed",
    "invitation_withdrawn",
    "approved",
    "changes_requested",
    "not_approved",
    "suspended",
    "lifted",
    "throttled",
    "revocation_asked",
    "revocation_dropped",
    "revoked",
    "decided",
    "promoted",
    "rolled_back",
    "retried",
    "organisation",
    "person",
)


def attempt(action: Callable[[], object]) -> str:
    """Do something; return the sentence that refuses it, "" when it is done."""
    try:
        action()
    except (DataError, ConflictError, RefusedError) as error:
        return str(error)
    return ""


def done(path: str, what: str) -> Response:
    """Lead to a page that says what was done."""
    return RedirectResponse(f"{path}?done={what}", status_code=303)


def show(request: Request, here: Site, template: str, values: Mapping[str, Any], *, problem: str = "") -> HTMLResponse:
    """Return a page; `notice` tells what was done, as the address says, and `problem` why something was not."""
    what = request.query_params.get("done", "")
    notice = here.pages.words(f"done.{what}") if what in DONE and not problem else ""
    shared = {"now": here.now(), "notice": notice, "problem": problem}
    return here.pages.render(request, template, 400 if problem else 200, **{**shared, **values})
