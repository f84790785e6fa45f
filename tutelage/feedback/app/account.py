"""One's own account: password, where one is signed in, and what is stored of a labeler."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError
from tutelage.store import sessions, withdrawals
from tutelage.store.accounts import ROLES
from tutelage.store.sessions import Session
from tutelage.web.access import Current, CurrentSession, require
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/account", dependencies=[Depends(require(*ROLES))])


@router.get("")
def account(request: Request, here: Here, session: CurrentSession) -> HTMLResponse:
    """Show the account."""
    return _page(request, here, session)


@router.post("/password")
def change_password(request: Request, here: Here, session: CurrentSession, fields: Fields) -> HTMLResponse:
    """Change the password; who only found an open browser does not know the present one.

    A wrong present password counts as a failed attempt to sign in, so that it can not be guessed here either.
    """
    attempt = sessions.attempt(here.store, session.person.name, now=here.now())
    if not here.passwords.is_right(fields.get("present", ""), attempt.password if attempt else None):
        return _page(request, here, session, problem=here.pages.words("account.wrong"))
    try:
        password = here.passwords.hashed(fields.get("new", ""), name=session.person.name)
    except DataError as error:
        return _page(request, here, session, problem=str(error))
    sessions.change_password(here.store, session.person.id, password, keep=session.id, now=here.now())
    return _page(request, here, session, notice=here.pages.words("account.changed"))


@router.post("/sessions/{made}/end")
def end_session(here: Here, person: Current, made: str) -> Response:
    """Sign another browser out."""
    sessions.end(here.store, person.id, made, by=person.id, now=here.now())
    return RedirectResponse("/account", status_code=303)


def _page(request: Request, here: Site, session: Session, *, problem: str = "", notice: str = "") -> HTMLResponse:
    open_sessions = sessions.of(here.store, session.person.id, now=here.now())
    labeler = session.person.labeler
    values = {
        "sessions": open_sessions,
        "own": session.id,
        "problem": problem,
        "notice": notice,
        "stored": withdrawals.stored(here.store, labeler) if labeler else {},
        "withdrawn": withdrawals.withdrawn(here.store).get(labeler),
        "asked": withdrawals.asked(here.store).get(labeler),
    }
    return here.pages.render(request, "account.html", 400 if problem else 200, **values)
