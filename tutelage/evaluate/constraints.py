"""A second reading of the constraints that prompts state, made without looking at the first.

Labelers who weigh constraints, and the models that learn from them, go by the checks of a rubric; what a policy finds
out about those checks it will use. This module shares no code with them and reads a text character by character, as
strictly as the person who set the constraint would: a list is numbered 1, 2, 3, a word ends where letters end, and an
ellipsis within a sentence does not end it. Where the two readings part company, one of them is being played.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tutelage.errors import DataError

STOPS, CLOSERS, BULLETS = ".!?…", "\"'”’»)]}*_`", "-*•–"
ABBREVIATED = {
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "etc", "e.g", "i.e", "a.m", "p.m", "approx", "fig", "inc", "jr",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A constraint as a prompt states it: from `low` to `high` of what is counted, or `texts`, by its kind."""

    kind: str
    low: int | None = None
    high: int | None = None
    texts: tuple[str, ...] = ()


def keeps(stated: Stated, answer: str) -> bool:
    """Say whether an answer keeps a constraint; an answer without a letter or digit keeps none."""
    check = CHECKS.get(stated.kind)
    if check is None:
        raise DataError(f"There is no constraint {stated.kind!r}; there are: {', '.join(CHECKS)}.")
    return any(map(str.isalnum, answer)) and check(stated, answer.strip())


def split_words(text: str) -> list[str]:
    """Split at white space and long dashes, and drop what has neither letter nor digit."""
    for dash in "—–":
        text = text.replace(dash, " ")
    return [piece for piece in text.split() if any(map(str.isalnum, piece))]


def split_lines(text: str) -> list[str]:
    """Return the lines with something on them, indentation kept."""
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def split_paragraphs(text: str) -> list[str]:
    """Return the groups of lines that blank lines part."""
    groups: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip():
            groups[-1].append(line)
        elif groups[-1]:
            groups.append([])
    return ["\n".join(group) for group in groups if group]


def mark_of(line: str) -> tuple[str, str]:
    """Part a line into the mark of a list item ("" if it has none; "#" with its number for numbers) and the rest."""
    bare = line.strip()
    if bare[:1] and bare[0] in BULLETS and bare[1:2].isspace():
        return bare[0], bare[1:].strip()
    head, _, rest = bare.partition(" ")
    number = head.strip("(*").rstrip("*").rstrip(".):").rstrip("*")
    if number.isdigit() and len(number) <= 2 and head.rstrip("*")[-1:] in ".):" and rest.strip():
        return f"#{int(number)}", rest.strip()
    if len(number) == 1 and number.isalpha() and head[-1:] in ".)" and head[0] != "I" and rest.strip():
        return "a", rest.strip()
    return "", bare


def split_items(text: str) -> list[str]:
    """Return the items of a list: the outermost marked lines, else the lines after a heading, else what commas part."""
    lines = split_lines(text)
    marked = [(len(line) - len(line.lstrip()), mark_of(line)[1]) for line in lines if mark_of(line)[0]]
    if marked:
        margin = min(indent for indent, _ in marked)
        return [rest for indent, rest in marked if indent == margin]
    if len(lines) > 1:
        return [line.strip() for line in (lines[1:] if lines[0].endswith(":") else lines)]
    return [part for part in _parted(text) if part]


def _parted(text: str) -> Iterable[str]:
    for part in text.strip(" .").replace(";", ",").split(","):
        words = part.split()
        if words and words[0] in ("and", "or"):
            words = words[1:]
        both = " ".join(words)
        yield from (half.strip() for half in both.split(" and "))


def split_sentences(text: str) -> list[str]:
    """Return the sentences: they end at a stop before white space, or with a line that the next one does not go on."""
    found: list[str] = []
    for block in _runs_of_lines(text):
        start = 0
        for place, letter in enumerate(block):
            if letter in STOPS and _ends_here(block, start, place):
                end = place + 1
                while end < len(block) and block[end] in CLOSERS + STOPS:
                    end += 1
                found.append(block[start:end].strip())
                start = end
        found.append(block[start:].strip())
    return [one for one in found if any(map(str.isalnum, one))]


def _runs_of_lines(text: str) -> Iterable[str]:
    """Join a line with the next where that goes on with a small letter; marks of lists are taken off."""
    run = ""
    for line in text.split("\n"):
        mark, rest = mark_of(line)
        if run and rest and not mark and rest[0].islower() and run[-1] not in STOPS:
            run += f" {rest}"
            continue
        if run:
            yield run
        run = rest
    if run:
        yield run


