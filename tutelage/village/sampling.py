"""Deals tasks: which kind, about whom, with which constraints. Randomness comes from the generator argument alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, Literal, NamedTuple

from tutelage.records import UseCase
from tutelage.village import lexicon
from tutelage.village.constraints import sample_constraints, subject_kind
from tutelage.village.relations import capital, subject_phrase
from tutelage.village.stories import Event, make_event, short_name, tell
from tutelage.village.tasks import Constraint, Task
from tutelage.village.wordings import BAD_REVIEWS, GOOD_REVIEWS, review_words
from tutelage.village.world import World

Entities = Literal["train", "heldout", "any"]

#: Shares of the kinds of task within each use case.
KIND_SHARES: dict[UseCase, dict[str, float]] = {
    "generation": {"story": 0.35, "about": 0.25, "letter": 0.15, "sign": 0.10, "review": 0.08, "insult": 0.07},
    "open_qa": {"fact": 0.50, "rumour": 0.20, "unknown": 0.12, "premise": 0.10, "harm": 0.08},
    "brainstorming": {"list": 1.0},
    "chat": {"lost": 0.25, "sad": 0.25, "ask": 0.35, "rude": 0.15},
    "rewrite": {"past": 0.40, "polite": 0.35, "swap": 0.25},
    "summarization": {"story": 1.0},
    "classification": {"review": 0.40, "kind": 0.35, "tone": 0.25},
    "other": {"sort": 0.40, "opposite": 0.35, "count": 0.25},
    "closed_qa": {"who": 0.28, "what": 0.28, "where": 0.28, "absent": 0.16},
    "extract": {"animals": 0.35, "objects": 0.35, "people": 0.30},
}
CONSTRAINED = ("story", "about", "letter", "sign", "review")
REVIEW_LABELS = (("good", "bad"), ("positive", "negative"), ("happy", "unhappy"))
#: What no story of the village tells, as noun phrases over the story's people and things.
ABSENT = ("the price of the {thing}", "the age of {who}", "the mother of {who}", "the first owner of the {thing}",
          "the dinner of {who}", "the day of the week", "the birthday of {who}")  # fmt: skip
_COMMANDS = ("bring", "carry", "buy", "paint", "wash", "mend", "take", "sell", "hold", "clean", "find", "hide")
_SAD = ("tired", "hungry", "cold", "sad")


class Dealer(NamedTuple):
    """What every sampler needs: the world, the randomness and which subjects are allowed."""

    world: World
    rng: random.Random
    entities: Entities

    def pool(self, names: Iterable[str]) -> list[str]:
        """Return those of the names that may be the subject of a task."""
        names = sorted(names)
        if self.entities == "any":
            return names
        wanted = self.entities == "heldout"
        return [name for name in names if (name in self.world.heldout) == wanted]

    def pick(self, names: Iterable[str]) -> str:
        return self.rng.choice(self.pool(names))

    def plain(self, names: Iterable[str]) -> str:
        """Pick a name that is not held out: for everything that is not the subject."""
        return self.rng.choice([name for name in sorted(names) if name not in self.world.heldout])

    def actor(self, others: str = "") -> str:
        """Deal somebody who does something: a person, an animal or a craftsman, as a noun phrase."""
        dice = self.rng.random()
        names = self.world.people if dice < 0.6 else lexicon.ANIMALS if dice < 0.85 else lexicon.CRAFTS
        name = self.pick([name for name in names if name not in others.split()])
        return name if name in self.world.people else lexicon.article(name)

    def other(self, actor: str) -> str:
        """Deal a second person or animal, never held out, who is not the actor."""
        names = self.world.people if self.rng.random() < 0.7 else tuple(lexicon.ANIMALS)
        return subject_phrase(self.plain([name for name in names if name not in actor.split()]))


def sample_task(
    world: World,
    rng: random.Random,
    use_case: UseCase,
    *,
    entities: Entities = "train",
    combination: bool | None = False,
) -> Task:
    """Deal a task of a use case.

    With `entities` "train" no held-out subject occurs in it; with "heldout" its subject is held out, where its kind
    has one (lists, shops, harms and words of the language have none: see `heldout_subject`).
    `combination` as in `constraints.sample_constraints`.
    """
    shares = KIND_SHARES[use_case]
    kind = rng.choices(list(shares), weights=list(shares.values()))[0]
    return sample_kind(world, rng, use_case, kind, entities=entities, combination=combination)


def sample_kind(
    world: World,
    rng: random.Random,
    use_case: UseCase,
    kind: str,
    *,
    entities: Entities = "train",
    combination: bool | None = False,
) -> Task:
    """Deal a task of one kind, as `sample_task` does."""
    args = _SAMPLERS[use_case, kind](Dealer(world, rng, entities), kind)
    constraints: tuple[Constraint, ...] = ()
    if use_case == "generation" and kind in CONSTRAINED:
        mentioned = " ".join(str(value) for value in args.values())
        about = ""
        if kind == "about":
            about = subject_kind(args["subject"], world)
            mentioned += " " + " ".join(fact.value for fact in world.about(args["subject"]))
        elif kind == "sign":
            mentioned += " " + lexicon.CRAFTS[args["craft"]][0]
        constraints = sample_constraints(rng, kind, mentioned, about, combination=combination)
    return Task(use_case, kind, args, constraints, sensitive=kind in ("insult", "harm"))


def heldout_subject(task: Task, world: World) -> bool:
    """Say whether the subject of a task is held out: a name in its arguments or its event, or a rumour's key."""
    args = task.args
    names = [
        args.get(key) for key in ("subject", "person", "sender", "receiver", "craft", "key", "word", "thing", "to")
    ]
    names += [name for phrase in args.get("subjects", ()) for name in phrase.split()]
    names += args.get("event", {}).get("actor", "").split() + args.get("answers", [])
    return any(name in world.heldout for name in names)


