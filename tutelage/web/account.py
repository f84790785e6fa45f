"""One's own account, on every site: the password, and where one is signed in. A site shows more below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError
from tutelage.store import sessions
from tutelage.store.accounts import ROLES, Role
from tutelage.store.sessions import Session
from tutelage.web.access import Current, CurrentSession, require
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site


def _nothing(here: Site, session: Session) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The page of one's own account, from a template that extends `account.html`; `values` are what that shows more.

    `told` names what a site's own forms of the page can say; each is "" until one does.
    """

    template: str = "account.html"
    values: Callable[[Site, Session], Mapping[str, Any]] = _nothing
    told: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ROLES

    def page(self, request: Request, here: Site, session: Session, **told: str) -> HTMLResponse:
        """Show the account; `told` says what became of a form: a name with `problem` in it is a refusal."""
        values = {
            **dict.fromkeys(("problem", "notice", *self.told), ""),
            "sessions": sessions.of(here.store, session.person.id, now=here.now()),
            "own": session.id,
            **self.values(here, session),
            **told,
        }
        is_refused = any("problem" in name for name in told)
        return here.pages.render(request, self.template, 400 if is_refused else 200, **values)

    def router(self) -> APIRouter:
        """Return the routes of the account."""
        router = APIRouter(prefix="/account", dependencies=[Depends(require(*self.roles))])

        @router.get("")
        def account(request: Request, here: Here, session: CurrentSession) -> HTMLResponse:
            return self.page(request, here, session)

        @router.post("/password")
        def password(request: Request, here: Here, session: CurrentSession, fields: Fields) -> HTMLResponse:
            return self.page(request, here, session, **_change_password(here, session, fields))

        @router.post("/sessions/{made}/end")
        def end_session(here: Here, person: Current, made: str) -> Response:
            sessions.end(here.store, person.id, made, by=person.id, now=here.now())
            return RedirectResponse("/account", status_code=303)

        return router


def knows_password(here: Site, session: Session, given: str) -> bool:
    """Say whether somebody knows the password of the session's person: who only found an open browser does not.

    A wrong one counts as a failed attempt to sign in, so that it can not be guessed here either.
    """
    attempt = sessions.attempt(here.store, session.person.name, now=here.now())
    return here.passwords.is_right(given, attempt.password if attempt else None)


def _change_password(here: Site, session: Session, fields: Mapping[str, str]) -> dict[str, str]:
    if not knows_password(here, session, fields.get("present", "")):
        return {"problem": here.pages.words("account.wrong")}
    try:
        password = here.passwords.hashed(fields.get("new", ""), name=session.person.name)
    except DataError as error:
        return {"problem": str(error)}
    sessions.change_password(here.store, session.person.id, password, keep=session.id, now=here.now())
    return {"notice": here.pages.words("account.changed")}
