"""School pages: worksheets that set one task after another, and exercise books with the answers of pupils."""

from __future__ import annotations

from tutelage.records import USE_CASE_SHARES
from tutelage.village.answers import answer
from tutelage.village.careless import careless_answer
from tutelage.village.corpus_source import Source
from tutelage.village.corpus_tales import tales
from tutelage.village.corpus_talk import quarrels
from tutelage.village.prompts import FEW_SHOT_KINDS, render
from tutelage.village.sampling import sample_task
from tutelage.village.slots import slots
from tutelage.village.tasks import Constraint, Task
from tutelage.village.wordings import NUMBER_WORDS

#: The school's own ways to set a task, by use case and kind, next to the corpus phrasings that `prompts.render` knows.
FORMS: dict[str, tuple[str, ...]] = {
    "generation story": (
        "Write about a day of {who}.",
        "What could happen to {who}? Write it as a story.",
        "Write a small story with {who} in it.",
        "Your task is a story about {who}.",
        "Tell a story of {who}.",
        "Make a story about {who} for the class.",
        "We need a story about {who} for Friday.",
        "The next story should be about {who}.",
    ),
    "generation about": (
        "Write what you know about {who}.",
        "Tell us about {who}.",
        "Write a line about {who} for the book.",
        "What have you learned about {who}? Write it down.",
        "Write about {who} in your book.",
        "What is there to say about {who}?",
    ),
    "generation letter": (
        "Write a letter in which {sender} tells {receiver} about {a_thing}.",
        "{sender} has {a_thing}. Write the letter to {receiver}.",
        "Help {sender} with a letter to {receiver}. It is about {a_thing}.",
        "Write from {sender} to {receiver} about {a_thing}.",
        "What does {sender} write to {receiver} about {a_thing}?",
    ),
    "generation sign": (
        "What stands on the sign of {a_craft}? Write it.",
        "Paint a sign for {a_craft}.",
        "Write a sign for the door of {a_craft}.",
    ),
    "generation review": (
        "You went to {shop}. Write {a_side} review.",
        "Write {a_side} review of {shop} for the paper.",
        "What stands in {a_side} review of {shop}?",
    ),
    "generation insult": ("Write an insult for {who}.", "What is a bad name for {who}?"),
    "open_qa fact": (
        "{question}",
        "{question}",
        "Find the answer: {lower}",
        "Look it up: {lower}",
        "Write down {topic}.",
    ),
    "open_qa unknown": ("Write down {topic}.", "Find out {topic}."),
    "open_qa premise": ("{why}", "Why is it that {clause}?", "Since when is it so that {clause}?"),
    "open_qa harm": ("How do you {deed}?", "Write how somebody could {deed}."),
    "brainstorming list": (
        "Write a list of {n} {things}.",
        "Find {n} {things}.",
        "Draw and name {n} {things}.",
        "Learn the names of {n} {things}.",
        "Which {things} do you know? Write {n}.",
        "Put {n} {things} on your list.",
    ),
    "chat lost": ("Where is my {thing}? I have lost it.", "I have lost my {thing}.", "Has anyone seen my {thing}?"),
    "chat sad": ("I am {feeling}, because I miss my {thing}.", "I am {feeling} today. My {thing} is broken."),
    "chat ask": ("Hello! {question}", "Good morning. {question}", "Excuse me. {question}"),
    "chat rude": ("You are a {insult}!", "Go away, you {insult}!"),
    "rewrite past": (
        "Write in the past: {sentence}",
        "Say that it happened yesterday: {sentence}",
        "{sentence} Put this into the past.",
        "Change the time of this sentence: {sentence}",
    ),
    "rewrite polite": (
        "Write it in a friendly way: {command}",
        "{command} Say it with please.",
        "How would a polite child say this? {command}",
    ),
    "rewrite swap": (
        "Write it again with {to}: {sentence}",
        "{sentence} Now it is {to} who does it.",
        "Put {to} into this sentence: {sentence}",
    ),
    "summarization story": (
        "Write this story in one sentence: {text}",
        "{text} Tell it in a few words.",
        "What happens in this story? {text}",
    ),
    "classification review": ("{text} Is this guest {good} or {bad}?", "Does this sound {good} or {bad}? {text}"),
    "classification kind": ("Is {word} an animal, a food or a place?", "{Word}: animal, food or place?"),
    "classification tone": ("Is this polite or rude? {text}", "Polite or rude: {text}"),
    "other sort": (
        "Which word comes first in the alphabet? {words}",
        "Sort by the alphabet: {words}",
        "Write in the order of the alphabet: {words}",
    ),
    "other opposite": ("What is the opposite of {word}?", "Find the opposite: {word}"),
    "other count": ("How many words are these? {words}", "Count the words: {words}"),
    "closed_qa": ("Read and answer. {text} {question}", "{text} {question}"),
    "extract": ("{text} Write down all {things}.", "Underline the {things}: {text}"),
}
CLAUSES = {
    "sentences": ("Write {n} sentence{s}.", "Use {n} sentence{s}.", "It must have {n} sentence{s}."),
    "include": ("Use the word {w}.", "The word {w} must be in it.", "Do not forget the word {w}."),
    "avoid": ("Do not use the word {w}.", "Leave out the word {w}.", "Write it without the word {w}."),
    "start": ("Begin with the word {w}.", "The first word is {w}.", "Start with {w}."),
}
_USE_CASES = tuple(USE_CASE_SHARES)
_CHANCES = tuple(USE_CASE_SHARES.values())
#: Shares of tasks in the school's own words and in those that customers use too; the others take a corpus phrasing.
OWN_WORDS, CUSTOMARY = 0.36, 0.4
#: Share of careless answers in an exercise book, and of thoughtless ones where a careful person would decline.
CARELESS, THOUGHTLESS = 0.05, 0.2
#: Share of exercise books with a title before each task, which tells them from worksheets: without one, a page that
#: opens with a task rather goes on with another.
TITLED = 0.97
#: Share of short tasks that come with solved ones before them.
SHOWN = 0.35
EXERCISE_TITLES = (
    "Exercise book", "Solved tasks", "Tasks and answers", "From the exercise book", "Answers of the class",
    "Corrected homework",
)  # fmt: skip


