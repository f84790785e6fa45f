"""The pages in a real browser, by what a person sees: visible names; by keyboard, on a phone, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import check, come_in, follow, opened, shown_link
from tests.firms import FORM
from tests.governing import listening
from tests.release.versions import NOW, judge, register, write
from tutelage.release import promotion
from tutelage.release.gates import Gate
from tutelage.release.promotion import Order
from tutelage.store import Store, accounts, applications, cases, jobs, organisations, requests
from tutelage.store.accounts import Offer
from tutelage.store.cases import NewCase
from tutelage.store.jobs import NewJob
from tutelage.store.requests import Choice, Content, Ended, Hit, Request
from tutelage.store.results import Figure
from tutelage.web.site import utc_now

# What pages store is tested on both databases where it is stored.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

#: Words that no line of a phone holds.
LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"


@pytest.fixture
def address(store: Store) -> Iterator[str]:
    yield from listening(store)


def person(browser: Browser, address: str) -> AbstractContextManager[Page]:
    """Give somebody's page, which may copy what it shows."""
    return opened(browser, address, permissions=["clipboard-write"])


def test_from_an_invitation_to_a_key_and_every_page_on_the_way(browser: Browser, address: str, store: Store) -> None:
    with person(browser, address) as ada, person(browser, address) as cleo:
        come_in(ada, f"/enter/{accounts.invite_first_admin(store, now=utc_now())}", "Ada")
        expect(ada.get_by_role("heading", name="Waiting")).to_be_visible()
        check(ada)
        ada.get_by_role("link", name="People").click()
        ada.get_by_role("textbox", name="Name of the new organisation").fill(f"Bakery {LONG}")
        ada.get_by_role("textbox", name="For whom").first.fill("Cleo")
        follow(ada.get_by_role("button", name="Make link").first)
        check(ada)
        cleo.goto(shown_link(ada))
        check(cleo)
        come_in(cleo, shown_link(ada), "Cleo")
        expect(cleo.get_by_text("has no application yet")).to_be_visible()
        check(cleo)
        describe(cleo)
        for name in ("Overview", "Form", "Keys", "Usage", "Data", "Cases"):
            follow(cleo.get_by_role("navigation", name="Pages of Flour talk").get_by_role("link", name=name))
            check(cleo)
        cleo.get_by_role("link", name="Keys").click()
        make_key(cleo)
        follow(cleo.get_by_role("link", name="Organisation"))
        check(cleo)


def describe(page: Page) -> None:
    """Describe an application by keyboard alone, with one mistake, and send it in."""
    page.get_by_role("link", name="New application").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="New application")).to_be_visible()
    page.get_by_role("textbox", name="Name").focus()
    page.keyboard.type("Flour talk")
    page.keyboard.press("Tab")
    page.keyboard.type("Too short.")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # a person reads every answer first
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    page.get_by_role("button", name="Begin in the sandbox").click()
    expect(page.get_by_role("alert")).to_contain_text("20 to 4000 characters")
    page.get_by_role("link", name="Change the form").click()
    expect(page.get_by_role("textbox", name="Name")).to_have_value("Flour talk")
    expect(page.get_by_role("checkbox", name="A person reads every answer")).to_be_checked()
    check(page)
    page.get_by_role("textbox", name="What it does").fill(f"Answers our bakers about flour. {LONG}")
    page.get_by_role("checkbox", name="people under age").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    page.get_by_role("button", name="Begin in the sandbox").click()
    page.get_by_role("button", name="Send in for review").click()
    expect(page.get_by_text("A reviewer reads it.")).to_be_visible()


def make_key(page: Page) -> None:
    page.get_by_role("textbox", name="What it is for").fill("the oven")
    page.get_by_role("button", name="Make key").last.click()
    expect(page.get_by_role("status")).to_contain_text("it is not shown again")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    check(page)
    page.get_by_label("Rotate the oven").click()
    page.get_by_role("combobox", name="The old key of the oven works on for").select_option("an hour")
    page.get_by_role("button", name="Make key").first.click()
    expect(page.get_by_role("button", name="Revoke the oven")).to_have_count(2)
    page.get_by_role("button", name="Revoke the oven").first.click()
    expect(page.get_by_role("status")).to_contain_text("The key is revoked")


