"""The playground asks by the API's own way: the same admission, quota, filter, log and feedback, by a session."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.databases import database, store
from tests.firms import NOW, Firm
from tests.safety.filters import UNSAFE, WordClassifier, policy
from tests.serve.askers import COMPARING, Asker, asking, read_notice
from tests.serve.scripted import Exchange, ScriptedEngine, ask
from tutelage.safety.content import ContentFilter
from tutelage.serve.pages.part import part
from tutelage.serve.pages.settings import PageSettings
from tutelage.serve.screen import FilterOptions, Screen
from tutelage.store import Store, accounts, comments, contents, end_users, notices, quotas, requests
from tutelage.store.accounts import Offer
from tutelage.web.site import utc_now

__all__ = ["database", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

BODY: dict[str, Any] = {"prompt": "Which flour makes rye bread?", "max_tokens": 9}
STREAM = {**BODY, "stream": True, "stream_options": {"include_usage": True}}


def agreed(store: Store, name: str = "Bakery") -> Firm:
    """Return a live application whose customer agreed to training."""
    firm = Firm.of(store, name, "live")
    notices.publish(store, "data-use-1", "We train.", by="", now=NOW)
    notices.agree(store, firm.id, "data-use-1", by=firm.customer, now=NOW)
    return firm


def colleague(firm: Firm, name: str = "Kim") -> str:
    """Let a second person of an organisation in; return the id."""
    token = accounts.invite(firm.store, Offer(role="customer", organisation=firm.organisation), by="", now=NOW)
    return accounts.enter(firm.store, token, name, "no hash", now=NOW).id


def test_an_answer_is_the_same_as_with_a_key_and_leaves_the_same_row(store: Store) -> None:
    firm = agreed(store)
    key = {"Authorization": f"Bearer {firm.key(now=utc_now()).text}"}

    async def run() -> tuple[Exchange, Exchange]:
        async with asking(store, now=lambda: NOW) as app:
            kim = Asker.of(app, firm)
            page = await kim.post(f"/playground/{firm.id}/v1/completions", STREAM)
            return page, await ask(app, "/v1/completions", STREAM, headers=key)

    page, program = asyncio.run(run())
    assert (page.status, program.status) == (200, 200), page.body

    def stripped(answer: Exchange) -> list[Any]:
        return [{**event, "id": "", "created": 0} for event in answer.events]

    assert (
        stripped(page) == stripped(program)
        and "".join(choice["text"] for event in page.events for choice in event["choices"]) == "one two three"
    )
    one, other = (requests.get(store, answer.events[0]["id"]) for answer in (page, program))
    assert one and other
    same = ("application_id", "organisation_id", "model", "action", "prompt_tokens", "completion_tokens", "data_use",
            "notice_version", "use_case", "prompt_simhash", "completion_simhash", "is_stream")  # fmt: skip
    assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
    assert (one.key_id, one.data_use, one.notice_version) == ("", "training", "data-use-1")
    assert one.end_user == end_users.hash_of(store, firm.organisation, firm.customer) != other.end_user
    assert quotas.used(store, firm.id, now=NOW).minute_requests == 2
    assert {said.request.id for said in contents.consented(store)} == {one.id, other.id}


def test_the_person_is_the_end_user_whatever_the_body_says(store: Store) -> None:
    firm = agreed(store)

    async def run() -> Exchange:
        async with asking(store) as app:
            return await Asker.of(app, firm).post(f"/playground/{firm.id}/v1/completions", {**BODY, "user": "lee"})

    row = requests.get(store, asyncio.run(run()).json["id"])
    assert row and row.end_user == end_users.hash_of(store, firm.organisation, firm.customer)


@pytest.mark.parametrize("choice", ["training", "none"])
def test_a_person_narrows_what_the_application_agreed_to(store: Store, choice: Any) -> None:
    firm = agreed(store)

    async def run() -> str:
        async with asking(store) as app:
            kim = Asker.of(app, firm, data_use=choice)
            answer = await kim.post(f"/playground/{firm.id}/v1/completions", BODY)
            words = {"request_id": answer.json["id"], "correction": "Rye flour."}
            said = await kim.post(f"/playground/{firm.id}/v1/feedback", words)
            assert said.status == (200 if choice == "training" else 403)
            return str(answer.json["id"])

    id = asyncio.run(run())
    row = requests.get(store, id)
    assert row and row.data_use == choice and bool(row.notice_version) == (choice == "training")
    assert bool(contents.consented(store)) == (choice == "training")
    assert bool(comments.of_requests(store, [id])) == (choice == "training")


def test_an_application_that_agreed_to_nothing_is_not_widened_by_a_person(store: Store) -> None:
    firm = Firm.of(store)

    async def run() -> Exchange:
        async with asking(store) as app:
            return await Asker.of(app, firm).post(f"/playground/{firm.id}/v1/completions", BODY)

    row = requests.get(store, asyncio.run(run()).json["id"])
    assert row and (row.data_use, row.notice_version) == ("none", "")


def test_the_notice_comes_before_the_first_prompt_again_after_a_time_and_when_it_changes(store: Store) -> None:
    firm = agreed(store)

    async def run() -> None:
        async with asking(store, settings=PageSettings(notice_days=7)) as app:
            kim = Asker.of(app, firm, data_use=None)

            async def is_due() -> bool:
                page = await kim.get("/playground", html=True)
                asked = await kim.post(f"/playground/{firm.id}/v1/completions", BODY)
                if page.status == 303:
                    assert page.headers["location"] == "/playground/notice?next=/playground"
                    assert (asked.status, asked.json["error"]["code"]) == (403, "notice")
                else:
                    assert (page.status, asked.status) == (200, 200)
                return page.status == 303

            async def read(version: str, use: str = "training") -> Exchange:
                fields = f"csrf={kim.proof}&version={version}&data_use={use}&next=/playground".encode()
                headers = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html"}
                return await kim.post("/playground/notice", fields, headers=headers)

            assert await is_due()
            shown = await kim.get("/playground/notice", html=True)
            assert b"We train." in shown.body and b"data-use-1" in shown.body
            assert (await read("data-use-1", "perhaps")).status == 409 and await is_due()
            assert (await read("data-use-1")).status == 303 and not await is_due()
            read_notice(store, firm.customer, "training", now=utc_now() - timedelta(days=8))
            assert await is_due()
            assert (await read("data-use-1")).status == 303 and not await is_due()
            notices.publish(store, "data-use-2", "We train more.", by="", now=utc_now())
            assert await is_due()
            assert (await read("data-use-1")).status == 409 and await is_due()
            assert (await read("data-use-2")).status == 303 and not await is_due()

    asyncio.run(run())


def test_a_running_answer_ends_when_its_application_or_its_person_is_stopped(store: Store) -> None:
    firm, engine = agreed(store), ScriptedEngine(pause_after=1)
    kim_id = colleague(firm)

    async def run() -> list[Any]:
        async with asking(store, engine=engine) as app:
            found = []
            for person, stop in (
                (kim_id, lambda: accounts.set_active(store, kim_id, False, by=firm.other, now=NOW)),
                (firm.customer, lambda: firm.move("suspended")),
            ):
                exchange = Exchange()
                asker = Asker.of(app, firm, person=person)
                path = f"/playground/{firm.id}/v1/completions"
                waiting = asyncio.create_task(asker.post(path, STREAM, exchange=exchange))
                await exchange.until("one")
                await asyncio.to_thread(stop)
                await waiting
                found.append(exchange.events[-1]["error"]["code"])
            assert engine.in_flight == 0 and engine.cancelled == 2
            return found

    assert asyncio.run(run()) == ["application_not_found", "application_suspended"]


def test_leaving_cancels_on_the_server_and_is_told_of_the_request(store: Store) -> None:
    firm, engine = agreed(store), ScriptedEngine(pause_after=2)

    async def run() -> Exchange:
        async with asking(store, engine=engine) as app:
            kim, exchange = Asker.of(app, firm), Exchange()
            path = f"/playground/{firm.id}/v1/chat/completions"
            chat = {"messages": [{"role": "user", "content": "Hello."}], "stream": True}
            waiting = asyncio.create_task(kim.post(path, chat, exchange=exchange))
            await exchange.until("two")
            exchange.left.set()
            await waiting
            assert (engine.in_flight, engine.cancelled) == (0, 1)
            return await kim.get(f"/playground/{firm.id}/requests/{exchange.events[0]['id']}")

    told = asyncio.run(run()).json
    assert (told["action"], told["completion_tokens"], told["model"]) == ("cancelled", 2, "default-model@1")


def test_what_the_filter_found_is_told_to_the_one_who_asked_and_nobody_else(store: Store, tmp_path: Path) -> None:
    firm, stranger = agreed(store), Firm.of(store, "Dairy", "live")
    filtering = Screen(store, FilterOptions(is_chosen=True), lambda path: None)  # type: ignore[arg-type, return-value]
    filtering._content = ContentFilter(policy(tmp_path), WordClassifier())

    async def run() -> None:
        async with asking(store, engine=ScriptedEngine(words=("Fine. ", UNSAFE, " again")), screen=filtering) as app:
            kim = Asker.of(app, firm)
            blocked = await kim.post(f"/playground/{firm.id}/v1/completions", {**BODY, "prompt": f"Say {UNSAFE}"})
            assert (blocked.status, blocked.json["error"]["code"]) == (400, "content_filter")
            cut = await kim.post(f"/playground/{firm.id}/v1/completions", BODY)
            assert cut.json["choices"][0]["finish_reason"] == "content_filter"
            path = f"/requests/{cut.json['id']}"
            told = (await kim.get(f"/playground/{firm.id}{path}")).json
            assert (told["action"], told["is_filtered"]) == ("cut", True)
            assert (told["prompt_severity"], told["completion_severity"]) == (0, 2)
            assert told["categories"] == {"prompt": [], "completion": ["hate"]}
            others = Asker.of(app, firm, person=colleague(firm)), Asker.of(app, stranger)
            for other in others:
                answer = await other.get(f"/playground/{other.application}{path}")
                assert (answer.status, answer.json["error"]["code"]) == (404, "request_not_found")
            assert (await others[1].get(f"/playground/{firm.id}{path}")).status == 404

    asyncio.run(run())


def test_only_the_models_that_the_application_may_use_are_offered(store: Store) -> None:
    from tutelage.store.application_forms import Conditions

    firm = agreed(store)
    firm.move("live", conditions=Conditions(models=("sft",)))

    async def run() -> tuple[Exchange, Exchange]:
        async with asking(store) as app:
            kim = Asker.of(app, firm)
            return await kim.get("/playground", html=True), await kim.post(
                f"/playground/{firm.id}/v1/completions", BODY
            )

    page, refused = asyncio.run(run())
    assert b'value="sft"' in page.body and b'value="ppo"' not in page.body and b'value="default"' not in page.body
    assert (refused.status, refused.json["error"]["code"]) == (404, "model_not_found")


#: Every route of the pages; the API's own stand below an application.
BELOW = ("/v1/completions", "/v1/chat/completions", "/v1/feedback")
ROUTES = {
    ("GET", "/playground"),
    ("GET", "/playground/notice"),
    ("POST", "/playground/notice"),
    ("GET", "/playground/{application}/requests/{id}"),
    ("GET", "/compare"),
    ("GET", "/compare/tally"),
    ("POST", "/compare/{application}/answers"),
    ("POST", "/compare/{application}/votes"),
    *(("POST", path) for path in BELOW),
}


def routes(router: Any) -> set[tuple[str, str]]:
    """Name the routes of a router, those of the routers in it by their own paths."""
    found: set[tuple[str, str]] = set()
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        found |= routes(inner) if inner else {(method, route.path) for method in route.methods}
    return found


def test_every_route_of_the_pages_asks_who_is_there(store: Store) -> None:
    """Nobody without a session is answered, and nobody for another's application; a new route stands in `ROUTES`."""
    firm, stranger, engine = agreed(store), Firm.of(store, "Dairy", "live"), ScriptedEngine()

    async def run() -> None:
        async with asking(store, engine=engine) as app:
            made = part(app.api.state.caller, COMPARING, is_private=False)
            assert set().union(*map(routes, made.routers)) == ROUTES
            nobody, foreign = Asker(app, store, ""), Asker.of(app, stranger)
            for method, path in sorted(ROUTES):
                full = f"/playground/{{application}}{path}" if path in BELOW else path
                for application in ("local", firm.id, "nothing"):
                    asked = full.format(application=application, id="cmpl-1")
                    body = BODY if method == "POST" else None
                    assert (await nobody.post(asked, body, method=method)).status == 401, asked
                    if "{application}" in full:
                        assert (await foreign.post(asked, body, method=method)).status == 404, asked

    asyncio.run(run())
    assert engine.asked == []


