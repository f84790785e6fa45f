"""A customer's whole way: invitation, application, review, a live answer, and suspension in the middle of a stream.

Everything is what people and programs do: commands, pages by visible names, and the `openai` library.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import browser, come_in, shown_link
from tests.generate.tiny import make
from tests.serve.server import register, serving
from tutelage.models.load import save

__all__ = ["browser"]

DATABASE = "sqlite:///tutelage.db"
PURPOSE = "Answers the questions of our bakers about flour."
#: Far more than is written before somebody has clicked.
MOST = 3900


class Stream(threading.Thread):
    """A program of the customer that reads a long answer; `error` is how it ended."""

    def __init__(self, client: openai.OpenAI, end_token: int) -> None:
        super().__init__()
        self.client, self.end_token = client, end_token
        self.has_begun, self.pieces = threading.Event(), 0
        self.error: openai.APIError | None = None
        self.ended = 0.0

    def run(self) -> None:
        try:
            for _ in self.client.completions.create(
                model="default",
                prompt="the goat",
                max_tokens=MOST,
                temperature=1,
                seed=5,
                stream=True,
                logit_bias={str(self.end_token): -100},
            ):
                self.pieces += 1
                self.has_begun.set()
        except openai.APIError as error:
            self.error = error
        self.ended = time.monotonic()
        self.has_begun.set()


@pytest.fixture
def served(tutelage: Callable[..., str]) -> Iterator[tuple[str, int]]:
    """Serve a model that can write for long; give the address and its token that ends a text."""
    model, tokenizer = make(context=4096)
    register(DATABASE, "tiny", save(model, tokenizer, Path("tiny").resolve()), "default")
    with serving("--database", DATABASE) as address:
        yield address, int(tokenizer.eos_token_id)


@pytest.fixture
def pages(browser: Browser, served: tuple[str, int]) -> Iterator[Callable[[], Page]]:
    """Give a function that makes somebody's own browser; an error of a script fails the test."""
    made: list[BrowserContext] = []
    errors: list[str] = []

    def make_one() -> Page:
        made.append(browser.new_context(base_url=served[0], viewport={"width": 1280, "height": 800}))
        made[-1].set_default_timeout(20_000)
        made[-1].on("weberror", lambda error: errors.append(str(error.error)))
        return made[-1].new_page()

    yield make_one
    for context in made:
        context.close()
    assert errors == []


def invited(ada: Page) -> tuple[str, str]:
    """Invite a customer and a reviewer, as an administrator; return their links."""
    ada.get_by_role("link", name="People").click()
    ada.get_by_role("textbox", name="Name of the new organisation").fill("Bakery")
    ada.get_by_role("button", name="Make link").first.click()
    customer = shown_link(ada)
    ada.get_by_role("combobox", name="As").select_option("a reviewer of applications")
    ada.get_by_role("button", name="Make link").last.click()
    return customer, shown_link(ada)


def sent_in(cleo: Page) -> str:
    """Describe an application, make a key in the sandbox, and send it in; return the key."""
    cleo.get_by_role("link", name="New application").click()
    cleo.get_by_role("textbox", name="Name").fill("Flour talk")
    cleo.get_by_role("textbox", name="What it does").fill(PURPOSE)
    cleo.get_by_role("button", name="Save draft").click()
    cleo.get_by_role("button", name="Begin in the sandbox").click()
    cleo.get_by_role("link", name="Make a key").click()
    cleo.get_by_role("textbox", name="What it is for").fill("the oven")
    cleo.get_by_role("button", name="Make key").last.click()
    key = re.findall(r"tut_\w{8}_\w{32}", cleo.get_by_role("status").inner_text())[0]
    cleo.get_by_role("link", name="Overview").click()
    cleo.get_by_role("button", name="Send in for review").click()
    expect(cleo.get_by_text("A reviewer reads it.")).to_be_visible()
    return str(key)


def reviewed(rita: Page) -> None:
    """Let the application go live."""
    rita.get_by_role("link", name="Flour talk").click()
    expect(rita.get_by_text(PURPOSE)).to_be_visible()
    rita.get_by_role("radio", name="Let it go live").check()
    rita.get_by_role("textbox", name="Reason").first.fill("Clear and small.")
    rita.get_by_role("button", name="Decide").click()
    expect(rita.get_by_role("status")).to_contain_text("It is live")


def test_from_an_invitation_to_a_live_answer_that_is_stopped_in_the_middle(
    tutelage: Callable[..., str], served: tuple[str, int], pages: Callable[[], Page]
) -> None:
    address, end_token = served
    first = tutelage("apps", "admin", "--address", address).strip()
    customers, reviewers = invited(come_in(pages(), first, "Ada"))
    cleo = come_in(pages(), customers, "Cleo")
    key = sent_in(cleo)
    client = openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)
    client.completions.create(model="default", prompt="the", max_tokens=2, user="kim")
    rita = come_in(pages(), reviewers, "Rita")
    reviewed(rita)
    cleo.reload()
    expect(cleo.get_by_text("Clear and small.").first).to_be_visible()
    answer = client.completions.create(model="default", prompt="the goat", max_tokens=5)
    assert answer.model == "tiny@1" and answer.usage and answer.usage.completion_tokens <= 5

    rita.locator("summary", has_text="Suspend now").click()
    rita.get_by_role("textbox", name="Reason").nth(1).fill("It sends spam.")
    stream = Stream(client, end_token)
    stream.start()
    stream.has_begun.wait()
    assert stream.error is None and stream.is_alive()
    clicked = time.monotonic()
    rita.get_by_role("button", name="Suspend now").click()
    expect(rita.get_by_role("status")).to_contain_text("It is suspended")
    stream.join(timeout=60)
    print(f"the stream ended {stream.ended - clicked:.2f} s after the click, with {stream.pieces} pieces")
    assert stream.error is not None and stream.error.code == "application_suspended"
    assert 0 < stream.pieces < MOST
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.completions.create(model="default", prompt="the goat", max_tokens=5)
    assert refused.value.code == "application_suspended"

    cleo.reload()
    expect(cleo.get_by_text("It sends spam.").first).to_be_visible()
    cleo.get_by_role("link", name="Appeal").click()
    cleo.get_by_role("textbox", name="Why it is wrong").fill("A test sent the same text to ourselves.")
    cleo.get_by_role("button", name="Send appeal").click()
    expect(cleo.get_by_role("status")).to_contain_text("Your appeal waits")
