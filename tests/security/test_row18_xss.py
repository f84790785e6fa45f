"""Row 18: what models and customers wrote is text on every page, whatever it looks like; nothing of it runs or asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
from playwright.sync_api import Browser, expect

import tutelage
from tests.browser import browser
from tests.evaluate.conftest import synthetic_evaluation
from tests.evaluate.test_preference import RANKINGS, RATINGS, comparison, part
from tests.feedback.app.test_routes_and_words import routes
from tests.firms import Firm
from tests.govern.pages.test_guard import routes as governing_routes
from tests.governing import Here, application
from tests.labeling import QUICK, Clock, clock
from tests.security.hostile import PAYLOADS, Marks, Watched, marks_in, watched
from tests.security.hostile_desk import Desk, fill
from tests.security.hostile_firm import fill as fill_firm
from tests.security.listening import listening
from tests.serve import askers
from tests.serve.scripted import ScriptedCatalogue, ScriptedEngine
from tutelage.evaluate import preference, report, training
from tutelage.evaluate.records import Evaluation, write
from tutelage.feedback.app import app as labeling
from tutelage.pipeline import model_card
from tutelage.records import RegisteredModel
from tutelage.runs import Run
from tutelage.serve.app import ServeOptions, create_app
from tutelage.store import Store, sessions
from tutelage.store.registry import Learned
from tutelage.web.headers import HEADERS
from tutelage.web.site import utc_now

__all__ = ["browser", "clock"]

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PACKAGE = Path(tutelage.__file__).parent
#: A page of ours is crawled under so many different queries.
QUERIES = 2


def raw() -> FastAPI:
    """Pages that do what ours must not: they hold a payload as markup, without our policy or with it."""
    app = FastAPI()

    @app.get("/{kind}/{number}")
    def page(kind: str, number: int) -> Response:
        policy = HEADERS if kind == "held" else {}
        return HTMLResponse(f"<!doctype html><p>text {PAYLOADS[number].text}</p>", headers=policy)

    return app


def test_the_payloads_do_what_they_say_and_our_policy_alone_holds_them(browser: Browser) -> None:
    """The control: each payload is seen to run where it is markup, so that silence elsewhere means something."""
    with listening(raw()) as address:
        with watched(browser, address) as window:
            for number, payload in enumerate(PAYLOADS):
                if payload.sign:
                    assert ran(window, f"{address}/free/{number}", payload.sign), payload
        with watched(browser, address) as window:
            for number, payload in enumerate(PAYLOADS):
                if payload.sign and payload.is_held:
                    window.page.goto(f"{address}/held/{number}", wait_until="load")
                    assert window.dialogs == window.reached == [], payload
                    assert not window.page.evaluate("'owned' in window"), payload


def ran(window: Watched, address: str, sign: str) -> bool:
    """Open a page and wait until its payload shows that it ran."""
    window.forget()
    if sign == "asks":
        with window.context.expect_event("request", lambda sent: "evil.example" in sent.url):
            window.page.goto(address, wait_until="commit")
    elif sign == "dialog":
        with window.page.expect_event("dialog"):
            window.page.goto(address, wait_until="commit")
    else:
        window.page.goto(address, wait_until="commit")
        window.page.wait_for_function("window.owned === 1")
    return True


# The labeling app.


@dataclass
class Crawl:
    """Opens every page that a signed-in person is led to, and keeps what must not happen and which marks were shown."""

    window: Watched
    address: str
    seen: dict[str, set[str]] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    wrong: list[tuple[str, list[str]]] = field(default_factory=list)

    def run(self, *starts: str) -> None:
        """Open these pages and all that they lead to."""
        waiting = [f"{self.address}{start}" for start in starts]
        while waiting:
            url = waiting.pop()
            path, _, query = url.removeprefix(self.address).partition("?")
            queries = self.seen.setdefault(path, set())
            if query in queries or len(queries) >= QUERIES:
                continue
            queries.add(query)
            waiting += self.open(url, path)

    def open(self, url: str, path: str) -> list[str]:
        """Open a page, look at it, and return where it leads to."""
        page = self.window.page
        self.window.forget()
        answer = page.goto(url, wait_until="networkidle" if path.startswith("/work/") else "load")
        assert answer and answer.status == 200, url
        assert "default-src 'none'" in answer.headers["content-security-policy"], url
        assert answer.headers["x-content-type-options"] == "nosniff", url
        if incidents := self.window.incidents:
            self.wrong.append((url, incidents))
        self.shown |= marks_in(page.content())
        links: list[str] = page.eval_on_selector_all("a[href]", "all => all.map((one) => one.href.split('#')[0])")
        outside = [link for link in links if not link.startswith(f"{self.address}/")]
        if outside:
            self.wrong.append((url, outside))
        return [link for link in links if link.startswith(f"{self.address}/")]


@pytest.fixture
def hostile(store: Store, clock: Clock) -> tuple[FastAPI, Desk]:
    """A labeling app in which everything that anybody can write is a payload."""
    app = labeling.create(store, labeling.Settings(now=clock, passwords=QUICK))
    return app, fill(app, clock, Marks())


@ON_SQLITE
def test_every_page_of_the_labeling_app_shows_texts_as_texts(
    hostile: tuple[FastAPI, Desk], browser: Browser, clock: Clock
) -> None:
    app, desk = hostile
    visited, shown = set[str](), set[str]()
    with listening(app) as address:
        for person, starts in desk.people.items():
            token = sessions.open_for(desk.store, person, agent="a browser", now=clock())
            with watched(browser, address, reduced_motion="reduce") as window:
                window.context.add_cookies([{"name": "tutelage", "value": token, "url": address}])
                crawl = Crawl(window, address)
                crawl.run("/", "/account", *starts)
                assert crawl.wrong == []
                visited |= crawl.seen.keys()
                shown |= crawl.shown
    assert shown == desk.marks.given, f"never shown: {sorted(desk.marks.given - shown)}"
    pages = {
        route.path for route in routes() if "GET" in route.methods and ".app.api." not in route.endpoint.__module__
    }
    assert unseen(pages, visited) == set()


def unseen(pages: set[str], visited: set[str]) -> set[str]:
    """Return the pages of these forms that were not opened; who is signed in does not see those for coming in."""
    pages = pages - {"/static/{digest}/{name:path}", "/sign-in", "/enter/{token}"}
    forms = {page: re.compile(re.sub(r"\{\w+(:path)?\}", "[^/]+", page)) for page in pages}
    return {page for page, form in forms.items() if not any(form.fullmatch(path) for path in visited)}


@ON_SQLITE
def test_every_page_of_customers_and_operators_shows_texts_as_texts(
    store: Store, browser: Browser, clock: Clock
) -> None:
    marks, site = Marks(), Here(store, clock, application(store, clock))
    world, visited, shown = fill_firm(site, marks), set[str](), set[str]()
    with listening(site.app) as address:
        for person, starts in (
            (world.customer, ()),
            (world.reviewer, (f"/console/cases/{world.case}",)),
            (world.admin, ("/console/apps", "/console/jobs", "/console/usage")),
        ):
            token = sessions.open_for(store, person.id, agent="a browser", now=clock())
            with watched(browser, address, reduced_motion="reduce") as window:
                window.context.add_cookies([{"name": "tutelage", "value": token, "url": address}])
                crawl = Crawl(window, address)
                crawl.run("/account", *starts)
                if person is world.reviewer:
                    shown |= read(window, f"{address}/console/cases/{world.case}")
                assert crawl.wrong == []
                visited |= crawl.seen.keys()
                shown |= crawl.shown
    assert shown == marks.given, f"never shown: {sorted(marks.given - shown)}"
    pages = {route.path for route in governing_routes(site.app.routes) if "GET" in route.methods}
    assert unseen(pages - {"/", "/console"}, visited) == set()


def read(window: Watched, address: str) -> set[str]:
    """Read what was said in a request of a case, as a reviewer does who says why; return the marks on the page."""
    window.page.goto(address)
    form = window.page.locator('form[action$="/read"]')
    form.get_by_role("textbox").fill("To judge the case.")
    form.get_by_role("button").click()
    window.page.get_by_role("status").wait_for()
    assert window.incidents == []
    return marks_in(window.page.content())


@ON_SQLITE
def test_answers_of_a_model_are_texts_on_the_playground_and_side_by_side(store: Store, browser: Browser) -> None:
    """Where a script writes what comes in a stream: every payload in one answer."""
    words = tuple(f"{one.text}\n" for one in PAYLOADS)
    firm = Firm.of(store, state="live")
    askers.read_notice(store, firm.customer, "training")
    token = sessions.open_for(store, firm.customer, agent="a browser", now=utc_now())
    engine = ScriptedEngine(words=words, context=1 << 16)
    with askers.listening(store, engine=engine) as site, watched(browser, site.address) as window:
        window.context.add_cookies([{"name": "tutelage", "value": token, "url": site.address}])
        page, status = window.page, window.page.locator("#status")
        for path, places, told in (
            ("/playground", ("#answer",), "The answer is complete."),
            ("/compare", ("#left", "#right"), "Both answers are there. Which is better?"),
        ):
            page.goto(f"{site.address}{path}")
            page.get_by_role("textbox", name="Prompt").fill("".join(words))
            page.keyboard.press("Control+Enter")
            expect(status).to_have_text(told)
            for place in places:
                assert page.locator(place).evaluate("it => it.textContent") == "".join(words), place
            assert window.incidents == [], path
    assert len(engine.asked) == 3


@ON_SQLITE
def test_addresses_that_hold_markup_are_told_as_text(store: Store, clock: Clock, browser: Browser) -> None:
    """Where the page or the error says which address was asked for; of the API in a browser too."""
    app = labeling.create(store, labeling.Settings(now=clock, passwords=QUICK))
    api = create_app(ScriptedCatalogue(store, engine=ScriptedEngine()), ServeOptions())
    with listening(app) as desk, listening(api, lifespan="on") as model, watched(browser, desk, model) as window:
        for payload in PAYLOADS:
            quoted = window.page.evaluate("encodeURIComponent", payload.text)
            for address in (desk, model):
                for path in (f"/{quoted}", f"/sign-in?next={quoted}", f"/enter/{quoted}", f"/v1/models/{quoted}"):
                    window.forget()
                    window.page.goto(f"{address}{path}", wait_until="load")
                    told = [one for one in window.incidents if "the server responded with a status" not in one]
                    assert told == [], (path, told)


# Pages that are files.


def evaluation(marks: Marks) -> Evaluation:
    """An evaluation whose prompts and outputs are payloads."""
    drawn = synthetic_evaluation(1, prompts=12, labelers=6, items=8)
    return replace(
        drawn,
        prompts=tuple(replace(one, text=marks.text()) for one in drawn.prompts),
        completions=tuple(replace(one, text=marks.text()) for one in drawn.completions),
        facts=replace(drawn.facts, texts={"gossip": tuple(marks.text() for _ in PAYLOADS)}, tried=(marks.text(),)),
    )


def trained(folder: Path, marks: Marks) -> Path:
    """A training run whose samples and settings are payloads."""
    run = Run.create(folder / "ppo", stage="ppo", settings={"name": marks.text()}, seeds={"seed": 1})
    for step in (1, 2):
        run.metrics(step, {"objective/score": float(step), "seconds": 0.5})
        row = {"prompt": marks.text(), "completion": marks.text(), "score": 0.5, "ended": True}
        run.samples(step, [{**row, "completion": marks.text()} for _ in PAYLOADS])
    return folder / "ppo"


def card(name: str, licence: str, consent: str, use: str = "") -> str:
    """A model's card that tells what others wrote: its base's name and licence, the terms of its data."""
    about = model_card.About(
        model=RegisteredModel(name="policy", version=1, path=".", sha256="ab" * 32, run="test"),
        card={"model": name, "licence": licence},
        learned=(Learned(what="prompts", kind="imported", rows=3, consent=consent),),
        licences=(),
        is_average=False,
        is_adapted=False,
        is_scored_alone=False,
        use=use,
    )
    return model_card.page(about)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[list[Path]]:
    marks = Marks()
    write(tmp_path / "run" / "evaluation", evaluation(marks))
    report.build([tmp_path / "run"], tmp_path / "out")
    training.write([trained(tmp_path, marks)], tmp_path / "out" / "training.html")
    named = replace(comparison(part("human", RANKINGS, RATINGS)), name=marks.text())
    arms = tuple(replace(one, name=marks.text(), note=marks.text()) for one in named.arms)
    (tmp_path / "out" / "preference.html").write_text(preference.render(replace(named, arms=arms)), encoding="utf-8")
    told = card(marks.text(), marks.text(), marks.text(), use="\n\n".join(marks.text() for _ in PAYLOADS))
    (tmp_path / "out" / "card.html").write_text(told, encoding="utf-8")
    yield sorted((tmp_path / "out").glob("*.html"))


def test_pages_that_are_files_show_texts_as_texts(files: list[Path], browser: Browser) -> None:
    assert len(files) == 4
    for path in files:
        with watched(browser, path.as_uri()) as window:
            window.page.goto(path.as_uri(), wait_until="load")
            assert window.incidents == [], path.name
            assert len(marks_in(window.page.content())) > 2, path.name
            policy = window.page.locator('meta[http-equiv="Content-Security-Policy"]').get_attribute("content")
            assert policy and "default-src 'none'" in policy and "script" not in policy


def test_names_of_others_are_no_links_on_a_card() -> None:
    """The card is Markdown, where brackets would do what angle brackets cannot."""
    lure = "[Sign in again](http://evil.example/) <http://evil.example/> **now**"
    page = card(lure, lure, lure)
    assert "[Sign in again](http://evil.example/)" in page and "href" not in page and "<strong>" not in page


# What keeps it so.

#: Where text may become markup: after the cleaner, and what our own code drew from escaped parts.
MAKERS = {"evaluate/report.py", "pipeline/model_card.py", "web/markdown.py"}
#: Ways of a script to make markup or code of a string.
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setTimeout\(['\"]|srcdoc|DOMParser"
)


def test_markup_is_made_in_three_places_only() -> None:
    makers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bMarkup\(|import Markup\b|= Markup\b", path.read_text(encoding="utf-8"))
    }
    assert makers == MAKERS
    for path in (*PACKAGE.rglob("*.html"), *PACKAGE.rglob("*.js")):
        text = path.read_text(encoding="utf-8")
        assert not SINKS.search(text), path
        assert not re.search(r"\|\s*safe\b|autoescape\s+false|\{%-?\s*autoescape", text), path


def test_nothing_is_exported_in_a_form_that_a_spreadsheet_runs() -> None:
    """Exports are JSON lines and Parquet, which have no formulas: whoever adds CSV must say what becomes of =."""
    writers = re.compile(r"csv\.(writer|DictWriter)|to_csv|text/csv")
    found = [path for path in PACKAGE.rglob("*.py") if writers.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_no_template_writes_a_value_into_a_script() -> None:
    """Escaping for HTML would not help there; values for scripts stand in attributes."""
    for path in PACKAGE.rglob("*.html"):
        for script in re.findall(r"<script\b[^>]*>(.*?)</script>", path.read_text(encoding="utf-8"), re.DOTALL):
            assert script.strip() == "", path
