"""The site of customers and of the operator's people in tests: called by `Visitor`s, or listening for a browser."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from tests.labeling import PASSWORD, QUICK, Clock
from tutelage.govern.pages.part import part
from tutelage.release.desk import Desk
from tutelage.store import Store, accounts, organisations
from tutelage.store.accounts import GOVERNING, Offer, Person, Role
from tutelage.web import parts
from tutelage.web.listening import Listening, bind
from tutelage.web.site import Settings

__all__ = ["clock", "site"]


@dataclass
class Visitor:
    """One person's browser, as far as forms and cookies go."""

    app: FastAPI
    store: Store
    person: Person | None = None
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = TestClient(
            self.app, base_url="http://api.example", headers={"accept": "text/html"}, follow_redirects=False
        )

    def get(self, path: str, **headers: str) -> Response:
        return self.client.get(path, headers=headers)

    def post(self, path: str, **fields: str) -> Response:
        """Send a form as the page would: with the proof that it is from us."""
        return self.client.post(path, data={"csrf": self.proof(), **fields})

    def proof(self) -> str:
        found = re.search(r'<meta name="csrf" content="(\w*)">', self.get("/account").text)
        return found[1] if found else ""

    def use(self, token: str, name: str) -> Visitor:
        """Come in by a link."""
        answer = self.client.post(f"/enter/{token}", data={"name": name, "password": PASSWORD})
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
        (self.person,) = [one for one in accounts.all_people(self.store) if one.name == name]
        return self

    def again(self) -> Visitor:
        """Sign in again, since a session that is not used ends."""
        assert self.person
        answer = self.client.post("/sign-in", data={"name": self.person.name, "password": PASSWORD})
        assert answer.status_code == 303
        return self

    @property
    def id(self) -> str:
        assert self.person
        return self.person.id


@dataclass
class Here:
    """A site over a store, and people who come in to it by their links."""

    store: Store
    clock: Clock
    app: FastAPI

    def nobody(self) -> Visitor:
        return Visitor(self.app, self.store)

    def customer(self, firm: str = "Bakery", name: str = "Cleo") -> Visitor:
        """Let a customer of an organisation in; a new one is made."""
        known = {one.name: one.id for one in organisations.find(self.store)}
        found = known.get(firm) or organisations.create(self.store, firm, by="", now=self.clock.now).id
        return self._invited(Offer(role="customer", organisation=found), name)

    def staff(self, name: str = "Rita", role: Role = "reviewer") -> Visitor:
        return self._invited(Offer(role=role), name)

    def _invited(self, offer: Offer, name: str) -> Visitor:
        token = accounts.invite(self.store, offer, by="", now=self.clock.now)
        return self.nobody().use(token, name)


@pytest.fixture
def clock() -> Clock:
    """Give the site's clock."""
    return Clock()


@pytest.fixture
def site(store: Store, clock: Clock) -> Here:
    """Give the site in the test's process."""
    return Here(store, clock, application(store, clock))


def application(store: Store, now: Callable[..., object] | None = None) -> FastAPI:
    """Return the site's application, with quick passwords."""
    settings = Settings(passwords=QUICK, roles=GOVERNING, **({"now": now} if now else {}))  # type: ignore[arg-type]
    return parts.create(store, settings, [part(Desk())])


def listening(store: Store) -> Iterator[str]:
    """Run the site for a browser and give its address; its clock is the real one."""
    where = Listening(port=0)
    with bind(where) as bound:
        config = uvicorn.Config(application(store), log_level="warning", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield where.address(bound.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


FORM = {
    "name": "Flour talk",
    "purpose": "Answers the questions of our bakers about flour.",
    "use_case": "chat",
    "audience": "own",
    "end_users": "3",
    "answer_tokens": "200",
    "requests_per_day": "500",
    "is_read_first": "on",
}


def described(customer: Visitor, **other: str) -> str:
    """Fill the form in and save it; return the application's id."""
    answer = customer.post("/apps/new", **{**FORM, **other})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix("/apps/").partition("?")[0]


def sent_in(customer: Visitor, **other: str) -> str:
    """Describe an application, begin in the sandbox, and send it in."""
    id = described(customer, **other)
    for to in ("sandbox", "in_review"):
        assert customer.post(f"/apps/{id}/move", to=to).headers["location"] == f"/apps/{id}?done={to}"
    return id


CONDITIONS = {
    "requests_per_minute": "30",
    "tokens_per_minute": "20000",
    "tokens_per_day": "400000",
    "filter_mode": "block",
    "data_use": "training",
}


def live(customer: Visitor, reviewer: Visitor) -> str:
    """Bring an application live."""
    id = sent_in(customer)
    answer = reviewer.post(f"/console/apps/{id}/decide", decision="approved", reason="Clear.", **CONDITIONS)
    assert answer.status_code == 303, answer.text
    return id
