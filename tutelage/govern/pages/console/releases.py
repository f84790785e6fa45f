"""What is served: aliases, versions and their figures, promotions through gates, canaries, and going back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from tutelage.errors import DataError
from tutelage.govern.pages.common import attempt, done, show
from tutelage.govern.pages.console.staff import ADMINISTRATORS, REVIEWERS, names
from tutelage.govern.pages.releases import Releases
from tutelage.store import registry, releases, results
from tutelage.store.releases import Decision
from tutelage.web.access import Current
from tutelage.web.forms import Fields, number
from tutelage.web.site import Here, Site

#: How many steps of an alias are shown.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Console:
    """The page of releases, over what moves them."""

    releases: Releases

    def router(self) -> APIRouter:
        """Return its routes; everybody of the staff looks, and administrators decide."""
        router = APIRouter(prefix="/console/releases", dependencies=REVIEWERS)

        @router.get("")
        def show_releases(request: Request, here: Here, alias: str = "", version: str = "") -> HTMLResponse:
            return self._page(request, here, asked=(alias, version))

        @router.post("/promote", dependencies=ADMINISTRATORS)
        def promote(request: Request, here: Here, person: Current, fields: Fields) -> Response:
            def act() -> None:
                share, decision = _share(fields), _decision(fields, person.id)
                version, alias = fields.get("version", ""), fields.get("alias", "")
                self.releases.promote(here.store, version, alias, share, decision=decision, now=here.now())

            problem = attempt(act)
            return self._page(request, here, problem) if problem else done("/console/releases", "promoted")

        @router.post("/roll-back", dependencies=ADMINISTRATORS)
        def roll_back(request: Request, here: Here, person: Current, fields: Fields) -> Response:
            def act() -> None:
                decision = _decision(fields, person.id)
                self.releases.roll_back(here.store, fields.get("alias", ""), decision=decision, now=here.now())

            problem = attempt(act)
            return self._page(request, here, problem) if problem else done("/console/releases", "rolled_back")

        return router

    def _page(self, request: Request, here: Site, problem: str = "", asked: tuple[str, str] = ("", "")) -> HTMLResponse:
        store = here.store
        models, pointed = registry.find(store), registry.pointed(store)
        history = {alias: releases.history(store, alias) for alias in sorted(pointed)}
        titles = [f"{one.name}@{one.version}" for one in models]
        is_known = asked[0] in pointed and asked[1] in titles
        values: dict[str, Any] = {
            "aliases": pointed,
            "canaries": releases.find_canaries(store),
            "history": {alias: moves[::-1][:SHOWN] for alias, moves in history.items()},
            "previous": {alias: releases.previous(moves) for alias, moves in history.items()},
            "models": list(zip(titles, models, [results.newest(store, one) for one in models], strict=True)),
            "judged": self.releases.judged(store, *asked) if is_known else (),
            "asked": asked if is_known else ("", ""),
            "names": names(store),
        }
        return show(request, here, "console/releases.html", values, problem=problem)


def _share(fields: dict[str, str]) -> float | None:
    """Return the share of a canary; None for all."""
    if not fields.get("share", "").strip():
        return None
    percent = number(fields, "share")
    if percent is None or not 1 <= percent <= 99:
        raise DataError("The share of a canary is a whole number of per cent, from 1 to 99; leave it out for all.")
    return percent / 100


def _decision(fields: dict[str, str], by: str) -> Decision:
    reason = fields.get("reason", "").strip()
    if not reason:
        raise DataError("Say why; the reason is kept in the history.")
    return Decision(by=by, reason=reason)
