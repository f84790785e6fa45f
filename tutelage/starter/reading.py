"""How the checks read a text: words, sentences, lines, list items and numbers. Pure functions of the text."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

#: A word for matching: a number, or letters with inner apostrophes. Hyphens and dots part words.
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+(?:'[^\W\d_]+)*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_MARK = re.compile(r"^\s*(?:[-*•]|\(?(?:\d{1,2}|[a-zA-Z])[.)])\s+")
_ABBREVIATION = re.compile(r"\b(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|a\.m|p\.m|no)\.(?=\s+\S)", re.IGNORECASE)
_ENDED = re.compile(r"(?<=[.!?…])[\"'”’)\]*_]*\s+|\n+")
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_NUMERALS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}


def plain(text: str) -> str:
    """Return the text in the form in which it is compared: NFKC, case folded, straight apostrophes, 1000 for 1,000."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("‘", "'")
    return _THOUSANDS.sub("", folded)


def tokens(text: str) -> list[str]:
    """Return the words and numbers of a text, for matching."""
    return _TOKEN.findall(plain(text))


def count_words(text: str) -> int:
    """Count words as an editor does: pieces between white space that hold a letter or a digit."""
    return sum(any(letter.isalnum() for letter in piece) for piece in text.split())


def lines(text: str) -> list[str]:
    """Return the lines that are not blank, stripped."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def paragraphs(text: str) -> list[str]:
    """Return the parts between blank lines."""
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def sentences(text: str) -> list[str]:
    """Return the sentences: they end with a mark before white space, or with the line."""
    unmarked = "\n".join(_MARK.sub("", line) for line in text.splitlines())
    kept = _ABBREVIATION.sub(lambda found: found[0].replace(".", "\u2024"), unmarked)
    return [part.strip() for part in _ENDED.split(kept) if any(letter.isalnum() for letter in part)]


def items(text: str) -> list[str]:
    """Return the items of a list: marked lines, else lines, else what commas part in a single line."""
    found = lines(text)
    marked = [_MARK.sub("", line) for line in found if _MARK.match(line)]
    if marked or len(found) > 1:
        return marked or found
    parts = re.split(r",\s*(?:and\s+|or\s+)?|;\s*|\s+and\s+", found[0].strip(" .")) if found else []
    return [part.strip() for part in parts if part.strip()]


def marked_with(text: str) -> set[str]:
    """Return the kinds of marks that open lines: "bulleted", "numbered"."""
    marks = [found[0].strip() for line in text.splitlines() if (found := _MARK.match(line))]
    return {"bulleted" if mark in "-*•" else "numbered" for mark in marks}


def unquoted(text: str) -> str:
    """Return the text without what stands in double quotation marks: what its writer says and no character of it."""
    return _QUOTED.sub(" ", text)


def numbers(text: str) -> list[float]:
    """Return the numbers in digits in the order of the text; where there are none, those up to 20 and tens in words."""
    found = [float(one) for one in _NUMBER.findall(plain(text))]
    return found or [float(_NUMERALS[word]) for word in tokens(text) if word in _NUMERALS]


@cache
def _pattern(phrase: str) -> re.Pattern[str]:
    words = re.findall(rf"(?:{_TOKEN.pattern})\*?", plain(phrase))
    parts = (re.escape(word.rstrip("*")) + r"[^ ]*" * word.endswith("*") for word in words)
    return re.compile("(?<= )" + " ".join(parts) + "(?= )")


def times(text: str, phrase: str) -> int:
    """Count how often a text holds a phrase, word by word, whatever case and punctuation; `walk*` is any walk-."""
    return len(_pattern(phrase).findall(f" {' '.join(tokens(text))} "))


def says(text: str, phrase: str) -> bool:
    """Say whether a text holds a phrase, read as `times` reads it."""
    return times(text, phrase) > 0
