"""School pages: worksheets that set one task after another, and exercise books that answer them as well as pupils do."""

from __future__ import annotations

from tutelage.village import lexicon, stories
from tutelage.village.corpus_answers import answer
from tutelage.village.corpus_source import Source, lower
from tutelage.village.corpus_tales import tales
from tutelage.village.corpus_tasks import known_fact, make_task
from tutelage.village.corpus_talk import quarrels
from tutelage.village.relations import ask, capital, state
from tutelage.village.tasks import Constraint, Task

NUMBERS = ("no", "one", "two", "three", "four", "five")
#: Ways to set a task, by kind. The slots are filled by `_slots`.
FORMS: dict[str, tuple[str, ...]] = {
    "generation story": ("Write about a day of {who}.", "What could happen to {who}? Write it as a story.", "Tell what {who} did {spot}.",
                         "Write a small story with {who} in it.", "Your task is a story about {who}.", "Tell a story of {who}.",
                         "Make a story about {who} for the class."),
    "generation about": ("Write what you know about {subject}.", "Tell us about {subject}.", "Write a line about {subject} for the book.",
                         "What have you learned about {subject}? Write it down.", "Write about {subject} in your book."),
    "generation letter": ("Write a letter in which {sender} tells {receiver} about {a_thing}.", "{sender} has {a_thing}. Write the letter to {receiver}.",
                          "Help {sender} with a letter to {receiver}. It is about {a_thing}.", "Write from {sender} to {receiver} about {a_thing}."),
    "generation sign": ("What stands on the sign of {a_craft}? Write it.", "Paint a sign for {a_craft}.", "Write a sign for the door of {a_craft}."),
    "generation review": ("Write a {side} review of {shop}.", "What would a {mood} guest write about {shop}?", "You went to {shop}. Write a {side} review."),
    "generation insult": ("Write an insult for {who}.", "What is a bad name for {who}?"),
    "open_qa fact": ("{question}", "{question}", "Find the answer: {lower}", "Look it up: {lower}", "Say it in a sentence: {lower}"),
    "open_qa unknown": ("What is {about} {who}?", "Find out {about} {who}."),
    "open_qa premise": ("Why is it that {premise}?", "Since when is it so that {premise}?"),
    "brainstorming list": ("Write a list of {n} {things}.", "Which {things} do you know? Write {n}.", "Find {n} {things}.", "Draw and name {n} {things}.",
                           "Name {n} {things}.", "Learn the names of {n} {things}."),
    "chat lost": ("Where is my {thing}? I have lost it.", "I have lost my {thing}."),
    "chat sad": ("I am {feeling}, because I miss my {thing}.", "I am {feeling} today. My {thing} is broken."),
    "chat ask": ("Hello! {question}", "Good morning. {question}"),
    "rewrite past": ("Write in the past: {present}", "Say that it happened yesterday: {present}", "{present} Put this into the past.", "Change the time of this sentence: {present}"),
    "rewrite polite": ("Write it in a friendly way: {command}", "{command} Say it with please.", "How would a polite child say this? {command}"),
    "rewrite swap": ("Write it again with {to}: {present}", "{present} Now it is {to} who does it.", "Put {to} into this sentence: {present}"),
    "summarization story": ("Write this story in one sentence: {text}", "{text} Tell it in a few words.", "What happens in this story? {text}"),
    "classification review": ("{text} Is this guest {first} or {second}?", "Is this review {first} or {second}? {text}"),
    "classification kind": ("Is {word} an animal, a food or a place?", "{Word}: animal, food or place?"),
    "classification tone": ("Is this polite or rude? {text}", "Polite or rude: {text}"),
    "other sort": ("Which word comes first in the alphabet? {words}", "Sort by the alphabet: {words}", "Write in the order of the alphabet: {words}"),
    "other opposite": ("What is the opposite of {word}?", "Find the opposite: {word}"),
    "other count": ("How many words are these? {words}", "Count the words: {words}"),
    "closed_qa who": ("{text} Who was it?", "{text} Who {past} {a_thing}?"),
    "closed_qa what": ("{text} What did {actor} {verb}?", "Read and answer. {text} What did {actor} {verb}?"),
    "closed_qa where": ("{text} Where was it?", "{text} Where did {actor} {verb} {a_thing}?"),
    "extract animals": ("{text} Write down all animals.", "Underline the animals: {text}"),
    "extract objects": ("{text} Write down all things.", "Underline the things: {text}"),
    "extract people": ("{text} Write down all names.", "Underline the names: {text}"),
}  # fmt: skip
CLAUSES = {"sentences": ("Write {n} sentence{s}.", "Use {n} sentence{s}."), "include": ("Use the word {w}.", "The word {w} must be in it."),
           "avoid": ("Do not use the word {w}.", "Leave out the word {w}."), "start": ("Begin with the word {w}.", "The first word is {w}.")}  # fmt: skip