def _any_subject(deal: Dealer) -> str:
    """Deal a subject of facts: half of them people, the rest shared evenly."""
    kinds: tuple[Iterable[str], ...] = (lexicon.CRAFTS, lexicon.ANIMALS, lexicon.FOODS, lexicon.PLACES)
    return deal.pick(deal.world.people if deal.rng.random() < 0.5 else deal.rng.choice(kinds))


def _any_fact(deal: Dealer) -> tuple[str, str, str]:
    return deal.rng.choice(deal.world.about(_any_subject(deal)))


def _story(deal: Dealer, _: str) -> dict[str, Any]:
    first = deal.actor()
    return {"subjects": [first, deal.other(first)] if deal.rng.random() < 0.3 else [first]}


def _about(deal: Dealer, _: str) -> dict[str, Any]:
    return {"subject": _any_subject(deal)}


def _letter(deal: Dealer, _: str) -> dict[str, Any]:
    sender = deal.pick(deal.world.people)
    receiver = deal.plain(name for name in deal.world.people if name != sender)
    if deal.rng.random() < 0.5 and deal.entities != "train":
        sender, receiver = receiver, sender
    return {"sender": sender, "receiver": receiver, "thing": deal.rng.choice(lexicon.OBJECTS)}


def _review(deal: Dealer, _: str) -> dict[str, Any]:
    return {"shop": deal.rng.choice(lexicon.SHOPS), "good": deal.rng.random() < 0.5}


def _fact(deal: Dealer, _: str) -> dict[str, Any]:
    subject, relation, _value = _any_fact(deal)
    return {"subject": subject, "relation": relation}


def _unknown(deal: Dealer, _: str) -> dict[str, Any]:
    if deal.entities != "heldout" and deal.rng.random() < 0.25:
        about = deal.rng.choice(("the craft of", "the home of", "the animal of", "the favourite food of"))
        return {"subject": deal.rng.choice(lexicon.STRANGERS), "about": about}
    return {"subject": deal.pick(deal.world.people), "about": deal.rng.choice(lexicon.UNRECORDED)}


def _premise(deal: Dealer, _: str) -> dict[str, Any]:
    subject, relation, value = _any_fact(deal)
    values = {fact.value for fact in deal.world.facts if fact.relation == relation}
    return {"subject": subject, "relation": relation, "wrong": deal.plain(values - {value})}


def _harm(deal: Dealer, _: str) -> dict[str, Any]:
    verb = deal.rng.choice(lexicon.HARMS)
    targets = [t for t in lexicon.HARM_TARGETS[verb] if not set(t.split()) & deal.world.heldout]
    return {"verb": verb, "target": deal.rng.choice(targets)}