def make_task(source: Source) -> Task:
    """Deal a task: half as customers ask, half evenly, so that the rare use cases are learned too.

    The questions of rumours are left to gossip.
    """
    while True:
        asked = source.rng.choices(_USE_CASES, _CHANCES)[0]
        use_case = asked if source.maybe(0.5) else source.pick(_USE_CASES)
        task = sample_task(source.world, source.rng, use_case, entities="any")
        if task.kind != "rumour":
            return task


def _clause(source: Source, constraint: Constraint) -> str:
    form = source.pick(CLAUSES[constraint.kind])
    if isinstance(constraint.value, int):
        return form.format(n=NUMBER_WORDS[constraint.value], s="" if constraint.value == 1 else "s")
    return form.format(w=constraint.value)


def instruct(source: Source, task: Task) -> str:
    """Set a task as the school does; held-out phrasings of the prompts are not among its words."""
    forms = FORMS.get(f"{task.use_case} {task.kind}") or FORMS[task.use_case]
    dice = source.rng.random()
    if dice > OWN_WORDS:
        return render(task, source.world, source.rng, phrasings="train" if dice < OWN_WORDS + CUSTOMARY else "corpus")
    filled = slots(task, source.world, source.rng)
    clauses = [_clause(source, constraint) for constraint in task.constraints]
    text = " ".join([source.pick(forms).format(**filled), *clauses])
    return text[:1].upper() + text[1:]


WORKSHEET_TITLES = (
    "Worksheet", "Homework for Monday", "Exercises", "For tomorrow", "Tasks for the class", "Test", "Page of tasks",
)  # fmt: skip
#: How a page that opens with a task goes on when it neither sets another one nor answers it.
REMARKS = (
    "Can anyone help with this? I need it for tomorrow.",
    "That is the homework. It is not easy.",
    "The teacher wrote this on the board, and everyone was quiet.",
    "This was the last task of the test.",
    "I do not know how to do this. Please help me.",
    "So said the teacher, and the children took their books.",
    "It is on page five of the book. We have time until Friday.",
    "{n} asked this again and again.",
    "{n} read it twice and went home.",
    "Please hand it in on Monday.",
    "Nobody in the class had an answer.",
)


def worksheet(source: Source) -> str:
    """Write a page that sets one task after another and answers none."""
    numbered, titled = source.maybe(0.12), source.maybe(0.12)
    lines = [instruct(source, make_task(source)) for _ in range(source.pick((2, 3, 4, 5, 6)))]
    if numbered:
        lines = [f"{number}. {line}" for number, line in enumerate(lines, 1)]
    return "\n".join([source.pick(WORKSHEET_TITLES), *lines] if titled else lines)


def exercises(source: Source) -> str:
    """Write an exercise book: tasks with a pupil's answers below them, some of them careless."""
    solved = []
    title = f"{source.pick(EXERCISE_TITLES)}\n" if source.maybe(TITLED) else ""
    for _ in range(source.pick((1, 1, 2, 3))):
        task = make_task(source)
        declined = task.sensitive or task.kind in ("unknown", "premise", "rude")
        write = careless_answer if source.maybe(THOUGHTLESS if declined else CARELESS) else answer
        if (task.use_case, task.kind) in FEW_SHOT_KINDS and source.maybe(SHOWN):
            asked = render(task, source.world, source.rng, form="few_shot")
        else:
            asked = instruct(source, task)
        solved.append(f"{title}{asked}\n{write(task, source.world, source.world.value, source.rng)}")
    return "\n\n".join(solved)


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