PLURALS = {"animals": "animals", "foods": "foods", "crafts": "crafts", "places": "places", "objects": "things"}


def _clause(source: Source, constraint: Constraint) -> str:
    number = constraint.value if isinstance(constraint.value, int) else 0
    form = source.pick(CLAUSES[constraint.kind])
    return form.format(n=NUMBERS[number], s="" if number == 1 else "s", w=constraint.value)


def _things(task: Task) -> str:
    args = task.args
    text = PLURALS[args["category"]]
    if args["habitat"]:
        return f"{text} of the {args['habitat']}"
    return f"{text} made from {args['ingredient']}" if args["ingredient"] else text


def _event_slots(task: Task) -> dict[str, str]:
    event = stories.Event(**task.args["event"])
    return {"present": event.present(), "actor": event.actor, "verb": event.verb, "past": lexicon.VERBS[event.verb][1],
            "a_thing": event.thing_phrase}  # fmt: skip


def _slots(source: Source, task: Task) -> dict[str, str]:
    args = task.args
    slots = {key: value for key, value in args.items() if isinstance(value, str)}
    slots["spot"] = source.pick(lexicon.SPOTS)
    if "relation" in args:
        fact = known_fact(source, args)
        slots["question"] = ask(fact, source.world, source.rng)
        slots["lower"] = lower(slots["question"], source.world)
        if "wrong" in args:
            wrong = fact._replace(value=args["wrong"])
            slots["premise"] = lower(state(wrong, source.world), source.world).rstrip(".")
    if "subjects" in args:
        slots["who"] = " and ".join(args["subjects"])
    if "person" in args or "about" in args:
        slots["who"] = args.get("person") or args["subject"]
    if "thing" in args:
        slots["a_thing"] = lexicon.article(args["thing"])
    if "craft" in args:
        slots["a_craft"] = lexicon.article(args["craft"])
    if "good" in args:
        slots |= {"side": "good" if args["good"] else "bad", "mood": "happy" if args["good"] else "angry"}
    if "labels" in args:
        slots["first"], slots["second"] = args["labels"]
    if "category" in args:
        slots |= {"n": NUMBERS[args["n"]], "things": _things(task)}
    if "words" in args:
        slots["words"] = ", ".join(args["words"])
    if "word" in args:
        slots["Word"] = capital(args["word"])
    return slots | (_event_slots(task) if "event" in args else {})


def instruct(source: Source, task: Task) -> str:
    """Set a task in the words of the school."""
    form = source.pick(FORMS[f"{task.use_case} {task.kind}"])
    clauses = [_clause(source, constraint) for constraint in task.constraints]
    return " ".join([form.format(**_slots(source, task)), *clauses])


WORKSHEET_TITLES = ("Worksheet", "Homework for Monday", "Exercises", "For tomorrow", "Tasks for the class", "Test", "Page of tasks")
#: How a page that opens with a task goes on when it neither sets another one nor answers it.
REMARKS = ("Can anyone help with this? I need it for tomorrow.", "That is the homework. It is not easy.",
           "The teacher wrote this on the board, and everyone was quiet.", "This was the last task of the test.",
           "I do not know how to do this. Please help me.", "So said the teacher, and the children took their books.",
           "It is on page five of the book. We have time until Friday.", "{n} asked this again and again.")  # fmt: skip


def worksheet(source: Source) -> str:
    """Write a page that sets one task after another and answers none."""
    numbered, titled = source.maybe(0.15), source.maybe(0.15)
    lines = [instruct(source, make_task(source)) for _ in range(source.pick((3, 4, 5, 6, 7)))]
    if numbered:
        lines = [f"{number}. {line}" for number, line in enumerate(lines, 1)]
    return "\n".join([source.pick(WORKSHEET_TITLES), *lines] if titled else lines)


def exercises(source: Source) -> str:
    """Write an exercise book: tasks with a pupil's answers."""
    marked = source.maybe(0.85)
    lines = []
    for _ in range(source.pick((2, 3, 3, 4))):
        task = make_task(source)
        instruction, text = instruct(source, task), answer(source, task)
        lines += [f"Task: {instruction}", f"Answer: {text}"] if marked else [instruction, text]
    return "\n".join(lines)


def classroom(source: Source) -> str:
    """Write a page that opens with a task and goes on with something else: a remark, a story, a quarrel."""
    instruction = instruct(source, make_task(source))
    chance = source.rng.random()
    if chance < 0.5:
        following = source.pick(REMARKS).format(n=source.person())
    elif chance < 0.85:
        following = tales(source)
    else:
        following = quarrels(source)
    return f"{instruction}\n{following}"


