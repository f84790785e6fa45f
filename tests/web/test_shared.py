"""The parts that all pages share, by themselves: words, passwords, static files, addresses to go back to."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tutelage.errors import DataError
from tutelage.web import errors
from tutelage.web.headers import Headers
from tutelage.web.pages import local
from tutelage.web.passwords import Passwords
from tutelage.web.static import Static
from tutelage.web.words import Catalogue


def test_words_are_filled_and_unknown_or_doubled_names_are_bugs() -> None:
    words = Catalogue({"a.hello": "Hello, {name}"}, {"b.bye": "Bye"})
    assert words("a.hello", name="<Anna> {name}") == "Hello, <Anna> {name}"
    assert words.under("b.") == {"b.bye": "Bye"}
    with pytest.raises(KeyError):
        words("a.nothing")
    with pytest.raises(KeyError):
        words("a.hello")
    with pytest.raises(KeyError, match="two texts"):
        Catalogue({"a": "1"}, {"a": "2"})


def test_a_password_is_known_again_and_no_other() -> None:
    passwords = Passwords()
    known = passwords.hashed("correct horse battery")
    assert known.startswith("$argon2id$v=19$m=65536,t=3,p=4$") and "correct" not in known
    assert passwords.hashed("correct horse battery") != known
    assert passwords.is_right("correct horse battery", known)
    assert not passwords.is_right("correct horse batterx", known)
    assert not passwords.is_right("", known)
    assert not passwords.is_right("nobody has this password", None)


def test_any_text_can_be_a_password() -> None:
    passwords = Passwords()
    for password in ("пароль из слов", "a\0b\0c\0d\0e\0f\0g", "🙂🙃😀😃😄😁 six faces", "x" * 500 + "abcdef"):
        assert passwords.is_right(password, passwords.hashed(password))


@pytest.mark.parametrize(
    ("password", "name", "told"),
    [
        ("short", "", "at least 12"),
        ("x" * 1025, "", "at least 12"),
        ("aaaaaaaaaaaaaa", "", "easy to guess"),
        ("ababababababab", "", "easy to guess"),
        ("Annabella Berg", "annabella berg", "easy to guess"),
    ],
)
def test_passwords_that_are_too_easy_are_refused(password: str, name: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        Passwords().hashed(password, name=name)


@pytest.mark.parametrize("path", ["/", "/people", "/work/a1?x=1#y", "/ä"])
def test_an_address_of_this_site_is_kept(path: str) -> None:
    assert local(path) == path


@pytest.mark.parametrize(
    "path", ["", "//evil.example", "/\\evil.example", "https://evil.example", "people", "/a\r\nSet-Cookie: x", "/\t/x"]
)
def test_any_other_address_is_the_home_page(path: str) -> None:
    assert local(path) == "/"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "main.js").write_text('import "./deep/order.js";\n')
    (tmp_path / "deep" / "order.js").write_text("export const k = 4;\n")
    (tmp_path / "look.css").write_text("p { margin: 0 }\n")
    (tmp_path.parent / "secret.txt").write_text("secret")
    return tmp_path


def client(static: Static) -> TestClient:
    app = FastAPI()
    errors.install(app)
    app.add_middleware(Headers, is_encrypted=False)
    app.include_router(static.router())
    return TestClient(app)


def test_static_files_are_kept_for_ever_under_an_address_of_their_content(folder: Path) -> None:
    static = Static({"app": folder})
    answer = client(static).get(static.url("app/main.js"))
    assert answer.text == 'import "./deep/order.js";\n'
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client(static).get(static.url("app/look.css")).headers["content-type"].startswith("text/css")


def test_modules_find_each_other_by_relative_names(folder: Path) -> None:
    static = Static({"app": folder})
    beside = static.url("app/main.js").removesuffix("main.js") + "deep/order.js"
    assert client(static).get(beside).text == "export const k = 4;\n"


def test_a_change_in_any_file_changes_all_addresses_and_old_ones_are_not_kept(folder: Path) -> None:
    old = Static({"app": folder}).url("app/main.js")
    (folder / "deep" / "order.js").write_text("export const k = 9;\n")
    static = Static({"app": folder})
    assert static.url("app/main.js") != old
    answer = client(static).get(old)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize(
    "path", ["app/../secret.txt", "app/%2e%2e/secret.txt", "app//main.js", "app/nothing.js", "app"]
)
def test_only_what_is_in_the_folders_can_be_asked_for(folder: Path, path: str) -> None:
    static = Static({"app": folder})
    start = static.url("app/main.js").removesuffix("app/main.js")
    assert client(static).get(start + path).status_code == 404
    with pytest.raises(KeyError):
        static.url(path)


def test_shipped_static_files_ask_nothing_of_other_hosts() -> None:
    package = Path(errors.__file__).parent.parent
    files = [
        path
        for unit in ("web", "feedback/app", "serve/pages")
        for path in (package / unit).rglob("*")
        if path.is_file()
    ]
    shown = [path for path in files if path.suffix in (".css", ".js", ".html", ".svg")]
    assert shown
    for path in shown:
        content = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in content and "https://" not in content, path
        assert "@import" not in content, path
        if path.suffix == ".html":
            assert "style=" not in content and "<style" not in content and " onclick" not in content, path
            assert "|safe" not in content.replace(" ", ""), path
