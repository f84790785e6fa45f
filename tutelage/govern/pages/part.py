"""These pages as a part of the site that stands beside the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tutelage.govern.pages import home
from tutelage.govern.pages.console import application, misuse, people, queue, traffic
from tutelage.govern.pages.console.releases import Console
from tutelage.govern.pages.customer import apps, cases, keys, organisation
from tutelage.govern.pages.customer import traffic as own_traffic
from tutelage.govern.pages.releases import Releases
from tutelage.govern.pages.words import WORDS
from tutelage.store import Store
from tutelage.store import appeals as appeal_rows
from tutelage.store import cases as case_rows
from tutelage.store.accounts import STAFF, Person, Role
from tutelage.web.pages import Link
from tutelage.web.parts import Part

FOLDER = Path(__file__).parent
#: Customers' areas, and those of the operator's people.
CUSTOMERS = (apps, keys, own_traffic, cases, organisation)
OPERATORS = (queue, application, misuse, traffic, people)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    path: str
    word: str
    roles: tuple[Role, ...] = STAFF


_CASES, _APPEALS = "/console/cases", "/console/appeals"
_ENTRIES = (
    _Entry(path="/apps", word="apps.title", roles=("customer",)),
    _Entry(path="/organisation", word="organisation.title", roles=("customer",)),
    _Entry(path=queue.QUEUE, word="queue.title"),
    _Entry(path="/console/apps", word="console_apps.title"),
    _Entry(path=_CASES, word="cases.title"),
    _Entry(path=_APPEALS, word="appeals.title"),
    _Entry(path="/console/usage", word="usage.title"),
    _Entry(path="/console/releases", word="releases.title"),
    _Entry(path="/console/jobs", word="jobs.title"),
    _Entry(path="/console/people", word="people.title", roles=("admin",)),
)


def part(releases: Releases) -> Part:
    """Return the part; `releases` moves aliases for the console."""
    areas = [area.router for area in (home, *CUSTOMERS, *OPERATORS)]
    return Part(
        name="govern",
        folder=FOLDER,
        routers=[*areas, Console(releases).router()],
        names=("apps", "organisation", "console"),
        words=WORDS,
        links=links,
    )


def links(store: Store, person: Person) -> Sequence[Link]:
    """Return the links that a person may follow; what waits is counted there."""
    news: Mapping[str, int] = {}
    if person.role in STAFF:
        news = {_CASES: len(case_rows.waiting(store)), _APPEALS: len(appeal_rows.waiting(store))}
    return [
        Link(path=one.path, text=WORDS[one.word], news=str(news[one.path]) if news.get(one.path) else "")
        for one in _ENTRIES
        if person.role in one.roles
    ]
