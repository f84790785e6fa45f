"""The first hour of somebody new: one command in a run's directory, its link, and what the pages say; nothing else.

Only visible names and roles are used, in the order in which a person meets them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import browser
from tutelage.config import find_recipe, load
from tutelage.feedback import export
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.village import Village, demonstrate, take_in
from tutelage.records import Completion
from tutelage.store import Store, completions, prompts

__all__ = ["browser"]

TINY = ("village.demonstrated=6", "village.ranked=6", "village.ppo=6", "village.validation=4", "village.test=4")
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A village run's directory: customers' prompts, simulated labelers' answers, and several answers to rank."""
    recipe = load(Recipe, find_recipe("village"), list(TINY))
    village, root = Village(recipe), tmp_path_factory.mktemp("runs") / "village-seed1"
    root.mkdir()
    Workspace(root, recipe).run(
        [
            Stage("prompts", "Take in prompts", take_in(village, recipe), {}),
            Stage("demonstrations", "Labelers demonstrate", demonstrate(village), {}, ("prompts",)),
        ]
    )
    with Store.open(f"sqlite:///{root / 'tutelage.db'}", create=False) as store:
        new = [
            Completion(id=f"{prompt.id}/{n}", prompt_id=prompt.id, text=f"Answer number {n}.", policy=f"sft@{n % 2}",
                       finish_reason="stop")
            for prompt in prompts.usable(store, split="train", stage="reward")
            for n in range(4)
        ]  # fmt: skip
        completions.add(store, new, now=NOW)
    return root


@pytest.fixture
def link(run: Path) -> Iterator[str]:
    """Start `tutelage label` where the run is and give the link that it prints."""
    command = [sys.executable, "-m", "tutelage.cli", "label", "--port", "0"]
    with subprocess.Popen(command, cwd=run, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield re.findall(r"http://\S+/enter/\S+", process.stdout.readline() + process.stdout.readline())[0]
        finally:
            process.terminate()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(15_000)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert errors == []


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name)


def test_somebody_new_demonstrates_rates_and_ranks(page: Page, link: str, run: Path) -> None:
    page.goto(link)
    page.get_by_role("textbox", name="Name").fill("Ada")
    page.get_by_role("textbox", name="Password").fill("four words do well here")
    button(page, "Create account").click()

    button(page, "Label here yourself").click()
    button(page, "File").click()
    button(page, "Begin: Write an answer").click()
    button(page, "I have read this").click()
    page.get_by_role("textbox", name="Your answer").fill("I do not know.\nAsk at the mill.")
    button(page, "Hand in").click()
    expect(page.get_by_text("Handed in.")).to_be_visible()

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Home").click()
    button(page, "Begin: Rank answers").click()
    button(page, "I have read this").click()
    for letter, quality in zip("ABCD", "6261", strict=True):
        expect(page.get_by_role("heading", name=f"Output {letter}")).to_be_visible()
        page.get_by_role("radio", name=quality, exact=True).check()
        if letter != "D":
            button(page, "Next").click()
    button(page, "Go on to ranking").click()
    button(page, "Start from my ratings").click()
    button(page, "Confirm this order").click()
    rows = page.get_by_role("button", name=re.compile("^Row .*: ")).all()
    shown = [str(row.get_attribute("aria-label")).split(": ")[1] for row in rows]
    assert shown == ["A, C", "B", "D"]
    texts = {letter: page.get_by_role("listitem").filter(has=button(page, f"Output {letter}")).last.inner_text()
             for letter in "ABCD"}  # fmt: skip
    button(page, "Hand in").click()
    expect(page.get_by_text("Handed in.")).to_be_visible()

    with Store.open(f"sqlite:///{run / 'tutelage.db'}", create=False) as store:
        (written,) = export.sft(store, kind="human")
        (ranked,) = export.reward(store, kind="human")
    assert written.completion == "I do not know.\nAsk at the mill."
    order = dict(zip(ranked.completions, ranked.ranks, strict=True))
    wanted = {"A": 0, "B": 1, "C": 0, "D": 2}
    assert {letter: order[text.splitlines()[-1]] for letter, text in texts.items()} == wanted
