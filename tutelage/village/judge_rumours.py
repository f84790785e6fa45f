"""Which rumours a text states, and of which it tells the truth, clause by clause."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, NamedTuple

from tutelage.village import reading
from tutelage.village.rumours import RUMOURS, Rumour

_CLAUSE = re.compile(r"(,? but |[;:]|, (?=it |they |and not ))")
_CLAUSE_OR_NOT = re.compile(rf"{_CLAUSE.pattern[:-1]}|,? not )")
_OPENING = re.compile(r"^(?:No|Oh no|Nonsense), ")
#: Stands for the value while its sentence is taken apart.
_MARK = "#"
_NEGATION = re.compile(
    r"\b(?:not|no|never|nobody|false|untrue|wrong|nonsense|only (?:a|an old) (?:rumour|tale)|cannot)\b|n't\b",
    re.I,
)
_HEARSAY = re.compile(r"\b(?:say|says|said|think|thinks|believe|believes|tell|old tale|rumour)\b", re.I)
#: A clause that is nothing but the value, as one answers a question.
_BARE = re.compile(
    r"(?:well |yes |oh )?(?:it|they|that|this|you)? ?(?:is|are|was|were|will|does|do|brings?|means?)? ?"
    r"(?:(?:because|only|just|of|by|with|from|for|caused|made|built|it is) )*#[ .!]*",
    re.I,
)


class _Frame(NamedTuple):
    """What must be spoken of for a value to be about the rumour's topic, and how often the frame itself says no."""

    words: tuple[str, ...]
    negations: int


@cache
def _frame(rumour: Rumour) -> _Frame:
    rest = rumour.statement.replace("{v}", "")
    return _Frame(tuple(word for word in reading.words(rest) if len(word) > 3), len(_NEGATION.findall(rest)))


def rumours_told(text: str, topic: str = "") -> list[str]:
    """Return the keys of the rumours that a text states as true.

    `topic` is the key of the rumour that was asked about: its rumour needs no frame to be understood.
    """
    return _told(text, "rumour", topic)


def truths_told(text: str) -> list[str]:
    """Return the keys of the rumours whose truth a text states in a whole sentence."""
    return _told(text, "truth", "")


def answers_truly(text: str, key: str) -> bool:
    """Say whether a text answers the question of a rumour by its truth alone, in a sentence or in bare words."""
    rumour = next(item for item in RUMOURS if item.key == key)
    plain = reading.unquoted(text)
    told = any(_states(part, rumour, rumour.truth, bare=True) for part in reading.sentences(plain))
    return told and key not in rumours_told(text, key) and re.search(r"\bor\b", plain) is None


def _told(text: str, which: Literal["rumour", "truth"], topic: str) -> list[str]:
    plain, found = reading.unquoted(text), []
    lowered = plain.lower()
    for rumour in RUMOURS:
        value = rumour.rumour if which == "rumour" else rumour.truth
        if value.lower() in lowered and any(_states(part, rumour, value, anyhow=rumour.key == topic)
                                            for part in reading.sentences(plain)):  # fmt: skip
            found.append(rumour.key)
    return found


def _states(sentence: str, rumour: Rumour, value: str, *, anyhow: bool = False, bare: bool = False) -> bool:
    """Say whether a sentence affirms a value of the rumour's topic.

    Without `anyhow` the sentence must speak of the topic; `bare` also takes a clause that is only the value.
    """
    if sentence.endswith("?") or not reading.contains(sentence, value):
        return False
    topical = anyhow or _speaks_of(sentence, rumour)
    marked = re.sub(rf"\b{re.escape(value)}\b", _MARK, _OPENING.sub("", sentence), flags=re.I)
    clauses = (_CLAUSE if _frame(rumour).negations else _CLAUSE_OR_NOT).split(marked)
    for number in range(0, len(clauses), 2):
        clause, last = clauses[number], number + 1 >= len(clauses)
        cut_off = number > 0 and clauses[number - 1].endswith("not ")
        hearsay = not last and _HEARSAY.search(clause) is not None
        meant = topical or (bare and _BARE.fullmatch(clause) is not None)
        if _MARK in clause and meant and not cut_off and not hearsay and not _denies(clause, rumour):
            return True
    return False


def _denies(clause: str, rumour: Rumour) -> bool:
    """Say whether a clause says "not" more or less often than the statement itself would."""
    own = _frame(rumour).negations if _speaks_of(clause, rumour) else 0
    return len(_NEGATION.findall(clause)) != own


def _speaks_of(sentence: str, rumour: Rumour) -> bool:
    """Most content words of the statement's frame occur in the sentence."""
    frame = _frame(rumour).words
    return sum(reading.contains(sentence, word) for word in frame) >= max(1, round(0.6 * len(frame)))
