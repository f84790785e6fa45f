"""Which routes are open to everybody, and the words of pages; without any database."""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute

from tutelage.feedback.app import app as application
from tutelage.feedback.app.words import WORDS

FOLDER = Path(application.__file__).parent


def routes() -> list[APIRoute]:
    def inner(found: Any) -> list[APIRoute]:
        return [one for route in found for one in ([route] if isinstance(route, APIRoute) else inner(below(route)))]

    def below(route: Any) -> Any:
        return getattr(getattr(route, "original_router", None) or getattr(route, "app", None), "routes", [])

    return inner(application.create(None, application.Settings()).routes)  # type: ignore[arg-type]


def test_only_these_routes_are_open_to_everybody() -> None:
    found = routes()
    assert len(found) > 15
    opened = {(*sorted(route.methods), route.path) for route in found if getattr(route.endpoint, "is_public", False)}
    assert opened == {
        ("GET", "/sign-in"),
        ("POST", "/sign-in"),
        ("GET", "/enter/{token}"),
        ("POST", "/enter/{token}"),
        ("GET", "/static/{digest}/{name:path}"),
    }


def test_every_word_of_a_template_exists_and_every_word_is_used() -> None:
    sources = [
        path for path in FOLDER.rglob("*") if path.suffix in (".html", ".py", ".js") and "words" not in path.parts
    ]
    sources += [*(FOLDER.parents[1] / "web").rglob("*.html"), *(FOLDER.parents[1] / "web").rglob("*.py")]
    sources = [path for path in sources if path.name != "words.py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    named = set(re.findall(r"""(?:\bt|[wW]ords|WORDS)\(\s*["']([\w./]+)["']""", text))
    made = set(re.findall(r"""["']([\w./]+[./])["']\s*(?:~|\+|\))""", text))
    unknown = {name for name in named if name not in WORDS.texts and not any(name == part for part in made)}
    assert unknown == set()
    unused = {
        name
        for name in WORDS.texts
        if f'"{name}"' not in text and f"'{name}'" not in text and not any(name.startswith(part) for part in made)
    }
    assert unused == set()


def test_every_place_to_fill_has_a_name() -> None:
    for name, text in WORDS.texts.items():
        for _, place, _, _ in string.Formatter().parse(text):
            assert place is None or place.isidentifier(), name
