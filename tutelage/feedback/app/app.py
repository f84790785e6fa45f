"""The labeling app as one web application. It never loads torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from tutelage.feedback.app import (
    account,
    candidates,
    home,
    instructions,
    lead,
    log,
    messages,
    navigation,
    people,
    screening,
    welfare,
    withdrawal,
    work,
)
from tutelage.feedback.app.api import app as api
from tutelage.feedback.app.words import WORDS
from tutelage.store import Store
from tutelage.store.accounts import LABELING
from tutelage.web import application, entry, pages
from tutelage.web.pages import Pages
from tutelage.web.passwords import Passwords
from tutelage.web.site import Site, utc_now
from tutelage.web.static import Static

FOLDER = Path(__file__).parent
#: One router per area, in the order of the issue's list; a new area adds its module here and its links to `navigation`.
AREAS = (
    home,
    entry,
    account,
    work,
    welfare,
    *lead.AREAS,
    screening,
    candidates,
    instructions,
    messages,
    people,
    withdrawal,
    log,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The app's one clock, whether browsers reach it by https (cookies then refuse to travel readable), the cost of
    passwords, and how often a program may call the API with one token.
    """

    now: Callable[[], datetime] = utc_now
    is_encrypted: bool = False
    passwords: Passwords = field(default_factory=Passwords)
    calls_per_minute: int = 600


def create(store: Store, settings: Settings) -> FastAPI:
    """Return the application over an open store."""
    static = Static({"web": pages.FOLDER / "static", "app": FOLDER / "static"})
    site = Site(
        store=store,
        pages=Pages([FOLDER / "templates"], WORDS, static, partial(navigation.links, store)),
        now=settings.now,
        is_encrypted=settings.is_encrypted,
        passwords=settings.passwords,
        roles=LABELING,
    )
    app = application.create(site, (area.router for area in AREAS))
    app.mount(api.PREFIX, api.create(site, calls_per_minute=settings.calls_per_minute))
    return app
