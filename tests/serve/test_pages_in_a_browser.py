"""The playground and the side by side in a real browser, by what a person sees and presses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import browser, check, opened
from tests.databases import database, store
from tests.firms import NOW, Firm
from tests.serve.askers import COMPARING, Listening, listening
from tests.serve.scripted import ScriptedEngine
from tests.serve.server import make_store, serving
from tutelage.store import Store, comments, notices, requests, sessions, votes
from tutelage.web.site import utc_now

__all__ = ["browser", "database", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

HOSTILE = ("<img src=x onerror=alert(1)>", "  two  spaces\n\n", "<script>alert(2)</script>", "&amp; über", " end")
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft " * 12


@pytest.fixture
def engine() -> ScriptedEngine:
    """Give an engine that says what a page must show as text."""
    return ScriptedEngine(words=HOSTILE, context=4096)


@pytest.fixture
def firm(store: Store) -> Firm:
    """Give an application whose customer agreed to training."""
    made = Firm.of(store, state="live")
    notices.publish(store, "data-use-1", "If you agree, prompts train models.\n\nIf not, nothing does.", by="", now=NOW)
    notices.agree(store, made.id, "data-use-1", by=made.customer, now=NOW)
    return made


@pytest.fixture
def site(store: Store, engine: ScriptedEngine, firm: Firm) -> Iterator[Listening]:
    """Give the address of the API and its pages."""
    with listening(store, engine=engine, settings=COMPARING) as found:
        yield found


@pytest.fixture
def page(browser: Browser, site: Listening, store: Store, firm: Firm) -> Iterator[Page]:
    """Give a page of a customer who is signed in and has not read the notice."""
    with opened(browser, site.address, sessions.open_for(store, firm.customer, agent="", now=utc_now())) as made:
        yield made


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait until something holds in the server's thread, ten seconds at most."""
    for _ in range(1000):
        if holds():
            return
        page.wait_for_timeout(10)
    raise AssertionError("it did not come to hold")


def read_notice(page: Page, use: str = "It may train and evaluate models") -> None:
    expect(page.get_by_role("heading", name="What happens with what you send")).to_be_visible()
    page.get_by_role("radio", name=use).check()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#send")).to_be_enabled()


def test_somebody_reads_the_notice_asks_reads_the_answer_and_says_what_it_is_worth(
    page: Page, store: Store, firm: Firm
) -> None:
    page.goto("/playground")
    check(page)
    read_notice(page)
    expect(page.get_by_text("What you send may train and evaluate models (notice data-use-1).")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#status")).to_have_text("Write a prompt first.")
    page.get_by_role("textbox", name="Prompt").fill("Say something hostile.")
    page.get_by_role("spinbutton", name="Seed").fill("7")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_have_text("The answer is complete.")
    answer = page.locator("#answer")
    assert answer.evaluate("it => it.textContent") == "".join(HOSTILE)
    assert answer.evaluate("it => it.children.length") == 0 and answer.get_attribute("aria-busy") == "false"
    assert answer.get_attribute("aria-live") == "polite"
    expect(page.locator("#facts")).to_have_text("Ended by itself · 4 + 5 tokens · default-model@1")
    expect(page.locator("#verdict")).to_contain_text("may train (notice data-use-1)")
    page.locator("#say h2").click()
    page.keyboard.press("b")
    expect(page.get_by_role("radio", name="Bad")).to_be_checked()
    page.get_by_role("checkbox", name="made up").check()
    page.get_by_label("The answer you would have wanted").fill("Something kind.")
    page.get_by_role("button", name="Send feedback").click()
    expect(page.locator("#said")).to_have_text("Feedback is kept.")
    check(page)
    [call] = requests.find(store, since=NOW, until=utc_now(), application_id=firm.id)
    [said] = comments.of_requests(store, [call.id])[call.id]
    assert (said.thumb, said.reasons, said.correction) == ("down", ("made_up",), "Something kind.")
    assert call.data_use == said.data_use == "training"


def test_an_answer_is_shown_as_it_comes_and_stops_on_the_server_at_a_key(
    page: Page, site: Listening, engine: ScriptedEngine, store: Store, firm: Firm
) -> None:
    engine.pause_after = 2
    page.goto("/playground")
    read_notice(page, "Nothing")
    expect(page.get_by_text("What you send trains nothing.")).to_be_visible()
    page.get_by_role("textbox", name="Prompt").fill("Go on for ever.")
    page.get_by_role("button", name="Send").click()
    answer = page.locator("#answer")
    expect(answer).to_contain_text("two spaces")
    assert answer.get_attribute("aria-busy") == "true"
    expect(page.get_by_role("button", name="Send", exact=False).first).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.locator("#status")).to_have_text("You stopped the answer.")
    expect(page.locator("#facts")).to_have_text("Stopped by you · 4 + 2 tokens · default-model@1")
    expect(page.get_by_text("Comment and correction are kept only where")).to_be_visible()
    assert (engine.in_flight, engine.cancelled) == (0, 1)
    [call] = requests.find(store, since=NOW, until=utc_now(), application_id=firm.id)
    assert (call.action, call.data_use) == ("cancelled", "none")