def test_who_has_nothing_to_send_through_is_told_why(store: Store) -> None:
    firm = Firm.of(store, state="draft")
    notices.publish(store, "data-use-1", "We train.", by="", now=NOW)

    async def run() -> list[Exchange]:
        async with asking(store) as app:
            pages = [await Asker.of(app, firm, person=who).get("/playground", html=True)
                     for who in (firm.customer, firm.reviewer)]  # fmt: skip
            return [*pages, await Asker(app, store, "").get("/playground", html=True)]

    draft, reviewer, nobody = asyncio.run(run())
    assert draft.status == 403 and b"no application that is served" in draft.body
    assert reviewer.status == 403 and b"you belong to no organisation" in reviewer.body
    assert nobody.status == 303 and nobody.headers["location"] == "/sign-in?next=/playground"


def test_in_local_mode_this_machine_asks_without_signing_in_and_only_by_its_own_name(store: Store) -> None:
    async def run() -> None:
        async with asking(store, is_private=True) as app:
            nobody = Asker(app, store, "")
            page = await nobody.get("/playground", html=True)
            assert page.status == 200 and b'data-api="/v1"' in page.body
            answer = await nobody.post("/v1/completions", BODY)
            told = await nobody.get(f"/playground/local/requests/{answer.json['id']}")
            assert (told.status, told.json["data_use"], told.json["is_filtered"]) == (200, "none", False)
            shown = await nobody.post("/compare/local/answers", {"prompt": "Which oats?"})
            said = {"id": shown.json["id"], "choice": "tie"}
            assert (await nobody.post("/compare/local/votes", said)).status == 200
            assert (await nobody.get("/compare/tally", html=True)).status == 200
            foreign = {"host": "evil.example"}
            for path in ("/playground", "/compare", "/compare/tally", "/playground/local/requests/x"):
                assert (await nobody.get(path, headers=foreign)).status == 403
            cross = {"sec-fetch-site": "cross-site"}
            assert (await nobody.post("/compare/local/answers", {"prompt": "a"}, headers=cross)).status == 403
            await asyncio.to_thread(Firm.of, store)
            await app.noticed()
            assert (await nobody.get("/playground", html=True)).status == 303
            assert (await nobody.post("/compare/local/answers", {"prompt": "a"})).status == 401

    asyncio.run(run())
