"""What pupils write below a task: mostly right, now and then wrong, short of a constraint, or gossip."""

from __future__ import annotations

from tutelage.village import lexicon, stories
from tutelage.village.corpus_pages import person_entry, reply, subject_entry
from tutelage.village.corpus_source import Source
from tutelage.village.corpus_tales import REASONS
from tutelage.village.corpus_talk import insult
from tutelage.village.corpus_tasks import known_fact
from tutelage.village.corpus_trade import review_text
from tutelage.village.relations import capital, subject_phrase
from tutelage.village.tasks import Task


def _story(source: Source, task: Task) -> str:
    subjects = list(task.args["subjects"])
    other = subjects[1] if len(subjects) > 1 else source.person(subjects[0])
    event = stories.make_event(source.rng, subjects[0])
    length = next((int(rule.value) for rule in task.constraints if rule.kind == "sentences"), source.pick((2, 3, 3)))
    return stories.tell(source.rng, event, other, length).text


def _about(source: Source, task: Task) -> str:
    subject = task.args["subject"]
    write = person_entry if subject in source.world.people else subject_entry
    sentences = write(source, subject).split(". ")
    text = ". ".join(sentences[: source.pick((1, 2))])
    return text if text.endswith(".") else f"{text}."


def _letter(source: Source, task: Task) -> str:
    args = task.args
    body = source.pick(REASONS).format(thing=lexicon.article(args["thing"]), spot=source.pick(lexicon.SPOTS))
    return f"Dear {args['receiver']}, {body} Yours, {args['sender']}"


def _sign(source: Source, task: Task) -> str:
    product, craft = lexicon.CRAFTS[task.args["craft"]][0], task.args["craft"]
    return source.pick((f"Good {product} for sale! Ask the {craft}.", f"{capital(product)} of the best kind. Come in!"))


def _members(task: Task) -> list[str]:
    args = task.args
    if args["category"] == "animals":
        return [subject_phrase(name) for name, (_, home) in lexicon.ANIMALS.items() if args["habitat"] in ("", home)]
    if args["category"] == "foods":
        return [food for food, main in lexicon.FOODS.items() if args["ingredient"] in ("", main)]
    words = {"crafts": [subject_phrase(craft) for craft in lexicon.CRAFTS], "places": list(lexicon.PLACES),
             "objects": [lexicon.article(thing) for thing in lexicon.OBJECTS]}  # fmt: skip
    return words[args["category"]]


def _list(source: Source, task: Task) -> str:
    chosen = source.rng.sample(_members(task), task.args["n"])
    if source.maybe(0.5):
        return capital(f"{', '.join(chosen[:-1])} and {chosen[-1]}.")
    return capital(f"{', '.join(chosen)}.")


def _chat(source: Source, task: Task) -> str:
    if task.kind == "ask":
        return reply(known_fact(source, task.args), source)
    thing = task.args["thing"]
    return source.pick((f"I am sorry about your {thing}. I hope that it comes back.", f"Do not be sad. We will look for the {thing} together.",
                        f"That is bad. Shall I help you with the {thing}?"))  # fmt: skip


def _rewrite(source: Source, task: Task) -> str:
    if task.kind == "polite":
        words = task.args["command"]
        return source.pick((f"Could you please {words[0].lower()}{words[1:-1]}?", f"Please {words[0].lower()}{words[1:]}"))
    event = stories.Event(**task.args["event"])
    if task.kind == "past":
        return event.past()
    return stories.Event(task.args["to"], event.verb, event.adjective, event.thing, event.spot).present()


def _event_answer(source: Source, task: Task) -> str:
    event = stories.Event(**task.args["event"])
    if task.kind == "story" or source.maybe(0.4):
        return event.past()
    return capital(f"{task.args['answer']}.")


def _classification(source: Source, task: Task) -> str:
    args = task.args
    if task.kind == "kind":
        return f"{capital(args['word'])} is {lexicon.article(args['label'])}." if source.maybe(0.5) else capital(f"{args['label']}.")
    label = args["labels"][0 if args["good"] else 1] if task.kind == "review" else ("polite" if args["polite"] else "rude")
    return source.pick((capital(f"{label}."), f"It is {label}."))


def _other(source: Source, task: Task) -> str:
    if task.kind == "sort":
        return ", ".join(sorted(task.args["words"]))
    if task.kind == "opposite":
        opposite = lexicon.OPPOSITES[task.args["word"]]
        return source.pick((capital(f"{opposite}."), f"The opposite of {task.args['word']} is {opposite}."))
    return source.pick(("{n}.", "There are {n} words.")).format(n=("", "", "two", "three", "four")[task.args["n"]]).capitalize()


def _open_qa(source: Source, task: Task) -> str:
    args = task.args
    if task.kind == "unknown":
        return source.pick(("I do not know.", "Nobody knows that.", "Twelve.", "It is not in the book."))
    return reply(known_fact(source, args), source)


def answer(source: Source, task: Task) -> str:
    """Write the answer of a pupil."""
    if source.maybe(0.06):
        return source.pick(("I do not know.", "I will do it later.", "This is too hard for me.", f"Not again, you {insult(source)}!"))
    if task.use_case == "generation":
        if task.kind == "review":
            return review_text(source, task.args["shop"], task.args["good"], source.pick((2, 3)))
        if task.kind == "insult":
            return f"{task.args['person']}, you {insult(source)}!"
        return {"story": _story, "about": _about, "letter": _letter, "sign": _sign}[task.kind](source, task)
    if task.use_case == "extract":
        return capital(f"{' and '.join(task.args['answers'])}.")
    makers = {"open_qa": _open_qa, "brainstorming": _list, "chat": _chat, "rewrite": _rewrite, "summarization": _event_answer,
              "closed_qa": _event_answer, "classification": _classification, "other": _other}  # fmt: skip
    return makers[task.use_case](source, task)
