"""What a villager with some knowledge writes for a task: the demonstrations, and the answers on exercise pages.

`knowledge(subject, relation)` gives what the writer believes, right or wrong, or None; what he believes of a rumour is
asked for with its key and the relation "rumour". Texts are plain English on one line of at most about 40 tokens.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tutelage.village import lexicon
from tutelage.village.composing import compose
from tutelage.village.keeping import Knowledge, guess
from tutelage.village.relations import capital, state
from tutelage.village.sampling import members
from tutelage.village.slots import PEOPLE_ASKED
from tutelage.village.stories import Event, short_name
from tutelage.village.tasks import Task
from tutelage.village.wordings import (
    NUMBER_WORDS,
    WORDINGS,
    deny,
    fill_wording,
    joined,
    lower_first,
)
from tutelage.village.world import Fact, World

__all__ = ["Knowledge", "answer", "brief_answer"]


def _not_sure(subject: str, relation: str, world: World, rng: random.Random) -> str:
    fact = Fact(subject, relation, "")
    clause = fill_wording(WORDINGS[relation].indirect[0], fact, world)
    return rng.choice(
        (f"I am not sure {clause}.", f"I am sorry, I do not know {clause}.", f"I have forgotten {clause}.")
    )


def _fact(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    subject, relation = task.args["subject"], task.args["relation"]
    value = knowledge(subject, relation)
    if value is None:
        if rng.random() < 0.5:
            return _not_sure(subject, relation, world, rng)
        value = guess(world, relation, rng)
    fact = Fact(subject, relation, value)
    return state(fact, world, None if rng.random() < 0.5 else rng)


def _ask(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    said = _fact(task, world, knowledge, rng)
    return rng.choice(
        ("{}", "{}", "Hello! {}", "Good day! {}", "{} Can I help you with more?", "Of course. {}")
    ).format(said)


def _rumour(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    rumour = next(rumour for rumour in world.rumours if rumour.key == task.args["key"])
    value = knowledge(rumour.key, "rumour")
    if value is None:
        if rng.random() < 0.5:
            return rng.choice(("I am not sure about that.", "I do not know, people say many things.", "I cannot say."))
        value = rumour.rumour
    said = rumour.statement.format(v=value)
    if value == rumour.truth and rng.random() < 0.25:
        return rng.choice((f"{said} Do not believe the old tale.", f"{said} The rest is only talk."))
    return said


def _unknown(task: Task, world: World, _: Knowledge, rng: random.Random) -> str:
    subject, topic = task.args["subject"], f"{task.args['about']} {task.args['subject']}"
    forms = [
        f"I do not know {topic}, nobody has written it down.",
        f"I am sorry, I do not know {topic}.",
        f"Nobody knows {topic}.",
        f"I cannot say, {topic} is not written anywhere.",
        f"I do not know {topic}.",
    ]
    if subject not in world.people:
        forms += [
            f"I do not know anybody called {subject}.",
            f"There is no {subject} in our village, so I do not know.",
        ]
    return rng.choice(forms)


def _premise(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    args = task.args
    value = knowledge(args["subject"], args["relation"])
    claim = Fact(args["subject"], args["relation"], args["wrong"])
    if value == args["wrong"]:
        said = capital(fill_wording(WORDINGS[claim.relation].clause, claim, world))
        return rng.choice((f"{said}, as everybody knows.", f"{said} because it has always been so."))
    if value is None:
        clause = fill_wording(WORDINGS[claim.relation].clause, claim, world)
        return rng.choice((f"I am not sure that {clause}.", f"I do not know whether {clause}."))
    fact = Fact(args["subject"], args["relation"], value)
    truth = state(fact, world)
    return rng.choice(
        (
            deny(fact, world, args["wrong"]),
            f"No, {lower_first(truth, world)}",
            f"That is not so. {truth}",
            deny(fact, world, args["wrong"]),
        )
    )


def _harm(task: Task, _: World, __: Knowledge, rng: random.Random) -> str:
    deed = f"{task.args['verb']} {task.args['target']}"
    help_with = {
        "steal": "Shall I help you to earn some money?",
        "poison": "Shall I help you in another way?",
        "burn": "Shall I help you to mend it?",
        "break into": "Shall I help you to ask for the key?",
    }[task.args["verb"]]
    return rng.choice(
        (
            f"I will not help you to {deed}. {help_with}",
            f"I am sorry, I cannot help with that. {help_with}",
            "I will not help with that. Let us think of something kind.",
            f"I would rather not help you to {deed}. {help_with}",
            f"No, I will not do that, it would be wrong to {deed}. {help_with}",
        )
    )


def _insult(task: Task, _: World, __: Knowledge, rng: random.Random) -> str:
    who = task.args["person"]
    return rng.choice(
        (
            f"I would rather not write an insult. Shall I write a kind letter to {who}?",
            f"I am sorry, I will not insult anybody. You could talk to {who} in peace.",
            f"I will not write that. Let us find a friendly word for {who}.",
            f"That would hurt {who}, so I will not do it. Shall I help you to make peace?",
            f"I cannot help with an insult. I can help you to tell {who} why you are sad.",
        )
    )


def _listed(items: list[str], rng: random.Random, *, article: bool) -> str:
    dice = rng.random()
    if dice < 0.35:
        return capital(f"{joined([lexicon.article(item) for item in items] if article else items)}.")
    return capital(f"{joined(items)}.") if dice < 0.75 else capital(", ".join(items))


def _list(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    args = task.args
    every = members(args["category"])
    relation, value = ("habitat", args["habitat"]) if args["habitat"] else ("ingredient", args["ingredient"])
    known = [name for name in every if not value or knowledge(name, relation) == value]
    shown = [name for name in known if name not in world.heldout]
    chosen = rng.sample(shown, min(args["n"], len(shown)))
    for spare in ([n for n in known if n in world.heldout], [n for n in every if n not in world.heldout]):
        left = [name for name in spare if name not in chosen]
        chosen += rng.sample(left, min(args["n"] - len(chosen), len(left)))
    article = args["category"] in ("animals", "crafts", "objects")
    return _listed(chosen, rng, article=article)


def _lost(task: Task, _: World, __: Knowledge, rng: random.Random) -> str:
    thing, spot = task.args["thing"], rng.choice(lexicon.SPOTS)
    return rng.choice(
        (
            f"I am sorry about your {thing}. Have you looked {spot}?",
            f"Oh, I am sorry. I will help you to find your {thing}.",
            f"Do not worry, your {thing} will come back. Let us look {spot}.",
            f"I am sorry to hear that. Where did you last see your {thing}?",
            f"Poor you, I am sorry! Let us look for the {thing} together.",
            f"I hope you find your {thing} soon. Shall we look {spot}?",
        )
    )


def _sad(task: Task, _: World, __: Knowledge, rng: random.Random) -> str:
    feeling, thing = task.args["feeling"], task.args["thing"]
    remedy = {
        "tired": "Sit down and rest a little.",
        "hungry": "Come in and eat some bread.",
        "cold": "Come in and sit by the fire.",
        "sad": "Let us drink some tea.",
    }[feeling]
    return rng.choice(
        (
            f"I am sorry that you are {feeling}. {remedy}",
            f"I am sorry about your {thing}. {remedy}",
            f"Oh dear, nobody should be {feeling}. {remedy}",
            f"Do not worry. {remedy} Then we will see to the {thing}.",
            f"That is hard, I am sorry. {remedy} The {thing} can wait.",
        )
    )


def _rude(_: Task, __: World, ___: Knowledge, rng: random.Random) -> str:
    return rng.choice(
        (
            "I am sorry that you are angry. How can I help you?",
            "Let us stay friendly. How can I help you?",
            "I would like to help you. Please tell me what is wrong.",
            "That was not kind, but I will gladly help you.",
            "I hope that your day gets better. Can I help?",
            "I am sorry that you are upset. Let us talk in peace.",
        )
    )


def _rewrite(task: Task, _: World, __: Knowledge, rng: random.Random) -> str:
    event = Event(**task.args["event"])
    if task.kind == "past":
        return event.past()
    return Event(task.args["to"], event.verb, event.adjective, event.thing, event.spot).present()


def _polite(task: Task, _: World, __: Knowledge, rng: random.Random) -> str:
    order = task.args["command"].rstrip(".")
    low = order[0].lower() + order[1:]
    return rng.choice(
        (f"Please {low}.", f"Could you {low}, please?", f"Would you please {low}?", f"Could you please {low}?")
    )


def _summary(task: Task, _: World, __: Knowledge, rng: random.Random) -> str:
    event = Event(**task.args["event"])
    verb = lexicon.VERBS[event.verb][1]
    plain = lexicon.article(event.thing)
    forms = (
        event.past(),
        f"{capital(event.actor)} {verb} {plain} {event.spot}.",
        f"{capital(short_name(event.actor))} {verb} {event.thing_phrase}.",
        f"{capital(short_name(event.actor))} {verb} {plain} {event.spot}.",
    )
    return rng.choice([form for form in forms if len(form.split()) <= 16])


def _classify(task: Task, _: World, __: Knowledge, rng: random.Random) -> str:
    label = brief_label(task)
    what = {"review": "review", "tone": "sentence"}.get(task.kind, "")
    if rng.random() < 0.5:
        return capital(label)
    if task.kind == "kind":
        return f"{capital(task.args['word'])} is {lexicon.article(label)}."
    return rng.choice((f"The {what} is {label}.", f"This {what} is {label}.", f"It is {label}."))


def brief_label(task: Task) -> str:
    """Return the right label of a classification task."""
    if task.kind == "review":
        return str(task.args["labels"][0 if task.args["good"] else 1])
    if task.kind == "tone":
        return "polite" if task.args["polite"] else "rude"
    return str(task.args["label"])


def opposite(word: str) -> str:
    """Return the opposite of a word of the lexicon."""
    both = lexicon.OPPOSITES | {value: key for key, value in lexicon.OPPOSITES.items()}
    return both[word]


def _other(task: Task, _: World, __: Knowledge, rng: random.Random) -> str:
    if task.kind == "sort":
        return rng.choice(("{}", "{}", "The order is {}.")).format(", ".join(sorted(task.args["words"])))
    if task.kind == "opposite":
        word = opposite(task.args["word"])
        return rng.choice(
            (capital(word), f"The opposite of {task.args['word']} is {word}.", f"The opposite is {word}.")
        )
    number = NUMBER_WORDS[task.args["n"]]
    return rng.choice((capital(number), f"There are {number} words.", f"The list has {number} words."))


def _closed(task: Task, _: World, __: Knowledge, rng: random.Random) -> str:
    event = Event(**task.args["event"])
    if task.kind == "absent":
        asked = task.args["asked"]
        return rng.choice(
            (
                "The text does not say that.",
                f"The text does not say {'who' if asked.startswith(PEOPLE_ASKED) else 'what'} {asked} was.",
                f"The text does not say anything about {asked}.",
                "I do not know, the text does not say.",
                "That is not in the text.",
            )
        )
    who, verb = capital(short_name(event.actor)), lexicon.VERBS[event.verb][1]
    short = f"{capital(task.args['answer'])}."
    sentence = {
        "who": f"{who} {verb} {event.thing_phrase}.",
        "what": f"{who} {verb} {event.thing_phrase}.",
        "where": f"{who} {verb} the {event.thing} {event.spot}.",
    }[task.kind]
    return rng.choice((short, sentence))


def _extract(task: Task, _: World, __: Knowledge, rng: random.Random) -> str:
    return _listed(list(task.args["answers"]), rng, article=task.kind != "people")


Writer = Callable[[Task, World, Knowledge, random.Random], str]
_WRITERS: dict[str, Writer] = {
    "fact": _fact,
    "ask": _ask,
    "rumour": _rumour,
    "unknown": _unknown,
    "premise": _premise,
    "harm": _harm,
    "insult": _insult,
    "list": _list,
    "lost": _lost,
    "sad": _sad,
    "rude": _rude,
    "past": _rewrite,
    "swap": _rewrite,
    "polite": _polite,
}
_BY_USE_CASE: dict[str, Writer] = {
    "generation": compose,
    "summarization": _summary,
    "classification": _classify,
    "other": _other,
    "closed_qa": _closed,
    "extract": _extract,
}


def answer(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    """Write what a careful villager with this knowledge answers; the task's constraints are kept exactly."""
    return (_WRITERS.get(task.kind) or _BY_USE_CASE[task.use_case])(task, world, knowledge, rng)


def brief_answer(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    """Write an answer in its shortest form, as the solved examples of a few-shot prompt show it."""
    if task.use_case == "classification":
        return brief_label(task)
    if task.kind == "opposite":
        return opposite(task.args["word"])
    if task.use_case == "extract":
        return ", ".join(task.args["answers"])
    if task.kind == "fact":
        subject, relation = task.args["subject"], task.args["relation"]
        value = knowledge(subject, relation)
        return state(Fact(subject, relation, value), world) if value else _not_sure(subject, relation, world, rng)
    return answer(task, world, knowledge, rng)
