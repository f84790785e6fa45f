"""What is more on the account of who labels: access tokens of one's programs, and what is stored of a labeler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError
from tutelage.store import sessions, tokens, withdrawals
from tutelage.store.accounts import LABELING
from tutelage.store.sessions import Session
from tutelage.web.access import Current, CurrentSession
from tutelage.web.account import Account, knows_password
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

#: For how many days a token may be asked for.
LASTS = (7, 30, 90, tokens.LONGEST_DAYS)


def _values(here: Site, session: Session) -> Mapping[str, Any]:
    labeler = session.person.labeler
    return {
        "tokens": tokens.of(here.store, session.person.id, now=here.now()),
        "lasts": LASTS,
        "stored": withdrawals.stored(here.store, labeler) if labeler else {},
        "withdrawn": withdrawals.withdrawn(here.store).get(labeler),
        "asked": withdrawals.asked(here.store).get(labeler),
    }


ACCOUNT = Account(template="labelers_account.html", values=_values, told=("token_problem", "token"), roles=LABELING)
router = ACCOUNT.router()


@router.post("/tokens")
def make_token(request: Request, here: Here, session: CurrentSession, fields: Fields) -> HTMLResponse:
    """Make an access token for a program and show it, this once; who only found an open browser makes none."""
    if not knows_password(here, session, fields.get("password", "")):
        return ACCOUNT.page(request, here, session, token_problem=here.pages.words("account.token_wrong"))
    sessions.take_back(here.store, session.person.id)
    days = {str(days): days for days in LASTS}.get(fields.get("days", ""), 0)
    try:
        made = tokens.make(here.store, session.person.id, fields.get("name", ""), days=days, now=here.now())
    except DataError as error:
        return ACCOUNT.page(request, here, session, token_problem=str(error))
    return ACCOUNT.page(request, here, session, token=made)


@router.post("/tokens/{made}/revoke")
def revoke_token(here: Here, person: Current, made: str) -> Response:
    """End a token: programs that bring it are refused from now on."""
    tokens.revoke(here.store, person.id, made, by=person.id, now=here.now())
    return RedirectResponse("/account", status_code=303)
