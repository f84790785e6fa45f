"""The pages as a part of the site that stands beside the API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tutelage.serve.api.calls import Caller
from tutelage.serve.pages import compare, playground, welcome
from tutelage.serve.pages.compare import SEES
from tutelage.serve.pages.comparing import Comparing
from tutelage.serve.pages.settings import PageSettings
from tutelage.serve.pages.visiting import Visits
from tutelage.serve.pages.words import WORDS
from tutelage.store import Store
from tutelage.store.accounts import Person
from tutelage.web.pages import Link
from tutelage.web.parts import Part

FOLDER = Path(__file__).parent
#: The name of its static files.
NAME = "ask"


def part(caller: Caller, settings: PageSettings, *, is_private: bool) -> Part:
    """Return the playground and, where arms are configured, the page Side by side."""
    visits = Visits(caller, is_private=is_private, notice_days=settings.notice_days)
    routers, names = [welcome.router(visits), playground.router(caller, visits)], {"playground"}
    if settings.compare.arms:
        routers.append(compare.router(Comparing(caller, settings.compare), visits))
        names.add("compare")

    def links(store: Store, person: Person) -> Sequence[Link]:
        found = []
        if person.organisation:
            found.append(Link(path="/playground", text=WORDS["try.title"]))
            if settings.compare.arms:
                found.append(Link(path="/compare", text=WORDS["side.title"]))
        if person.role in SEES and settings.compare.arms:
            found.append(Link(path="/compare/tally", text=WORDS["tally.title"]))
        return found

    return Part(name=NAME, folder=FOLDER, routers=routers, names=names, words=WORDS, links=links)
