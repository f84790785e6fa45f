"""Rules in milliseconds: listed terms however they are spelled, secrets, personal data. They only raise severity."""

from __future__ import annotations

from collections.abc import Iterator

import ahocorasick

from tutelage import pii
from tutelage.safety.policy import Hit, Policy, Role, Severity
from tutelage.safety.text import Form, bare, figured, letter_count, readings, seen

#: A secret or number that is recognised at all is so after this many characters.
PATTERN = 64
#: How far back a scan looks for the beginning of a word.
WORD = 256


class Rules:
    """The rules of one policy."""

    def __init__(self, policy: Policy) -> None:
        self._settings = policy.settings
        self._terms: dict[str, list[tuple[str, Severity, str]]] = {}
        #: Letters of the longest term: what is held back at least, so that no beginning of one leaves.
        self.longest = 0
        for name, terms in policy.terms.items():
            about = policy.settings.lists[name]
            for term in terms:
                self._add(term, (about.category, about.severity, f"list:{name}"))
        self._automaton = ahocorasick.Automaton()
        for key, found in self._terms.items():
            self._automaton.add_word(key, (key, found))
        self._automaton.make_automaton()
        self.blocks_patterns = policy.settings.block <= max(policy.settings.secrets, policy.settings.personal_data)

    @property
    def can_block(self) -> bool:
        """Say whether a rule blocks anything."""
        lists = self._settings.lists.values()
        return self.blocks_patterns or any(one.severity >= self._settings.block for one in lists)

    def find(self, text: str, role: Role, start: int = 0, *, is_final: bool = True) -> list[Hit]:
        """Return what rules find from about `start` on.

        A term that ends where a text that goes on has come to is not yet found: the word may go on as well.
        """
        start = _word_start(text, start)
        part = text[start:]
        hits = list(self._listed(part, is_final))
        if role == "completion" and (self._settings.secrets or self._settings.personal_data):
            hits += self._patterns(part)
        return [hit._replace(start=hit.start + start, end=hit.end + start) for hit in hits]

    def room(self, text: str, end: int) -> int:
        """Return up to where a text can leave whose part before `end` has no hit: no term has begun there."""
        start = end
        if self.longest:
            missing = self.longest
            while start > 0 and missing > 0:
                start -= 1
                missing -= letter_count(text, start)
        if self.blocks_patterns:
            start = min(start, max(0, end - PATTERN))
            while start > 0 and not text[start - 1].isspace():
                start -= 1
        return start

    def _add(self, term: str, about: tuple[str, Severity, str]) -> None:
        is_open = term.endswith("*")
        form = seen(term.removesuffix("*"))
        for word in {bare(form).text.strip(), figured(form).text.strip()}:
            self._terms.setdefault(f" {word}" if is_open else f" {word} ", []).append(about)
            self.longest = max(self.longest, len(word) + 1)

    def _listed(self, text: str, is_final: bool) -> Iterator[Hit]:
        if not self._terms:
            return
        for form in readings(seen(text)):
            padded = f" {form.text.strip()}{' ' if is_final or form.text.endswith(' ') else ''}"
            skipped = 1 - (len(form.text) - len(form.text.lstrip()))
            for last, (key, found) in self._automaton.iter(padded):
                first = last - len(key) + 1
                begin, end = _span(form, first + 1 - skipped, last + 1 - skipped - key.endswith(" "), len(text))
                for category, severity, rule in found:
                    yield Hit(category, severity, rule, begin, end)

    def _patterns(self, text: str) -> Iterator[Hit]:
        for one in pii.find(text):
            is_secret = one.kind == "secret"
            severity = self._settings.secrets if is_secret else self._settings.personal_data
            if severity:
                category = "secrets" if is_secret else "personal_data"
                yield Hit(category, severity, f"{category}:{one.detector}", one.start, one.end)


def _span(form: Form, first: int, end: int, length: int) -> tuple[int, int]:
    """Return the places in the original of characters `first` to `end` of a form."""
    return form.places[first], form.places[end] if end < len(form.places) else length


def _word_start(text: str, start: int) -> int:
    """Go back to the beginning of the word at `start`, so that no ending is taken for a word."""
    lowest = max(0, start - WORD)
    while start > lowest and not text[start - 1].isspace():
        start -= 1
    return start
