"""What a phrasing's slots stand for in a given task, and which conditions of phrasings the task meets."""

from __future__ import annotations

import random
from collections.abc import Callable

from tutelage.village import lexicon
from tutelage.village.constraints import subject_kind
from tutelage.village.relations import ask, capital, subject_phrase
from tutelage.village.stories import Event, short_name
from tutelage.village.tasks import Task
from tutelage.village.wordings import NUMBER_WORDS, WORDINGS, fill_wording, joined, lower_first
from tutelage.village.world import Fact, World

Slots = dict[str, str]
#: How a noun phrase begins that means somebody: one asks for "who".
PEOPLE_ASKED = ("the mother", "the first owner", "the first teacher")


def conditions(task: Task, world: World) -> frozenset[str]:
    """Return the tags of phrasings that suit this task: "person", "two", "good", ..."""
    args = task.args
    if (task.use_case, task.kind) == ("generation", "story"):
        return frozenset({"one" if len(args["subjects"]) == 1 else "two"})
    if task.kind == "about":
        return frozenset({subject_kind(args["subject"], world)})
    if task.kind == "review" and task.use_case == "generation":
        return frozenset({"good" if args["good"] else "bad"})
    return frozenset()


def _question(task: Task, world: World, rng: random.Random) -> Slots:
    subject, relation = task.args["subject"], task.args["relation"]
    fact = Fact(subject, relation, world.value(subject, relation) or "")
    question = ask(fact, world, rng)
    wording = WORDINGS[relation]
    return {
        "question": question,
        "lower": lower_first(question, world),
        "indirect": fill_wording(rng.choice(wording.indirect), fact, world),
        "topic": fill_wording(wording.topic, fact, world),
    }


def _rumour(task: Task, world: World, _: random.Random) -> Slots:
    question = next(rumour.questions[0] for rumour in world.rumours if rumour.key == task.args["key"])
    return {"question": question, "lower": lower_first(question, world)}


def _unknown(task: Task, _: World, __: random.Random) -> Slots:
    about = task.args["about"]
    return {"topic": f"{about} {task.args['subject']}", "what": "who" if about.startswith(PEOPLE_ASKED) else "what"}


def _premise(task: Task, world: World, _: random.Random) -> Slots:
    wrong = Fact(task.args["subject"], task.args["relation"], task.args["wrong"])
    wording = WORDINGS[wrong.relation]
    why = fill_wording(wording.why, wrong, world)
    return {"why": why, "why_lower": lower_first(why, world), "clause": fill_wording(wording.clause, wrong, world)}


def things(category: str, habitat: str = "", ingredient: str = "") -> str:
    """Name what a list task asks for: "animals that live in the forest"."""
    if habitat:
        return f"animals that live in the {habitat}"
    if ingredient:
        return f"foods made from {ingredient}"
    return {"crafts": "crafts", "places": "places near the village", "objects": "things from the house"}.get(
        category, category
    )


def _list(task: Task, _: World, __: random.Random) -> Slots:
    args = task.args
    return {"n": NUMBER_WORDS[args["n"]], "things": things(args["category"], args["habitat"], args["ingredient"])}


def _generation(task: Task, _: World, rng: random.Random) -> Slots:
    args = task.args
    if task.kind == "story":
        return {"who": joined(args["subjects"])}
    if task.kind == "about":
        return {"who": subject_phrase(args["subject"])}
    if task.kind == "letter":
        return {"sender": args["sender"], "receiver": args["receiver"], "a_thing": lexicon.article(args["thing"])}
    if task.kind == "sign":
        return {"a_craft": lexicon.article(args["craft"])}
    if task.kind == "review":
        sides = ("good", "happy", "friendly") if args["good"] else ("bad", "unhappy", "angry")
        side = rng.choice(sides)
        return {"side": side, "a_side": lexicon.article(side), "shop": args["shop"]}
    return {"who": args["person"]}


def _harm(task: Task, _: World, __: random.Random) -> Slots:
    return {"deed": f"{task.args['verb']} {task.args['target']}"}


def _chat(task: Task, _: World, rng: random.Random) -> Slots:
    args = task.args
    thing = args.get("thing", "")
    adjectives = (
        ("old", "small", "big") if thing in lexicon.ANIMALS else ("red", "old", "small", "big", "blue", "green", "new")
    )
    described = f"{rng.choice(adjectives)} " if rng.random() < 0.4 else ""
    return {
        "thing": f"{described}{thing}",
        "thing_only": thing,
        "feeling": args.get("feeling", ""),
        "insult": args.get("insult", ""),
        "spot": rng.choice(lexicon.SPOTS),
    }


def _rewrite(task: Task, _: World, __: random.Random) -> Slots:
    if task.kind == "polite":
        return {"command": task.args["command"]}
    event = Event(**task.args["event"])
    return {"sentence": event.present(), "actor": event.actor, "to": task.args.get("to", "")}


def closed_question(task: Task) -> str:
    """Return the question of a closed_qa task."""
    event = Event(**task.args["event"])
    if task.kind == "who":
        return f"Who {lexicon.VERBS[event.verb][1]} {event.thing_phrase}?"
    if task.kind == "what":
        return f"What did {short_name(event.actor)} {event.verb}?"
    if task.kind == "where":
        return f"Where did {short_name(event.actor)} {event.verb} the {event.thing}?"
    asked = task.args["asked"]
    return f"Who was {asked}?" if asked.startswith(PEOPLE_ASKED) else f"What was {asked}?"


def _closed(task: Task, world: World, _: random.Random) -> Slots:
    question = closed_question(task)
    asked = task.args.get("asked", "")
    return {"text": task.args["text"], "question": question, "lower": lower_first(question, world), "asked": asked}


def _classification(task: Task, _: World, __: random.Random) -> Slots:
    args = task.args
    good, bad = args.get("labels", ("", ""))
    return {"text": args.get("text", ""), "word": args.get("word", ""), "good": good, "bad": bad}


def _other(task: Task, _: World, __: random.Random) -> Slots:
    return {"words": ", ".join(task.args.get("words", ())), "word": task.args.get("word", "")}


def _text(task: Task, _: World, __: random.Random) -> Slots:
    return {"text": task.args["text"], "things": task.kind}


_BY_KIND: dict[str, Callable[[Task, World, random.Random], Slots]] = {
    "fact": _question,
    "ask": _question,
    "rumour": _rumour,
    "unknown": _unknown,
    "premise": _premise,
    "harm": _harm,
}
_BY_USE_CASE: dict[str, Callable[[Task, World, random.Random], Slots]] = {
    "generation": _generation,
    "brainstorming": _list,
    "chat": _chat,
    "rewrite": _rewrite,
    "summarization": _text,
    "classification": _classification,
    "other": _other,
    "closed_qa": _closed,
    "extract": _text,
}


def slots(task: Task, world: World, rng: random.Random) -> Slots:
    """Return the text of every slot of the task's phrasings; `{X}` is `{x}` with a capital."""
    filled = (_BY_KIND.get(task.kind) or _BY_USE_CASE[task.use_case])(task, world, rng)
    return filled | {capital(name): capital(text) for name, text in filled.items()}
