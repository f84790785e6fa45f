from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tutelage.web.markdown import render


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(str(render(text)))
    return parser.found


def test_what_instructions_use_is_formatted() -> None:
    text = "# T\n\n**a** *b* `c`\n\n- d\n\n> e\n\n| f |\n|---|\n| g |\n"
    wanted = ["h1", "p", "strong", "em", "code", "ul", "li", "blockquote", "p"]
    assert [tag for tag, _ in tags(text)] == [*wanted, "table", "thead", "tr", "th", "tbody", "tr", "td"]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://example.org/x.png)",
        "[x](javascript:alert(1))",
        '<a href="x" onclick="y">z</a>',
        "<style>*{display:none}</style>",
        "[x](data:text/html,y)",
    ],
)
def test_nothing_runs_and_nothing_is_fetched(text: str) -> None:
    found = tags(text)
    assert [tag for tag, _ in found if tag not in ("p", "a")] == []
    assert [attributes for _, attributes in found if attributes.get("href")] == []


def test_a_link_goes_out_without_telling_where_from() -> None:
    assert tags("[x](https://example.org)")[1] == (
        "a",
        {"href": "https://example.org", "rel": "noopener noreferrer"},
    )


def test_html_is_shown_as_the_text_it_is() -> None:
    assert str(render("a <b>c</b>")).strip() == "<p>a &lt;b&gt;c&lt;/b&gt;</p>"
