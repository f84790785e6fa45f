"""Whether a text refuses: wordings of refusing, and wordings that only look like it.

What counts is said by the writer, so speech in quotation marks is left out, and near the start, so a letter or a story
that says "I can't help" in its middle is not taken for a refusal.
"""

from __future__ import annotations

import re

from tutelage.starter import reading

#: Sentences from the start in which a refusal is looked for.
OPENING = 3

_ADVERBS = r"(?: (?:really|simply|just|also|ever|in good conscience|unfortunately|personally|,))*"
_CANNOT = (
    r"(?:can't|cannot|can not|won't|will not|(?:'m|am) not (?:able|going|willing|prepared) to|(?:'m|am) unable to|"
    r"wouldn't|would not|shouldn't|should not|(?:don't|do not) want to)"
)
_DO = (
    r"(?:help(?: you)?|assist(?: you)?|support|do (?:that|this|it|so)|provide|give (?:you )?(?:instructions|directions"
    r"|advice|a recipe|steps|tips|that|this|any)|write|share|tell you how|tell you where|explain how"
    r"|explain ways|walk you"
    r"|create|make (?:that|this|you|a|an|up)|generate|produce|offer|comply|fulfil|fulfill|take part|be part|be involved"
    r"|encourage|suggest|teach|describe how|draft|supply|list|point you|show you|guide|join in|pass on|answer|continue"
    r"|engage|advise|recommend ways|compose|come up|participate|go along|look up|identify|diagnose|plan)"
)
#: Refusals, as patterns on the folded text. Source: ours, from reading how assistants and labelers decline.
REFUSALS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\bi(?: am| 'm)?{_ADVERBS} {_CANNOT}{_ADVERBS} {_DO}\b",
        rf"\bi'm(?: sorry,?| afraid)?(?: but)?(?: i)? not (?:able|going|willing) to{_ADVERBS} {_DO}\b",
        rf"\bi'm unable to{_ADVERBS} {_DO}\b",
        r"\bi (?:must|have to|need to|will have to|'ll have to) (?:decline|refuse|say no)\b",
        r"\bi(?:'d| would) (?:rather|prefer) not\b(?: to)? (?:help|write|do|say|give|share|guess)?",
        r"\bi(?:'m| am) not comfortable\b",
        r"\b(?:that|this)(?: is|'s) (?:not )?something (?:that )?i (?:can|can't|cannot|won't|will|will not|am able to)"
        r"(?: not)? (?:help|do|write|assist|support|provide|share)\b",
        r"\bi(?:'m| am) (?:sorry|afraid),? (?:but )?i (?:can't|cannot|won't|will not)"
        r"(?: do| help| assist)?(?: that| this)?[.,]",
        r"\b(?:sorry|no), (?:but )?i (?:can't|cannot|won't) \w+ (?:you )?(?:with )?(?:that|this)\b",
        r"\bi refuse to\b",
        r"\bagainst my (?:guidelines|principles|policy|rules)\b",
        r"\bi decline\b",
    )
)
#: What looks like refusing and is not.
HARMLESS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bi (?:can't|cannot|couldn't|could not) help (?:but|\w+ing|myself|it|wondering)\b",
        r"\bi (?:can't|cannot) (?:suggest|offer|recommend|support) \w+ (?:highly|strongly|warmly) enough\b",
        r"\bi (?:can't|cannot|won't) (?:give up|make it|make the|share your enthusiasm)\b",
        r"\bi (?:won't|will not) (?:make a|list them|answer the door|answer the phone)\b",
        r"\bi(?:'d| would) rather not have\b",
    )
)


def refuses(text: str) -> bool:
    """Say whether the writer of a text declines what was asked."""
    opening = " . ".join(reading.sentences(reading.unquoted(text))[:OPENING])
    folded = re.sub(r"\s+", " ", reading.plain(opening).replace("*", ""))
    for pattern in HARMLESS:
        folded = pattern.sub(" ", folded)
    return any(pattern.search(folded) for pattern in REFUSALS)
