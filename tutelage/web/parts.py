"""A site that several units make together: each brings a part, and knows nothing of the others.

The site stands at the address of another application, the API: a list of first names says which paths are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from tutelage.store import Store
from tutelage.store.accounts import Person
from tutelage.web import application, entry, pages, words
from tutelage.web.account import Account
from tutelage.web.pages import Link, Pages
from tutelage.web.site import Settings, Site
from tutelage.web.static import Static

#: The first names of the paths that every site has; "" is the home page alone.
SHARED = frozenset({"", "sign-in", "sign-out", "enter", "account", "static"})


def _no_links(store: Store, person: Person) -> Sequence[Link]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a unit brings to a site: routers whose paths begin with one of `names`, words, and links of the top line.

    `folder` holds its `templates` and its `static` files; these are asked for as `NAME/FILE`, NAME being the part's.
    """

    name: str
    folder: Path
    routers: Sequence[APIRouter]
    names: Collection[str]
    words: Mapping[str, str] = field(default_factory=dict)
    links: Callable[[Store, Person], Sequence[Link]] = _no_links


def create(store: Store, settings: Settings, parts: Sequence[Part]) -> FastAPI:
    """Return the site: entry, everybody's account, and the parts."""
    static = {part.name: part.folder / "static" for part in parts}
    catalogue = words.Catalogue(words.WORDS, *(part.words for part in parts))

    def links(person: Person) -> Sequence[Link]:
        return [link for part in parts for link in part.links(store, person)]

    site = Site(
        store=store,
        pages=Pages(
            [part.folder / "templates" for part in parts],
            catalogue,
            Static({"web": pages.FOLDER / "static", **static}),
            links,
        ),
        now=settings.now,
        is_encrypted=settings.is_encrypted,
        passwords=settings.passwords,
        roles=settings.roles,
    )
    own = [router for part in parts for router in part.routers]
    return application.create(site, [entry.router, Account().router(), *own])


class Beside:
    """Two applications at one address: the site answers the paths with its names, the other one all that remain.

    What the other one guards is never asked by way of the site, and the site's paths are this list, exactly as written.
    """

    def __init__(self, other: ASGIApp, site: ASGIApp, parts: Sequence[Part]) -> None:
        self._other, self._site = other, site
        self._names = SHARED.union(*(part.names for part in parts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request to whom it is for; start and stop are the other's."""
        is_own = scope["type"] == "http" and self.is_own(scope["path"])
        await (self._site if is_own else self._other)(scope, receive, send)

    def is_own(self, path: str) -> bool:
        """Say whether a path is the site's."""
        name = path[1:].partition("/")[0]
        return path == "/" or (path[:1] == "/" and bool(name) and name in self._names)
