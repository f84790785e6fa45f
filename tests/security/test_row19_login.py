"""Row 19: no other site acts in a signed-in person's name, and passwords and sessions are worth little when stolen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import select

from tests.browser import browser
from tests.feedback.app.test_hostile_requests import addresses
from tests.firms import Firm
from tests.govern.pages.test_guard import addresses as governing_addresses
from tests.govern.pages.test_guard import routes as governing_routes
from tests.governing import Here, application
from tests.labeling import PASSWORD, Clock, Visitor, clock, invited, visit
from tests.security.listening import listening
from tests.security.test_row01_unguarded_routes import paths
from tests.serve.askers import COMPARING, Site, read_notice
from tests.serve.scripted import ScriptedCatalogue, ScriptedEngine
from tutelage.feedback import instructions
from tutelage.feedback.app import app as labeling
from tutelage.serve.app import ServeOptions, create_app
from tutelage.store import Store, audit, sessions
from tutelage.store.account_tables import people
from tutelage.store.sessions import IDLE, LIFETIME, MOST_FAILURES
from tutelage.web import access
from tutelage.web.site import utc_now

__all__ = ["browser", "clock", "visit"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

Visit = Callable[..., Visitor]
SAFE = ("GET", "HEAD", "OPTIONS")
#: What a browser says of a request that a page elsewhere made it send.
ELSEWHERE: tuple[dict[str, str], ...] = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "http://desk.example.evil.example"},
    {"origin": "http://desk.example:81"},
    {"origin": "null"},
    {"origin": ""},
)
#: What a form may bring in the place of its proof.
FORGED = ("", "0" * 32, "é", "A" * 5000)


@dataclass
class Signed:
    """Somebody who is signed in and gets nearly everywhere, another session's proof, and all routes of the site."""

    client: TestClient
    store: Store
    proof: str
    other: str
    routes: list[tuple[str, str]]
    least: int = 26

    def acting(self) -> list[tuple[str, str]]:
        """List method and address of every route that may change something."""
        found = [(method, path) for method, path in self.routes if method not in SAFE]
        assert len(found) >= self.least
        return found


@pytest.fixture(params=["labeling", "customers", "asking"])
def signed(request: pytest.FixtureRequest, visit: Visit, store: Store, clock: Clock) -> Signed:
    """Give an administrator of the labeling app, who labels as well, or of the site at the API's address, or a customer
    on the pages where models are asked and compared."""
    if request.param == "asking":
        return asker(store)
    if request.param == "customers":
        here = Here(store, clock, application(store, clock))
        admin, customer = here.staff("Ada", "admin"), here.customer()
        return Signed(admin.client, store, admin.proof(), customer.proof(), list(governing_addresses(store)))
    instructions.publish_defaults(store, now=clock())
    ada, ben = visit("Ada", "admin"), visit("Ben")
    ada.post("/join", group="training")
    return Signed(ada.client, store, ada.proof(), ben.proof(), list(addresses("none")))


def asker(store: Store) -> Signed:
    firm = Firm.of(store, state="live")
    read_notice(store, firm.customer, "training")
    pages = Site(api(store, ScriptedEngine()), store, COMPARING, is_private=False).site
    client = TestClient(pages, base_url="http://api.example", headers={"accept": "text/html"}, follow_redirects=False)
    tokens = [sessions.open_for(store, who, agent="", now=utc_now()) for who in (firm.customer, firm.reviewer)]
    client.cookies.set("tutelage", tokens[0])
    proof, other = (access.proof(pages.state.site, sessions.find(store, token, now=utc_now())) for token in tokens)
    known = {"application": firm.id, "id": "none", "token": "none", "made": "m"}
    found = [
        (method, f"/playground/{firm.id}{route.path}" if route.path.startswith("/v1/") else route.path.format(**known))
        for route in governing_routes(pages.routes)
        if route.path != "/static/{digest}/{name:path}"
        for method in sorted(route.methods)
    ]
    assert {path for _, path in found} >= {f"/playground/{firm.id}/v1/completions", f"/compare/{firm.id}/votes"}
    return Signed(client, store, proof, other, found, least=10)


def test_every_form_of_every_page_needs_the_proof_of_its_session(signed: Signed) -> None:
    proof, before = signed.proof, audit.verify(signed.store)
    assert proof and signed.other and proof != signed.other
    for method, path in signed.acting():
        for forged in (*FORGED, signed.other, proof[:-1], proof.upper() + "0"):
            answer = signed.client.request(method, path, data={"csrf": forged})
            assert answer.status_code == 403 and "reload it" in answer.text, (method, path, forged)
        headers = {"x-csrf-token": signed.other, "accept": "application/json"}
        assert signed.client.request(method, path, headers=headers).json()["error"]["code"] == "stale_page"
    assert audit.verify(signed.store) == before


