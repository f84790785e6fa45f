"""Writing prompts, taking personal data out, judging toxicity, and what covers unpleasant work; in a real browser."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import browser, follow
from tests.feedback.app.hands import begin, context, grip, no_violation, saved, served, to_board
from tests.feedback.app.site import Served
from tests.feedback.conftest import NOW, database, desk, store
from tutelage.feedback import filing
from tutelage.feedback.filing import Filing
from tutelage.store import privacy, prompts, toxicity, written
from tutelage.store.toxicity import ratings

__all__ = ["browser", "context", "database", "desk", "served", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

TEXT = "Dear 😀 Ada,\r\nwrite to ada@example.org or call.\nVersion 2 <b>crashes</b>."


def file(served: Served, what: Any, **changes: Any) -> None:
    filing.file(served.desk.store, [Filing(what=what, count=1, **changes)], name=uuid4().hex, now=NOW)


def handed_in(page: Page) -> None:
    page.get_by_role("button", name="Hand in").click()
    page.get_by_text("Handed in.").wait_for()


def test_a_few_shot_prompt_is_written(served: Served, context: BrowserContext) -> None:
    file(served, "few_shot")
    page = served.enter(context)
    begin(page, "Write a prompt")
    expect(page.get_by_role("button", name="Hand in")).to_be_disabled()
    page.get_by_label("Use case").select_option("Classification")
    page.get_by_label("Instruction", exact=True).fill("Name the taste.")
    page.get_by_role("button", name="Add an example").click()
    for number, (query, response) in enumerate((("lemon", "sour"), ("gone", "gone"), ("honey", "sweet")), start=1):
        example = page.get_by_role("group", name=f"Example {number}")
        example.get_by_label("Query").fill(query)
        example.get_by_label("Response").fill(response)
    page.get_by_role("button", name="Remove example 2").click()
    saved(page)
    no_violation(page)
    page.reload()
    expect(page.get_by_role("group", name="Example 2").get_by_label("Query")).to_have_value("honey")
    handed_in(page)
    ((made, _),) = written.current_ones(served.desk.store)
    assert (made.use_case, made.text) == ("classification", "Name the taste.")
    assert made.pairs == (("lemon", "sour"), ("honey", "sweet"))


def test_a_prompt_is_written_for_a_use(served: Served, context: BrowserContext) -> None:
    file(served, "user_based", uses=("An app for <i>shift</i> workers",))
    page = served.enter(context)
    begin(page, "Write a prompt")
    expect(page.get_by_text("An app for <i>shift</i> workers")).to_be_visible()
    page.get_by_label("Use case").select_option("Brainstorming: ideas")
    page.get_by_label("Your prompt").fill("When shall I sleep?")
    no_violation(page)
    handed_in(page)
    ((made, _),) = written.current_ones(served.desk.store)
    assert (made.form, made.use_case, made.text) == ("user_based", "brainstorming", "When shall I sleep?")


@pytest.fixture
def review(served: Served, context: BrowserContext) -> Page:
    served.desk.prompt("p", text=TEXT, stage="sft", pii="quarantined")
    file(served, "review")
    page = served.enter(context)
    begin(page, "Look for personal data")
    return page


def test_personal_data_is_taken_out_by_keys_alone(review: Page, served: Served) -> None:
    expect(review.get_by_label("Leave in: ada@example.org")).to_be_visible()
    no_violation(review)
    review.get_by_label("The text").focus()
    review.keyboard.press("Control+Home")
    for _ in "Dear 😀 ":
        review.keyboard.press("ArrowRight")
    for _ in "Ada":
        review.keyboard.press("Shift+ArrowRight")
    review.keyboard.press("r")
    expect(review.get_by_role("status").filter(has_text="Taken out: Ada")).to_be_attached()
    after = review.get_by_role("group", name="What training would see")
    expect(after).to_have_text("Dear 😀 [name], write to [contact] or call. Version 2 <b>crashes</b>.")
    expect(review.get_by_role("button", name="Hand in")).to_be_disabled()
    review.get_by_label("I have read the whole text").check()
    no_violation(review)
    handed_in(review)
    text = prompts.get(served.desk.store, ["p"])["p"].text
    assert text == "Dear 😀 [name],\r\nwrite to [contact] or call.\nVersion 2 <b>crashes</b>."


def test_a_wrong_mark_is_left_in_and_a_kind_is_changed(review: Page, served: Served) -> None:
    review.get_by_label("What this is: ada@example.org").select_option("something else personal")
    review.get_by_label("The text").select_text()
    review.get_by_label("It is", exact=True).select_option("a secret")
    review.get_by_role("button", name="Take out the selection").click()
    expect(review.get_by_role("group", name="What training would see")).to_have_text("[secret]")
    review.get_by_role("button", name="Leave in").click()
    expect(review.get_by_text("Nothing is taken out.")).to_be_visible()
    review.get_by_label("I have read the whole text").check()
    review.get_by_label("Cannot be used").check()
    handed_in(review)
    (made,) = privacy.reviews(served.desk.store)
    assert (made.redactions, made.is_usable) == ((), False)


def test_toxicity_is_judged_after_a_warning_and_ordered_by_hand(served: Served, context: BrowserContext) -> None:
    served.desk.prompt("p", split="test", text="The old man")
    served.desk.outputs("p", 2)
    file(served, "toxicity")
    page = served.enter(context)
    page.get_by_role("button", name="Begin: Judge toxicity").click()
    page.get_by_role("button", name="I have read this").click()
    no_violation(page)
    # Covered for eyes, keys and screen readers alike.
    expect(page.get_by_role("heading", name="Before you read")).to_be_visible()
    page.keyboard.press("1")
    for _ in range(30):
        page.keyboard.press("Tab")
        assert not page.evaluate("document.activeElement.closest('#work')")
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_role("radio", name="1 somewhat").last).not_to_be_checked()
    page.get_by_role("group", name="How toxic is the beginning?").get_by_role("radio", name="0 not").check()
    for key in ("2", "m", "j"):
        page.keyboard.press(key)
    page.get_by_role("group", name="How well does it continue?").get_by_role("radio", name="7", exact=True).check()
    no_violation(page)
    to_board(page)
    grip(page, "A").focus()
    page.keyboard.press("2")
    page.keyboard.press("1")
    no_violation(page)
    saved(page)
    page.reload()
    expect(page.get_by_role("heading", name="Before you read")).to_be_hidden()
    handed_in(page)
    first, second = ratings(served.desk.store)
    assert (first.beginning, first.toxicity, first.relative, first.continuity, first.rank) == (0, 2, 1, None, 1)
    assert (second.beginning, second.toxicity, second.relative, second.continuity, second.rank) == (0, None, None, 7, 0)
    assert len(toxicity.ratings(served.desk.store)) == 2


def test_unpleasant_work_is_shown_at_once_to_who_chose_so_and_not_given_to_who_opted_out(
    served: Served, context: BrowserContext
) -> None:
    for name in ("p", "q", "r"):
        served.desk.prompt(name, split="test")
        served.desk.outputs(name, 1)
        file(served, "toxicity")
    page = served.enter(context)
    page.get_by_role("button", name="Begin: Judge toxicity").click()
    page.get_by_role("button", name="I have read this").click()
    page.get_by_label("Show such work at once").check()
    page.get_by_role("button", name="Show it").click()
    first = page.url
    page.get_by_role("button", name="Hand in").click()
    page.wait_for_url(lambda url: url != first)
    page.get_by_role("button", name="Hand in").wait_for()
    expect(page.get_by_role("heading", name="Before you read")).to_be_hidden()
    page.get_by_role("link", name="Home").click()
    follow(page.get_by_role("link", name="Wellbeing"))
    no_violation(page)
    expect(page.get_by_role("row", name="toxic text")).to_contain_text("2")
    page.get_by_label("toxic text").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    page.get_by_role("link", name="Home").click()
    expect(page.get_by_text("There is nothing to label at the moment.")).to_be_visible()
    expect(page.get_by_role("link", name="Open")).to_be_visible()


def test_a_pause_is_suggested_after_long_work_and_can_be_put_off(served: Served, context: BrowserContext) -> None:
    served.desk.task("p", "demonstrate")
    page = served.enter(context)
    begin(page, "Write an answer")
    expect(page.get_by_role("status").filter(has_text="without a pause")).to_have_count(0)
    page.evaluate(
        "localStorage.setItem('tutelage.sitting', JSON.stringify("
        "{ since: Date.now() - 51 * 60_000, last: Date.now() - 60_000, told: 0, heavy: 0 }))"
    )
    page.reload()
    expect(page.get_by_role("status").filter(has_text="51 minutes without a pause")).to_be_visible()
    no_violation(page)
    page.get_by_role("button", name="Not now").click()
    page.reload()
    page.get_by_role("button", name="Hand in").wait_for()
    expect(page.get_by_role("status").filter(has_text="without a pause")).to_have_count(0)


@pytest.mark.parametrize("what", ["few_shot", "review", "toxicity"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_new_pages_fit_a_phone(served: Served, browser: Browser, what: Any, scheme: Any) -> None:
    served.desk.prompt("p", split="test" if what == "toxicity" else "train", text=TEXT)
    served.desk.outputs("p", 4)
    file(served, what)
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
    page = served.enter(context)
    names = {"few_shot": "Write a prompt", "review": "Look for personal data", "toxicity": "Judge toxicity"}
    page.get_by_role("button", name=f"Begin: {names[what]}").click()
    page.get_by_role("button", name="I have read this").click()
    if what == "toxicity":
        page.get_by_role("button", name="Show it").tap()
    page.get_by_role("button", name="Hand in").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    no_violation(page)
    context.close()
