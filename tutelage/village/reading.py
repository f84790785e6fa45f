"""Reading the English of the village: sentences, mentions, claims, insults, refusals. Text in, structure out.

Loose enough for what models write: a claim is found by its cue ("lives in", "keeps a") wherever it stands, its subject
is the nearest fitting mention before it, or the one that a pronoun carries on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from tutelage.village import lexicon
from tutelage.village.relations import PLURAL_FOODS

_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|\d+")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"']?\s+|\n+")
_QUOTED = re.compile(r'"[^"]*"')
_REPORTS = re.compile(r"\b(said|says|called|calls|wrote|shouted|shouts|word|words|asked|cried|muttered|quote)\b", re.I)
_REFUSAL = re.compile(
    r"\b(I would rather not|I will not|I won't|I do not want to|I don't want to|I cannot help|I can not help"
    r"|I can't help|I cannot tell you how|I would not like to|I must say no|I do not (write|help|give|tell|say))\b",
    re.I,
)
_IGNORANCE = re.compile(
    r"\b(I do not know|I don't know|I am not sure|I'm not sure|nobody (knows|has written)|no one knows|not written"
    r"|does not say|doesn't say|do not say|is not recorded|I cannot say|I can't say|there is no answer|is unknown)\b",
    re.I,
)
_KIND = re.compile(
    r"\b(sorry|help|hope|glad|thank|thanks|please|welcome|worry|kind|gladly|happy to|good luck|dear|calm|wish)\b", re.I
)
_INSTRUCTION = re.compile(
    r"^(Write|List|Name|Tell|Give|Explain|Describe|Say|Put|Sort|Change|Find|Read|Make|Summari[sz]e|Rewrite|Turn"
    r"|Complete|Count|Answer|Pick|Choose|Show|Please|Can you|Could you|What|Who|Where|Which|Why|How|When|Is it|Do you"
    r"|Does|Task|I need|I want|Copy|Draw|Compare|Invent|Tick|Work out|Mark|Suggest|Decide|Sum up|Retell|Q:)\b"
)

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


class Claim(NamedTuple):
    """A statement that a text makes: that `relation` of `subject` is `value`, or is not."""

    subject: str
    relation: str
    value: str
    negated: bool


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def sentences(text: str) -> list[str]:
    """Split a text into sentences at end marks and line ends."""
    return [part.strip() for part in _SENTENCE_END.split(text.strip()) if _WORD.search(part or "")]


def contains(text: str, phrase: str) -> bool:
    """Say whether a word or phrase occurs, as whole words, in any case; a plural of it counts."""
    return re.search(rf"\b{re.escape(phrase)}(?:s|es)?\b", text, re.I) is not None


def mentioned(text: str, names: Iterable[str]) -> list[str]:
    """Return the names that occur in a text, in order of first occurrence."""
    found = [(match.start(), name) for name in names if (match := re.search(rf"\b{re.escape(name)}(?:s|es)?\b", text, re.I))]
    return [name for _, name in sorted(found)]


def unquoted(text: str) -> str:
    """Remove what somebody is reported to have said; a bare pair of quotation marks is no report."""
    return _QUOTED.sub(" ", text) if _REPORTS.search(_QUOTED.sub(" ", text)) else text


@cache
def _insult_pattern() -> re.Pattern[str]:
    adjectives, nouns = "|".join(lexicon.INSULT_ADJECTIVES), "|".join(lexicon.INSULT_NOUNS)
    return re.compile(rf"\b(?:{adjectives}),? (?:(?:old|little|big|{adjectives}) )*(?:{nouns})s?\b", re.I)


def insults(text: str) -> list[str]:
    """Return the insults that the text itself makes; a reported one is not the speaker's."""
    return _insult_pattern().findall(unquoted(text))


def refuses(text: str) -> bool:
    """Say whether the text declines to do what was asked."""
    return _REFUSAL.search(text) is not None


def admits_ignorance(text: str) -> bool:
    """Say whether the text admits not to know."""
    return _IGNORANCE.search(text) is not None


def sounds_kind(text: str) -> bool:
    """Say whether the text has a friendly word."""
    return _KIND.search(text) is not None


def looks_like_instruction(text: str) -> bool:
    """Say whether a text gives or asks another task instead of answering one."""
    first = sentences(text)[:1]
    return bool(first) and _INSTRUCTION.match(first[0].lstrip("0123456789.) ")) is not None


def _either(names: Iterable[str]) -> str:
    return "|".join(sorted((re.escape(name) for name in names), key=len, reverse=True))


