"""What a key gives at this moment, kept in memory until anything changes that decides about it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from tutelage.errors import MissingError, SettingsError, UserError
from tutelage.store import Store, accounts, applications, counters, keys
from tutelage.store.application_forms import Conditions, DataUse, FilterMode, Limits
from tutelage.store.applications import SERVES, Application, State
from tutelage.store.keys import SCOPES, Bound, Scope
from tutelage.web.errors import ApiError
from tutelage.web.site import utc_now

logger = logging.getLogger(__name__)

#: How often the database is asked whether anything changed.
FRESH_SECONDS = 0.25
#: So long after the last answer nobody is let in before there is another one, and later running calls end: what was
#: forbidden meanwhile cannot be known.
BLIND_SECONDS, LOST_SECONDS = 2.0, 10.0
#: What somebody may do who asks on a page.
PERSONAL: frozenset[Scope] = frozenset({"complete", "feedback"})
#: How many keys are kept in memory, unknown ones included.
_MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a call may do. `application_id` "" is local mode: no key, no quota, and nobody's data.

    `models` () is every public alias. `data_use` is "training" only under a notice that the customer agreed to, whose
    version is `notice_version`. `ends` is when the key or the conditions run out. `person` is the id of somebody who
    asks on a page, where there is no key.
    """

    key_id: str
    application_id: str
    organisation_id: str
    state: State
    scopes: frozenset[Scope]
    filter_mode: FilterMode | Literal["off"]
    models: tuple[str, ...]
    data_use: DataUse
    notice_version: str
    limits: Limits | None
    ends: datetime | None = None
    person: str = ""

    @property
    def is_local(self) -> bool:
        """Say whether this is local mode, where nothing is a customer's."""
        return not self.application_id

    def may_use(self, model: str) -> bool:
        """Say whether this model may be named: each one by its alias or name, or by name and version."""
        return not self.models or model in self.models or model.partition("@")[0] in self.models


#: What anybody on this machine gets while there is no application.
LOCAL = Grant(
    key_id="",
    application_id="",
    organisation_id="",
    state="live",
    scopes=frozenset(SCOPES),
    filter_mode="off",
    models=(),
    data_use="none",
    notice_version="",
    limits=None,
)


def grant_of(bound: Bound, now: datetime) -> Grant | ApiError:
    """Return what a right key gives, or the error that says why it gives nothing. Pure."""
    key = bound.key
    if not key.is_live(now):
        what = "was revoked" if key.ended is not None else "is over"
        return ApiError(401, f"This API key {what}; use another one.", code="key_revoked", headers=CHALLENGE)
    found = _grant_of(bound.application, frozenset(key.scopes), now)
    if isinstance(found, ApiError):
        return found
    ends = [moment for moment in (key.expires, found.ends) if moment is not None]
    return replace(found, key_id=key.id, ends=min(ends, default=None))


def _grant_of(application: Application, scopes: frozenset[Scope], now: datetime) -> Grant | ApiError:
    """Return what an application gives to who may speak for it."""
    if not application.is_organisation_active:
        message = "The organisation of this application is suspended; its page says why."
        return ApiError(403, message, code="organisation_suspended")
    state = application.state_at(now)
    if state not in SERVES:
        message = f"This application is {applications.told(state)}; its page says why."
        return ApiError(403, message, code=f"application_{state}")
    live = application.conditions if state == "live" and application.conditions else None
    conditions = live or Conditions()
    is_consented = application.data_use == "training" == conditions.data_use and application.notice_version
    return Grant(
        key_id="",
        application_id=application.id,
        organisation_id=application.organisation,
        state=state,
        scopes=scopes,
        # Without a review the filter always blocks.
        filter_mode=live.filter_mode if live else "block",
        models=conditions.models,
        data_use="training" if is_consented else "none",
        notice_version=application.notice_version if is_consented else "",
        limits=application.limits,
        ends=live.expires if live else None,
    )


CHALLENGE = {"WWW-Authenticate": "Bearer"}
WRONG = "The API key is missing or wrong; send it as `Authorization: Bearer KEY`."


def wrong_key() -> ApiError:
    """Return the one error for every key that is none: it does not tell what was wrong with it."""
    return ApiError(401, WRONG, code="invalid_api_key", headers=CHALLENGE)


