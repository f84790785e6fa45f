"""The keys of an application: made and rotated, each shown this once, and revoked."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from tutelage.errors import ConflictError, DataError, MissingError
from tutelage.govern.pages.common import done, show
from tutelage.govern.pages.customer.own import CUSTOMERS, Own
from tutelage.store import keys
from tutelage.store.applications import SERVES, Application
from tutelage.store.keys import SCOPES, NewKey
from tutelage.web.access import Current
from tutelage.web.forms import Fields, number
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/apps/{application}/keys", dependencies=CUSTOMERS)
#: For how many days a key may be asked for (0: until it is revoked), and how many hours the old one lives on.
LASTS, OVERLAPS = (0, 30, 90, 365), (24, 0, 1, 168)


@router.get("")
def list_keys(request: Request, here: Here, own: Own) -> HTMLResponse:
    """Show the keys, by what may be shown of them."""
    return _page(request, here, own)


@router.post("")
def create(request: Request, here: Here, own: Own, person: Current, fields: Fields) -> HTMLResponse:
    """Make a key and show it, this once."""
    scopes = tuple(scope for scope in SCOPES if f"scope.{scope}" in fields)
    days = number(fields, "days")
    try:
        new = NewKey(name=fields.get("name", ""), scopes=scopes, days=days if days in LASTS[1:] else None)
        made = keys.create(here.store, own.id, new, keys.pepper(here.store), by=person.id, now=here.now())
    except (DataError, ConflictError) as error:
        return _page(request, here, own, problem=str(error))
    return _page(request, here, own, made=made.text)


@router.post("/{key}/rotate")
def rotate(request: Request, here: Here, own: Own, person: Current, key: str, fields: Fields) -> HTMLResponse:
    """Make a key instead of this one, which lives on for as long as is asked for."""
    _check(here, own, key)
    hours = number(fields, "hours")
    overlap = timedelta(hours=hours if hours in OVERLAPS else OVERLAPS[0])
    try:
        made = keys.rotate(here.store, key, keys.pepper(here.store), overlap=overlap, by=person.id, now=here.now())
    except (DataError, ConflictError) as error:
        return _page(request, here, own, problem=str(error))
    return _page(request, here, own, made=made.text)


@router.post("/{key}/revoke")
def revoke(here: Here, own: Own, person: Current, key: str) -> Response:
    """End a key for ever."""
    _check(here, own, key)
    keys.revoke(here.store, key, by=person.id, now=here.now())
    return done(f"/apps/{own.id}/keys", "key_revoked")


def _check(here: Site, own: Application, key: str) -> None:
    """Refuse a key of another application as if it were not there."""
    if all(one.id != key for one in keys.of(here.store, own.id)):
        raise MissingError("This application has no such key; reload the list.")


def _page(request: Request, here: Site, own: Application, *, made: str = "", problem: str = "") -> HTMLResponse:
    now = here.now()
    found = keys.of(here.store, own.id)
    values = {
        "own": own,
        "live": [one for one in found if one.is_live(now)],
        "over": [one for one in found if not one.is_live(now)],
        "made": made,
        "scopes": SCOPES,
        "lasts": LASTS,
        "overlaps": OVERLAPS,
        "is_served": own.state_at(now) in SERVES and own.is_organisation_active,
    }
    return show(request, here, "customer/keys.html", values, problem=problem)
