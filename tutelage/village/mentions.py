"""Finding words, sentences and names in a text: the lowest layer of reading."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from tutelage.village import lexicon

_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|\d+")
_TOKEN = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"']?\s+|\n+")
_QUOTED = re.compile(r'"[^"]*"')
_REPORTS = re.compile(
    r"\b(said|says|say|called|calls|call|wrote|writes|shouted|shouts|words?|asked|cried|muttered|quotes?|heard)\b", re.I
)
_ARTICLE = re.compile(r"^(?:an?|the) ")

SUBJECT_KINDS: dict[str, tuple[str, ...]] = {
    "person": (*lexicon.WOMEN, *lexicon.MEN, *lexicon.STRANGERS),
    "craft": tuple(lexicon.CRAFTS),
    "animal": tuple(lexicon.ANIMALS),
    "food": tuple(lexicon.FOODS),
    "place": tuple(lexicon.PLACES),
}
VALUES: dict[str, tuple[str, ...]] = {
    "craft": tuple(lexicon.CRAFTS),
    "home": tuple(lexicon.PLACES),
    "pet": tuple(lexicon.ANIMALS),
    "likes": tuple(lexicon.FOODS),
    "product": tuple(product for product, _ in lexicon.CRAFTS.values()),
    "tool": tuple(tool for _, tool in lexicon.CRAFTS.values()),
    "eats": tuple(food for food, _ in lexicon.ANIMALS.values()),
    "habitat": lexicon.HABITATS,
    "ingredient": lexicon.INGREDIENTS,
    "landmark": lexicon.LANDMARKS,
    "near": lexicon.LANDSCAPES,
}
SUBJECT_OF = {
    "craft": "person", "home": "person", "pet": "person", "likes": "person", "product": "craft", "tool": "craft",
    "eats": "animal", "habitat": "animal", "ingredient": "food", "landmark": "place", "near": "place",
}  # fmt: skip


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def sentences(text: str) -> list[str]:
    """Split a text into sentences at end marks and line ends."""
    return [part.strip() for part in _SENTENCE_END.split(text.strip()) if _WORD.search(part)]


def bare(phrase: str) -> str:
    """Return a noun phrase without its article: "an old mill" gives "old mill"."""
    return _ARTICLE.sub("", phrase)


@cache
def _whole(phrase: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(phrase)}(?:s|es)?\b", re.I)


def contains(text: str, phrase: str) -> bool:
    """Say whether a word or phrase occurs, as whole words, in any case; a plural of it counts."""
    return phrase.lower() in text.lower() and _whole(phrase).search(text) is not None


@cache
def _index(names: tuple[str, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the forms of the one-word names, singular and plural, and the names of several words."""
    single = {form: name for name in names if " " not in name for form in (f"{name}es".lower(), f"{name}s".lower())}
    single |= {name.lower(): name for name in names if " " not in name}
    return single, tuple(name for name in names if " " in name)


def mentioned(text: str, names: Iterable[str]) -> list[str]:
    """Return the names that occur in a text, in order of first occurrence; a plural of a name counts."""
    single, several = _index(tuple(names))
    found: dict[str, int] = {}
    for match in _TOKEN.finditer(text.lower()):
        name = single.get(match[0])
        if name is not None and name not in found:
            found[name] = match.start()
    for name in several:
        if contains(text, name) and (match_of := _whole(name).search(text)):
            found[name] = match_of.start()
    return sorted(found, key=lambda name: (found[name], name))


def occurrences(text: str, names: Iterable[str]) -> int:
    """Count how often any of the names occurs, plurals included."""
    single, several = _index(tuple(names))
    once = sum(match[0] in single for match in _TOKEN.finditer(text.lower()))
    return once + sum(len(_whole(name).findall(text)) for name in several)


def unquoted(text: str) -> str:
    """Remove what somebody is reported to have said; a bare pair of quotation marks is no report."""
    if '"' not in text:
        return text
    rest = _QUOTED.sub(" ", text)
    return rest if _REPORTS.search(rest) else text