def filled(store: Store, folder: Path) -> str:
    """Fill a store with what a console shows; return the application that is under review."""
    now = utc_now()
    firm = organisations.create(store, "Bakery", by="", now=now).id
    ids = [applications.create(store, firm, name, FORM, by="", now=now).id for name in ("Flour talk", f"Dough {LONG}")]
    for id in ids:
        for to in ("sandbox", "in_review"):
            applications.move(store, id, to, by="", reason="", now=now)  # type: ignore[arg-type]
    calls = [
        Request(id=f"cmpl-{n}", endpoint="chat", action="cut" if n % 7 == 0 else "served", status=200, latency_ms=40,
                created=now - timedelta(hours=9 * n), application_id=ids[n % 2], prompt_tokens=70 * n,
                prompt_severity=2 * (n == 0), completion_tokens=90, prompts=1, n=1, model="m@1")
        for n in range(40)
    ]  # fmt: skip
    said = Content(reason="review", prompts=((("user", f"[name] asks {LONG}"),),), sampling={},
                   choices=(Choice(prompt=0, text="No.", finish_reason="stop", tokens=2),))  # fmt: skip
    hit = Hit(role="prompt", category="hate", severity=2, score=0.9)
    requests.add(
        store, [Ended(request=calls[0], hits=(hit,), content=said), *(Ended(request=one) for one in calls[1:])]
    )
    found = NewCase(kind="finding", application_id=ids[1], signal="critical", summary="One grave request.",
                    requests=("cmpl-0", "cmpl-1"), is_grave=True, measure="warn")  # fmt: skip
    cases.add(store, found, now=now)
    jobs.enqueue(store, [NewJob(kind="alert", arguments={"case": 1})], now=now)
    one, two = (register(store, write(folder / f"v{n}", n)) for n in (1, 2))
    for model in (one, two):
        judge(store, model, win_rate__sft=Figure(0.6, 0.55, 0.65, 900))
    promotion.promote(store, "m@1", Order(alias="default", gates=(Gate(figure="win_rate/sft", at_least=0.5),)), now=NOW)
    promotion.promote(store, "m@2", Order(alias="default", share=0.05), now=NOW)
    return ids[0]


def test_the_console_page_by_page(browser: Browser, address: str, store: Store, tmp_path: Path) -> None:
    id = filled(store, tmp_path)
    with person(browser, address) as ada:
        come_in(ada, f"/enter/{accounts.invite(store, Offer(role='admin'), by='', now=utc_now())}", "Ada")
        check(ada)
        follow(ada.get_by_role("link", name="Flour talk"))
        check(ada)
        ada.get_by_role("radio", name="Let it go live").check()
        ada.get_by_role("textbox", name="Reason").first.fill("Clear and small.")
        ada.get_by_role("button", name="Decide").click()
        expect(ada.get_by_role("status")).to_contain_text("It is live")
        ada.locator("summary", has_text="Suspend now").click()
        check(ada)
        ada.get_by_role("textbox", name="Reason").nth(1).fill("It sends spam.")
        ada.get_by_role("button", name="Suspend now").click()
        expect(ada.get_by_role("status")).to_contain_text("It is suspended")
        assert applications.get(store, id).state == "suspended"
        check(ada)
        follow(ada.get_by_role("link", name="Cases 1"))
        check(ada)
        ada.get_by_role("link", name="1", exact=True).click()
        ada.get_by_role("textbox", name="Why you look").fill("To judge the case.")
        ada.get_by_role("button", name="Read").click()
        expect(ada.get_by_role("status")).to_contain_text("[name] asks")
        check(ada)
        for name, inside in (("Appeals", "No appeal"), ("Usage", "Dough"), ("Jobs", "alert"), ("People", "Bakery")):
            ada.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()
            expect(ada.get_by_role("main")).to_contain_text(inside)
            check(ada)
        ada.get_by_role("link", name="Releases").click()
        ada.get_by_role("combobox", name="Version").first.select_option("m@2")
        ada.get_by_role("button", name="What the gates say").click()
        expect(ada.get_by_text("The gate win_rate/sft passes")).to_be_visible()
        check(ada)
        ada.get_by_label("Go back: default").click()
        ada.get_by_role("textbox", name="Reason").first.fill("The wrong language.")
        ada.get_by_role("button", name="Go back").click()
        expect(ada.get_by_text("canary ended")).to_be_visible()