def test_a_conversation_goes_on_with_what_was_said_and_code_asks_the_same(
    page: Page, site: Listening, engine: ScriptedEngine
) -> None:
    engine.words = ("Rye", " 'flour'.")
    page.goto("/playground")
    read_notice(page)
    page.get_by_role("radio", name="Chat").check()
    prompt = page.get_by_role("textbox", name="Prompt")
    prompt.fill("Which flour?")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_have_text("The answer is complete.")
    page.get_by_text("View as code").click()
    prompt.fill("It's <b>why</b>?")
    expect(page.locator("#curl")).to_contain_text(f"curl {site.address}/v1/chat/completions")
    assert "It'\\''s <b>why</b>?" in page.locator("#curl").inner_text()
    python = page.locator("#python").inner_text()
    assert f'base_url="{site.address}/v1"' in python and "client.chat.completions.create(" in python
    compile(python, "shown", "exec")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("region", name="Conversation so far").get_by_role("listitem")).to_have_count(2)
    expect(page.locator("#status")).to_have_text("The answer is complete.")
    assert engine.asked[-1].messages == (
        ("user", "Which flour?"), ("assistant", "Rye 'flour'."), ("user", "It's <b>why</b>?"),
    )  # fmt: skip
    check(page)
    page.get_by_role("button", name="New conversation").click()
    expect(page.get_by_role("region", name="Conversation so far")).to_have_count(0)
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    check(page)


def test_an_error_is_told_in_the_servers_words_and_by_a_suspension_in_mid_stream(
    page: Page, engine: ScriptedEngine, firm: Firm
) -> None:
    engine.pause_after = 1
    page.goto("/playground")
    read_notice(page)
    page.get_by_role("textbox", name="Prompt").fill("Go on.")
    page.get_by_role("spinbutton", name="Tokens at most").fill("99999")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#answer")).to_contain_text("<img")
    firm.move("suspended")
    expect(page.locator("#status")).to_have_text("This application is suspended; its page says why.")
    page.get_by_role("button", name="Send").first.click()
    expect(page.locator("#status")).to_have_text("This application is suspended; its page says why.")


