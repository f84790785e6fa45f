"""The desk in a real browser: what is on the screen is what is stored, and nothing is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import browser
from tests.feedback.app.hands import (
    begin,
    context,
    grip,
    letters,
    no_violation,
    rows_on_screen,
    saved,
    served,
    stored,
    to_board,
)
from tests.feedback.app.site import Served
from tests.feedback.conftest import NOW, Desk, database, desk, store
from tutelage.feedback import work
from tutelage.records import Completion
from tutelage.store import audit, completions, drafts, labels
from tutelage.store.labels import Which

__all__ = ["browser", "context", "database", "desk", "served", "store"]

# The rules of the queue run on both databases elsewhere; here it is the browser's turn.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_a_demonstration_is_written_saved_and_handed_in(served: Served, context: BrowserContext) -> None:
    served.desk.task("p", "demonstrate")
    page = served.enter(context)
    no_violation(page)
    begin(page, "Write an answer")
    expect(page.get_by_role("button", name="Hand in")).to_be_disabled()
    page.get_by_label("Your answer").fill("First line\n\n  second <b>line</b>")
    saved(page)
    no_violation(page)
    page.get_by_role("button", name="Hand in").click()
    page.get_by_text("Handed in.").wait_for()
    (made,) = labels.demonstrations_of(served.desk.store, Which())
    assert made.text == "First line\n\n  second <b>line</b>"
    assert audit.verify(served.desk.store).rows > 0
    assert {"work.take", "work.submit"} <= {entry.event.action for entry in audit.find(served.desk.store)}


def test_work_handed_in_is_opened_again_as_a_new_revision(served: Served, context: BrowserContext) -> None:
    served.desk.task("p", "demonstrate")
    page = served.enter(context)
    begin(page, "Write an answer")
    page.get_by_label("Your answer").fill("first")
    page.get_by_role("button", name="Hand in").click()
    page.get_by_role("link", name="Change it").click()
    expect(page.get_by_label("Your answer")).to_have_value("first")
    page.get_by_label("Your answer").fill("second")
    page.get_by_role("button", name="Hand in the change").click()
    page.get_by_text("Handed in.").wait_for()
    (made,) = labels.demonstrations_of(served.desk.store, Which())
    assert made.text == "second" and made.supersedes


def test_ratings_are_made_by_keys_alone_and_unanswered_stays_unanswered(
    served: Served, context: BrowserContext
) -> None:
    served.desk.task("p", "rate", k=2)
    page = served.enter(context)
    begin(page, "Rate answers")
    no_violation(page)
    for key in ("6", "f", "n", "j", "2", "h", "h"):
        page.keyboard.press(key)
    saved(page)
    page.keyboard.press("Control+Enter")
    page.get_by_text("Handed in.").wait_for()
    first, second = labels.ratings_of(served.desk.store, Which())
    assert (first.quality, second.quality) == (6, 2)
    assert first.flags["fails_task"] is True and first.flags["violent"] is False
    # Keeping a constraint is no problem: "none of these" does not answer it.
    assert first.flags["satisfies_constraint"] is None
    assert second.flags["hallucination"] is False
    assert {value for flag, value in second.flags.items() if flag != "hallucination"} == {None}


@pytest.fixture
def board(served: Served, context: BrowserContext) -> Page:
    served.desk.task("p", "rank", k=4)
    page = served.enter(context)
    begin(page, "Rank answers")
    to_board(page)
    return page


def finish(page: Page, desk: Desk) -> None:
    """Hand in, and compare what was on the screen with what is stored."""
    texts, shown = letters(page), rows_on_screen(page)
    page.get_by_role("button", name="Hand in").click()
    page.get_by_text("Handed in.").wait_for()
    assert stored(desk) == [{texts[letter] for letter in row} for row in shown]


def test_a_ranking_by_digits_is_the_one_on_the_screen(board: Page, desk: Desk) -> None:
    no_violation(board)
    grip(board, "A").focus()
    for key in ("3", "1", "3", "2"):  # the focus goes to the next card that is not placed
        board.keyboard.press(key)
    assert rows_on_screen(board) == [{"B"}, {"D"}, {"A", "C"}]
    board.keyboard.press("Shift+ArrowUp")
    assert rows_on_screen(board) == [{"D"}, {"B"}, {"A", "C"}]
    board.keyboard.press("u")
    expect(board.get_by_role("status").filter(has_text="Undone. 4 of 4 placed.")).to_be_attached()
    no_violation(board)
    finish(board, desk)


def test_a_ranking_by_mouse_menu_and_tap_is_the_one_on_the_screen(board: Page, desk: Desk) -> None:
    expect(board.get_by_role("button", name="Hand in")).to_be_disabled()
    grip(board, "A").drag_to(board.get_by_role("button", name="Row 2, empty"), force=True)
    board.get_by_label("Move B to").select_option("Row 2")
    grip(board, "C").click()
    board.get_by_role("button", name="Put C into row 1").click()
    assert rows_on_screen(board) == [{"C"}, {"A", "B"}]
    expect(board.get_by_text("Place every card: 3 of 4 are in a row.")).to_be_visible()
    expect(board.get_by_role("button", name="Hand in")).to_be_disabled()
    board.get_by_label("Move D to").select_option("A row of its own before row 2")
    assert rows_on_screen(board) == [{"C"}, {"D"}, {"A", "B"}]
    finish(board, desk)


def test_two_cards_are_compared_and_the_verdict_is_a_move(board: Page, desk: Desk) -> None:
    two = [letters(board)[letter] for letter in "AB"]
    grip(board, "A").focus()
    board.keyboard.press("c")
    grip(board, "B").focus()
    board.keyboard.press("c")
    dialog = board.get_by_role("dialog", name="Compare two outputs")
    dialog.get_by_label("Show words that differ").check()
    assert dialog.get_by_role("mark").all_inner_texts() == [text.split()[-1] for text in two]
    no_violation(board)
    board.keyboard.press(">")
    assert rows_on_screen(board) == [{"B"}, {"A"}]


def test_a_seed_from_ones_own_ratings_must_be_confirmed(board: Page, desk: Desk) -> None:
    expect(board.get_by_role("button", name="Start from my ratings")).to_be_disabled()
    board.get_by_role("button", name="1 Rate").click()
    for key in "2j7j2j5":
        board.keyboard.press(key)
    to_board(board)
    expect(board.get_by_text("from your ratings", exact=True).first).to_be_hidden()
    board.get_by_role("button", name="Start from my ratings").click()
    expect(board.get_by_text("from your ratings", exact=True).first).to_be_visible()
    assert rows_on_screen(board) == [{"B"}, {"D"}, {"A", "C"}]
    expect(board.get_by_role("button", name="Hand in")).to_be_disabled()
    board.get_by_role("button", name="Confirm this order").click()
    finish(board, desk)
    (made,) = labels.rankings_of(desk.store, Which())
    assert made.seeded and len(labels.ratings_of(desk.store, Which())) == 4


def test_some_ratings_are_not_enough_and_none_are_fine(board: Page) -> None:
    board.get_by_role("button", name="All tied").click()
    expect(board.get_by_role("button", name="Hand in")).to_be_enabled()
    board.get_by_role("button", name="1 Rate").click()
    board.keyboard.press("5")
    expect(board.get_by_text("Give every output a quality: 1 of 4 have one.")).to_be_visible()
    expect(board.get_by_role("button", name="Hand in")).to_be_disabled()


def test_offline_work_is_kept_and_handed_in_when_the_connection_is_back(
    served: Served, context: BrowserContext
) -> None:
    served.desk.task("p", "demonstrate")
    page = served.enter(context)
    begin(page, "Write an answer")
    context.set_offline(True)
    page.get_by_label("Your answer").fill("written in a tunnel")
    expect(page.get_by_text("Offline, kept on this device")).to_be_visible()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("alert").filter(has_text="as soon as the connection is back")).to_be_visible()
    assert labels.demonstrations_of(served.desk.store, Which()) == []
    context.set_offline(False)
    page.get_by_role("heading", name="Hello, Ida").wait_for()
    (made,) = labels.demonstrations_of(served.desk.store, Which())
    assert made.text == "written in a tunnel"


def test_a_draft_that_never_reached_the_server_is_there_after_a_reload(served: Served, context: BrowserContext) -> None:
    served.desk.task("p", "demonstrate")
    page = served.enter(context)
    begin(page, "Write an answer")
    context.set_offline(True)
    page.get_by_label("Your answer").fill("only here")
    expect(page.get_by_text("Offline, kept on this device")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    context.set_offline(False)
    page.reload()
    expect(page.get_by_label("Your answer")).to_have_value("only here")


def test_a_page_that_was_asked_for_before_a_save_and_comes_after_it_shows_what_was_saved(
    served: Served, context: BrowserContext
) -> None:
    """So it is when the connection is back and the page is loaded again: the save may be answered in between."""
    served.desk.task("p", "demonstrate")
    page = served.enter(context)
    begin(page, "Write an answer")
    before = page.request.get(page.url)
    page.get_by_label("Your answer").fill("on its way")
    saved(page)
    page.route(page.url, lambda route: route.fulfill(response=before))
    page.reload()
    expect(page.get_by_label("Your answer")).to_have_value("on its way")
    # It goes on from the version that it was not shown with.
    page.get_by_label("Your answer").fill("on its way, and on")
    expect(page.get_by_role("status").filter(has_text="Kept on this device")).to_be_visible()
    saved(page)
    [labeler] = [one for one in _labelers(served.desk) if one.startswith("p-")]
    kept = drafts.get(served.desk.store, page.url.rsplit("/", 1)[1], labeler)
    assert (kept.version, json.loads(kept.content)["text"]) == (2, "on its way, and on")


def test_two_tabs_do_not_fight(served: Served, context: BrowserContext) -> None:
    served.desk.task("p", "demonstrate")
    first = served.enter(context)
    begin(first, "Write an answer")
    first.get_by_label("Your answer").fill("from the first tab")
    saved(first)
    second = context.new_page()
    second.goto(first.url)
    expect(second.get_by_text("open in another tab")).to_be_visible()
    second.get_by_role("button", name="Work here").click()
    expect(second.get_by_label("Your answer")).to_have_value("from the first tab")
    expect(first.get_by_text("open in another tab")).to_be_visible()
    first.bring_to_front()
    first.keyboard.press("Control+Enter")
    second.bring_to_front()
    second.get_by_label("Your answer").fill("from the second tab")
    second.get_by_role("button", name="Hand in").click()
    second.get_by_text("Handed in.").wait_for()
    (made,) = labels.demonstrations_of(served.desk.store, Which())
    assert made.text == "from the second tab"


def test_two_devices_choose_which_version_to_keep(served: Served, context: BrowserContext) -> None:
    served.desk.task("p", "demonstrate")
    page = served.enter(context)
    begin(page, "Write an answer")
    page.get_by_label("Your answer").fill("here")
    saved(page)
    draft = page.url.rsplit("/", 1)[1]
    (labeler,) = [one for one in _labelers(served.desk) if one.startswith("p-")]
    other = json.dumps({"text": "elsewhere"})
    version = drafts.get(served.desk.store, draft, labeler).version
    drafts.save(served.desk.store, draft, labeler, other, base=version, now=NOW)
    page.get_by_label("Your answer").fill("here again")
    dialog = page.get_by_role("dialog", name="Two versions of this work")
    expect(dialog).to_be_visible()
    assert drafts.get(served.desk.store, draft, labeler).content == other
    no_violation(page)
    dialog.get_by_role("button", name="Take the other version").click()
    expect(page.get_by_label("Your answer")).to_have_value("elsewhere")


def _labelers(desk: Desk) -> list[str]:
    from tutelage.store import labelers

    return [one.id for one in labelers.find(desk.store)]


def test_skipping_gives_the_task_back_with_its_reason(served: Served, context: BrowserContext) -> None:
    served.desk.task("p", "demonstrate")
    page = served.enter(context)
    begin(page, "Write an answer")
    page.get_by_role("button", name="Skip").click()
    no_violation(page)
    page.get_by_label("I cannot tell what is asked").check()
    page.get_by_role("button", name="Skip and go on").click()
    page.get_by_text("There is nothing to label at the moment.").wait_for()
    (entry,) = [one for one in audit.find(served.desk.store) if one.event.action == "work.skip"]
    assert entry.event.details == {"reason": "unclear"}


HOSTILE = (
    "<script>alert(1)</script>",
    "</div></li><img src=x onerror=alert(1)>",
    "  two  spaces\n\n\tand a tab {{ 7 * 7 }} &amp;",
    "\u202eright to left\u202c and zero\u200bwidth and \u05d0\u05d1",
)


def test_hostile_outputs_are_texts_with_their_white_space(served: Served, context: BrowserContext) -> None:
    served.desk.prompt("h", text="<b>not bold</b>")
    made = [
        Completion(id=f"h{n}", prompt_id="h", text=text, policy="sft", finish_reason="stop")
        for n, text in enumerate([*HOSTILE, "x" * 100_000])
    ]
    completions.add(served.desk.store, made, now=NOW)
    task = work.Task(
        id="t-h", kind="rank", purpose="train", prompt_id="h", instruction_version="comparison-1",
        completion_ids=tuple(one.id for one in made),
    )  # fmt: skip
    work.file_tasks(served.desk.store, [task], now=NOW)
    page = served.enter(context)
    begin(page, "Rank answers")
    page.get_by_text("<b>not bold</b>").wait_for()
    to_board(page)
    assert sorted(page.locator("#tray .text").all_text_contents()) == sorted(one.text for one in made)
    # Nothing runs past the screen, however long a word is.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("kind", ["demonstrate", "rate", "rank"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone(
    served: Served, browser: Browser, kind: Any, scheme: Any, request: pytest.FixtureRequest
) -> None:
    served.desk.task("p", kind, k=4)
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
    page = served.enter(context)
    begin(page, {"demonstrate": "Write an answer", "rate": "Rate answers", "rank": "Rank answers"}[kind])
    if kind == "rank":
        to_board(page)
        grip(page, "C").tap()
        page.get_by_role("button", name="Put C into row 1").tap()
        assert rows_on_screen(page) == [{"C"}]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    no_violation(page)
    context.close()
