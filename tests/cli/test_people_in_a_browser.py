"""An evaluation by people from the recipe to the table: a held-out labeler judges in a real browser, blind.

Everything is what a user does: commands, and pages by visible names and roles.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser import browser, come_in
from tests.cli.conftest import table
from tests.cli.test_label import labeling
from tests.generate.tiny import make_directory
from tutelage.feedback import export
from tutelage.files import read_json, sha256_of
from tutelage.records import RegisteredModel
from tutelage.store import Store, labels, registry
from tutelage.store.labels import Which

__all__ = ["browser"]

NOW = datetime(2026, 11, 2, tzinfo=UTC)
ARMS = ("quartz", "basalt", "granite")
RECIPE = """
name = "stones"
baseline = "quartz"
seed = 3

[arms.quartz]
model = "quartz-model@1"
[arms.basalt]
model = "basalt-model"
name = "Basalt"
[arms.granite]
model = "made/granite"

[prompts]
count = 3

[labels]
overlap = 1

[sampling]
temperature = 0.3
max_tokens = 5
"""
#: For each prompt, what the labeler thinks of each arm's output: the row it is put into, and its quality.
ROWS = (
    {"basalt": 1, "quartz": 2, "granite": 3},
    {"basalt": 1, "quartz": 1, "granite": 2},
    {"granite": 1, "quartz": 2, "basalt": 2},
)
QUALITY = (
    {"basalt": 6, "quartz": 4, "granite": 1},
    {"basalt": 5, "quartz": 5, "granite": 2},
    {"basalt": 2, "quartz": 3, "granite": 7},
)


@pytest.fixture
def project(tutelage: Callable[..., str], written: Callable[..., Path]) -> Path:
    """A folder with a database of three test prompts and models, and a recipe."""
    asked = [
        {"id": f"p{n}", "text": text, "source": "customer", "user": f"u{n}", "consent": "v1", "stage": "evaluation"}
        for n, text in enumerate(("the goat", "one two", "the end of the hat"))
    ]
    tutelage("prompts", "import", written("sent.jsonl", asked), "--set", "shares.train=0.0",
             "--set", "shares.validation=0.0", "--set", "shares.test=1.0")  # fmt: skip
    with Store.open("sqlite:///tutelage.db") as store:
        for seed, name in enumerate(ARMS):
            path = make_directory(Path("made") / name, seed + 1).resolve()
            new = RegisteredModel(name=f"{name}-model", version=0, path=str(path), sha256=sha256_of(path), run="")
            registry.register(store, new, prompt_hashes=(), now=NOW)
    Path("people.toml").write_text(RECIPE)
    return Path.cwd()


@pytest.fixture
def contexts(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Give a function that makes a fresh browser profile; an error of a script fails the test."""
    made: list[BrowserContext] = []
    errors: list[str] = []

    def make() -> BrowserContext:
        made.append(browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce"))
        made[-1].set_default_timeout(20_000)
        made[-1].on("weberror", lambda error: errors.append(str(error.error)))
        return made[-1]

    yield make
    for context in made:
        context.close()
    assert errors == []


def invite_heldout(page: Page) -> str:
    """Make a link for a held-out labeler on the page People."""
    page.get_by_role("link", name="Invite people").click()
    page.get_by_role("combobox", name="As").select_option("a held-out labeler, who only judges results")
    page.get_by_role("button", name="Make link").click()
    found = re.search(r"http://\S+/enter/\S+", page.get_by_role("status").inner_text())
    assert found
    return found[0]


def shown(page: Page, letter: str) -> str:
    """Read the text of an output as the page has it."""
    found: Locator = page.get_by_role("article", name=f"Output {letter}", include_hidden=True)
    return clean(found.text_content() or "")


def clean(text: str) -> str:
    """Leave out what a random model writes and a page cannot show, such as NUL."""
    return "".join(letter for letter in text if letter.isprintable() and letter != "\ufffd").strip()


def judge(page: Page, texts: dict[str, dict[str, str]]) -> None:
    """Rate and rank what is on the screen, as ROWS and QUALITY say of the arms that wrote it."""
    on_screen = {letter: shown(page, letter) for letter in "ABC"}
    ((number, arms),) = [
        (number, {clean(text): arm for arm, text in by_arm.items()})
        for number, by_arm in enumerate(texts.values())
        if {clean(text) for text in by_arm.values()} == set(on_screen.values())
    ]
    for name in (*ARMS, "stones", "-model", "Basalt"):
        assert name not in page.content(), "the page must not tell whose outputs these are"
    by_letter = {letter: arms[text] for letter, text in on_screen.items()}
    for letter, arm in by_letter.items():
        expect(page.get_by_role("heading", name=f"Output {letter}")).to_be_visible()
        page.get_by_role("radio", name=str(QUALITY[number][arm]), exact=True).check()
        if arm == "granite":
            page.get_by_role("group", name="Makes facts up").get_by_role("button", name="Yes").click()
        if letter != "C":
            page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="2 Rank").click()
    for letter, arm in by_letter.items():
        page.get_by_label(f"Move {letter} to").select_option(f"Row {ROWS[number][arm]}")
    before = page.url
    page.get_by_role("button", name="Hand in").click()
    # The notice of the work before this one stands on the page already.
    page.wait_for_url(lambda url: url != before)
    page.get_by_text("Handed in.").wait_for()


