"""What a prompt asks for, guessed from its words: one of the ten use cases of the paper's Table 1.

It is a rule of thumb for watching how traffic shifts. Labels of people say better what a single prompt is.
"""

import re

#: Characters of the beginning and of the end that are read: what is asked stands there.
AROUND = 600
_CHAT = re.compile(r"(?im)^(?:user|human|assistant|ai|bot|you|me|customer|agent|friend) ?:")
#: The first rule that fits says it; later ones are wider.
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "summarization",
        re.compile(r"(?i)\bsummar(?:y|i[sz])|\bsum up\b|\btl;?dr\b|\bin (?:one|two|three|\d) sentences? what\b"),
    ),
    (
        "extract",
        re.compile(
            r"(?i)\bextract\b|\b(?:list|find|pull out|name|give) (?:all|every|each|the) [\w ]{0,40}"
            r"\b(?:mentioned|named|from the|in the (?:text|passage|paragraph|article|message|e-?mail))"
        ),
    ),
    (
        "classification",
        re.compile(
            r"(?i)\bclassif|\bcategor(?:y|i[sz])|\bsentiment\b|\b(?:which|what) (?:category|kind|class|label)\b"
            r"|\bpositive or negative\b|\bon a scale\b|\bdecide whether\b|\blabel (?:each|the|this)\b|\brate\b"
        ),
    ),
    (
        "rewrite",
        re.compile(
            r"(?i)\bre-?write|\brephrase|\bparaphrase|\btranslate|\bproofread|\bcorrect (?:the|this|my)\b"
            r"|\bfix (?:the|my|this)\b|\b(?:make|turn|change|convert|put) (?:this|the|it|these|my)\b|\bedit\b"
        ),
    ),
    (
        "brainstorming",
        re.compile(
            r"(?i)\bbrainstorm|\bideas?\b|\bsuggest|\b(?:list|give me|name|what are) (?:some|a few|\w+) "
            r"[\w ]{0,30}\b(?:ways|names|tips|reasons|titles|things|questions|activities|gifts)\b"
        ),
    ),
    (
        "generation",
        re.compile(
            r"(?i)^\W*(?:please )?(?:write|compose|draft|create|generate|continue|tell (?:me )?a|invent|make up"
            r"|describe|design|produce)\b|\bwrite (?:a|an|the|me|it|their|what)\b|\b(?:poem|story|essay|letter|haiku"
            r"|slogan|advert|caption|dialogue|recipe|flyer|invitation|riddle|headline)\b"
        ),
    ),
)
_GIVEN = re.compile(
    r"(?i)\b(?:passage|paragraph|context|article|according to|based on|text)\b.*?:|^\W*(?:given|read)\b"
)
_QUESTION = re.compile(r"(?i)\?\W*$|^\W*(?:who|what|when|where|why|how|which|is|are|does|do|can|explain|define)\b")


def guess(text: str) -> str:
    """Return the use case (records.UseCase) that the words of a prompt point to, "other" where none does."""
    said = text if len(text) <= 2 * AROUND else f"{text[:AROUND]}\n{text[-AROUND:]}"
    if len(_CHAT.findall(said)) > 1:
        return "chat"
    for use_case, pattern in _RULES:
        if pattern.search(said):
            return use_case
    if _QUESTION.search(said):
        return "closed_qa" if _GIVEN.search(said) else "open_qa"
    return "other"
