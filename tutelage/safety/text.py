"""Text as a reader sees it: compatibility forms, invisible characters and look-alike letters are undone.

Every form keeps, for each of its characters, the place in the original that it comes from, so that what is found in a
form can be cut out of the original.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

#: Bidirectional controls, zero-width characters and others that show nothing, beside Unicode's format characters.
INVISIBLE = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u2800\u3164\uffa0")
#: Most marks on one letter; languages need two or three, and more hide the letter.
MOST_MARKS = 3
#: Digits and signs that are written in the place of letters.
LOOKS_LIKE = str.maketrans("0134578@$!|+€", "oieastbasiite")
#: A letter that is said more often than this in a row is said so often.
MOST_REPEATED = 2
_RUN = re.compile(r"(.)\1*", re.DOTALL | re.IGNORECASE)


class Form(NamedTuple):
    """A text in some form; `places[i]` is the index in the original of what character i comes from."""

    text: str
    places: tuple[int, ...]


def visible(text: str) -> str:
    """Return the text as a reader sees it (NFKC), and as classifiers read it in training and in service."""
    return text if text.isascii() and text.isprintable() else seen(text).text


def seen(text: str) -> Form:
    """Return the visible form: NFKC, without invisible characters, words of look-alike letters in Latin ones."""
    out: list[str] = []
    places: list[int] = []
    for start, cluster in _clusters(text):
        shown = _shown(cluster)
        out.append(shown)
        places += [start] * len(shown)
    return Form(_unmasked("".join(out)), tuple(places))


def readings(form: Form) -> list[Form]:
    """Return what rules look through: lower-case letters and digits, with one space for all that is between two words.

    As written, with figures and signs read as letters, with drawn-out letters cut to two or to one, and each with
    letters that stand apart put together. Rules know their terms in the same readings.
    """
    drawn = [form, *([one_run] if (one_run := _cut(form)).text != form.text else [])]
    found = {made.text: made for one in drawn for made in (bare(one), figured(one))}
    found |= {made.text: made for one in list(found.values()) if (made := _joined(one)).text not in found}
    return list(found.values())


def bare(form: Form) -> Form:
    """Return lower-case letters and digits without accents, runs of one cut to two, one space between words."""
    out: list[str] = []
    places: list[int] = []
    for character, place in zip(form.text, form.places, strict=True):
        for one in _letters_of(character):
            if out[-1:] == [" "] == [one] or out[-MOST_REPEATED:] == [one] * MOST_REPEATED:
                continue
            out.append(one)
            places.append(place)
    return Form("".join(out), tuple(places))


def figured(form: Form) -> Form:
    """Return the bare letters that a text has where figures and signs stand for letters; i and l are one."""
    text, places = bare(Form(form.text.translate(LOOKS_LIKE), form.places))
    return Form(text.replace("l", "i"), places)


def letter_count(text: str, index: int) -> int:
    """Return 1 where the character at an index is a letter in every reading, 0 where one may cut it away."""
    if not _letters_of(text[index]).strip():
        return 0
    return int(index == 0 or _figure(text[index - 1]) != _figure(text[index]))


def _figure(character: str) -> str:
    return _letters_of(character.translate(LOOKS_LIKE)).replace("l", "i")


def _joined(form: Form) -> Form:
    """Put single letters that stand apart together: `b a d` becomes `bad`."""
    text, places = form
    keep = [
        index
        for index, character in enumerate(text)
        if character != " " or not (_is_single(text, index - 1) and _is_single(text, index + 1))
    ]
    return Form("".join(text[index] for index in keep), tuple(places[index] for index in keep))


def _cut(form: Form) -> Form:
    """Cut every run of three or more of a letter to one."""
    keep = [place for run in _RUN.finditer(form.text) for place in range(run.start(), _kept_end(run))]
    return Form("".join(form.text[index] for index in keep), tuple(form.places[index] for index in keep))


def _kept_end(run: re.Match[str]) -> int:
    return run.start() + 1 if run.end() - run.start() > MOST_REPEATED else run.end()


def _clusters(text: str) -> Iterator[tuple[int, str]]:
    """Yield each character with the marks on it, and where it stands."""
    start = 0
    for index in range(1, len(text) + 1):
        if index == len(text) or not (unicodedata.combining(text[index]) or _is_invisible(text[index])):
            yield start, text[start:index]
            start = index


def _shown(cluster: str) -> str:
    if cluster.isascii() and len(cluster) == 1:
        return cluster if cluster.isprintable() or cluster in "\n\t" else " " if cluster.isspace() else ""
    kept = "".join(character for character in cluster if not _is_invisible(character))
    shown = unicodedata.normalize("NFKC", kept[: 1 + MOST_MARKS])
    if len(shown) > 1 and shown[0].isascii():  # marks that no letter is written with, such as strokes
        shown = "".join(character for character in shown if not unicodedata.combining(character))
    return "".join(character for character in shown if not _is_invisible(character))


def _is_invisible(character: str) -> bool:
    if character.isascii():
        return False
    return (
        unicodedata.category(character) == "Cf"
        or character in INVISIBLE
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0000" <= character <= "\U000e0fff"
    )


def _unmasked(text: str) -> str:
    """Write words in Latin letters if all their other letters look like Latin ones."""
    if text.isascii():
        return text
    alike, out, word = _alike(), [], list[str]()
    for character in [*text, " "]:
        if character.isalnum():
            word.append(character)
            continue
        folded = [one if one.isascii() else alike.get(one, "") for one in word]
        out += folded if all(folded) else word
        out.append(character)
        word = []
    return "".join(out[:-1])


@cache
def _alike() -> dict[str, str]:
    """Return the Latin letter that each other letter can be taken for (Unicode's confusables)."""
    from confusable_homoglyphs.confusables import confusables_data

    found: dict[str, str] = {}
    for character, others in confusables_data.items():
        if len(character) != 1 or character.isascii() or not character.isalpha():
            continue
        latin = [
            other["c"] for other in others if len(other["c"]) == 1 and other["c"].isascii() and other["c"].isalpha()
        ]
        if latin and "LATIN" not in unicodedata.name(character, "LATIN"):
            same_case = [letter for letter in latin if letter.isupper() == character.isupper()]
            found[character] = (same_case or latin)[0]
    return found


@cache
def _letters_of(character: str) -> str:
    whole = unicodedata.normalize("NFKD", character.casefold())
    kept = "".join(one for one in whole if not unicodedata.combining(one))
    return "".join(one if one.isalnum() else " " for one in kept)


def _is_single(text: str, index: int) -> bool:
    """Say whether a character stands alone between spaces."""
    if not 0 <= index < len(text) or text[index] == " ":
        return False
    before, after = text[index - 1 : index] if index else " ", text[index + 1 : index + 2] or " "
    return before == " " and after == " "