def test_no_other_sites_page_acts_even_with_the_proof(signed: Signed) -> None:
    before = audit.verify(signed.store)
    for method, path in signed.acting():
        for headers in ELSEWHERE:
            answer = signed.client.request(method, path, data={"csrf": signed.proof}, headers=headers)
            assert answer.status_code == 403 and "page of another site" in answer.text, (method, path, headers)
    assert audit.verify(signed.store) == before


def test_without_a_session_nothing_acts(signed: Signed) -> None:
    before = audit.verify(signed.store)
    signed.client.cookies.clear()
    for method, path in signed.acting():
        if path not in ("/sign-in", "/enter/none"):
            answer = signed.client.request(method, path, data={"csrf": ""}, headers={"accept": "application/json"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_signed_in"), path
    assert audit.verify(signed.store) == before


def test_to_look_is_not_to_act(signed: Signed) -> None:
    """What may come from anywhere, a link or a picture, changes nothing that counts."""
    before = audit.verify(signed.store)
    for method, path in signed.routes:
        if method == "GET":
            assert signed.client.get(path, headers={"sec-fetch-site": "cross-site"}).status_code < 500, path
    assert audit.verify(signed.store) == before


def test_the_cookie_is_this_hosts_over_https_and_no_scripts(visit: Visit, store: Store) -> None:
    visitor = visit(is_encrypted=True)
    answer = visitor.post(f"/enter/{invited(store, 'lead')}", name="Lea", password=PASSWORD)
    name, *parts = re.split(r"[=;]\s*", answer.headers["set-cookie"])
    told = {part.lower() for part in parts}
    assert name == "__Host-tutelage"
    assert {"secure", "httponly", "samesite", "lax", "path", "/"} <= told and "domain" not in told
    assert "max-age" in answer.headers["strict-transport-security"]
    plain = visit().post(f"/enter/{invited(store, 'lead')}", name="Leo", password=PASSWORD)
    assert "HttpOnly" in plain.headers["set-cookie"] and "SameSite=lax" in plain.headers["set-cookie"]


def cookie(visitor: Visitor) -> str:
    return str(visitor.client.cookies.get("tutelage"))


def test_a_session_is_new_at_every_sign_in_and_dead_after_its_end(visit: Visit) -> None:
    anna = visit("Anna")
    seen = {cookie(anna)}
    for _ in range(3):
        planted = visit()
        planted.client.cookies.set("tutelage", "planted-by-somebody-who-waits")
        answer = planted.post("/sign-in", name="Anna", password=PASSWORD)
        seen.add(re.split("[=;]", answer.headers["set-cookie"])[1])
    assert len(seen) == 4 and all(len(token) >= 43 for token in seen)
    assert answers(visit, "planted-by-somebody-who-waits") == 303
    thief = visit()
    thief.client.cookies.set("tutelage", cookie(anna))
    assert thief.get("/account").status_code == 200
    anna.post("/account/password", present=PASSWORD, new="other words without sense")
    assert all(answers(visit, token) == (200 if token == cookie(anna) else 303) for token in seen)
    anna.post("/sign-out")
    assert {answers(visit, token) for token in seen} == {303}


def answers(visit: Visit, token: str) -> int:
    """Return what who brings this cookie is answered on the account page."""
    visitor = visit()
    visitor.client.cookies.set("tutelage", token)
    return visitor.get("/account").status_code


def test_a_session_ends_unused_and_ends_used(visit: Visit, clock: Clock) -> None:
    anna, ben = visit("Anna"), visit("Ben")
    clock.now += IDLE - timedelta(minutes=2)
    assert ben.get("/account").status_code == 200
    clock.now += timedelta(minutes=2)
    assert anna.get("/account").status_code == 303
    began = clock.now - IDLE
    while clock.now + timedelta(hours=6) < began + LIFETIME:
        clock.now += timedelta(hours=6)
        assert ben.get("/account").status_code == 200
    clock.now = began + LIFETIME
    assert ben.get("/account").status_code == 303


def test_neither_passwords_nor_sessions_are_kept(visit: Visit, store: Store, tmp_path: Path) -> None:
    anna = visit("Anna")
    link = invited(store, "lead")
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"Anna" in kept
    for secret in (PASSWORD, cookie(anna), link, anna.proof()):
        assert secret.encode() not in kept


def test_passwords_are_hashed_at_full_cost(store: Store, clock: Clock) -> None:
    visitor = Visitor(labeling.create(store, labeling.Settings(now=clock)), clock)
    anna = visitor.enter("Anna", "labeler", "training")
    with store.read() as connection:
        kept = str(connection.scalar(select(people.c.password).where(people.c.id == anna.id)))
    # RFC 9106, section 4, the second choice: argon2id, 64 MiB, three passes, four lanes.
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_guesses_at_once_are_counted_and_lock(visit: Visit, store: Store, clock: Clock) -> None:
    visit("Anna")
    with ThreadPoolExecutor(20) as pool:
        tried = list(pool.map(lambda _: sessions.attempt(store, "Anna", now=clock()), range(40)))
    assert sum(one is not None for one in tried) == MOST_FAILURES
    assert visit().post("/sign-in", name="Anna", password=PASSWORD).status_code == 403
    clock.move(minutes=14)
    assert visit().post("/sign-in", name="Anna", password=PASSWORD).status_code == 403
    clock.move(minutes=1)
    assert visit().post("/sign-in", name="Anna", password=PASSWORD).status_code == 303


def test_a_name_that_is_unknown_or_locked_takes_one_hash_and_the_same_words(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit("Anna")
    compared: list[str] = []
    original = PasswordHasher.verify

    def counted(self: PasswordHasher, hash: Any, password: Any) -> Any:
        compared.append(str(password))
        return original(self, hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    tries = [("Nobody", PASSWORD), *[("Anna", f"a wrong guess {number}") for number in range(MOST_FAILURES)]]
    told = {
        visit().post("/sign-in", name=name, password=password).text.replace("Nobody", "Anna")
        for name, password in tries
    }
    told |= {visit().post("/sign-in", name="Anna", password=PASSWORD).text}
    assert len(told) == 1 and len(compared) == len(tries) + 1


def api(store: Store, engine: ScriptedEngine) -> FastAPI:
    """The API as it answers this machine without a key."""
    return create_app(ScriptedCatalogue(store, engine=engine), ServeOptions())


def test_no_other_origin_is_told_that_it_may(signed: Signed, store: Store) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    asked |= {"access-control-request-headers": "authorization, content-type"}
    places = [(signed.client, path) for _, path in signed.routes]
    with TestClient(api(store, ScriptedEngine()), base_url="http://localhost") as client:
        places += [(client, path) for path in paths(client.app.routes)]  # type: ignore[attr-defined]
        for browser_, path in places:
            for method in ("OPTIONS", "GET"):
                answer = browser_.request(method, path, headers=asked)
                assert not [name for name in answer.headers if name.startswith("access-control")], (method, path)
                assert method == "GET" or not answer.is_success


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    made.set_default_timeout(10_000)
    yield made
    made.close()


#: Ways in which a script elsewhere calls us; the last two are sent without asking first.
CALLS = (
    {"method": "POST", "headers": {"content-type": "application/json"}, "body": '{"prompt": "a"}'},
    {"method": "GET", "headers": {"authorization": "Bearer tut_x"}},
    {"method": "POST", "headers": {"content-type": "text/plain"}, "body": '{"prompt": "a"}'},
    {"method": "POST", "mode": "no-cors", "headers": {"content-type": "text/plain"}, "body": '{"prompt": "a"}'},
)
FETCH = "([url, how]) => fetch(url, how).then((got) => got.text(), () => 'refused')"


def elsewhere(*forms: str) -> FastAPI:
    """A page of another origin with these forms."""
    app = FastAPI()
    app.get("/")(lambda: HTMLResponse("<!doctype html>" + "".join(forms)))
    return app


def form(action: str, kind: str = "application/x-www-form-urlencoded", **fields: str) -> str:
    """A form that its page sends to us."""
    inputs = "".join(f'<input name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items())
    return f'<form method="post" action="{action}" enctype="{kind}">{inputs}<button>Go</button></form>'


def test_a_page_elsewhere_in_a_real_browser_gets_nothing_done(
    context: BrowserContext, store: Store, tmp_path: Path
) -> None:
    engine = ScriptedEngine()
    app = labeling.create(store, labeling.Settings())
    with listening(app) as desk, listening(api(store, engine), lifespan="on") as model:
        page = context.new_page()
        page.goto(f"{desk}/enter/{invited(store, 'lead', now=utc_now())}")
        page.get_by_label("Name").fill("Lea")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        page.get_by_role("heading", name="Hello, Lea").wait_for()
        proof = page.locator('meta[name="csrf"]').get_attribute("content") or ""
        before = audit.verify(store)
        forms = (
            form(f"{desk}/sign-out", csrf=proof),
            form(f"{desk}/sign-in", name="Lea", password=PASSWORD),
            form(f"{model}/v1/completions", "text/plain", **{'{"prompt": "': '"}'}),
        )
        with listening(elsewhere(*forms)) as evil:
            for number, status in enumerate((403, 403, 415)):
                assert pressed(page, evil, number) == status
            page.goto(evil)
            for how in CALLS:
                for path in ("/v1/completions", "/v1/models"):
                    assert page.evaluate(FETCH, [f"{model}{path}", how]) in ("refused", "")
            told = page.evaluate(FETCH, [f"{desk}/account", {"credentials": "include"}])
            assert told == "refused"
        assert audit.verify(store) == before and engine.asked == []
        page.goto(f"{desk}/account")
        page.get_by_role("heading", name="Lea", exact=True).wait_for()


def pressed(page: Page, address: str, number: int) -> int:
    """Press a button of a page elsewhere; return the status of what comes."""
    page.goto(address)
    with page.expect_response(lambda answer: answer.request.method == "POST") as sent:
        page.get_by_role("button").nth(number).click()
    return sent.value.status
