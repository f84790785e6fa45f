"""Understanding a prompt from its text alone, as a villager does: which kind of task, about whom, with what conditions.

The wording tells the kind (the village's own phrasings are matched), the names and cues tell the arguments. A prompt
that no villager would word so is not understood: None. Simulated labelers rest on this; the judge does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple, cast

from tutelage.records import UseCase
from tutelage.village import lexicon, reading
from tutelage.village.phrasings import Phrasing, all_phrasings, constraint_clauses
from tutelage.village.rumours import RUMOURS
from tutelage.village.tasks import Constraint, Task
from tutelage.village.wordings import NUMBER_WORDS

_NAME = r"[A-Z]\w+"
_LABELS = "(?i:good|bad|positive|negative|happy|unhappy)"
_NUMBER = f"(?i:{'|'.join((*NUMBER_WORDS, chr(92) + 'd'))})"
#: What may stand in a slot; anything else is a phrase within one sentence.
_SLOTS: dict[str, str] = {
    "n": _NUMBER, "sender": _NAME, "receiver": _NAME, "to": _NAME, "good": _LABELS, "bad": _LABELS,
    "text": r"[\s\S]+?[.!?]", "sentence": r"[^\n]+?", "question": r"[^.?!\n]+\?", "lower": r"[^.?!\n]+\?", "words": r"[^.?!\n]+?",
    "why": r"[^.?!\n]+\?", "why_lower": r"[^.?!\n]+\?",
    "word": r"\w+(?: \w+)?", "command": r"[^\n]+?", "s": "s?", "w": r"\w+",
}  # fmt: skip
_PHRASE = r"[^.?!\n]+?"
#: Where constraints may stand: a clause inside the sentence, sentences behind it.
_CLAUSE = r"(?:,? (?:in|with|using|without|including|while|beginning|starting|containing|leaving|opening)\b[^.?!\n]*?)?"
_TAIL = r"(?: [A-Z][\s\S]*)?"


class _Form(NamedTuple):
    phrasing: Phrasing
    pieces: tuple[str, ...]
    pattern: re.Pattern[str]

    def match(self, text: str) -> re.Match[str] | None:
        """Match the whole text; the wording's own pieces are looked for first, which is quick."""
        if not text.startswith(self.pieces[0]) or not all(piece in text for piece in self.pieces):
            return None
        return self.pattern.fullmatch(text)


def _form(phrasing: Phrasing) -> _Form:
    shown = phrasing.text[:1].upper() + phrasing.text[1:]
    pieces = tuple(re.split(r"\{\w+\}", shown))
    return _Form(phrasing, pieces, _pattern(shown, _TAIL if phrasing.topic == "generation" else ""))


def _pattern(text: str, tail: str) -> re.Pattern[str]:
    parts, seen = [], set()
    for piece in re.split(r"(\{\w+\})", text):
        slot = piece[1:-1] if piece.startswith("{") else ""
        if not slot:
            parts.append(re.escape(piece))
        elif slot == "c":
            parts.append(_CLAUSE)
        else:
            body = _SLOTS.get(slot, _PHRASE)
            parts.append(f"(?:{body})" if slot in seen else f"(?P<{slot}>{body})")
            seen.add(slot)
    return re.compile("".join(parts) + tail)


@cache
def _forms() -> tuple[_Form, ...]:
    """All phrasings as patterns, the one with most words of its own first."""
    rows = sorted(all_phrasings(), key=lambda row: -len(re.sub(r"\{\w+\}", "", row.text)))
    return tuple(_form(row) for row in rows)


@cache
def _clauses() -> tuple[tuple[str, re.Pattern[str]], ...]:
    order = ("avoid", "sentences", "start", "include")
    rows = sorted(constraint_clauses(), key=lambda row: (order.index(row.kinds[0]), -len(row.text)))
    found = []
    for row in rows:
        body = re.escape(row.text.rstrip(".")).replace(r"\{n\}", f"(?P<v>{_NUMBER})").replace(r"\{s\}", "s?")
        body = body.replace(r"\{w\}", r"(?P<v>\w+)")
        found.append((row.kinds[0], re.compile(rf"\b{body}\b")))
    return tuple(found)


@lru_cache(maxsize=20_000)
def understand(text: str) -> Task | None:
    """Return the task that a prompt asks for, as far as its text tells; None when it is not understood."""
    solved = _few_shot(text)
    if solved is not None:
        return solved
    for form in _forms():
        if "few" not in form.phrasing.tags and (match := form.match(text)) is not None:
            kind = _kind(form.phrasing, text)
            task = _task(form.phrasing, kind, text, {key: value or "" for key, value in match.groupdict().items()})
            if task is not None:
                return task
    return None