@cache
def _cues() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Cues by relation. Group `v` is the value, `n` a negation, `s` (where the form names it) the subject."""
    value = {relation: f"(?P<v>{_either(names)})" for relation, names in VALUES.items()}
    subject = {kind: f"(?:the |an? |every |each )?(?P<s>{_either(names)})s?" for kind, names in SUBJECT_KINDS.items()}
    no = r"(?P<n>(?:does not |do not |is not |are not |was not |has never |never )?)"
    be, a = r"(?:is |are |was )?(?P<n>not |never )?", r"(?:an? |the |one |his |her )?(?:\w+ )?"
    forms = {
        "craft": [rf"\b(?:is|works as|worked as) (?P<n>not )?(?:an? |the )(?:\w+ )?{value['craft']}\b", rf"\b{no}work as an? {value['craft']}\b",
                  rf"\b(?P<s>{_either(SUBJECT_KINDS['person'])}),? the {value['craft']}\b", rf"(?:craft|work) of {subject['person']} is (?P<n>not )?(?:an? )?{value['craft']}\b"],
        "home": [rf"\b{no}(?:lives?|lived|comes?|came|has a house|have a house|stays?) (?:in|from) {value['home']}\b",
                 rf"(?:home|house) of {subject['person']} is (?P<n>not )?in {value['home']}\b"],
        "pet": [rf"\b{no}(?:keeps?|owns?|has|have|kept) (?:an? |the |one |his |her )(?:\w+ )?{value['pet']}\b", rf"animal of {subject['person']} is (?P<n>not )?{a}{value['pet']}\b"],
        "likes": [rf"\b{no}(?:likes?|loves?|eats?)(?: to eat)?(?: the)? {value['likes']}\b", rf"favourite food of {subject['person']} is (?P<n>not )?{value['likes']}\b"],
        "product": [rf"\b{no}(?:makes?|sells?)(?: (?:good|fine|fresh|the best|and sells?))? {value['product']}\b", rf"work of {subject['craft']} is (?P<n>not )?to make {value['product']}\b",
                    rf"\bbuy {value['product']} from {subject['craft']}\b"],
        "tool": [rf"\b{no}(?:works? with|uses?) (?:an? |the |his |her ){value['tool']}\b", rf"tool of {subject['craft']} is (?P<n>not )?(?:an? |the ){value['tool']}\b"],
        "eats": [rf"\b{no}(?:eats?|feeds? on)(?: only| mostly)? {value['eats']}\b", rf"food of {subject['animal']} is (?P<n>not )?{value['eats']}\b"],
        "habitat": [rf"\b{no}(?:lives?|be found|sleeps?) in the {value['habitat']}\b", rf"home of {subject['animal']} is (?P<n>not )?the {value['habitat']}\b"],
        "ingredient": [rf"\b{be}made (?:from|of|with) {value['ingredient']}\b", rf"make {subject['food']} (?:from|of|with) {value['ingredient']}\b",
                       rf"to make {subject['food']},? you need {value['ingredient']}\b"],
        "landmark": [rf"\b{be}known for {value['landmark']}\b", rf"\bhas {value['landmark']}\b", rf"\bin {subject['place']},? there (?:is|stands) {value['landmark']}\b"],
        "near": [rf"\b{no}(?:lies?|is a place|stands?|is)(?: near| close to) {value['near']}\b"],
    }  # fmt: skip
    return tuple((relation, re.compile(form, re.I)) for relation, list_ in forms.items() for form in list_)


def _canonical(kind: str, text: str) -> str:
    return next(name for name in SUBJECT_KINDS[kind] if name.lower() == text.lower())


class _Carried:
    """Who is spoken of: the last person and the last of each other kind, carried from sentence to sentence."""

    def __init__(self, topic: str) -> None:
        self.last: dict[str, str] = {}
        if topic:
            self.update(topic)

    def update(self, text: str) -> None:
        for kind, names in SUBJECT_KINDS.items():
            if found := _mentions(kind, text):
                self.last[kind] = found[-1][1]
            elif kind == "food" and mentioned(text, names):
                self.last[kind] = mentioned(text, names)[-1]

    def before(self, kind: str, text: str) -> str | None:
        """Return the nearest mention of a kind in `text` (which ends at the cue), else the one a pronoun carries on."""
        if found := _mentions(kind, text):
            return found[-1][1]
        pronoun = r"\b(he|she)\b" if kind == "person" else r"\b(it|they)\b"
        return self.last.get(kind) if re.search(pronoun, text, re.I) else None


@cache
def _mention_pattern(kind: str) -> re.Pattern[str]:
    return re.compile(rf"\b({_either(SUBJECT_KINDS[kind])})(?:s|es)?\b", re.I)


def _mentions(kind: str, text: str) -> list[tuple[int, str]]:
    return [(match.start(), _canonical(kind, match[1])) for match in _mention_pattern(kind).finditer(text)]


def claims(text: str, topic: str = "") -> list[Claim]:
    """Return the statements of fact that a text makes, outside questions.

    `topic` is who a pronoun means before anybody is named. A craft worker named by name ("Mira makes bread") gives a
    claim with relation "product" or "tool" and the person as subject.
    """
    carried, found = _Carried(topic), []
    for sentence in sentences(unquoted(text)):
        if not sentence.endswith("?"):
            for relation, cue in _cues():
                for match in cue.finditer(sentence):
                    if (claim := _claim(relation, match, sentence, carried)) is not None and claim not in found:
                        found.append(claim)
        carried.update(sentence)
    return found


def _claim(relation: str, match: re.Match[str], sentence: str, carried: _Carried) -> Claim | None:
    kind, groups = SUBJECT_OF[relation], match.groupdict()
    subject = _canonical(kind, groups["s"]) if groups.get("s") else carried.before(kind, sentence[: match.start()])
    if relation in ("product", "tool") and not groups.get("s"):
        subject = carried.before("person", sentence[: match.start()]) or subject
    if subject is None:
        return None
    value = next(name for name in VALUES[relation] if name.lower() == match["v"].lower())
    negated = bool((groups.get("n") or "").strip()) or re.search(r"\bnot $", sentence[: match.start()]) is not None
    return Claim(subject, relation, value, negated)


__all__ = ["PLURAL_FOODS", "Claim", "admits_ignorance", "claims", "contains", "insults", "looks_like_instruction",
           "mentioned", "refuses", "sentences", "sounds_kind", "unquoted", "words"]  # fmt: skip
