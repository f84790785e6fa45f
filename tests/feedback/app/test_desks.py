"""Several labelers at their desks: leases that end while somebody works, and one item for two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser import browser
from tests.feedback.app.hands import (
    begin,
    context,
    grip,
    letters,
    rows_on_screen,
    saved,
    served,
    to_board,
)
from tests.feedback.app.site import Served, serving
from tests.feedback.conftest import Desk, database, desk, store
from tutelage.feedback import work
from tutelage.store import completions, labels
from tutelage.store.labels import Which
from tutelage.web.site import utc_now

__all__ = ["browser", "context", "database", "desk", "served", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@dataclass
class Clock:
    """The app's clock, ahead of the real one by as much as a test says: browsers keep their own time."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(desk: Desk, clock: Clock) -> Iterator[Served]:
    with serving(desk, clock) as made:
        yield made


def test_a_lease_that_ended_is_told_at_once_and_the_work_still_counts(
    timed: Served, context: BrowserContext, clock: Clock
) -> None:
    timed.desk.task("p", "demonstrate")
    page = timed.enter(context)
    begin(page, "Write an answer")
    page.get_by_label("Your answer").fill("begun in time")
    saved(page)
    clock.ahead = timedelta(minutes=31)
    work.expire(timed.desk.store, now=clock())
    page.get_by_label("Your answer").fill("finished late")
    expect(page.get_by_role("alert").filter(has_text="The lease of this work has ended")).to_be_visible()
    page.get_by_role("button", name="Hand in").click()
    page.get_by_text("Handed in.").wait_for()
    (made,) = labels.demonstrations_of(timed.desk.store, Which())
    assert made.text == "finished late"


def test_work_that_went_to_somebody_else_is_refused_and_its_draft_stays(
    timed: Served, context: BrowserContext, clock: Clock
) -> None:
    timed.desk.task("p", "demonstrate")
    page = timed.enter(context)
    begin(page, "Write an answer")
    page.get_by_label("Your answer").fill("too late")
    saved(page)
    clock.ahead = timedelta(minutes=31)
    (taken,) = work.lease(timed.desk.store, "anna", now=clock())
    work.submit(
        timed.desk.store,
        [work.Submission(id="anna's", assignment_id=taken.id, labeler="anna", text="in time")],
        now=clock(),
    )
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("alert").filter(has_text="its task went to others; ask for other work")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Your answer")).to_have_value("too late")
    (made,) = labels.demonstrations_of(timed.desk.store, Which())
    assert made.text == "in time"


def test_two_labelers_rank_one_item_each_by_themselves_and_a_third_gets_nothing(
    served: Served, browser: Browser
) -> None:
    served.desk.task("p", "rank", k=4, overlap=2)
    pages = [served.enter(browser.new_context(), name) for name in ("Ida", "Ben", "Kim")]
    for page in pages[:2]:
        begin(page, "Rank answers")
        to_board(page)
    expect(pages[2].get_by_role("button", name="Begin: Rank answers")).to_be_visible()
    pages[2].reload()
    expect(pages[2].get_by_text("There is nothing to label at the moment.")).to_be_visible()
    wanted = []
    for page, keys in zip(pages, ("1213", "2111"), strict=False):
        grip(page, "A").focus()
        for key in keys:
            page.keyboard.press(key)
        texts, shown = letters(page), rows_on_screen(page)
        wanted.append([{texts[letter] for letter in row} for row in shown])
        page.get_by_role("button", name="Hand in").click()
        page.get_by_text("Handed in.").wait_for()
    made = labels.rankings_of(served.desk.store, Which(purpose="train"))
    assert len({one.labeler for one in made}) == 2
    texts = {one.id: one.text for one in completions.get(served.desk.store, made[0].presented).values()}
    found = [[{texts[output] for output in group} for group in one.groups] for one in made]
    assert found in (wanted, wanted[::-1])
    for page in pages:
        page.context.close()


def test_a_question_asked_while_rating_names_the_output_on_the_screen(served: Served, context: BrowserContext) -> None:
    served.desk.task("p", "rate", k=2)
    page = served.enter(context)
    begin(page, "Rate answers")
    page.keyboard.press("j")
    shown = page.get_by_role("article", name="Output B").inner_text()
    page.get_by_role("link", name="Ask").click()
    page.get_by_text("What it is about").click()
    assert [text for text in ("p answer 0", "p answer 1") if page.get_by_text(text).is_visible()] == [shown]