def _ends_here(block: str, start: int, place: int) -> bool:
    """Say whether the stop at a place ends a sentence."""
    after = block[place + 1 :].lstrip(CLOSERS + STOPS)
    if after and not after[0].isspace():
        return False
    follows = after.strip()
    if not follows:
        return True
    word = block[start:place].split()[-1].lower().strip("(\"'“‘") if block[start:place].split() else ""
    if block[place] == "." and (word in ABBREVIATED or len(word) == 1 and word.isalpha() and word != "i"):
        return False
    ellipsis = block[place] == "…" or "." in block[max(0, place - 1) : place] + block[place + 1 : place + 2]
    return not (ellipsis and follows[0].islower())


def folded(text: str) -> str:
    """Return the text without case, with straight quotation marks and single spaces, commas out of 1,000."""
    text = unicodedata.normalize("NFKC", text).casefold()
    for curly, straight in (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"')):
        text = text.replace(curly, straight)
    digits = [
        letter
        for place, letter in enumerate(text)
        if not (letter == "," and text[place - 1 : place].isdigit() and text[place + 1 : place + 4].isdigit())
    ]
    return " ".join("".join(digits).split())


def places_of(wanted: str, text: str) -> list[int]:
    """Return where a folded text holds a phrase: whole words, or words that begin so before a star."""
    phrase, open_end = folded(wanted.rstrip("*")), wanted.endswith("*")
    found, start = [], text.find(phrase)
    while start >= 0:
        end = start + len(phrase)
        before_ok = not phrase[0].isalnum() or not text[start - 1 : start].isalnum()
        after_ok = open_end or not phrase[-1].isalnum() or not text[end : end + 1].isalnum()
        if before_ok and after_ok:
            found.append(start)
        start = text.find(phrase, start + 1)
    return found


def _between(stated: Stated, number: int) -> bool:
    return (stated.low is None or number >= stated.low) and (stated.high is None or number <= stated.high)


def _counts(split: Callable[[str], Sequence[object]]) -> Callable[[Stated, str], bool]:
    return lambda stated, answer: _between(stated, len(split(answer)))


def _words_each(stated: Stated, answer: str) -> bool:
    return all(_between(stated, len(split_words(item))) for item in split_items(answer))


def _sentence_words(stated: Stated, answer: str) -> bool:
    return all(_between(stated, len(split_words(sentence))) for sentence in split_sentences(answer))


def _opens(text: str, wanted: str) -> bool:
    """A text opens with what is wanted, which ends with its word; a single letter may begin one."""
    bare, head = folded(text.lstrip("*_\"“'‘ ")), folded(wanted.lstrip('"“'))
    follows = bare[len(head) : len(head) + 1]
    return bare.startswith(head) and (len(head) == 1 or not head[-1].isalnum() or not follows.isalnum())


def _starts(stated: Stated, answer: str) -> bool:
    return any(_opens(answer, text) for text in stated.texts)


def _ends(stated: Stated, answer: str) -> bool:
    bare = folded(answer).rstrip(CLOSERS + " ")
    for text in stated.texts:
        wanted = folded(text)
        tail = bare if not wanted[-1].isalnum() else bare.rstrip(STOPS + CLOSERS + " ,;:")
        before = tail[: -len(wanted)][-1:]
        if tail.endswith(wanted) and not (wanted[0].isalnum() and before.isalnum()):
            return True
    return False


def _each_starts(stated: Stated, answer: str) -> bool:
    lines = split_lines(answer)
    parts = [mark_of(line)[1] for line in lines] if len(lines) > 1 else split_sentences(answer)
    return all(any(_opens(part, text) for text in stated.texts) for part in parts)


def _include(stated: Stated, answer: str) -> bool:
    text, low = folded(answer), stated.low or 1
    times = [len(places_of(wanted, text)) for wanted in stated.texts]
    return all(low <= one and (stated.high is None or one <= stated.high) for one in times)


def _exclude(stated: Stated, answer: str) -> bool:
    text = folded(answer)
    return not any(places_of(wanted, text) for wanted in stated.texts)


def _order(stated: Stated, answer: str) -> bool:
    text, last = folded(answer), -1
    for wanted in stated.texts:
        later = [place for place in places_of(wanted, text) if place > last]
        if not later:
            return False
        last = later[0]
    return True


def _json(answer: str) -> object:
    body = answer.strip()
    if body.startswith("```") and body.endswith("```"):
        body = body[3:-3].removeprefix("json").strip()
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _keys(stated: Stated, answer: str) -> bool:
    found = _json(answer)
    objects = found if isinstance(found, list) else [found]
    return len(objects) > 0 and all(isinstance(one, dict) and sorted(one) == sorted(stated.texts) for one in objects)


def _numbered(answer: str) -> bool:
    """1, 2, 3 and so on; a heading may come first, and indented lines may belong to an item."""
    lines = split_lines(answer)
    top = [line for line in lines if not line[0].isspace()]
    body = top[1:] if top and top[0].endswith(":") and not mark_of(top[0])[0] else top
    marks = [mark_of(line)[0] for line in body]
    return bool(marks) and marks == [f"#{number}" for number in range(1, len(marks) + 1)]


def _bulleted(answer: str) -> bool:
    lines = split_lines(answer)
    body = lines[1:] if lines[0].endswith(":") and not mark_of(lines[0])[0] else lines
    return bool(body) and all(mark_of(line)[0] in BULLETS and mark_of(line)[0] for line in body)


def _table(answer: str) -> bool:
    rows = [line.strip() for line in split_lines(answer)]
    cells = [row.strip("|").split("|") for row in rows]
    ruled = len(rows) > 2 and all(set(cell.strip()) <= set(":-") and "-" in cell for cell in cells[1])
    return ruled and len({len(row) for row in cells}) == 1 and len(cells[0]) > 1


def _comma(answer: str) -> bool:
    parts = [part.strip() for part in answer.split(",")]
    return "\n" not in answer.strip() and len(parts) > 1 and all(parts) and not mark_of(answer)[0]


def _plain(answer: str) -> bool:
    lines = split_lines(answer)
    return not any(mark_of(line)[0] or line.lstrip().startswith(("#", "|")) for line in lines)


FORMATS: dict[str, Callable[[str], bool]] = {
    "json": lambda answer: isinstance(_json(answer), (dict, list)),
    "numbered": _numbered,
    "bulleted": _bulleted,
    "table": _table,
    "comma": _comma,
    "plain": _plain,
}


def _case(stated: Stated, answer: str) -> bool:
    letters = [letter for letter in answer if letter.isalpha()]
    match stated.texts[0]:
        case "upper":
            return bool(letters) and not any(map(str.islower, letters))
        case "lower":
            return bool(letters) and not any(map(str.isupper, letters))
        case _:
            return all(next(filter(str.isalnum, word)).upper() == next(filter(str.isalnum, word))
                       for word in split_words(answer))  # fmt: skip


def _digits(stated: Stated, answer: str) -> bool:
    if stated.texts[0] == "none":
        return not any(map(str.isnumeric, answer))
    body = answer.removeprefix("-").removesuffix(".")
    return body[:1].isdigit() and all(letter.isdigit() or letter in ".," for letter in body)


def _without_letter(stated: Stated, answer: str) -> bool:
    bare = unicodedata.normalize("NFD", answer.casefold())
    return not any(letter in bare for text in stated.texts for letter in text.casefold())


def _initials(stated: Stated, answer: str) -> bool:
    firsts = [next(filter(str.isalpha, mark_of(line)[1]), "") for line in split_lines(answer)]
    return "".join(firsts).lower() == stated.texts[0].lower()


def _sorted(stated: Stated, answer: str) -> bool:
    keys = ["".join(filter(str.isalnum, unicodedata.normalize("NFD", item.casefold()))) for item in split_items(answer)]
    return len(keys) > 1 and all(one <= next_one for one, next_one in zip(keys, keys[1:], strict=False))


CHECKS: dict[str, Callable[[Stated, str], bool]] = {
    "words": _counts(split_words),
    "sentences": _counts(split_sentences),
    "lines": _counts(split_lines),
    "paragraphs": _counts(split_paragraphs),
    "items": _counts(split_items),
    "characters": _counts(list),
    "words_each": _words_each,
    "sentence_words": _sentence_words,
    "starts": _starts,
    "ends": _ends,
    "each_starts": _each_starts,
    "include": _include,
    "exclude": _exclude,
    "order": _order,
    "format": lambda stated, answer: FORMATS[stated.texts[0]](answer),
    "keys": _keys,
    "case": _case,
    "digits": _digits,
    "without_letter": _without_letter,
    "initials": _initials,
    "sorted": _sorted,
}
