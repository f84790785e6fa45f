"""What both pages begin with: whose application they send through, and the notice on data before anything is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from tutelage.errors import ConflictError
from tutelage.serve.admission.grants import Grant
from tutelage.serve.pages.visiting import LOCAL_NAME, Standing, Visitor, Visits
from tutelage.store import notice_views
from tutelage.store.application_forms import DataUse
from tutelage.store.applications import Application
from tutelage.store.notice_views import View
from tutelage.web.access import Current, SignInNeededError
from tutelage.web.errors import ApiError
from tutelage.web.forms import Fields
from tutelage.web.pages import local
from tutelage.web.site import Here

NOTICE = "/playground/notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """What a page begins with; `application` is the one that it sends through, `standing` None in local mode."""

    visitor: Visitor
    application: str
    applications: Sequence[Application] = ()
    standing: Standing | None = None

    @property
    def grant(self) -> Grant:
        """Return what the visitor may do."""
        return self.visitor.grant


async def begin(visits: Visits, request: Request, wanted: str) -> Welcome | Response:
    """Return what a page begins with, or lead to the notice; `wanted` is an application's id, "" for the first."""
    if await visits.is_local(request):
        return Welcome(visitor=await visits.visitor(request, LOCAL_NAME), application=LOCAL_NAME)
    found = getattr(request.state, "session", None)
    if found is None:
        raise SignInNeededError
    now = visits.grants.now()
    mine = await asyncio.to_thread(visits.applications_of, found.person, now)
    standing = await asyncio.to_thread(visits.standing, found.person, now)
    if not mine:
        raise ApiError(
            403,
            "Your organisation has no application that is served; make one, or see why one is not.",
            code="no_application",
        )
    if standing.is_due:
        return RedirectResponse(f"{NOTICE}?next={quote(request.url.path)}", status_code=303)
    chosen = next((one.id for one in mine if one.id == wanted), mine[0].id)
    visitor = await visits.visitor(request, chosen)
    return Welcome(visitor=visitor, application=chosen, applications=mine, standing=standing)


def router(visits: Visits) -> APIRouter:
    """Return the page of the notice."""
    routes = APIRouter()

    def shown(request: Request, here: Here, person: Current, target: str, problem: str = "") -> Response:
        now = visits.grants.now()
        mine = visits.applications_of(person, now)
        standing = visits.standing(person, now)
        return here.pages.render(
            request,
            "notice.html",
            409 if problem else 200,
            next=local(target),
            standing=standing,
            applications=mine,
            days=in_days(visits.interval),
            problem=problem,
        )

    @routes.get(NOTICE)
    def notice(request: Request, here: Here, person: Current, next: str = "/playground") -> Response:
        return shown(request, here, person, next)

    @routes.post(NOTICE)
    def read(request: Request, here: Here, person: Current, fields: Fields) -> Response:
        target, said = local(fields.get("next", "/playground")), fields.get("data_use", "")
        choices: dict[str, DataUse] = {"none": "none", "training": "training"}
        if said not in choices:
            return shown(request, here, person, target, here.pages.words("notice.choose"))
        visits.applications_of(person, visits.grants.now())
        view = View(
            person=person.id,
            notice_version=fields.get("version", ""),
            data_use=choices[said],
            created=visits.grants.now(),
        )
        try:
            notice_views.add(visits.store, view)
        except ConflictError as error:
            return shown(request, here, person, target, str(error))
        return RedirectResponse(quote(target, safe="/?=&%#"), status_code=303)

    return routes


def in_days(interval: timedelta) -> int:
    """Return an interval in days, at least one."""
    return max(1, round(interval.total_seconds() / 86_400))