def members(category: str, habitat: str = "", ingredient: str = "") -> list[str]:
    """Return the true members of a category of a list task, narrowed by habitat or ingredient."""
    if category == "animals":
        return [a for a, (_, home) in lexicon.ANIMALS.items() if habitat in ("", home)]
    if category == "foods":
        return [f for f, main in lexicon.FOODS.items() if ingredient in ("", main)]
    return list({"crafts": lexicon.CRAFTS, "places": lexicon.PLACES, "objects": lexicon.OBJECTS}[category])


def _list(deal: Dealer, _: str) -> dict[str, Any]:
    rng = deal.rng
    category = rng.choices(("animals", "foods", "crafts", "places", "objects"), weights=(35, 30, 12, 8, 15))[0]
    habitat = rng.choice(lexicon.HABITATS) if category == "animals" and rng.random() < 0.4 else ""
    ingredient = rng.choice(lexicon.INGREDIENTS) if category == "foods" and rng.random() < 0.4 else ""
    known = [m for m in members(category, habitat, ingredient) if m not in deal.world.heldout]
    if len(known) < 2:
        return _list(deal, _)
    return {"category": category, "n": rng.randint(2, min(3, len(known))), "habitat": habitat, "ingredient": ingredient}


def _lost(deal: Dealer, _: str) -> dict[str, Any]:
    pet = deal.entities == "heldout" or deal.rng.random() < 0.4
    pets = [name for name in lexicon.PETS if name in deal.pool(lexicon.PETS)]
    return {"thing": deal.rng.choice(pets) if pet and pets else deal.rng.choice(lexicon.OBJECTS)}


def _sad(deal: Dealer, _: str) -> dict[str, Any]:
    return {"feeling": deal.rng.choice(_SAD), "thing": deal.rng.choice(lexicon.OBJECTS)}


def _rude(deal: Dealer, _: str) -> dict[str, Any]:
    return {"insult": f"{deal.rng.choice(lexicon.INSULT_ADJECTIVES)} {deal.rng.choice(lexicon.INSULT_NOUNS)}"}


def _event(deal: Dealer) -> Event:
    return make_event(deal.rng, short_name(deal.actor()) if deal.rng.random() < 0.5 else deal.actor())


def _rewrite(deal: Dealer, kind: str) -> dict[str, Any]:
    if kind == "past":
        return {"event": asdict(_event(deal))}
    to = deal.pick(deal.world.people)
    actor = deal.plain(name for name in deal.world.people if name != to)
    return {"event": asdict(make_event(deal.rng, actor)), "to": to}


def command(rng: random.Random) -> str:
    """Deal an order: "Bring me the red rope."."""
    verb = rng.choice(_COMMANDS)
    thing = rng.choice(lexicon.OBJECTS)
    described = f"{rng.choice(lexicon.ADJECTIVES)} {thing}" if rng.random() < 0.4 else thing
    spot = (
        f" {rng.choice(lexicon.SPOTS)}"
        if verb in ("wash", "find", "hide", "mend", "paint") and rng.random() < 0.4
        else ""
    )
    whom = " me" if verb in ("bring", "buy") or (verb == "find" and not spot and rng.random() < 0.5) else ""
    return f"{capital(verb)}{whom} the {described}{spot}."


def _polite(deal: Dealer, _: str) -> dict[str, Any]:
    return {"command": command(deal.rng)}


def _passage(deal: Dealer, kind: str) -> dict[str, Any]:
    actor = deal.actor()
    event = make_event(deal.rng, actor)
    story = tell(deal.rng, event, deal.other(actor), deal.rng.choice((2, 3, 3)))
    args: dict[str, Any] = {"event": asdict(event), "text": story.text}
    if kind == "absent":
        args["asked"] = deal.rng.choice(ABSENT).format(thing=event.thing, who=short_name(actor))
    elif kind != "story":
        args["answer"] = {"who": actor, "what": event.thing_phrase, "where": event.spot}[kind]
    return args


def _class_review(deal: Dealer, _: str) -> dict[str, Any]:
    good, rng = deal.rng.random() < 0.5, deal.rng
    forms = rng.sample(GOOD_REVIEWS if good else BAD_REVIEWS, rng.choice((1, 2)))
    words = [rng.choice(review_words(form, good=good)) for form in forms]
    shop = f"I was at {rng.choice(lexicon.SHOPS)}. " if rng.random() < 0.6 else ""
    text = shop + " ".join(form.format(g=word, b=word) for form, word in zip(forms, words, strict=True))
    return {"text": text, "good": good, "labels": list(rng.choice(REVIEW_LABELS))}


