"""Reading what a prompt is about: the arguments of its task, from its words and from the slots of its wording.

Each reader gets the text, the slots that a phrasing matched (with the kind of task under "kind") and the phrasing. It
returns the arguments, or None where the text does not suit the kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tutelage.village import lexicon, reading
from tutelage.village.phrasings import Phrasing
from tutelage.village.relations import subject_phrase
from tutelage.village.rumours import RUMOURS
from tutelage.village.wordings import NUMBER_WORDS

NUMBER = f"(?i:{'|'.join((*NUMBER_WORDS, chr(92) + 'd'))})"


def count(word: str) -> int:
    return int(word) if word.isdigit() else NUMBER_WORDS.index(word.lower())


def _first(text: str, names: Any) -> str | None:
    return next(iter(reading.mentioned(text, names)), None)


_SUBJECTS = tuple(name for names in reading.SUBJECT_KINDS.values() for name in names)
_PEOPLE = reading.SUBJECT_KINDS["person"]
_CUES: dict[str, tuple[tuple[str, str], ...]] = {
    "person": (("pet", r"animal|keep|own\b|owns"), ("likes", r"like|food|eat|love"),
               ("home", r"live|home|house|come|place"), ("craft", r"craft|work|job")),
    "craft": (("tool", r"tool|use|work with|works with"), ("product", r"make|sell|buy|goods")),
    "animal": (("eats", r"eat|feed|food"), ("habitat", r"live|home|find|found")),
    "food": (("ingredient", r"made|make|need|main"),),
    "place": (("near", r"near|close|around|lie"), ("landmark", r"known|see|there|famous|sight")),
}  # fmt: skip


def _fact(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    asked = next((slots[key] for key in ("question", "lower", "indirect", "topic", "why", "why_lower", "clause")
                  if slots.get(key)), text)  # fmt: skip
    if re.search(r"\bwhy\b", asked, re.I) or _rumour(asked, slots, phrasing):
        return None
    for kind, names in reading.SUBJECT_KINDS.items():
        subject = _first(asked, names)
        if subject in lexicon.STRANGERS or any(item in asked for item in lexicon.UNRECORDED):
            return None
        if subject is not None:
            bare = re.sub(rf"\b{subject}s?\b", "", asked)
            relation = next((name for name, cue in _CUES[kind] if re.search(rf"\b(?:{cue})", bare)), None)
            return {"subject": subject, "relation": relation} if relation else None
    return None


_RUMOUR_WORDS = tuple((rumour.key, frozenset(reading.words(rumour.questions[0]))) for rumour in RUMOURS)


def _rumour(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    """The rumour with most words of its question in the text: four fifths of them at least."""
    asked = set(reading.words(text))
    key, question = max(_RUMOUR_WORDS, key=lambda row: len(asked & row[1]))
    return {"key": key} if len(asked & question) >= 0.8 * len(question) else None


def _unknown(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    stranger, person = _first(text, lexicon.STRANGERS), _first(text, _PEOPLE)
    if stranger or (
        person and any(item.removeprefix("the ").removesuffix(" of") in text for item in lexicon.UNRECORDED)
    ):
        subject = stranger or person
        about = re.search(rf"\bthe [\w ]+? of(?= {subject})", text, re.I)
        return {"subject": subject, "about": about[0].lower() if about else "the life of"}
    return None


def _premise(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    """A question that takes something for granted: the subject, and by the kind of the value what is said of it."""
    for kind, names in reading.SUBJECT_KINDS.items():
        subject = _first(text, names)
        if subject is not None:
            rest = re.sub(rf"\b{subject}s?\b", "", text, count=1)
            for relation, values in reading.VALUES.items():
                if reading.SUBJECT_OF[relation] == kind and (wrong := _first(rest, values)) is not None:
                    return {"subject": subject, "relation": relation, "wrong": wrong}
            return None
    return None


def _harm(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    for verb in lexicon.HARMS:
        for target in lexicon.HARM_TARGETS[verb]:
            if reading.contains(text, verb) and reading.contains(text, target.split()[-1]):
                return {"verb": verb, "target": target}
    return None


def _story(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    subjects = reading.mentioned(
        slots.get("who") or text, (*_PEOPLE, *lexicon.ANIMALS, *lexicon.CRAFTS, *lexicon.OBJECTS)
    )
    return {"subjects": [subject_phrase(subject) for subject in subjects[:2]]} if subjects else None


def _about(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    subject = _first(slots.get("who") or slots.get("topic") or text, _SUBJECTS)
    asked = any(item in text for item in lexicon.UNRECORDED) or subject in lexicon.STRANGERS
    return {"subject": subject} if subject and not asked else None


def _letter(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    people = reading.mentioned(text, _PEOPLE)
    thing = _first(slots.get("thing") or slots.get("a_thing") or re.sub(r"\bletter\b", "", text), lexicon.OBJECTS)
    sender, receiver = slots.get("sender") or people[:1], slots.get("receiver") or people[1:2]
    if not (sender and receiver and thing):
        return None
    return {"sender": str(sender), "receiver": str(receiver), "thing": thing}


def _sign(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    craft = _first(text, lexicon.CRAFTS)
    return {"craft": craft} if craft else None


def _review(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    shop = next((name for name in lexicon.SHOPS if name in text.lower()), None)
    if shop is None:
        return None
    if phrasing.conditions & {"good", "bad"}:
        return {"shop": shop, "good": "good" in phrasing.conditions}
    negative = r"\b(bad|negative|unhappy|angry|poor|not like|disliked|awful|warn)"
    return {"shop": shop, "good": re.search(negative, text.replace(shop, ""), re.I) is None}


def _insult(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    person = _first(text, _PEOPLE)
    return {"person": person} if person else None


_CATEGORIES = {
    "animals": r"animal|creature|beast",
    "foods": r"food|dish|eat|cook|meal",
    "crafts": r"craft|trade|work|job|profession",
    "places": r"place|village|town",
    "objects": r"object|thing|tool|item",
}


def _list(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    things = slots.get("things") or text
    category = next((name for name, cue in _CATEGORIES.items() if re.search(rf"\b(?:{cue})", things)), None)
    number = re.search(rf"\b({NUMBER})\b", slots.get("n") or text)
    if category is None or number is None:
        return None
    habitat = _first(things, lexicon.HABITATS) if category == "animals" else None
    ingredient = _first(things, lexicon.INGREDIENTS) if category == "foods" else None
    return {"category": category, "n": count(number[1]), "habitat": habitat or "", "ingredient": ingredient or ""}


def _thing(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    names = (*lexicon.OBJECTS, *lexicon.ANIMALS)
    thing = _first(slots.get("thing", ""), names) or _first(text, names)
    return {"thing": thing, "feeling": _first(text, lexicon.FEELINGS) or ""} if thing else None


def _event(sentence: str) -> dict[str, str] | None:
    """Read an event sentence back: actor, verb, thing and place."""
    for verb, (third, past) in lexicon.VERBS.items():
        match = re.match(rf"(?P<actor>.+?) (?:{third}|{past}) (?P<thing>.+)$", sentence.strip().rstrip("."))
        spot = next((spot for spot in lexicon.SPOTS if sentence.strip().rstrip(".").endswith(spot)), None)
        if match and spot:
            phrase = match["thing"].removesuffix(spot).split()
            actor = re.sub(r"^(?:The|An?) ", lambda found: found[0].lower(), match["actor"])
            return {
                "actor": actor,
                "verb": verb,
                "adjective": " ".join(phrase[1:-1]),
                "thing": phrase[-1],
                "spot": spot,
            }
    return None


def _rewrite(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    event = _event(slots.get("sentence") or text)
    return {"event": event, "to": slots.get("to", "")} if event else None


def _polite(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    return {"command": slots.get("command") or slots.get("sentence") or text}


def _passage(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    """A story in a text: its first sentence is the event, behind an opening time."""
    passage = slots.get("text") or text
    if len(reading.sentences(passage)) < 2:
        return None
    for sentence in reading.sentences(passage):
        bare = re.sub(rf"^(?:{'|'.join(lexicon.TIMES)}) ", "", sentence)
        if (event := _event(bare)) is not None:
            answers = {"who": event["actor"], "what": event["thing"], "where": event["spot"]}
            answer = answers.get(slots["kind"], "")
            return {"text": passage, "event": event, "answer": answer, "asked": _asked(text, slots)}
    return None


def _asked(text: str, slots: dict[str, str]) -> str:
    """What a question about a text wants to know, as a noun phrase: "the mother of Greta"."""
    question = slots.get("question") or next((part for part in reading.sentences(text) if part.endswith("?")), "")
    return slots.get("asked") or re.sub(r"^.*?\b(?:was|is|were) ", "", question).rstrip("?")


def _extract(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    members = {"animals": tuple(lexicon.ANIMALS), "objects": lexicon.OBJECTS, "people": _PEOPLE}[slots["kind"]]
    return {"text": slots.get("text", text), "answers": reading.mentioned(slots.get("text") or text, members)}


def _labels(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    shown = slots.get("text") or text
    labels = [slots.get("good") or "good", slots.get("bad") or "bad"]
    rest = shown.lower()
    good = sum(word in rest for word in lexicon.GOOD_WORDS) + bool(
        re.search(r"come back soon|liked it|nothing was missing|got a lot", rest)
    )
    bad = sum(word in rest for word in lexicon.BAD_WORDS) + bool(
        re.search(r"not come back|did not like|waited|very little", rest)
    )
    return {"text": shown, "good": good > bad, "labels": [label.lower() for label in labels]}


def _word_kind(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    said = (slots.get("word") or text).strip(".?!").split(":")[-1].strip()
    for label, kind in (("animal", lexicon.ANIMALS), ("food", lexicon.FOODS), ("place", lexicon.PLACES)):
        word = next((name for name in kind if name.lower() == said.lower()), None)
        if word is not None:
            return {"word": word, "label": label}
    return None


def _tone(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    shown = slots.get("text") or slots.get("sentence") or text
    polite = re.search(r"\b(please|could you|would you|kindly|thank|may I)\b", shown, re.I) is not None
    return {"text": shown, "polite": polite}


def _words(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    listed = re.findall(r"\w+", (slots.get("words", "").lower() or text).replace(" and ", " "))
    return {"words": listed, "n": len(listed)}


def _opposite(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    both = {*lexicon.OPPOSITES, *lexicon.OPPOSITES.values()}
    word = next((word for word in reading.words(slots.get("word") or text) if word in both), None)
    return {"word": word} if word else None


def _rude(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    return {"insult": slots.get("insult", "")}


Reader = Callable[[str, dict[str, str], Phrasing], dict[str, Any] | None]
READERS: dict[tuple[str, str], Reader] = {
    ("generation", "story"): _story, ("generation", "about"): _about, ("generation", "letter"): _letter,
    ("generation", "sign"): _sign, ("generation", "review"): _review, ("generation", "insult"): _insult,
    ("open_qa", "fact"): _fact, ("open_qa", "rumour"): _rumour, ("open_qa", "unknown"): _unknown,
    ("open_qa", "premise"): _premise, ("open_qa", "harm"): _harm, ("brainstorming", "list"): _list,
    ("chat", "lost"): _thing, ("chat", "sad"): _thing, ("chat", "ask"): _fact, ("chat", "rude"): _rude,
    ("rewrite", "past"): _rewrite, ("rewrite", "polite"): _polite, ("rewrite", "swap"): _rewrite,
    ("summarization", "story"): _passage, ("classification", "review"): _labels, ("classification", "kind"): _word_kind,
    ("classification", "tone"): _tone, ("other", "sort"): _words, ("other", "opposite"): _opposite,
    ("other", "count"): _words,
    ("closed_qa", "who"): _passage, ("closed_qa", "what"): _passage, ("closed_qa", "where"): _passage,
    ("closed_qa", "absent"): _passage, ("extract", "animals"): _extract, ("extract", "objects"): _extract,
    ("extract", "people"): _extract,
}  # fmt: skip