class Grants:
    """Knows what keys give. `refresh` is called every `FRESH_SECONDS`; all calls come from one event loop."""

    def __init__(
        self, store: Store, now: Callable[[], datetime] = utc_now, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self.store, self.now, self._seconds = store, now, seconds
        #: When each key was let in last, until that is written.
        self.used: dict[str, datetime] = {}
        self._kept: OrderedDict[str, Any] = OrderedDict()
        #: Where the counter of changes stood at the last look.
        self.version = -1
        self._looked = float("-inf")
        self._look: asyncio.Task[None] | None = None
        self._pepper: bytes | None = None
        #: Whether there is an application, so that nobody is served without a key.
        self.needs_key = True

    async def refresh(self) -> None:
        """Look whether anything changed, and forget what is out of date; who looks at the same time looks together."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._refresh())
        await asyncio.shield(self._look)

    async def _refresh(self) -> None:
        began = self._seconds()
        version = await asyncio.to_thread(counters.value, self.store)
        if version != self.version:
            self.needs_key = await asyncio.to_thread(applications.is_any, self.store)
            self.version = version
            self._kept.clear()
        self._looked = began

    @property
    def blind_seconds(self) -> float:
        """Return for how long nobody knows what was forbidden."""
        return self._seconds() - self._looked

    async def of(self, text: str) -> Grant:
        """Return what a key gives; raise ApiError 401 for what is none, 403 while its application is not served."""
        key = keys.id_of(text)
        secret = await self._secret()
        bound = None if key is None else await self._bound(key)
        # Compared also where there is no such key, so that the answer takes as long.
        is_right = keys.is_right(text, bound.digest if bound else "", secret)
        if bound is None or not is_right:
            raise wrong_key()
        found = grant_of(bound, self.now())
        if isinstance(found, ApiError):
            raise found
        self.used[found.key_id] = self.now()
        return found

    async def of_person(self, person: str, application: str) -> Grant:
        """Return what an application gives to somebody of its organisation, who asks on a page instead of with a key.

        Raises ApiError 404 for another organisation's, as if it were not there, and 403 while it is not served.
        """
        theirs = await self._known(f"{person} {application}", lambda: _own(self.store, person, application))
        if theirs is None:
            raise ApiError(404, "There is no such application of yours; reload the page.", code="application_not_found")
        found = _grant_of(theirs, PERSONAL, self.now())
        if isinstance(found, ApiError):
            raise found
        return replace(found, person=person)

    async def now_of(self, grant: Grant) -> Grant:
        """Return what the key of a call gives now; raise ApiError when it gives nothing any more.

        Whoever registers the call without waiting in between misses no change: it is seen here, or by the watch.
        """
        if grant.is_local:
            return grant
        if grant.person:
            return await self.of_person(grant.person, grant.application_id)
        bound = await self._bound(grant.key_id)
        found = wrong_key() if bound is None else grant_of(bound, self.now())
        if isinstance(found, ApiError):
            raise found
        return found

    async def _bound(self, key: str) -> Bound | None:
        found: Bound | None = await self._known(key, lambda: keys.bound(self.store, key))
        return found

    async def _known(self, name: str, read: Callable[[], Any]) -> Any:
        """Return what `read` returns, from memory while nothing changed; names of keys and of others never meet."""
        while name not in self._kept:
            version = self.version
            found = await asyncio.to_thread(read)
            if version != self.version:  # what was read may be of before the change
                continue
            self._kept[name] = found
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return self._kept[name]

    async def _secret(self) -> bytes:
        if self._pepper is None:
            try:
                self._pepper = await asyncio.to_thread(keys.pepper, self.store)
            except SettingsError as error:
                logger.error("keys cannot be checked: %s", error)
                raise ApiError(503, "Keys cannot be checked here at the moment; try again later.") from error
        return self._pepper


def _own(store: Store, person: str, application: str) -> Application | None:
    """Return an application of somebody's organisation, None for any other and for who is suspended."""
    try:
        who = accounts.get(store, person)
        if not (who.is_active and who.organisation):
            return None
        return applications.get(store, application, organisation=who.organisation)
    except MissingError:
        return None


def unreachable(error: UserError | None = None) -> ApiError:
    """Return the error while the database does not say who may be served."""
    if error is not None:
        logger.error("%s", error)
    message = "Who may be served cannot be checked at the moment; try again in a minute."
    return ApiError(503, message, code="admission_unavailable", headers={"Retry-After": "10"})
