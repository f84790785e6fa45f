"""What counts as well-formed English in the village: known words in an order that the village uses.

Names, animals, foods and the like are interchangeable, so they are mapped to their kind before pairs of neighbouring
words are compared with those of the village's own texts. A pair that nobody has ever written is a mistake.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tutelage.village import lexicon
from tutelage.village.reading import SUBJECT_KINDS, VALUES, sentences

_TOKEN = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|\d+|[.,!?:;]")
_KINDS: dict[str, str] = {}
for _kind, _names in (
    *VALUES.items(),
    ("quality", (*lexicon.OPPOSITES, *lexicon.OPPOSITES.values())),
    ("object", lexicon.OBJECTS),
    ("adjective", lexicon.ADJECTIVES),
    ("feeling", lexicon.FEELINGS),
    ("past", tuple(past for _, past in lexicon.VERBS.values())),
    ("third", tuple(third for third, _ in lexicon.VERBS.values())),
    *SUBJECT_KINDS.items(),
    ("praise", (*lexicon.GOOD_WORDS, *lexicon.BAD_WORDS)),
    ("shop", ("bakery", "inn", "stall", "shop", "dairy")),
    ("time", ("morning", "noon", "evening", "night", "winter", "spring", "rain")),
):
    for _name in _names:
        for _part in _name.lower().split():
            if _part not in ("a", "an", "the"):
                _KINDS[_part] = _kind
_VOWELS = "aeiou"
_SILENT_H, _CONSONANT_SOUNDS = (
    frozenset({"hour", "honest", "heir", "honour"}),
    ("one", "once", "use", "uni", "usu", "eu"),
)
#: Words on which no sentence ends.
_OPEN_STARTS = frozenset("and or , . ! ? : ;".split())
_OPEN_ENDS = frozenset("a an the and or of my your very".split())


def _words(text: str) -> list[str]:
    """Return words and marks in lower case."""
    return [found.lower() for found in _TOKEN.findall(text)]


def _sounds_open(word: str) -> bool:
    """Say whether "an" stands before a word: its sound counts, not its letter."""
    return word in _SILENT_H if word[0] not in _VOWELS else not word.startswith(_CONSONANT_SOUNDS)


@dataclass(frozen=True)
class Grammar:
    """The words and the pairs of neighbours (by kind) that the village's texts use."""

    vocabulary: frozenset[str]
    pairs: frozenset[tuple[str, str]]

    @staticmethod
    def fit(texts: Iterable[str], least: int = 2) -> Grammar:
        """Learn from texts; a word or pair seen fewer than `least` times is taken for a slip."""
        seen: Counter[str] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        for text in texts:
            seen.update(_words(text))
            for sentence in sentences(text):
                tokens = ["^", *(_KINDS.get(word, word) for word in _words(sentence))]
                pairs.update(zip(tokens, tokens[1:], strict=False))
        keep = frozenset(word for word, count in seen.items() if count >= least)
        return Grammar(keep, frozenset(pair for pair, count in pairs.items() if count >= least))

    def fault(self, text: str, given: str = "") -> str | None:
        """Return the first fault of a text, or None. Words of `given` (the prompt) count as known.

        Checked: an unknown word, a pair of neighbours that nobody uses, a word twice in a row, "a" before a vowel and
        "an" before a consonant, an open end, a sentence said twice, unbalanced quotation marks.
        """
        raw, asked = _words(text), _words(given)
        for word in raw:
            if word not in self.vocabulary and word not in asked and not word.isdigit():
                return f"unknown word {word!r}"
        if text.count('"') % 2:
            return "unbalanced quotation marks"
        parts = sentences(text)
        if text.rstrip()[-1:] in ",;:" or any(part[0].islower() for part in parts[1:]):
            return "an open end or a small letter after a full stop"
        if raw and raw[0] in _OPEN_STARTS:
            return f"open start {raw[0]!r}"
        if len({part.lower() for part in parts}) < len(parts):
            return "a sentence said twice"
        kinds = [_KINDS.get(word, word) for word in asked]
        allowed = set(zip(kinds, kinds[1:], strict=False))
        return next((fault for part in parts if (fault := self._sentence_fault(part, allowed)) is not None), None)

    def _sentence_fault(self, sentence: str, allowed: set[tuple[str, str]]) -> str | None:
        found = _words(sentence)
        for left, right in zip(found, found[1:], strict=False):
            if left == right:
                return f"{left!r} twice in a row"
            if left in ("a", "an") and right.isalpha() and (left == "an") != _sounds_open(right):
                return f"{left} {right}"
        words_only = [token for token in found if token.isalpha()]
        if words_only and words_only[-1] in _OPEN_ENDS:
            return f"open end {words_only[-1]!r}"
        tokens = ["^", *(_KINDS.get(word, word) for word in found)]
        for pair in zip(tokens, tokens[1:], strict=False):
            if pair not in self.pairs and pair not in allowed and not any(token.isdigit() for token in pair):
                return f"nobody writes {' '.join(pair)!r}"
        return None
