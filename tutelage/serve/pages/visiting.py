"""Who asks on a page: somebody whose organisation has an application, or this machine while nobody has any.

What a person sends goes out by a grant as that of a key: the application's state, quota, filter and models hold, and
running answers end when it does. It needs the notice on data to have been read, and the person may narrow what it
allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fastapi import Request

from tutelage.errors import MissingError
from tutelage.serve.admission.access import local_grant
from tutelage.serve.admission.grants import BLIND_SECONDS, Grant
from tutelage.serve.api.calls import Caller
from tutelage.store import applications, notice_views, notices
from tutelage.store.accounts import Person
from tutelage.store.applications import SERVES, Application
from tutelage.store.notice_views import View
from tutelage.store.notices import Notice
from tutelage.web.access import Current, SignInNeededError
from tutelage.web.errors import ApiError

#: What stands for the application in the addresses of local mode.
LOCAL_NAME = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks, and what that allows. `person` is None on this machine while nobody has an application."""

    grant: Grant
    person: Person | None = None

    @property
    def user(self) -> str:
        """Return the name of the end user, as a request has it."""
        return self.person.id if self.person else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a page shows of somebody's consent: the notice as it is now, what the person chose, whether it is due."""

    notice: Notice
    view: View | None
    is_due: bool


class Visits:
    """Lets people in on the pages, as `admission.access.Gate` does on the API."""

    def __init__(self, caller: Caller, *, is_private: bool, notice_days: float) -> None:
        self.caller, self.is_private, self.interval = caller, is_private, timedelta(days=notice_days)
        self.grants, self.store = caller.admission.grants, caller.catalogue.store

    async def is_local(self, request: Request) -> bool:
        """Say whether this is this machine, and nobody has an application: then nobody signs in, as with the API."""
        await self._look()
        return local_grant(request.headers, self.grants, self.is_private) is not None

    async def enter(self, request: Request, person: Current, application: str) -> None:
        """Let a signed-in person's request to the API's endpoints pass: a dependency of routes below an application."""
        request.state.grant = (await self._visitor(person, application)).grant

    async def visitor(self, request: Request, application: str) -> Visitor:
        """Return who asks through an application; raise ApiError for who may not."""
        if application == LOCAL_NAME:
            await self._look()
            grant = local_grant(request.headers, self.grants, self.is_private)
            if grant is not None:
                request.state.grant = grant
                return Visitor(grant=grant)
        found = await self._visitor(_signed_in(request), application)
        request.state.grant = found.grant
        return found

    async def _visitor(self, person: Person, application: str) -> Visitor:
        await self._look()
        grant = await self.grants.of_person(person.id, application)
        found = await asyncio.to_thread(self.standing, person, self.grants.now())
        if found.is_due or found.view is None:
            raise ApiError(403, "Read the notice on data first; reload the page.", code="notice")
        if found.view.data_use == "none":
            grant = replace(grant, data_use="none", notice_version="")
        return Visitor(grant=grant, person=person)

    def standing(self, person: Person, now: datetime) -> Standing:
        """Return what somebody chose, and whether the notice is to be read: at first, anew, or after the interval."""
        newest = notices.newest(self.store)
        if newest is None:
            raise MissingError("There is no notice on data to read yet; `tutelage prompts notice` publishes one.")
        view = notice_views.last(self.store, person.id)
        is_current = view is not None and view.notice_version == newest.version and view.created + self.interval > now
        return Standing(notice=newest, view=view, is_due=not is_current)

    def applications_of(self, person: Person, now: datetime) -> Sequence[Application]:
        """Return the applications that somebody can send through, by name."""
        if not person.organisation:
            raise ApiError(
                403,
                "These pages send through an application, and you belong to no organisation that has any; ask an "
                "administrator for an invitation as a customer.",
                code="wrong_role",
            )
        mine = applications.find(self.store, organisation=person.organisation)
        served = [one for one in mine if one.is_organisation_active and one.state_at(now) in SERVES]
        return sorted(served, key=lambda one: (one.name, one.id))

    async def _look(self) -> None:
        if self.grants.blind_seconds > BLIND_SECONDS:
            await self.grants.refresh()


def _signed_in(request: Request) -> Person:
    found = getattr(request.state, "session", None)
    if found is None:
        raise SignInNeededError
    person: Person = found.person
    return person