def test_two_answers_are_compared_blind_by_keyboard_and_counted(
    page: Page, browser: Browser, site: Listening, engine: ScriptedEngine, store: Store, firm: Firm
) -> None:
    engine.words = (LONG, HOSTILE[0])
    page.goto("/compare")
    read_notice(page)
    check(page)
    page.get_by_role("textbox", name="Prompt").fill("Which flour?")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#status")).to_have_text("Both answers are there. Which is better?")
    for side in ("left", "right"):
        assert page.locator(f"#{side}").evaluate("it => it.textContent") == LONG + HOSTILE[0]
    shown = page.content()
    assert not re.search("Supervised|ppo|-model@1", shown)
    check(page)
    page.get_by_role("checkbox", name="better written").check()
    page.locator("h1").click()
    page.keyboard.press("2")
    again = page.get_by_role("button", name="The same prompt again, other models")
    expect(again).to_be_focused()
    expect(page.locator("#status")).to_contain_text("Your vote is kept. Left was")
    [cast] = votes.counted(store)
    assert (cast.vote.choice, cast.vote.reasons) == ("right", ("written",))
    names = {"base": "base", "sft": "Supervised", "ppo": "ppo"}
    for side in ("left", "right"):
        arm = names[getattr(cast.comparison, side).arm]
        expect(page.get_by_role("heading", name=f"{side.capitalize()} answer: {arm}")).to_be_visible()
    check(page)
    for _ in range(2):
        again.click()
        page.get_by_role("button", name="The same", exact=False).first.click()
        expect(again).to_be_focused()
    again.click()
    expect(page.locator("#status")).to_contain_text("You voted on all there is to compare with this prompt")
    token = sessions.open_for(store, firm.reviewer, agent="", now=utc_now())
    with opened(browser, site.address, token) as tally:
        tally.goto("/compare/tally")
        expect(tally.get_by_text("3 votes of 1 people; 3 of them may be exported.")).to_be_visible()
        expect(tally.get_by_role("row")).to_have_count(6)
        check(tally)


def test_a_comparison_is_stopped_on_the_server_by_a_key(page: Page, engine: ScriptedEngine, store: Store) -> None:
    engine.pause_after = 1
    page.goto("/compare")
    read_notice(page)
    page.get_by_role("textbox", name="Prompt").fill("Which flour?")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_have_text("Both are writing; they appear together.")
    until(page, lambda: engine.in_flight == 2)
    page.keyboard.press("Escape")
    expect(page.locator("#status")).to_have_text("You stopped it.")
    until(page, lambda: engine.cancelled == 2)
    assert engine.in_flight == 0 and votes.counted(store) == []


def test_a_real_model_answers_on_both_pages_of_a_server_that_was_just_started(
    browser: Browser, tmp_path: Path, store: Store
) -> None:
    url = make_store(tmp_path)
    settings = tmp_path / "playground.toml"
    settings.write_text(
        '[compare]\nmax_tokens = 8\n[compare.arms.plain]\nmodel = "default"\n[compare.arms.framed]\nmodel = "default"\n'
        'frame = "Q: {prompt} A:"\n[compare.arms.chat]\nmodel = "chatty"\n',
        encoding="utf-8",
    )
    options = ("--database", url, "--model", "default", "--model", "chatty", "--playground", str(settings))
    with serving(*options) as address, opened(browser, address) as page:
        page.goto("/playground")
        expect(page.get_by_text("Nobody has an application here")).to_be_visible()
        page.get_by_role("combobox", name="Model").select_option("chatty")
        page.get_by_role("textbox", name="Prompt").fill("the sky")
        page.get_by_role("spinbutton", name="Tokens at most").fill("6")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#facts")).to_contain_text("tokens · chatty@1")
        page.get_by_role("radio", name="Good").check()
        page.get_by_role("button", name="Send feedback").click()
        expect(page.locator("#said")).to_have_text("Feedback is kept.")
        page.goto("/compare")
        page.get_by_role("textbox", name="Prompt").fill("the sky")
        page.get_by_role("button", name="Compare").click()
        page.get_by_role("button", name="Both bad").click()
        expect(page.locator("#status")).to_contain_text("Your vote is kept.")
    with Store.open(url) as kept:
        [cast] = votes.counted(kept)
        sides = {cast.comparison.left.arm, cast.comparison.right.arm}
        assert cast.vote.choice == "both_bad" and sides < {"plain", "framed", "chat"}
        calls: list[Any] = [requests.get(kept, side.request) for side in (cast.comparison.left, cast.comparison.right)]
        assert {call.action for call in calls} == {"served"}
