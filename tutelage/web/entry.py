"""Coming in and leaving, on every site: signing in, using an invitation, signing out."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError
from tutelage.store import accounts, sessions
from tutelage.store.accounts import Invitation
from tutelage.store.sessions import Session
from tutelage.web import access, joining
from tutelage.web.access import CurrentSession, FoundSession, public
from tutelage.web.forms import Fields
from tutelage.web.joining import Newcomer
from tutelage.web.pages import SIGN_IN, local
from tutelage.web.site import Here, Site

#: The address of an invitation, before its token.
LINK = "/enter/"

router = APIRouter()


@router.get(SIGN_IN)
@public
def sign_in_page(request: Request, here: Here, found: FoundSession, next: str = "/") -> Response:
    """Ask for name and password; who is signed in already goes on."""
    if found:
        return RedirectResponse(local(next), status_code=303)
    return here.pages.render(request, "sign_in.html", next=local(next), name="", problem="")


@router.post(SIGN_IN)
@public
def sign_in(request: Request, here: Here, found: FoundSession, fields: Fields) -> Response:
    """Open a session, or show the form again; which of name and password was wrong is not said.

    The session that the browser had before ends: nobody goes on with what was known to somebody before.
    """
    name, target = fields.get("name", ""), local(fields.get("next", "/"))
    attempt = sessions.attempt(here.store, name, now=here.now())
    is_right = here.passwords.is_right(fields.get("password", ""), attempt.password if attempt else None)
    if attempt is None or not is_right:
        problem = here.pages.words("entry.wrong")
        return here.pages.render(request, "sign_in.html", 403, next=target, name=name, problem=problem)
    _end(here, found)
    return _signed_in(request, here, attempt.person.id, target)


@router.post("/sign-out")
def sign_out(here: Here, session: CurrentSession) -> Response:
    """End the session."""
    sessions.end(here.store, session.person.id, session.id, by=session.person.id, now=here.now())
    response = RedirectResponse(SIGN_IN, status_code=303)
    access.sign_out(response, here)
    return response


@router.get(LINK + "{token}")
@public
def enter_page(request: Request, here: Here, token: str) -> HTMLResponse:
    """Show what a link gives; looking at it does not use it up."""
    invitation = joining.known(here.store, token, here.roles, now=here.now())
    if invitation is None:
        return _dead(request, here)
    return _enter_form(request, here, invitation)


@router.post(LINK + "{token}")
@public
def enter(request: Request, here: Here, found: FoundSession, token: str, fields: Fields) -> Response:
    """Use a link: make the account or renew its password, and sign in."""
    invitation = joining.known(here.store, token, here.roles, now=here.now())
    if invitation is None:
        return _dead(request, here)
    given = Newcomer(name=fields.get("name", ""), password=fields.get("password", ""))
    try:
        person = joining.enter(here.store, token, given, here.passwords, now=here.now())
    except DataError as error:
        return _enter_form(request, here, invitation, name=given.name, problem=str(error))
    _end(here, found)
    return _signed_in(request, here, person.id, "/")


def link_of(request: Request, token: str) -> str:
    """Return the address to send to somebody who is to come in."""
    here: Site = request.app.state.site
    # Behind a proxy the request itself came without encryption.
    return f"{'https' if here.is_encrypted else 'http'}://{request.url.netloc}{LINK}{token}"


def _end(here: Site, found: Session | None) -> None:
    if found:
        sessions.end(here.store, found.person.id, found.id, by=found.person.id, now=here.now())


def _signed_in(request: Request, here: Site, person: str, target: str) -> Response:
    agent = request.headers.get("user-agent", "")
    token = sessions.open_for(here.store, person, agent=agent, now=here.now())
    response = RedirectResponse(quote(target, safe="/?=&%#"), status_code=303)
    access.sign_in(response, here, token)
    return response


def _enter_form(
    request: Request, here: Site, invitation: Invitation, *, name: str = "", problem: str = ""
) -> HTMLResponse:
    renewed = accounts.get(here.store, invitation.offer.person).name if invitation.offer.person else ""
    values = {"role": invitation.offer.role, "renewed": renewed, "name": name, "problem": problem}
    return here.pages.render(request, "enter.html", 400 if problem else 200, **values)


def _dead(request: Request, here: Site) -> HTMLResponse:
    return here.pages.render(request, "dead_link.html", 404)