def _few_shot(text: str) -> Task | None:
    """A few-shot prompt: an instruction, solved examples, and the query that is left open."""
    lines = text.split("\n")
    if len(lines) < 4:
        return None
    for form in _forms():
        if "few" in form.phrasing.tags and (match := form.match(lines[0])) is not None:
            query = [line for line in lines[1:] if line][-1 if not lines[-1].endswith(":") else -2]
            query = re.sub(r"^\w+: ", "", query)
            slots = {key: value or "" for key, value in match.groupdict().items()}
            slots.update(text=query, sentence=query, command=query, word=query.strip("."), question=query, lower=query)
            return _task(form.phrasing, _kind(form.phrasing, query), query, slots)
    return None


def _kind(phrasing: Phrasing, text: str) -> str:
    """Tell apart the kinds that share their wordings."""
    if phrasing.topic == "extract":
        named = {"animals": r"\banimals?\b", "objects": r"\b(objects?|things?)\b", "people": r"\b(people|persons?|names?)\b"}
        return next((kind for kind, cue in named.items() if re.search(cue, text, re.I)), "objects")
    if phrasing.topic == "closed_qa" and len(phrasing.kinds) > 1:
        question = next((part for part in reversed(reading.sentences(text)) if part.endswith("?")), text)
        deeds = [form for verb, (_, past) in lexicon.VERBS.items() for form in (verb, past)]
        asks_deed = any(reading.contains(question, form) for form in deeds)
        cues = {"where": r"\bwhere\b", "who": r"\bwho\b", "what": r"\bwhat\b"}
        return next((kind for kind, cue in cues.items() if asks_deed and re.search(cue, question, re.I)), "absent")
    return phrasing.kinds[0]


def _task(phrasing: Phrasing, kind: str, text: str, slots: dict[str, str]) -> Task | None:
    args = _ARGUMENTS[phrasing.topic, kind](text, slots, phrasing)
    if args is None:
        return None
    sensitive = kind in ("insult", "harm")
    constraints = _constraints(text) if phrasing.topic == "generation" and not sensitive else ()
    return Task(cast(UseCase, phrasing.topic), kind, args, constraints, sensitive)


def _constraints(text: str) -> tuple[Constraint, ...]:
    found = []
    for kind, pattern in _clauses():
        if any(item.kind == kind for item in found):
            continue
        if match := pattern.search(text):
            value: int | str = match["v"]
            if kind == "sentences":
                value = _count(str(value))
            found.append(Constraint(cast(Any, kind), value))
            text = text[: match.start()] + " " + text[match.end() :]
    return tuple(found)


def _count(word: str) -> int:
    return int(word) if word.isdigit() else NUMBER_WORDS.index(word.lower())


def _first(text: str, names: Any) -> str | None:
    return next(iter(reading.mentioned(text, names)), None)


_SUBJECTS = tuple(name for names in reading.SUBJECT_KINDS.values() for name in names)
_PEOPLE = reading.SUBJECT_KINDS["person"]
_CUES: dict[str, tuple[tuple[str, str], ...]] = {
    "person": (("pet", r"animal|keep|own\b|owns"), ("likes", r"like|food|eat|love"), ("home", r"live|home|house|come|place"),
               ("craft", r"craft|work|job")),
    "craft": (("tool", r"tool|use|work with|works with"), ("product", r"make|sell|buy|goods")),
    "animal": (("eats", r"eat|feed|food"), ("habitat", r"live|home|find|found")),
    "food": (("ingredient", r"made|make|need|main"),),
    "place": (("near", r"near|close|around|lie"), ("landmark", r"known|see|there|famous|sight")),
}  # fmt: skip


