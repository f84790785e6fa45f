"""Coming in, leaving, one's own account; who may go where; forms of other sites."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from tests.labeling import PASSWORD, Clock, Visitor, invited
from tutelage.feedback.app import app as application
from tutelage.feedback.app import server
from tutelage.store import Store, accounts, audit, sessions
from tutelage.store.account_tables import people
from tutelage.store.accounts import LABELING, ROLES, Role
from tutelage.web.access import public

# What pages store is tested on both databases where it is stored.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

Visit = Callable[..., Visitor]


def test_without_a_session_every_page_leads_to_signing_in_and_back(visit: Visit) -> None:
    visitor = visit()
    answer = visitor.get("/people?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/people")
    assert visitor.get("/nowhere").status_code == 404
    as_program = visitor.get("/people", accept="application/json")
    assert (as_program.status_code, as_program.json()["error"]["code"]) == (401, "not_signed_in")


def test_a_link_is_looked_at_without_being_used_and_used_once(visit: Visit, store: Store) -> None:
    token = invited(store, "labeler", "training")
    visitor = visit()
    for _ in range(2):
        assert "as a labeler" in visitor.get(f"/enter/{token}").text
    visitor.use(token, "Anna")
    assert "Hello, Anna" in visitor.get("/").text
    for answer in (visit().get(f"/enter/{token}"), visit().post(f"/enter/{token}", name="Ben", password=PASSWORD)):
        assert answer.status_code == 404
        assert "used already, withdrawn, or is older" in answer.text
    assert len(accounts.all_people(store)) == 1


@pytest.mark.parametrize(
    ("name", "password", "told"),
    [("", PASSWORD, "Write the name"), ("Anna", "short", "at least 12"), ("Anna", "a" * 20, "easy to guess")],
)
def test_a_form_that_cannot_be_used_keeps_the_link_and_the_name(
    visit: Visit, store: Store, name: str, password: str, told: str
) -> None:
    token = invited(store, "lead")
    answer = visit().post(f"/enter/{token}", name=name, password=password)
    assert answer.status_code == 400
    assert told in answer.text and f'value="{name}"' in answer.text and password not in answer.text
    assert accounts.all_people(store) == []
    visit().use(token, "Anna")


def test_a_password_is_kept_at_the_cost_that_strangers_pay_for_a_guess(store: Store, clock: Clock) -> None:
    """Other tests give the app a cheaper hash."""
    visitor = Visitor(application.create(store, application.Settings(now=clock)), clock)
    anna = visitor.enter("Anna", "labeler", "training")
    with store.read() as connection:
        kept = connection.scalar(select(people.c.password).where(people.c.id == anna.id))
    # RFC 9106, section 4, the second choice: 64 MiB, three passes, four lanes.
    assert str(kept).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    visitor.post("/sign-out")
    assert visitor.post("/sign-in", name="Anna", password=PASSWORD).status_code == 303


def test_signing_in_and_out(visit: Visit) -> None:
    visitor = visit("Anna")
    assert visitor.post("/sign-out").headers["location"] == "/sign-in"
    assert visitor.get("/").status_code == 303
    answer = visitor.post("/sign-in", name="anna", password=PASSWORD, next="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert visitor.get("/account").status_code == 200
    assert visitor.get("/sign-in?next=//evil.example").headers["location"] == "/"


def test_a_stolen_cookie_is_worth_nothing_after_signing_out(visit: Visit) -> None:
    anna, thief = visit("Anna"), visit()
    thief.client.cookies = dict(anna.client.cookies)  # type: ignore[assignment]
    assert thief.get("/").status_code == 200
    anna.post("/sign-out")
    assert thief.get("/").status_code == 303


def test_signing_in_again_ends_the_session_before(visit: Visit) -> None:
    anna, thief = visit("Anna"), visit()
    thief.client.cookies = dict(anna.client.cookies)  # type: ignore[assignment]
    assert anna.post("/sign-in", name="Anna", password=PASSWORD).status_code == 303
    assert (anna.get("/").status_code, thief.get("/").status_code) == (200, 303)
    thief.client.cookies = dict(anna.client.cookies)  # type: ignore[assignment]
    anna.use(invited(anna.store, "lead"), "Lea")
    assert "Hello, Lea" in anna.get("/").text and thief.get("/").status_code == 303


def test_wrong_name_wrong_password_and_locked_look_the_same(visit: Visit, clock: Clock) -> None:
    visit("Anna")
    told = [visit().post("/sign-in", name="Ben", password=PASSWORD)]
    told += [visit().post("/sign-in", name="Anna", password="wrong password") for _ in range(5)]
    told.append(visit().post("/sign-in", name="Anna", password=PASSWORD))
    assert {answer.status_code for answer in told} == {403}
    assert len({answer.text.replace("Ben", "Anna") for answer in told}) == 1
    clock.move(minutes=15)
    assert visit().post("/sign-in", name="Anna", password=PASSWORD).status_code == 303


def test_after_signing_in_nobody_is_led_to_another_site(visit: Visit) -> None:
    visitor = visit("Anna")
    visitor.post("/sign-out")
    answer = visitor.post("/sign-in", name="Anna", password=PASSWORD, next="//evil.example/")
    assert answer.headers["location"] == "/"


def test_a_session_ends_by_itself(visit: Visit, clock: Clock) -> None:
    visitor = visit("Anna")
    clock.now += sessions.IDLE - timedelta(minutes=1)
    assert visitor.get("/").status_code == 200
    clock.now += sessions.IDLE
    assert visitor.get("/").status_code == 303


def test_a_password_is_changed_by_who_knows_the_present_one(visit: Visit) -> None:
    here, there = visit("Anna"), visit()
    there.post("/sign-in", name="Anna", password=PASSWORD)
    wrong = here.post("/account/password", present="something else", new="other words without sense")
    assert wrong.status_code == 400 and "present password is wrong" in wrong.text
    short = here.post("/account/password", present=PASSWORD, new="short")
    assert short.status_code == 400 and "at least 12" in short.text
    done = here.post("/account/password", present=PASSWORD, new="other words without sense")
    assert done.status_code == 200 and "password is changed" in done.text
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 303)
    assert visit().post("/sign-in", name="Anna", password=PASSWORD).status_code == 403
    assert visit().post("/sign-in", name="Anna", password="other words without sense").status_code == 303


def test_the_present_password_cannot_be_guessed_from_an_open_browser(visit: Visit) -> None:
    visitor = visit("Anna")
    for _ in range(5):
        visitor.post("/account/password", present="a wrong guess", new="other words without sense")
    answer = visitor.post("/account/password", present=PASSWORD, new="other words without sense")
    assert answer.status_code == 400


def test_changing_the_password_takes_the_failures_back(visit: Visit) -> None:
    visitor = visit("Anna")
    new = PASSWORD
    for count in range(7):
        present, new = new, f"other words without sense {count}"
        assert visitor.post("/account/password", present=present, new=new).status_code == 200


def test_another_browser_can_be_signed_out(visit: Visit) -> None:
    here, there, ben = visit("Anna"), visit(), visit("Ben")
    there.post("/sign-in", name="Anna", password=PASSWORD)
    (made,) = re.findall(r"/account/sessions/(\w+)/end", here.get("/account").text)
    ben.post(f"/account/sessions/{made}/end")
    assert there.get("/").status_code == 200
    assert here.post(f"/account/sessions/{made}/end").status_code == 303
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 303)


#: What another site's page can make a browser send.
FOREIGN = ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"})


@pytest.mark.parametrize("headers", [*FOREIGN, {"origin": "null"}])
def test_forms_of_other_sites_are_refused_signing_in_too(visit: Visit, store: Store, headers: dict[str, str]) -> None:
    visitor = visit("Anna")
    data = {"csrf": visitor.proof(), "name": "Anna", "password": PASSWORD}
    before = audit.verify(store)
    for path in ("/sign-out", "/sign-in", f"/enter/{'x' * 43}"):
        answer = visitor.client.post(path, data=data, headers=headers)
        assert answer.status_code == 403 and "page of another site" in answer.text
    assert audit.verify(store) == before


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "same-origin"}, {"origin": "http://desk.example"}])
def test_our_own_form_is_taken_by_either_header(visit: Visit, headers: dict[str, str]) -> None:
    visitor = visit("Anna")
    assert visitor.client.post("/sign-out", data={"csrf": visitor.proof()}, headers=headers).status_code == 303


@pytest.mark.parametrize("wrong", ["", "0" * 32, "é"])
def test_a_form_without_its_proof_is_refused(visit: Visit, wrong: str) -> None:
    visitor = visit("Anna")
    answer = visitor.client.post("/sign-out", data={"csrf": wrong})
    assert answer.status_code == 403 and "reload it" in answer.text
    assert visitor.get("/").status_code == 200


def test_the_proof_of_another_session_is_none(visit: Visit) -> None:
    anna, ben = visit("Anna"), visit("Ben")
    assert anna.client.post("/sign-out", data={"csrf": ben.proof()}).status_code == 403
    assert anna.client.post("/sign-out", headers={"x-csrf-token": anna.proof()}).status_code == 303


@pytest.mark.parametrize("body", [b"csrf=%ff", b"a=1&" * 300, b"\xff\xfe", b"x" * 2_000_001])
def test_forms_that_cannot_be_read_are_refused(visit: Visit, body: bytes) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = visit().client.post("/sign-in", content=body, headers=kind)
    assert answer.status_code in (400, 413)
    assert "form" in answer.text


PLACES: dict[str, tuple[Role, ...]] = {
    "/": LABELING,
    "/account": LABELING,
    "/lead": ("lead", "researcher", "admin"),
    "/lead/agreement": ("lead", "researcher", "admin"),
    "/lead/disagreements": ("lead", "researcher", "admin"),
    "/lead/labelers": ("lead", "researcher", "admin"),
    "/lead/monitors": ("lead", "researcher", "admin"),
    "/lead/file": ("lead", "researcher", "admin"),
    "/people": ("lead", "admin"),
    "/log": ("admin",),
    "/log/check": ("admin",),
}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_its_own_places_and_links_only_there(visit: Visit, role: Role) -> None:
    visitor = visit("Somebody", role)
    shown = set(re.findall(r'<li><a href="([^"]+)"', visitor.get("/").text))
    for path, roles in PLACES.items():
        assert visitor.get(path).status_code == (200 if role in roles else 403), path
    assert shown & PLACES.keys() <= {path for path, roles in PLACES.items() if role in roles}


def test_cookies_and_headers_over_https(visit: Visit) -> None:
    visitor = visit(is_encrypted=True)
    answer = visitor.post(f"/enter/{invited(visitor.store, 'lead')}", name="Lea", password=PASSWORD)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-tutelage=")
    for word in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert word in cookie
    assert "max-age" in answer.headers["strict-transport-security"]


def test_every_answer_forbids_what_pages_do_not_need(visit: Visit) -> None:
    visitor = visit("Anna")
    for answer in (visitor.get("/"), visitor.get("/nowhere"), visitor.get("/people"), visit().get("/")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers


def test_a_hostile_name_is_shown_as_text(visit: Visit) -> None:
    name = "<script>alert(1)</script> \"' {{ 7*7 }}"
    page = visit(name, "admin").get("/people").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &#34;&#39; {{ 7*7 }}" in page


def test_a_database_that_is_away_is_a_sentence_until_it_is_back(
    database: str, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that starts meanwhile answers so as well; one that ended would be started again and again."""
    path, hidden = tmp_path / "store.db", tmp_path / "hidden.db"
    store.close()
    path.rename(hidden)
    client = TestClient(server.application(database, False), follow_redirects=False)
    for _ in range(2):
        page = client.get("/enter/some-link", headers={"accept": "text/html"})
        assert page.status_code == 503 and "The database is away at the moment." in page.text
        assert page.headers["retry-after"] == "10" and str(path) not in page.text
    told = client.get("/api/v1/work", headers={"authorization": "Bearer tutelage_x_y"})
    assert told.status_code == 503 and "is away" in told.json()["error"]["message"] and str(path) not in told.text
    assert f"There is no database {path}" in caplog.text
    hidden.rename(path)
    assert client.get("/enter/some-link", headers={"accept": "text/html"}).status_code == 404


def test_a_bug_is_a_page_without_details(store: Store, clock: Clock) -> None:
    app = application.create(store, application.Settings(now=clock))

    @app.get("/bug")
    @public
    def bug() -> None:
        raise KeyError("a secret of the inside")

    answer = TestClient(app, raise_server_exceptions=False).get("/bug", headers={"accept": "text/html"})
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.text and "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
