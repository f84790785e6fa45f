"""Pages from templates: every value escaped, every word from the catalogue, errors as pages for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.exceptions import HTTPException

from tutelage.errors import DatabaseAwayError, UserError
from tutelage.store.accounts import Person
from tutelage.web import access, errors
from tutelage.web.errors import ApiError
from tutelage.web.headers import HEADERS
from tutelage.web.site import Site
from tutelage.web.static import Static
from tutelage.web.words import Catalogue

FOLDER = Path(__file__).parent
SIGN_IN = "/sign-in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An entry of the navigation; `news` is what waits there, in words, "" for nothing."""

    path: str
    text: str
    news: str = ""


class Pages:
    """Renders templates of `folders` and the shared ones, with the words and static files of an application."""

    def __init__(
        self,
        folders: Sequence[Path],
        words: Catalogue,
        static: Static,
        links: Callable[[Person], Sequence[Link]],
    ) -> None:
        self.words, self.static = words, static
        self._links = links
        self._environment = Environment(
            loader=FileSystemLoader([*folders, FOLDER / "templates"]),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
        )
        self._environment.filters["time"] = _time
        self._environment.globals |= {"t": words, "static": static.url, "words_json": self._words_json}

    def render(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page. Beside `values` a template knows `person`, `csrf`, `links`, `path`, `t` and `static`."""
        here: Site = request.app.state.site
        found = getattr(request.state, "session", None)
        person = found.person if found else None
        shared = {
            "person": person,
            "csrf": access.proof(here, found),
            "links": self._links(person) if person else (),
            "path": request.url.path,
        }
        page = self._environment.get_template(template).render({**shared, **values})
        return HTMLResponse(page, status_code=status)

    def render_error(self, request: Request, told: ApiError) -> HTMLResponse:
        """Return the page that tells an error; where the service is away, it asks the store for nothing."""
        if told.status != HTTPStatus.SERVICE_UNAVAILABLE:
            return self.render(request, "error.html", told.status, message=told.message)
        shared = {"person": None, "csrf": "", "links": (), "path": request.url.path}
        page = self._environment.get_template("error.html").render({**shared, "message": told.message})
        return HTMLResponse(page, status_code=told.status)

    def _words_json(self, prefix: str) -> str:
        """Return the words of a script, to stand in an attribute, where they are escaped like any text."""
        return json.dumps(self.words.under(prefix), sort_keys=True)


def install_errors(app: FastAPI) -> None:
    """Answer every error as a page where a browser asks for one, else in the one shape of errors."""
    for kind in (ApiError, UserError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _answer)


def local(path: str) -> str:
    """Return where to go after signing in: `path` if it is an address of this site, else the home page."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_local else "/"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


async def _answer(request: Request, error: Exception) -> Response:
    here: Site = request.app.state.site
    told = _told(here.pages.words, request, error)
    if "text/html" not in request.headers.get("accept", ""):
        return errors.as_json(told)
    if isinstance(told, access.SignInNeededError):
        target = request.url.path if request.method in access.SAFE else "/"
        return RedirectResponse(f"{SIGN_IN}?next={quote(target)}", status_code=303)
    page = here.pages.render_error(request, told)
    # The page for a bug is made outside the middleware that adds these.
    page.headers.update({**HEADERS, **told.headers})
    return page


def _told(words: Catalogue, request: Request, error: Exception) -> ApiError:
    if isinstance(error, HTTPException) and error.status_code == 404:
        return ApiError(404, words("web.nothing_here"))
    told = errors.told(request, error)
    if isinstance(error, DatabaseAwayError):
        return ApiError(told.status, words("web.away"), headers=told.headers)
    return told
