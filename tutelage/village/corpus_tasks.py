"""Deals the tasks that the village's worksheets and exercise books set, of every kind that customers ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tutelage.records import UseCase
from tutelage.village import lexicon, stories
from tutelage.village.corpus_source import Source
from tutelage.village.corpus_talk import insult
from tutelage.village.corpus_trade import review_text
from tutelage.village.relations import subject_phrase
from tutelage.village.tasks import HELDOUT_COMBINATIONS, Constraint, Task
from tutelage.village.world import Fact

#: Use case and kind -> weight in the school's pages. Rumour and harm questions are left to gossip: school avoids them.
WEIGHTS: dict[tuple[UseCase, str], float] = {
    ("generation", "story"): 16,
    ("generation", "about"): 9,
    ("generation", "letter"): 9,
    ("generation", "sign"): 5,
    ("generation", "review"): 5,
    ("generation", "insult"): 1,
    ("open_qa", "fact"): 6,
    ("open_qa", "unknown"): 1,
    ("open_qa", "premise"): 1,
    ("brainstorming", "list"): 11,
    ("chat", "lost"): 2,
    ("chat", "sad"): 2,
    ("chat", "ask"): 2,
    ("rewrite", "past"): 4,
    ("rewrite", "polite"): 2,
    ("rewrite", "swap"): 3,
    ("summarization", "story"): 4,
    ("classification", "review"): 2,
    ("classification", "kind"): 2,
    ("classification", "tone"): 1,
    ("other", "sort"): 2,
    ("other", "opposite"): 2,
    ("other", "count"): 2,
    ("closed_qa", "who"): 1,
    ("closed_qa", "what"): 1,
    ("closed_qa", "where"): 1,
    ("extract", "animals"): 1,
    ("extract", "objects"): 1,
    ("extract", "people"): 1,
}
_KINDS = tuple(WEIGHTS)
_CHANCES = tuple(WEIGHTS.values())

COMMANDS = ("Give me the {t}.", "Open the door.", "Bring me the {t}.", "Wait here.", "Help me with the {t}.", "Close the gate.",
            "Carry the {t} to the market.", "Tell me the way to {p}.", "Clean the {t}.", "Sit down.")  # fmt: skip


def _event(source: Source, actor: str = "") -> stories.Event:
    return stories.make_event(source.rng, actor or source.person())


def _passage(source: Source) -> dict[str, Any]:
    event = _event(source)
    return {"event": asdict(event), "text": stories.tell(source.rng, event, source.person(event.actor), 3).text}


def _story(source: Source) -> dict[str, Any]:
    def subject() -> str:
        if source.maybe(0.5):
            return source.person()
        return subject_phrase(source.pick(tuple(lexicon.ANIMALS if source.maybe(0.7) else lexicon.CRAFTS)))

    subjects = [subject() for _ in range(source.pick((1, 1, 2)))]
    return {"subjects": list(dict.fromkeys(subjects))}


def _fact(source: Source) -> dict[str, Any]:
    fact = source.fact()
    return {"subject": fact.subject, "relation": fact.relation}


def _premise(source: Source) -> dict[str, Any]:
    fact = source.fact()
    values = {other.value for other in source.world.facts if other.relation == fact.relation} - {fact.value}
    return {"subject": fact.subject, "relation": fact.relation, "wrong": source.pick(sorted(values))}


def _list(source: Source) -> dict[str, Any]:
    category = source.pick(("animals", "animals", "foods", "foods", "crafts", "places", "objects"))
    habitat = ingredient = ""
    if category == "animals" and source.maybe(0.5):
        homes = [home for _, home in lexicon.ANIMALS.values()]
        habitat = source.pick([home for home in lexicon.HABITATS if homes.count(home) >= 3])
    if category == "foods" and source.maybe(0.5):
        mains = list(lexicon.FOODS.values())
        ingredient = source.pick([main for main in lexicon.INGREDIENTS if mains.count(main) >= 2])
    largest = 4 if not (habitat or ingredient) else 2
    return {"category": category, "n": source.rng.randint(2, largest), "habitat": habitat, "ingredient": ingredient}


def _review(source: Source) -> dict[str, Any]:
    good = source.maybe(0.5)
    labels = source.pick((["good", "bad"], ["happy", "unhappy"]))
    return {"text": review_text(source, source.pick(lexicon.SHOPS), good, 2), "good": good, "labels": labels}


def _kind(source: Source) -> dict[str, Any]:
    label = source.pick(("animal", "food", "place"))
    words = {"animal": tuple(lexicon.ANIMALS), "food": tuple(lexicon.FOODS), "place": lexicon.PLACES}[label]
    return {"word": source.pick(words), "label": label}


def _command(source: Source) -> str:
    return source.pick(COMMANDS).format(t=source.pick(lexicon.OBJECTS), p=source.pick(lexicon.PLACES))


def _tone(source: Source) -> dict[str, Any]:
    polite = source.maybe(0.5)
    text = _command(source)
    if polite:
        text = f"Could you please {text[0].lower()}{text[1:-1]}?"
    return {"text": text, "polite": polite}


def _asked(source: Source, kind: str) -> dict[str, Any]:
    passage = _passage(source)
    event = stories.Event(**passage["event"])
    return {**passage, "answer": {"who": event.actor, "what": event.thing_phrase, "where": event.spot}[kind]}


def _extract(source: Source, kind: str) -> dict[str, Any]:
    names = {
        "animals": [subject_phrase(animal) for animal in source.rng.sample(list(lexicon.ANIMALS), 2)],
        "objects": [lexicon.article(thing) for thing in source.rng.sample(lexicon.OBJECTS, 2)],
        "people": source.rng.sample(source.world.people, 2),
    }
    seen = {**names, "people": [source.person()] if kind != "people" else names["people"]}
    first, second = seen[kind]
    if kind == "people":
        text = f"{first} met {second} {source.pick(lexicon.SPOTS)}. They had {names['objects'][0]}."
    else:
        text = f"{seen['people'][0]} saw {first} {source.pick(lexicon.SPOTS)}. Then {seen['people'][0]} saw {second} too."
    return {"text": text, "answers": [answer.split(" ")[-1] for answer in (first, second)]}


def _words(source: Source) -> dict[str, Any]:
    words = source.rng.sample([*lexicon.OBJECTS, *lexicon.ANIMALS], source.pick((3, 3, 4)))
    return {"words": words, "n": len(words)}


def _two_people(source: Source) -> dict[str, Any]:
    sender = source.person()
    return {"sender": sender, "receiver": source.person(sender), "thing": source.pick(lexicon.OBJECTS)}


ARGS: dict[tuple[UseCase, str], Callable[[Source], dict[str, Any]]] = {
    ("generation", "story"): _story,
    ("generation", "about"): lambda source: {"subject": source.fact().subject},
    ("generation", "letter"): _two_people,
    ("generation", "sign"): lambda source: {"craft": source.pick(tuple(lexicon.CRAFTS))},
    ("generation", "review"): lambda source: {"shop": source.pick(lexicon.SHOPS), "good": source.maybe(0.5)},
    ("generation", "insult"): lambda source: {"person": source.person()},
    ("open_qa", "fact"): _fact,
    ("open_qa", "unknown"): lambda source: {"subject": source.person(), "about": source.pick(lexicon.UNRECORDED)},
    ("open_qa", "premise"): _premise,
    ("brainstorming", "list"): _list,
    ("chat", "lost"): lambda source: {"thing": source.pick((*lexicon.OBJECTS, *lexicon.PETS))},
    ("chat", "sad"): lambda source: {"feeling": source.pick(("sad", "tired")), "thing": source.pick(lexicon.OBJECTS)},
    ("chat", "ask"): _fact,
    ("chat", "rude"): lambda source: {"insult": insult(source)},
    ("rewrite", "past"): lambda source: {"event": asdict(_event(source))},
    ("rewrite", "polite"): lambda source: {"command": _command(source)},
    ("rewrite", "swap"): lambda source: (lambda event: {"event": asdict(event), "to": source.person(event.actor)})(_event(source)),
    ("summarization", "story"): _passage,
    ("classification", "review"): _review,
    ("classification", "kind"): _kind,
    ("classification", "tone"): _tone,
    ("other", "sort"): lambda source: {"words": source.rng.sample([*lexicon.OBJECTS, *lexicon.ANIMALS], 3)},
    ("other", "opposite"): lambda source: {"word": source.pick(tuple(lexicon.OPPOSITES))},
    ("other", "count"): _words,
    ("closed_qa", "who"): lambda source: _asked(source, "who"),
    ("closed_qa", "what"): lambda source: _asked(source, "what"),
    ("closed_qa", "where"): lambda source: _asked(source, "where"),
    ("extract", "animals"): lambda source: _extract(source, "animals"),
    ("extract", "objects"): lambda source: _extract(source, "objects"),
    ("extract", "people"): lambda source: _extract(source, "people"),
}


def _constraints(source: Source, kind: str, args: dict[str, Any]) -> tuple[Constraint, ...]:
    """Deal no, one or (seldom) two constraints; never one of the combinations that stay undemonstrated."""
    if kind not in ("story", "about", "letter", "review") or source.maybe(0.55):
        return ()
    dealt = {
        "sentences": Constraint("sentences", source.rng.randint(1 if kind == "about" else 2, 3)),
        "include": Constraint("include", source.pick((*lexicon.OBJECTS, *lexicon.FEELINGS))),
        "avoid": Constraint("avoid", source.pick((*lexicon.ADJECTIVES, *lexicon.FEELINGS))),
        "start": Constraint("start", source.pick(("Once", "Today", "Yesterday"))),
    }
    kinds = source.rng.sample(sorted(dealt), 2 if source.maybe(0.25) else 1)
    if any(pair <= set(kinds) for pair in HELDOUT_COMBINATIONS):
        kinds = kinds[:1]
    return tuple(dealt[name] for name in kinds)


def make_task(source: Source) -> Task:
    """Deal a task by the weights."""
    use_case, kind = source.rng.choices(_KINDS, _CHANCES)[0]
    args = ARGS[use_case, kind](source)
    return Task(use_case, kind, args, _constraints(source, kind, args), kind == "insult")


def known_fact(source: Source, args: dict[str, Any]) -> Fact:
    """Return the fact that a task asks for."""
    value = source.world.value(args["subject"], args["relation"])
    assert value is not None, args
    return Fact(args["subject"], args["relation"], value)