def check_table(lines: list[str]) -> None:
    """Compare what was printed with the table that follows from ROWS and QUALITY by hand."""
    assert lines[0] == "All 3 judgements of 3 prompts are there."
    rows = table("\n".join(lines[1:]))
    assert rows[0] == ["judged by", "arm", "preferred to quartz", "quality"]
    # By hand from ROWS and QUALITY. Basalt against quartz: wins, ties, ties: (1 + 1/2 + 1/2) / 3. Granite against
    # quartz: loses, loses, wins: 1 / 3. Qualities: 12 / 3, 13 / 3 and 10 / 3.
    means = [[cell.partition(" [")[0].strip() for cell in row] for row in rows[1:4]]
    assert means == [
        ["people, held out, this labeler only", "quartz", "baseline", "4.00"],
        ["people, held out, this labeler only", "Basalt", "67 %", "4.33"],
        ["people, held out, this labeler only", "granite", "33 %", "3.33"],
    ]
    assert all("] n 3, detects " in row[2] for row in rows[2:4])
    flags = {row[0].strip(): row[1:] for row in rows[4:] if len(row) == 4}
    assert [cell.partition(" ")[0] for cell in flags["hallucination"]] == ["–", "–", "100"]


def check_report(out: Path) -> None:
    """Compare the files with the same figures."""
    report = read_json(out / "report.json")
    (part,) = report["parts"]
    assert (part["kind"], part["group"], part["labelers"], part["rankings"]) == ("human", "heldout", 1, 3)
    assert part["win_rate"]["basalt"]["granite"]["mean"] == pytest.approx(2 / 3)
    # One labeler: the mean of {1, 1/2, 1/2} has the variance 1/36, that of 8 trials at 2/3; Wilson's interval with
    # Student's 4.303 for two degrees of freedom. Qualities 3, 4 and 5 are half the way from 1 to 7, with 27 trials.
    found, square = part["win_rate"]["basalt"]["quartz"], 4.302653**2
    a = square / 8
    root = ((4 / 3 + a) ** 2 - 4 * (1 + a) * 4 / 9) ** 0.5
    ends = [(4 / 3 + a - root) / (2 + 2 * a), (4 / 3 + a + root) / (2 + 2 * a)]
    assert [found["low"], found["high"]] == pytest.approx(ends, abs=1e-5)
    a = square / 27
    assert part["quality"]["quartz"]["low"] == pytest.approx(4 - 3 * (a / (1 + a)) ** 0.5, abs=1e-5)
    assert (out / "preference.svg").exists()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "67" in page and "people, held out" in page


def test_held_out_labels_made_in_a_browser_are_the_preference_table(
    project: Path, tutelage: Callable[..., str], contexts: Callable[[], BrowserContext]
) -> None:
    with labeling(project) as running:
        boss = contexts().new_page()
        come_in(boss, running.link, "Ada")
        labeler = contexts().new_page()
        come_in(labeler, invite_heldout(boss), "Hal")
        assert labeler.get_by_text("There is nothing to label at the moment.").is_visible()

        printed = tutelage("evaluate", "people", "people.toml", "--threads", "1")
        assert printed == "0 of 3 judgements of 3 prompts are there; figures may still change.\n" \
                          "Report: runs/stones/report.html\n"  # fmt: skip
        texts: dict[str, dict[str, str]] = {}
        for line in (project / "runs/stones/outputs.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            texts.setdefault(row["prompt_id"], {})[row["model"]] = row["text"]
        assert all(len(set(map(clean, by_arm.values()))) == 3 for by_arm in texts.values())

        labeler.reload()
        labeler.get_by_role("button", name="Begin: Rank answers").click()
        labeler.get_by_role("heading", name="Judging outputs for the final evaluation").wait_for()
        labeler.get_by_role("button", name="I have read this").click()
        for _ in texts:
            labeler.get_by_role("heading", name="Rank answers").wait_for()
            judge(labeler, texts)
        labeler.get_by_text("There is nothing to label at the moment.").wait_for()

    outputs = (project / "runs/stones/outputs.jsonl").read_bytes()
    lines = tutelage("evaluate", "people", "people.toml").splitlines()
    assert (project / "runs/stones/outputs.jsonl").read_bytes() == outputs
    check_table(lines)
    check_report(project / "runs/stones")
    with Store.open("sqlite:///tutelage.db") as store:
        assert len(labels.rankings_of(store, Which(purpose="evaluation", group="heldout", kind="human"))) == 3
        assert list(export.reward(store, kind="human")) == []
        assert list(export.sft(store, kind="human")) == []