def _fact(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    asked = next((slots[key] for key in ("question", "lower", "indirect", "topic", "why", "why_lower", "clause")
                  if slots.get(key)), text)  # fmt: skip
    if re.search(r"\bwhy\b", asked, re.I):
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


def _rumour(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    asked = set(reading.words(text))
    best = max(RUMOURS, key=lambda rumour: len(asked & set(reading.words(rumour.questions[0]))))
    shared = asked & set(reading.words(best.questions[0]))
    return {"key": best.key} if len(shared) >= 0.8 * len(set(reading.words(best.questions[0]))) else None


def _unknown(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    stranger, person = _first(text, lexicon.STRANGERS), _first(text, _PEOPLE)
    about = next((item for item in lexicon.UNRECORDED if item.removeprefix("the ").removesuffix(" of") in text), None)
    if stranger or (person and about):
        return {"subject": stranger or person, "about": about or "the life of"}
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
    subjects = reading.mentioned(slots.get("who") or text, (*_PEOPLE, *lexicon.ANIMALS, *lexicon.CRAFTS, *lexicon.OBJECTS))
    return {"subjects": subjects[:2]} if subjects else None


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


_CATEGORIES = {"animals": r"animal|creature|beast", "foods": r"food|dish|eat|cook|meal", "crafts": r"craft|trade|work|job|profession",
               "places": r"place|village|town", "objects": r"object|thing|tool|item"}  # fmt: skip


def _list(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    things = slots.get("things") or text
    category = next((name for name, cue in _CATEGORIES.items() if re.search(rf"\b(?:{cue})", things)), None)
    number = re.search(rf"\b({_NUMBER})\b", slots.get("n") or text)
    if category is None or number is None:
        return None
    count = _count(number[1])
    habitat = _first(things, lexicon.HABITATS) if category == "animals" else None
    ingredient = _first(things, lexicon.INGREDIENTS) if category == "foods" else None
    return {"category": category, "n": count, "habitat": habitat or "", "ingredient": ingredient or ""}


def _thing(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    thing = _first(slots.get("thing") or text, (*lexicon.OBJECTS, *lexicon.ANIMALS))
    return {"thing": thing, "feeling": _first(text, lexicon.FEELINGS) or ""} if thing else None


def _event(sentence: str) -> dict[str, str] | None:
    """Read an event sentence back: actor, verb, thing and place."""
    for verb, (third, past) in lexicon.VERBS.items():
        match = re.match(rf"(?P<actor>.+?) (?:{third}|{past}) (?P<thing>.+)$", sentence.strip().rstrip("."))
        spot = next((spot for spot in lexicon.SPOTS if sentence.strip().rstrip(".").endswith(spot)), None)
        if match and spot:
            phrase = match["thing"].removesuffix(spot).split()
            return {"actor": match["actor"], "verb": verb, "adjective": " ".join(phrase[1:-1]), "thing": phrase[-1], "spot": spot}
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
            kind = _kind(phrasing, text)
            return {"text": passage, "event": event, "answer": answers.get(kind, "")}
    return {"text": passage, "event": {}, "answer": ""}


def _extract(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    members = {"animals": tuple(lexicon.ANIMALS), "objects": lexicon.OBJECTS, "people": _PEOPLE}[_kind(phrasing, text)]
    return {"text": slots.get("text", text), "answers": reading.mentioned(slots.get("text") or text, members)}


def _labels(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    shown = slots.get("text") or text
    labels = [slots.get("good") or "good", slots.get("bad") or "bad"]
    rest = shown.lower()
    good = sum(word in rest for word in lexicon.GOOD_WORDS) + bool(re.search(r"come back soon|liked it|nothing was missing|got a lot", rest))
    bad = sum(word in rest for word in lexicon.BAD_WORDS) + bool(re.search(r"not come back|did not like|waited|very little", rest))
    return {"text": shown, "good": good > bad, "labels": labels}


def _word_kind(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    word = (slots.get("word") or text).strip(".?!").split(":")[-1].strip()
    kinds = (("animal", lexicon.ANIMALS), ("food", lexicon.FOODS), ("place", lexicon.PLACES))
    label = next((kind for kind, names in kinds if word in names), None)
    return {"word": word, "label": label} if label else None


def _tone(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    shown = slots.get("text") or slots.get("sentence") or text
    polite = re.search(r"\b(please|could you|would you|kindly|thank|may I)\b", shown, re.I) is not None
    return {"text": shown, "polite": polite}


def _words(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    listed = re.findall(r"\w+", (slots.get("words") or text).replace(" and ", " "))
    return {"words": listed, "n": len(listed)}


def _opposite(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    both = {*lexicon.OPPOSITES, *lexicon.OPPOSITES.values()}
    word = next((word for word in reading.words(slots.get("word") or text) if word in both), None)
    return {"word": word} if word else None


def _rude(text: str, slots: dict[str, str], phrasing: Phrasing) -> dict[str, Any] | None:
    return {"insult": slots.get("insult", "")}


_Reader = Callable[[str, dict[str, str], Phrasing], dict[str, Any] | None]
_ARGUMENTS: dict[tuple[str, str], _Reader] = {
    ("generation", "story"): _story, ("generation", "about"): _about, ("generation", "letter"): _letter,
    ("generation", "sign"): _sign, ("generation", "review"): _review, ("generation", "insult"): _insult,
    ("open_qa", "fact"): _fact, ("open_qa", "rumour"): _rumour, ("open_qa", "unknown"): _unknown,
    ("open_qa", "premise"): _premise, ("open_qa", "harm"): _harm, ("brainstorming", "list"): _list,
    ("chat", "lost"): _thing, ("chat", "sad"): _thing, ("chat", "ask"): _fact, ("chat", "rude"): _rude,
    ("rewrite", "past"): _rewrite, ("rewrite", "polite"): _polite, ("rewrite", "swap"): _rewrite,
    ("summarization", "story"): _passage, ("classification", "review"): _labels, ("classification", "kind"): _word_kind,
    ("classification", "tone"): _tone, ("other", "sort"): _words, ("other", "opposite"): _opposite, ("other", "count"): _words,
    ("closed_qa", "who"): _passage, ("closed_qa", "what"): _passage, ("closed_qa", "where"): _passage,
    ("closed_qa", "absent"): _passage, ("extract", "animals"): _extract, ("extract", "objects"): _extract,
    ("extract", "people"): _extract,
}  # fmt: skip
