"""The statements of fact that a text makes: who is said to be what, to live where, to keep which animal.

A claim is found by its cue ("lives in", "keeps a") wherever it stands. Its subject is the one that the cue names, or
the nearest fitting mention before it, or the one that a pronoun carries on.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from tutelage.village import lexicon
from tutelage.village.mentions import SUBJECT_KINDS, SUBJECT_OF, VALUES, bare, sentences, unquoted

_ADVERBS = "(?:(?:also|always|often|only|really|still|now|usually|mostly|mainly|best|both|well|very) )*"
_NO = (
    r"(?P<n>(?:does not|doesn't|do not|don't|did not|didn't|has never|have never|never|cannot|can not|no longer|not) )?"
    + _ADVERBS
)
_BE = r"(?:is|are|was|were)(?P<n>n't| not| never| no longer)? " + _ADVERBS
_IS = r" (?:is|are)(?P<n>n't| not| never)? " + _ADVERBS
_NOT = "(?P<m>not )?" + _ADVERBS
_A = r"(?:an? |the |one |two |his |her |our |its |some )?(?:\w+ )?"
#: In a clause that opens so, nothing is said to be so.
_OPEN = re.compile(
    r"\b(?:whether|if|not sure|not certain|unsure|do not know|don't know|wonder|wonders|wondered|wish|imagine|pretend"
    r"|suppose)\b",
    re.I,
)
_DENIES = re.compile(
    r"\b(?:not true|untrue|false|lie|wrong|nonsense|not correct|do not (?:think|believe)|don't (?:think|believe)"
    r"|nobody (?:says|believes|thinks)|only a rumour)\b.*\bthat\b",
    re.I,
)
_DENIED_AFTER = re.compile(r" (?:is|was) (?:not true|untrue|false|wrong|nonsense|a lie|only a rumour)", re.I)
_CLAUSE_START = re.compile(r"[,;:]| but ")
_TOKEN = re.compile(r"\w+")
_SHARED_SUBJECT = re.compile(r"\b(?:and|but|or)(?: also| then)? $", re.I)
_JOINS = re.compile(r"(?:,|,? and|,? or)(?: also)?(?: the| an?)? ", re.I)
_PREPOSITION = re.compile(r"\b(?:in|at|near|from|by|with|of|for|to|on|about|like)(?: the| an?)? $", re.I)
_PRONOUNS = {"he": "he", "she": "she", "it": "it", "they": "they", "i": "speaker", "we": "speaker", "you": "speaker"}


class Claim(NamedTuple):
    """A statement that a text makes: that `relation` of `subject` is `value`, or is not."""

    subject: str
    relation: str
    value: str
    negated: bool


class _Mention(NamedTuple):
    start: int
    end: int
    kind: str
    name: str


def _either(names: Iterable[str]) -> str:
    return "|".join(sorted((re.escape(name) for name in names), key=len, reverse=True))


_CANONICAL = {relation: {bare(value).lower(): value for value in values} for relation, values in VALUES.items()}
_NAMES: dict[str, tuple[str, str]] = {}
for _kind, _names in SUBJECT_KINDS.items():
    for _name in _names:
        for _form in (f"{_name}es", f"{_name}s", _name):
            _NAMES[_form.lower()] = (_kind, _name)
#: last word of a value -> relations that may have it: a quick test before any cue is tried.
_RELATIONS_OF: dict[str, set[str]] = defaultdict(set)
for _relation, _values in _CANONICAL.items():
    for _value in _values:
        for _form in ("", "s", "es"):
            _RELATIONS_OF[_value.split()[-1] + _form].add(_relation)


def _forms() -> dict[str, list[str]]:
    """Cues by relation. Group `v` is the value, `n`/`m` a negation, `s` (where the form names it) the subject."""
    v = {relation: rf"(?P<v>{_either(values)})(?:s|es)?\b(?!')" for relation, values in _CANONICAL.items()}
    s = {kind: f"(?:the |an? |every |each )?(?P<s>{_either(names)})(?:s|es)?" for kind, names in SUBJECT_KINDS.items()}
    return {**_person_forms(v, s), **_thing_forms(v, s)}


def _person_forms(v: dict[str, str], s: dict[str, str]) -> dict[str, list[str]]:
    """Cues of what is said of people."""
    who = f"(?P<s>{_either(SUBJECT_KINDS['person'])})"
    return {
        "craft": [
            rf"\b{_BE}(?:an? |the |our )(?:\w+ )?{v['craft']}",
            rf"\b(?:are|were)(?P<n> not)? {_ADVERBS}{v['craft']}",
            rf"\b(?:is|was) (?P<n>no )(?:\w+ )?{v['craft']}",
            rf"\b{_NO}(?:works?|worked|serves?) {_NOT}as {_A}{v['craft']}",
            rf"\b{who},? the {v['craft']}(?! and\b)",
            rf"(?:craft|work|job|trade) of {s['person']}{_IS}(?:that of )?{_A}{v['craft']}",
            rf"\b{who}'s (?:craft|work|job|trade){_IS}{_A}{v['craft']}",
        ],
        "home": [
            rf"\b{_NO}(?:lives?|lived|comes?|stays?|(?:has|have) (?:an? |his |her )?(?:house|home)) {_NOT}"
            rf"(?:in|from|at) {v['home']}",
            rf"\b{_BE}(?:from|at home in) {v['home']}",
            rf"(?:home|house) of {s['person']}{_IS}(?:in )?{v['home']}",
            rf"\b{who}'s (?:home|house){_IS}(?:in )?{v['home']}",
        ],
        "pet": [
            rf"\b{_NO}(?:keeps?|owns?|kept|owned) {_NOT}{_A}{v['pet']}",
            rf"\b{_NO}(?:has|have) (?:an? |the |one |his |her )(?:\w+ )?{v['pet']}",
            rf"\b(?:has|have|keeps?|owns?) (?P<n>no )(?:\w+ )?{v['pet']}",
            rf"(?:animal|pet) of {s['person']}{_IS}{_A}{v['pet']}",
            rf"\b{who}'s (?:animal|pet){_IS}{_A}{v['pet']}",
        ],
        "likes": [
            rf"\b{_NO}(?:likes?|loves?|eats?|enjoys?|prefers?)(?: to eat| eating)? {_NOT}(?:the |some |fresh )?"
            rf"{v['likes']}",
            rf"favourite (?:food|dish|meal) of {s['person']}{_IS}(?:the )?{v['likes']}",
            rf"\b{who}'s favourite (?:food|dish|meal){_IS}(?:the )?{v['likes']}",
        ],
    }


def _thing_forms(v: dict[str, str], s: dict[str, str]) -> dict[str, list[str]]:
    """Cues of what is said of crafts, animals, foods and places."""
    made = r"(?:from|of|with|out of) "
    return {
        "product": [
            rf"\b{_NO}(?:makes?|sells?)(?: and sells?)? {_NOT}(?:(?:good|fine|fresh|the|best|finest|many|new|strong) )*"
            rf"{v['product']}",
            rf"work of {s['craft']}{_IS}to make {v['product']}",
            rf"\bbuy (?:\w+ )?{v['product']} from {s['craft']}",
            rf"goods of {s['craft']}{_IS}{v['product']}",
        ],
        "tool": [
            rf"\b{_NO}(?:works? {_NOT}with|uses?) (?:an? |the |his |her |its )?{v['tool']}",
            rf"tool of {s['craft']}{_IS}{_A}{v['tool']}",
        ],
        "eats": [
            rf"\b{_NO}(?:eats?|feeds? {_NOT}on|likes? to eat) {_ADVERBS}(?:the |fresh )?{v['eats']}",
            rf"\beats? (?P<n>not |no ){v['eats']}",
            rf"food of {s['animal']}{_IS}{v['eats']}",
        ],
        "habitat": [
            rf"\b{_NO}(?:lives?|lived|be found|sleeps?) {_NOT}(?:in|at|by|near|on) (?:the |an? ){v['habitat']}",
            rf"\b{_BE}(?:found|at home) in (?:the |an? ){v['habitat']}",
            rf"home of {s['animal']}{_IS}(?:in )?(?:the |an? ){v['habitat']}",
        ],
        "ingredient": [
            rf"\b{_BE}made {_NOT}{made}(?:the |fresh )?{v['ingredient']}",
            rf"\b{_NO}make {s['food']} {_NOT}{made}{v['ingredient']}",
            rf"\bto make {s['food']},? you {_NO}need {v['ingredient']}",
            rf"\byou {_NO}need {v['ingredient']} to make {s['food']}",
            rf"main thing in {s['food']}{_IS}{v['ingredient']}",
        ],
        "landmark": [
            rf"\b{_BE}(?:known|famous) {_NOT}for {_A}{v['landmark']}",
            rf"\b(?:has|have)(?P<n> no| not)? (?:an? |the |its )?{v['landmark']}",
            rf"\b(?:in|at) {s['place']},? there (?:is|stands)(?P<n> no| not)? {_A}{v['landmark']}",
            rf"\bthere (?:is|stands)(?P<n> no| not)? {_A}{v['landmark']} (?:in|at) {s['place']}",
            rf"\byou can see {_A}{v['landmark']} in {s['place']}",
            rf"(?:sight|landmark) of {s['place']}{_IS}{_A}{v['landmark']}",
        ],
        "near": [
            rf"\b{_NO}(?:lies?|stands?) {_NOT}(?:near|close to|by|at) (?:the |an? )?{v['near']}",
            rf"\b{_BE}(?:an? \w+ )?(?:near|close to|by) (?:the |an? )?{v['near']}",
        ],
    }


@cache
def _cues() -> dict[str, tuple[re.Pattern[str], ...]]:
    return {relation: tuple(re.compile(form, re.I) for form in forms) for relation, forms in _forms().items()}


@cache
def _more(relation: str) -> re.Pattern[str]:
    """A further value behind the first: "and a hen", "or in Ashby", ", but from eggs"."""
    return re.compile(
        rf"(?P<c>,? (?:and|or|nor|but|as well as)|,)(?P<n> not)? {_ADVERBS}(?:in |from |with |on |for |near |as |by )?"
        rf"(?:an? |the |some |his |her |its )?(?P<v>{_either(_CANONICAL[relation])})(?:s|es)?"
        r"(?=[.,;:!]|$| and\b| or\b| but\b| too\b| as well\b)",
        re.I,
    )


def _mentions(sentence: str) -> list[_Mention]:
    """Return the names and pronouns of a sentence, in order."""
    found = []
    for match in _TOKEN.finditer(sentence):
        word = match[0].lower()
        if word in _NAMES:
            found.append(_Mention(match.start(), match.end(), *_NAMES[word]))
        elif word in _PRONOUNS:
            found.append(_Mention(match.start(), match.end(), _PRONOUNS[word], ""))
    return found


class _Carried:
    """Who is spoken of: the last of each kind, and of the people the last woman and the last man."""

    def __init__(self, topic: str) -> None:
        self.last: dict[str, list[str]] = {}
        self.update(_mentions(topic))

    def update(self, mentions: Iterable[_Mention]) -> None:
        for mention in mentions:
            if mention.kind in SUBJECT_KINDS:
                self.last[mention.kind] = [mention.name]
            if mention.kind == "person":
                for pronoun in _pronouns(mention.name):
                    self.last[pronoun] = [mention.name]

    def meant(self, pronoun: str, kind: str) -> list[str]:
        """Return who a pronoun stands for where a subject of `kind` is needed."""
        if kind == "person":
            return self.last.get("person" if pronoun == "they" else pronoun, [])
        if pronoun in ("he", "she"):
            return self.last.get(kind, []) if kind == "craft" else []
        return self.last.get(kind, [])


def _pronouns(person: str) -> tuple[str, ...]:
    if person in lexicon.STRANGERS:
        return ("he", "she")
    return ("she",) if person in lexicon.WOMEN else ("he",)


def claims(text: str, topic: str = "") -> list[Claim]:
    """Return the statements of fact that a text makes, outside questions and reported speech.

    `topic` is who a pronoun means before anybody is named. A craft worker named by name ("Mira makes bread") gives a
    claim with relation "product" or "tool" and the person as subject.
    """
    carried, found = _Carried(topic), dict[Claim, None]()
    for sentence in sentences(unquoted(text)):
        reader = _Sentence(sentence, carried)
        if not sentence.endswith("?"):
            found.update(dict.fromkeys(reader.claims()))
        carried.update(reader.mentions)
    return list(found)


class _Sentence:
    """One sentence while it is read from left to right."""

    def __init__(self, text: str, carried: _Carried) -> None:
        self.text = text
        self.carried = carried
        self.mentions = _mentions(text)
        self.before: list[str] = []
        self.told = 0

    def claims(self) -> list[Claim]:
        lowered = self.text.lower()
        relations = {name for word in _TOKEN.findall(lowered) for name in _RELATIONS_OF.get(word, ())}
        cues = _cues()
        matches = [(match.start(), relation, match) for relation in relations for cue in cues[relation]
                   for match in cue.finditer(self.text)]  # fmt: skip
        matches.sort(key=lambda row: row[:2])
        return [claim for _, relation, match in matches for claim in self._claims_of(relation, match)]

    def _claims_of(self, relation: str, match: re.Match[str]) -> list[Claim]:
        clause = _CLAUSE_START.split(self.text[: match.start()])[-1]
        if _OPEN.search(clause):
            return []
        groups = match.groupdict()
        subjects = self._subjects(relation, match, groups.get("s"))
        if subjects:
            self.before = subjects
        negated = bool((groups.get("n") or "").strip()) != bool((groups.get("m") or "").strip())
        denied = bool(_DENIES.search(clause)) or bool(_DENIED_AFTER.match(self.text, match.end()))
        values = [(match["v"], negated != denied), *self._further(relation, match.end(), negated, denied)]
        self.told = match.end()
        return [Claim(subject, relation, _CANONICAL[relation][value.lower()], no)
                for value, no in values for subject in subjects]  # fmt: skip

    def _further(self, relation: str, at: int, negated: bool, denied: bool) -> list[tuple[str, bool]]:
        found = []
        while match := _more(relation).match(self.text, at):
            if match["n"]:
                negated = True
            elif match["c"].endswith("but"):
                negated = False
            found.append((match["v"], negated != denied))
            at = match.end()
        return found

    def _subjects(self, relation: str, match: re.Match[str], named: str | None) -> list[str]:
        kind = SUBJECT_OF[relation]
        if named:
            return self._chain(kind, match.start("s") + len(named), match.start("s"))
        kinds = ("person", kind) if relation in ("product", "tool") else (kind,)
        if _SHARED_SUBJECT.search(self.text[: match.start()]) and self.before:
            return self.before if any(_NAMES[self.before[0].lower()][0] == one for one in kinds) else []
        earlier = [mention for mention in self.mentions if mention.end <= match.start()]
        if _SHARED_SUBJECT.search(self.text[: match.start()]):
            return self._grammatical(earlier, kinds)
        for mention in reversed(earlier):
            if mention.kind in kinds:
                return self._chain(mention.kind, mention.end)
            if mention.kind == "speaker":
                return []
            if meant := self._meant(mention, kinds):
                return meant
        return []

    def _grammatical(self, earlier: list[_Mention], kinds: tuple[str, ...]) -> list[str]:
        """The subject of a sentence whose second verb stands behind "and": its first mention outside "in", "of", ..."""
        first = next((one for one in earlier if not _PREPOSITION.search(self.text[: one.start])), None)
        if first is None:
            return []
        if first.kind in kinds:
            return [first.name]
        return self._meant(first, kinds)

    def _meant(self, mention: _Mention, kinds: tuple[str, ...]) -> list[str]:
        if mention.kind not in ("he", "she", "it", "they"):
            return []
        earlier = _Carried("")
        earlier.last = dict(self.carried.last)
        earlier.update(one for one in self.mentions if one.end <= mention.start)
        return next((meant for kind in kinds if (meant := earlier.meant(mention.kind, kind))), [])

    def _chain(self, kind: str, end: int, start: int | None = None) -> list[str]:
        """The names of one kind that are joined to the one that ends at `end`: "Mira and Leo"."""
        index = next(i for i, one in enumerate(self.mentions) if one.end >= end or one.start == start)
        names = [self.mentions[index].name]
        while index > 0 and self.mentions[index - 1].kind == kind:
            left, right = self.mentions[index - 1], self.mentions[index]
            if left.start < self.told or not _JOINS.fullmatch(self.text[left.end : right.start]):
                break
            names.insert(0, left.name)
            index -= 1
        return names
