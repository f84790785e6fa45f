"""The English words that all web applications share; an application adds its own."""

from __future__ import annotations

from collections.abc import Mapping

WORDS = {
    "web.skip": "Skip to the content",
    "web.navigation": "Main",
    "web.account": "Your account: {name}",
    "web.error": "This did not work",
    "web.home": "Home",
    "web.back": "Go to the home page",
    "web.away": "The database is away at the moment. What was handed in before is safe, and what you write stays on "
    "this device; try again in a minute.",
    "web.nothing_here": "There is nothing at this address. It may have moved; start from the home page.",
}


class Catalogue:
    """Texts by name, with places to fill; an unknown name or an unfilled place is a bug."""

    def __init__(self, *parts: Mapping[str, str]) -> None:
        """Join catalogues; two texts under one name are a bug."""
        self.texts: dict[str, str] = {}
        for part in parts:
            if twice := self.texts.keys() & part.keys():
                raise KeyError(f"two texts under one name: {sorted(twice)}")
            self.texts.update(part)

    def __call__(self, name: str, /, **values: object) -> str:
        """Return a text with its places filled."""
        return self.texts[name].format(**values)

    def under(self, prefix: str) -> dict[str, str]:
        """Return the texts whose names begin so, for a script of the page."""
        return {name: text for name, text in self.texts.items() if name.startswith(prefix)}
