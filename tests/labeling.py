"""The labeling app in tests: called in the process by `Visitor`s, or listening for a real browser.

A folder's conftest.py takes the fixtures with `from tests.labeling import address, clock, visit`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from tests.feedback.people import someone
from tutelage.feedback.app.app import Settings, create
from tutelage.store import Store, accounts, sessions
from tutelage.store.accounts import LABELING, Offer, Person, Role
from tutelage.web.listening import Listening, bind
from tutelage.web.passwords import Passwords

__all__ = ["address", "clock", "visit"]

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PASSWORD = "four words without sense"
#: A hash at its full cost takes a fifth of a second; `test_entry` makes one that way.
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@dataclass
class Clock:
    """The app's clock, which stands still until a test moves it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


class Visitor:
    """One person's browser, as far as forms and cookies go."""

    def __init__(self, app: FastAPI, clock: Clock, *, is_encrypted: bool = False) -> None:
        self.store, self.clock = app.state.site.store, clock
        scheme = "https" if is_encrypted else "http"
        self.client = TestClient(
            app, base_url=f"{scheme}://desk.example", headers={"accept": "text/html"}, follow_redirects=False
        )

    def enter(self, name: str, role: Role, group: str = "") -> Person:
        """Come in by a new link; who has no business here has a session that was opened elsewhere."""
        if role not in LABELING:
            person = someone(self.store, role, name)
            token = sessions.open_for(self.store, person.id, agent="", now=self.clock.now)
            self.client.cookies.set("tutelage", token)
            return person
        return self.use(invited(self.store, role, group, now=self.clock.now), name)

    def use(self, token: str, name: str) -> Person:
        """Come in by this link."""
        answer = self.post(f"/enter/{token}", name=name, password=PASSWORD)
        assert answer.status_code == 303, answer.text
        (person,) = [one for one in accounts.all_people(self.store) if one.name == name]
        return person

    def get(self, path: str, **headers: str) -> Response:
        return self.client.get(path, headers=headers)

    def post(self, path: str, **fields: str) -> Response:
        """Send a form as the page would: with the proof that it is from us."""
        return self.client.post(path, data={"csrf": self.proof(), **fields})

    def proof(self) -> str:
        """Read what a page of this visitor's session holds against forgery."""
        found = re.search(r'<meta name="csrf" content="(\w*)">', self.get("/account").text)
        return found[1] if found else ""


def invited(store: Store, role: Role, group: str = "", *, now: datetime = NOW) -> str:
    """Return the token of a new link."""
    return accounts.invite(store, Offer(role=role, group=group), by="", now=now)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    """Give the app's clock."""
    return Clock()


@pytest.fixture
def visit(store: Store, clock: Clock) -> Callable[..., Visitor]:
    """Give a function that makes a visitor of one app, who came in if a name and a role are given."""
    apps: dict[bool, FastAPI] = {}

    def make(name: str = "", role: Role = "labeler", group: str = "", *, is_encrypted: bool = False) -> Visitor:
        if is_encrypted not in apps:
            apps[is_encrypted] = create(store, Settings(now=clock, is_encrypted=is_encrypted, passwords=QUICK))
        visitor = Visitor(apps[is_encrypted], clock, is_encrypted=is_encrypted)
        if name:
            visitor.enter(name, role, group or next(iter(accounts.GROUPS[role]), ""))
        return visitor

    return make


@pytest.fixture
def address(store: Store) -> Iterator[str]:
    """Run the app for a browser and give its address; its clock is the real one."""
    listening = Listening(port=0)
    with bind(listening) as bound:
        server = uvicorn.Server(
            uvicorn.Config(
                create(store, Settings(passwords=QUICK)), log_level="warning", access_log=False, lifespan="off"
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        yield listening.address(bound.getsockname()[1])
        server.should_exit = True
        thread.join()
