"""Who gets where: routes, tenants, forms of other sites; and that the site and the API stay apart at one address."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from tests.firms import Firm
from tests.governing import Here, Visitor, application, described, live
from tests.labeling import PASSWORD
from tests.serve.scripted import ask, running
from tutelage.govern.pages.part import part
from tutelage.release.desk import Desk
from tutelage.store import Store, accounts, audit, cases, keys
from tutelage.store.accounts import Offer
from tutelage.store.cases import NewCase
from tutelage.web.parts import Beside

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

PUBLIC = {
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/enter/{token}"),
    ("POST", "/enter/{token}"),
    ("GET", "/static/{digest}/{name:path}"),
}
OPEN_TO_ALL = ("/", "/sign-out", "/account")


def routes(found: Any) -> Iterator[APIRoute]:
    for route in found:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from routes(route.original_router.routes)


def addresses(store: Store, **names: str) -> Iterator[tuple[str, str]]:
    """Yield method and address of every route that is not public, with these names where theirs stand."""
    known = {"application": "app-0", "key": "k", "made": "m", "whom": "w", "number": "1", "job": "j", "act": "suspend"}
    for route in routes(application(store).routes):
        for method in sorted(route.methods):
            if (method, route.path) not in PUBLIC:
                yield method, route.path.format(**{"organisation": "o", **known, **names})


def test_only_coming_in_is_open_to_everybody(store: Store) -> None:
    found = {
        (method, route.path)
        for route in routes(application(store).routes)
        if getattr(route.endpoint, "is_public", False)
        for method in route.methods
    }
    assert found == PUBLIC


def test_without_a_session_every_route_leads_to_signing_in(site: Here) -> None:
    asked = list(addresses(site.store))
    assert len(asked) > 45
    for method, path in asked:
        answer = site.nobody().client.request(method, path)
        assert (answer.status_code, answer.headers["location"][:13]) == (303, "/sign-in?next"), (method, path)
        as_program = site.nobody().client.request(method, path, headers={"accept": "application/json"})
        assert (as_program.status_code, as_program.json()["error"]["code"]) == (401, "not_signed_in")


def status(visitor: Visitor, method: str, path: str, proof: str) -> int:
    return visitor.client.request(method, path, headers={"x-csrf-token": proof}).status_code


def test_each_role_gets_to_its_own_pages_only(site: Here) -> None:
    cleo, rita, ada = site.customer(), site.staff(), site.staff("Ada", "admin")
    id = described(cleo)
    proofs = {visitor.id: visitor.proof() for visitor in (cleo, rita, ada)}
    for method, path in addresses(site.store, application=id):
        if path.startswith(OPEN_TO_ALL[1:]) or path == "/":
            continue
        is_console = path.startswith("/console")
        for visitor in (cleo, rita, ada):
            is_theirs = (visitor is cleo) != is_console
            is_admins = path.startswith("/console/people") or path in (
                "/console/releases/promote",
                "/console/releases/roll-back",
                "/console/jobs/j/retry",
            )
            refused = status(visitor, method, path, proofs[visitor.id]) == 403
            assert refused == (not is_theirs or (is_admins and visitor is rita)), (method, path, visitor.person)


def test_things_of_another_organisation_are_not_there(site: Here) -> None:
    cleo, mona, rita = site.customer(), site.customer("Mill", "Mona"), site.staff()
    id = live(cleo, rita)
    made = cleo.post(f"/apps/{id}/keys", name="a program", **{"scope.complete": "on"})
    key = re.findall(r"tut_(\w{8})_", made.text)[0]
    before, proof = audit.verify(site.store), mona.proof()
    tried = [one for one in addresses(site.store, application=id, key=key) if id in one[1] and "console" not in one[1]]
    assert len(tried) == 15
    for method, path in tried:
        answer = mona.client.request(method, path, headers={"x-csrf-token": proof})
        assert answer.status_code == 404 and "Flour talk" not in answer.text, (method, path)
        missing = mona.client.request(method, path.replace(id, "app-0123456789ab"), headers={"x-csrf-token": proof})
        assert missing.text.replace("app-0123456789ab", id) == answer.text
    assert audit.verify(site.store) == before
    # A key of another application of one's own is not there either.
    other = described(mona)
    for act in ("rotate", "revoke"):
        assert mona.post(f"/apps/{other}/keys/{key}/{act}").status_code == 404
    assert keys.of(site.store, id)[0].ended is None
    token = cleo.post("/organisation/invitations", note="Karl")
    (link,) = re.findall(r"/organisation/invitations/(\w+)/withdraw", token.text)
    assert mona.post(f"/organisation/invitations/{link}/withdraw").status_code == 404
    assert "Karl" not in mona.get("/organisation").text and "Karl" in cleo.get("/organisation").text


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
def test_forms_of_other_sites_change_nothing(site: Here, headers: dict[str, str]) -> None:
    for visitor in (site.customer(), site.staff("Ada", "admin")):
        proof = visitor.proof()
        before = audit.verify(site.store)
        for method, path in addresses(site.store):
            if method == "POST":
                for given in ({"csrf": proof}, {}):
                    answer = visitor.client.post(path, data=given, headers=headers)
                    assert answer.status_code == 403 and "page of another site" in answer.text, path
                answer = visitor.client.post(path, data={"csrf": "0" * 32})
                assert answer.status_code == 403 and "reload it" in answer.text, path
        assert audit.verify(site.store) == before


def test_a_labelers_link_opens_nothing_here_and_a_customer_never_joins_the_staff(site: Here) -> None:
    token = accounts.invite(site.store, Offer(role="labeler", group="training"), by="", now=site.clock.now)
    assert site.nobody().get(f"/enter/{token}").status_code == 404
    answer = site.nobody().client.post(f"/enter/{token}", data={"name": "Lena", "password": PASSWORD})
    assert answer.status_code == 404 and accounts.all_people(site.store) == []


def test_hostile_words_are_shown_as_text(site: Here) -> None:
    name = "<script>alert(1)</script> \"' {{ 7*7 }}"
    shown = "&lt;script&gt;alert(1)&lt;/script&gt; &#34;&#39; {{ 7*7 }}"
    cleo, rita = site.customer(), site.staff()
    id = described(cleo, name=name, purpose=name * 2)
    pages = [cleo.get("/apps"), cleo.get(f"/apps/{id}"), cleo.get(f"/apps/{id}/form"), rita.get("/console/apps")]
    for page in [*pages, rita.get(f"/console/apps/{id}")]:
        assert page.status_code == 200 and "<script>alert" not in page.text and shown in page.text


@pytest.mark.parametrize("number", ["0", "-1", "9" * 30, "9" * 5000, "x", "%00"])
def test_numbers_that_nothing_here_has(site: Here, number: str) -> None:
    rita = site.staff()
    for path in (f"/console/cases/{number}", f"/console/usage?days={number}", f"/console/apps?state={number}"):
        assert rita.get(path).status_code < 500, path
    for path in (f"/console/cases/{number}/decide", f"/console/appeals/{number}/decide"):
        assert rita.post(path, verdict="x", code="y", decision="z").status_code in (400, 404), path


def test_the_site_and_the_api_stay_apart(site: Here) -> None:
    """A key opens no page and a session no route of the API, however the path is spelled."""
    cleo, firm = site.customer("Mill", "Mona"), Firm.of(site.store)
    key = firm.key().text
    brought = [part(Desk())]
    cookie = f"tutelage={cleo.client.cookies['tutelage']}"

    async def run() -> None:
        async with running(site.store, now=lambda: site.clock.now) as api:
            whole = Beside(api, site.app, brought)
            for path in ("/v1/models", "/apps/../v1/models", "//v1/models", "/healthz/../v1/models", "/V1/models"):
                for extra in ({"cookie": cookie}, {}):
                    answer = await ask(whole, path, headers={"accept": "text/html", **extra})
                    assert answer.status in (401, 404) and b"default" not in answer.body, path
            assert (await ask(whole, "/v1/models", headers={"authorization": f"Bearer {key}"})).status == 200
            for path in ("/", "/apps", f"/apps/{firm.id}", "/console/queue"):
                answer = await ask(whole, path, headers={"authorization": f"Bearer {key}"})
                assert answer.status == 401 and answer.json["error"]["code"] == "not_signed_in", path
            for path in ("//", "//apps", "/Apps", "/.//apps", "/console%00", "/docs", "/openapi.json", ""):
                answer = await ask(whole, path, headers={"cookie": cookie})
                assert answer.status == 401 and answer.json["error"]["code"] == "invalid_api_key", path
            assert (await ask(whole, "/healthz")).status == 200

    asyncio.run(run())


def test_a_case_of_the_own_organisation_is_none_of_a_reviewers_business(site: Here) -> None:
    """Staff never decides about the own organisation: here, who is a customer gets no console at all."""
    cleo, rita = site.customer(), site.staff()
    id = live(cleo, rita)
    number = cases.add(site.store, NewCase(kind="finding", application_id=id, signal="spam"), now=site.clock.now)
    assert cleo.post(f"/console/cases/{number}/decide", verdict="dismissed", code="test").status_code == 403
    assert cases.get(site.store, number).verdict == "open"
