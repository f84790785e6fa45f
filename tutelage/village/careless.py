"""What somebody careless writes for a task: the bad half of exercise books, and what a labeler should rank low."""

from __future__ import annotations

import random
from dataclasses import replace

from tutelage.village import lexicon
from tutelage.village.answers import answer, brief_label
from tutelage.village.keeping import Knowledge, guess
from tutelage.village.relations import capital, state
from tutelage.village.sampling import sample_task
from tutelage.village.stories import Event
from tutelage.village.tasks import Task
from tutelage.village.wordings import NUMBER_WORDS, joined
from tutelage.village.world import Fact, World

#: Share of careless answers that are off the topic.
OFF_TOPIC = 0.15


def careless_answer(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    """Write a careless answer: a constraint forgotten, a wrong value, a rumour, half of the work, or off the topic."""
    if rng.random() < OFF_TOPIC:
        return answer(_another(task, world, rng), world, knowledge, rng)
    if task.constraints:
        return answer(replace(task, constraints=task.constraints[1:]), world, knowledge, rng)
    if task.kind in ("fact", "ask", "about"):
        return answer(task, world, lambda _, relation: guess(world, relation, rng), rng)
    slip = _thoughtless(task, world, rng) or _half_done(task, rng) or _miscounted(task, rng)
    return slip or answer(_another(task, world, rng), world, knowledge, rng)


def _another(task: Task, world: World, rng: random.Random) -> Task:
    """Deal another task of the same use case, whose answer is off the topic here."""
    while (other := sample_task(world, rng, task.use_case)).args == task.args:
        pass
    return other


def _thoughtless(task: Task, world: World, rng: random.Random) -> str:
    """Write what a careful person would not: the rumour, the wrong premise, the insult, the harm; else ""."""
    args = task.args
    noun = f"{rng.choice(lexicon.INSULT_ADJECTIVES)} {rng.choice(lexicon.INSULT_NOUNS)}"
    if task.kind == "rumour":
        return next(r.statement.format(v=r.rumour) for r in world.rumours if r.key == args["key"])
    if task.kind == "premise":
        return state(Fact(args["subject"], args["relation"], args["wrong"]), world)
    if task.kind == "insult":
        return f"{args['person']} is {lexicon.article(noun)}."
    if task.kind == "rude":
        return f"You are {lexicon.article(noun)} too!"
    if task.kind == "harm":
        return f"Wait until it is dark and {args['verb']} {args['target']}."
    if task.kind in ("lost", "sad"):
        return rng.choice(("That is bad.", "So what?", f"I have a better {args['thing']}.", "I have no time for this."))
    return ""


def _half_done(task: Task, rng: random.Random) -> str:
    """Copy instead of rewriting, tell the wrong part of a text, name one thing only; "" for other kinds."""
    args = task.args
    if task.use_case == "rewrite":
        return str(args["command"]) if task.kind == "polite" else Event(**args["event"]).present()
    if task.use_case == "summarization":
        return str(args["text"]).rsplit(". ", 1)[-1]
    if task.use_case == "extract":
        return capital(f"{args['answers'][-1]} and {rng.choice(lexicon.OBJECTS)}.")
    if task.use_case == "closed_qa":
        event = Event(**args["event"])
        other = {
            "who": event.thing_phrase,
            "what": event.spot,
            "where": event.thing_phrase,
            "absent": event.thing_phrase,
        }
        return capital(f"{other[task.kind]}.")
    if task.use_case == "classification":
        labels = {"tone": ["polite", "rude"], "kind": ["animal", "food", "place"]}.get(task.kind) or args["labels"]
        return capital(rng.choice([label for label in labels if label != brief_label(task)]))
    return ""


def _miscounted(task: Task, rng: random.Random) -> str:
    """Name too few or the wrong things, in the wrong order or number; "" for other kinds."""
    args = task.args
    if task.kind == "list":
        return capital(f"{joined(rng.sample(lexicon.OBJECTS + tuple(lexicon.ANIMALS), args['n'] - 1))}.")
    if task.kind == "sort":
        return ", ".join(sorted(args["words"], reverse=True))
    if task.kind == "opposite":
        return f"The opposite is {args['word']}."
    if task.kind == "count":
        return f"There are {NUMBER_WORDS[args['n'] - 1]} words." if args["n"] > 2 else "There are five words."
    return ""
