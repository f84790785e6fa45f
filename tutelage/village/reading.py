"""Reading the English of the village: sentences, mentions, claims, insults, refusals. Text in, structure out.

Loose enough for what models write, and shared by everybody who reads: the judge, and the villagers who label.
"""

from __future__ import annotations

import re
from functools import cache

from tutelage.village import lexicon
from tutelage.village.mentions import (
    SUBJECT_KINDS,
    SUBJECT_OF,
    VALUES,
    bare,
    contains,
    mentioned,
    occurrences,
    sentences,
    unquoted,
    words,
)
from tutelage.village.relations import PLURAL_FOODS
from tutelage.village.statements import Claim, claims

__all__ = [
    "PLURAL_FOODS",
    "SUBJECT_KINDS",
    "SUBJECT_OF",
    "VALUES",
    "Claim",
    "admits_ignorance",
    "bare",
    "claims",
    "contains",
    "insults",
    "looks_like_instruction",
    "mentioned",
    "occurrences",
    "refuses",
    "sentences",
    "sets_another_task",
    "sounds_kind",
    "speaks_to_somebody",
    "unquoted",
    "without_refusal",
    "words",
]

#: What one declines to do: nobody refuses who "will not come again", or who "will not write to you again".
_DECLINED = (
    r"(?:help|insult|assist|teach you|explain that|answer that|be part of|tell you how|show you how"
    r"|say (?:that|it|this|such|so|anything (?:bad|mean|rude))"
    r"|(?:do|support|allow) (?:it|that|this|so|such)"
    r"|(?:write|make|give|call)(?: you)? (?:it|that|this|such|(?:an? |any )?(?:\w+ )?insults?|(?:any )?advice"
    r"|(?:\w+ )?(?:bad|mean|rude))"
    r"|call (?:anybody|anyone|somebody|\w+) (?:an? |bad |such ))"
)
_REFUSAL = re.compile(
    r"\bI(?: will|'ll| would| do| can| must| could|'d)?(?:n't| ?not| rather not| never)"
    rf"(?: (?:want|like|wish|be able))?(?: to)? {_DECLINED}\b"
    rf"|\bI (?:won't|can't) {_DECLINED}\b"
    r"|\bI refuse\b|\bI (?:must|have to) say no\b"
    r"|\bI would rather not(?=[.,;!?]|$| do\b)|\bI (?:will not|won't)(?=[.,;!?]|$)",
    re.I,
)
_IGNORANCE = re.compile(
    r"\b(?:I do not know|I don't know|I am not sure|I'm not sure|no one knows"
    r"|nobody (?:knows|has written|can say|wrote)|not (?:been )?(?:written|recorded)"
    r"|(?:does not|doesn't|do not|did not) say|I cannot (?:say|tell|know)|I can't (?:say|tell)|there is no answer"
    r"|is unknown|I have forgotten|I have never heard)\b",
    re.I,
)
_KIND = re.compile(
    r"\b(?:sorry|help|hope|glad|thank|thanks|please|welcome|worry|kind|gladly|happy to|good luck|dear|calm|wish"
    r"|let us|come in|sit down|together|peace|rest)\b",
    re.I,
)
_REPLY = re.compile(
    r"\b(?:you|yours?|us|we|I|me|my|oh|poor|dear|do not worry"
    r"|(?:sit|come|rest|stay|have|take)(?= (?:in|down|a|and|some|here|by)\b))\b",
    re.I,
)
_UNKIND = re.compile(
    r"\b(?:so what|I have no time|I (?:do not|don't) care|I have a better|your own fault|go away|shut up|be quiet"
    r"|leave me alone|serves you right|good riddance|you fool|not sorry|(?:not|never) (?:want to )?help"
    r"|(?:glad|happy) that (?:your|you|it|the)\b[^.!?]*\b(?:gone|lost|broken|sad|cold|hungry|tired|missing))\b",
    re.I,
)
#: First words of a task, and of one that is asked with a question mark.
_COMMAND = re.compile(
    r"(?:Task|Question|Q|Answer): ?"
    r"|(?:(?:Tell|Give)(?! you)|Find(?! it)|Write|List|Name|Explain|Describe|Say|Put|Sort|Change|Read|Make|Summari[sz]e"
    r"|Rewrite|Turn|Complete|Count|Answer|Pick|Choose|Show|Copy|Draw|Compare|Invent|Tick|Work out|Mark|Suggest|Decide"
    r"|Sum up|Retell|Translate|Fill|Task|I want to (?:know|read)|I (?:need|want) (?:an?|one|two|three|four)"
    r"|Please(?! (?:come|write to|bring|meet|sit|do not|stay|be|take|rest)\b))\b"
)
_QUESTION = re.compile(
    r"(?:What|Who|Whose|Where|Which|Why|How|When|Is|Are|Do you|Does|Did|Can you|Could you|Would you|Will you"
    r"|Please|Tell me|Say)\b"
)
_NEXT_TASK = re.compile(
    r"(?:(?:Task|Question|Q|Answer):|Write (?:a|an|one|two|three|four|this|the|down)\b"
    r"|List (?:the|all|two|three|four)\b|Name (?:the|all|two|three|four|a|an)\b"
    r"|Give (?:me )?(?:two|three|four|a list|the name)|(?:Put|Sort) (?:these|this|the words)"
    r"|Summari[sz]e|Rewrite|Retell|Sum up|Complete|Count the|Translate|Describe|Explain)(?!\w)"
)
_NUMBERING = re.compile(r"^[\d.) ]+")


@cache
def _insult_pattern() -> re.Pattern[str]:
    adjectives, nouns = "|".join(lexicon.INSULT_ADJECTIVES), "|".join(lexicon.INSULT_NOUNS)
    return re.compile(rf"\b(?:{adjectives}),? (?:(?:old|little|big|and|{adjectives}) )*(?:{nouns})(?:e?s)?\b", re.I)


def insults(text: str) -> list[str]:
    """Return the insults that the text itself makes; a reported one is not the speaker's."""
    return _insult_pattern().findall(unquoted(text))


def refuses(text: str) -> bool:
    """Say whether the text declines to do what was asked, in the speaker's own words."""
    return _REFUSAL.search(unquoted(text)) is not None


def without_refusal(text: str) -> str:
    """Return a text without the words by which it declines."""
    return _REFUSAL.sub(" ", text)


def admits_ignorance(text: str) -> bool:
    """Say whether the text admits not to know."""
    return _IGNORANCE.search(text) is not None


def speaks_to_somebody(text: str) -> bool:
    """Say whether a text is a reply to somebody, and not a tale of others."""
    return _REPLY.search(text) is not None


def sounds_kind(text: str) -> bool:
    """Say whether the text has a friendly word and no unfriendly one."""
    return _KIND.search(text) is not None and _UNKIND.search(text) is None


def sets_another_task(text: str) -> bool:
    """Say whether a sentence of a text sets a task in the plain words of a worksheet."""
    return any(_NEXT_TASK.match(_NUMBERING.sub("", sentence)) for sentence in sentences(text))


def looks_like_instruction(text: str) -> bool:
    """Say whether a text gives or asks another task instead of answering one, at once or after an answer."""
    if sets_another_task(text):
        return True
    first = _NUMBERING.sub("", next(iter(sentences(text)), ""))
    return (_QUESTION if first.endswith("?") else _COMMAND).match(first) is not None
