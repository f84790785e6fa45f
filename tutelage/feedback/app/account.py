"""One's own account: password, sessions, access tokens of one's programs, and what is stored of a labeler."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError
from tutelage.store import sessions, tokens, withdrawals
from tutelage.store.accounts import LABELING
from tutelage.store.sessions import Session
from tutelage.web.access import Current, CurrentSession, require
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

#: For how many days a token may be asked for.
LASTS = (7, 30, 90, tokens.LONGEST_DAYS)

router = APIRouter(prefix="/account", dependencies=[Depends(require(*LABELING))])


@router.get("")
def account(request: Request, here: Here, session: CurrentSession) -> HTMLResponse:
    """Show the account."""
    return _page(request, here, session)


@router.post("/password")
def change_password(request: Request, here: Here, session: CurrentSession, fields: Fields) -> HTMLResponse:
    """Change the password; who only found an open browser does not know the present one.

    A wrong present password counts as a failed attempt to sign in, so that it can not be guessed here either.
    """
    if not _knows_password(here, session, fields.get("present", "")):
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


@router.post("/tokens")
def make_token(request: Request, here: Here, session: CurrentSession, fields: Fields) -> HTMLResponse:
    """Make an access token for a program and show it, this once; who only found an open browser makes none."""
    if not _knows_password(here, session, fields.get("password", "")):
        return _page(request, here, session, token_problem=here.pages.words("account.token_wrong"))
    sessions.take_back(here.store, session.person.id)
    days = {str(days): days for days in LASTS}.get(fields.get("days", ""), 0)
    try:
        made = tokens.make(here.store, session.person.id, fields.get("name", ""), days=days, now=here.now())
    except DataError as error:
        return _page(request, here, session, token_problem=str(error))
    return _page(request, here, session, token=made)


@router.post("/tokens/{made}/revoke")
def revoke_token(here: Here, person: Current, made: str) -> Response:
    """End a token: programs that bring it are refused from now on."""
    tokens.revoke(here.store, person.id, made, by=person.id, now=here.now())
    return RedirectResponse("/account", status_code=303)


def _knows_password(here: Site, session: Session, given: str) -> bool:
    attempt = sessions.attempt(here.store, session.person.name, now=here.now())
    return here.passwords.is_right(given, attempt.password if attempt else None)


def _page(request: Request, here: Site, session: Session, **told: str) -> HTMLResponse:
    """Show the account; `told` says what became of a form: problem, notice, token_problem, or the new token."""
    labeler = session.person.labeler
    values = {
        **{name: told.get(name, "") for name in ("problem", "notice", "token_problem", "token")},
        "sessions": sessions.of(here.store, session.person.id, now=here.now()),
        "own": session.id,
        "tokens": tokens.of(here.store, session.person.id, now=here.now()),
        "lasts": LASTS,
        "stored": withdrawals.stored(here.store, labeler) if labeler else {},
        "withdrawn": withdrawals.withdrawn(here.store).get(labeler),
        "asked": withdrawals.asked(here.store).get(labeler),
    }
    is_refused = "problem" in told or "token_problem" in told
    return here.pages.render(request, "account.html", 400 if is_refused else 200, **values)
