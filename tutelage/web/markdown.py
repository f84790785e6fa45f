"""Markdown of people who may format (leads' instructions, a labeler's own preview) as HTML that is safe to show."""

from __future__ import annotations

from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

#: What may come out: text and its order. No images, frames, forms, styles or classes; nothing is fetched.
_TAGS = {
    *("h1", "h2", "h3", "h4", "p", "br", "hr", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "a", "s"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_PARSER = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


# Instructions never change and stand on every page of work.
@lru_cache(maxsize=64)
def render(text: str) -> Markup:
    """Return the HTML of a Markdown text. HTML in it is shown as text, and what else it could do is taken out."""
    made = _PARSER.render(text)
    clean = nh3.clean(made, tags=_TAGS, attributes={"a": {"href"}, "ol": {"start"}}, url_schemes={"http", "https"})
    return Markup(clean)