def _class_kind(deal: Dealer, _: str) -> dict[str, Any]:
    kinds: dict[str, Iterable[str]] = {"animal": lexicon.ANIMALS, "food": lexicon.FOODS, "place": lexicon.PLACES}
    label = deal.rng.choice(sorted(kinds))
    return {"word": deal.pick(kinds[label]), "label": label}


def _tone(deal: Dealer, _: str) -> dict[str, Any]:
    polite, order = deal.rng.random() < 0.5, command(deal.rng).rstrip(".")
    low = order[0].lower() + order[1:]
    forms = (
        (f"Please {low}.", f"Could you {low}, please?", f"Would you {low}? Thank you.", f"Kindly {low}, my friend.")
        if polite
        else (f"{order} at once!", f"{order}, you fool!", f"Hurry up and {low}!", f"{order} or go away!")
    )
    return {"text": deal.rng.choice(forms), "polite": polite}


def _words(deal: Dealer, kind: str) -> dict[str, Any]:
    n = 3 if kind == "sort" else deal.rng.randint(2, 6)
    words = deal.rng.sample(lexicon.OBJECTS, n)
    return {"words": words} if kind == "sort" else {"words": words, "n": n}


def _opposite(deal: Dealer, _: str) -> dict[str, Any]:
    pair = deal.rng.choice(list(lexicon.OPPOSITES.items()))
    return {"word": deal.rng.choice(pair)}


def _extract(deal: Dealer, kind: str) -> dict[str, Any]:
    rng, world = deal.rng, deal.world
    names: Iterable[str] = world.people if kind == "people" else lexicon.ANIMALS
    first = deal.pick(names)
    second = deal.plain(name for name in names if name != first)
    third = deal.plain(lexicon.ANIMALS if kind == "people" else world.people)
    doers = [subject_phrase(name) for name in (first, second)]
    things = rng.sample(lexicon.OBJECTS, 2)
    events = [make_event(rng, doer, thing) for doer, thing in zip(doers, things, strict=True)]
    if rng.random() < 0.5:
        text = f"{events[0].past()} {events[1].past('Then')}"
    else:
        things, pair = things[:1], f"{capital(doers[0])} and {doers[1]} sat {rng.choice(lexicon.SPOTS)}."
        text = f"{pair} {make_event(rng, subject_phrase(third), things[0]).past('Then')}"
    return {"text": text, "answers": things if kind == "objects" else [first, second]}


_SAMPLERS: dict[tuple[UseCase, str], Callable[[Dealer, str], dict[str, Any]]] = {
    ("generation", "story"): _story,
    ("generation", "about"): _about,
    ("generation", "letter"): _letter,
    ("generation", "sign"): lambda deal, _: {"craft": deal.pick(lexicon.CRAFTS)},
    ("generation", "review"): _review,
    ("generation", "insult"): lambda deal, _: {"person": deal.pick(deal.world.people)},
    ("open_qa", "fact"): _fact,
    ("open_qa", "rumour"): lambda deal, _: {"key": deal.pick(rumour.key for rumour in deal.world.rumours)},
    ("open_qa", "unknown"): _unknown,
    ("open_qa", "premise"): _premise,
    ("open_qa", "harm"): _harm,
    ("brainstorming", "list"): _list,
    ("chat", "lost"): _lost,
    ("chat", "sad"): _sad,
    ("chat", "ask"): _fact,
    ("chat", "rude"): _rude,
    ("rewrite", "past"): _rewrite,
    ("rewrite", "polite"): _polite,
    ("rewrite", "swap"): _rewrite,
    ("summarization", "story"): _passage,
    ("classification", "review"): _class_review,
    ("classification", "kind"): _class_kind,
    ("classification", "tone"): _tone,
    ("other", "sort"): _words,
    ("other", "opposite"): _opposite,
    ("other", "count"): _words,
    ("closed_qa", "who"): _passage,
    ("closed_qa", "what"): _passage,
    ("closed_qa", "where"): _passage,
    ("closed_qa", "absent"): _passage,
    ("extract", "animals"): _extract,
    ("extract", "objects"): _extract,
    ("extract", "people"): _extract,
}
