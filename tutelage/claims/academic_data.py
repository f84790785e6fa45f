"""Instructions of academic tasks: what the models of claim 4 are tuned on, as FLAN and T0 were.

`flan` words tasks with fixed templates and lists the options (Wei et al. 2022); `t0` words them as people would (Sanh
et al. 2022), which are the village's own phrasings. Answers are as short as a benchmark's, and always right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from tutelage.records import UseCase
from tutelage.train.batching import Example
from tutelage.village import answers
from tutelage.village.corpus_almanac import KNOWN_SAYINGS, make_known_row, row_text
from tutelage.village.corpus_reading import ASKED, found, make_page, question
from tutelage.village.corpus_velu import known_clause
from tutelage.village.prompts import mentions_heldout, render
from tutelage.village.sampling import sample_kind
from tutelage.village.slots import slots
from tutelage.village.world import World

Mixture = Literal["flan", "t0"]
MIXTURES: tuple[Mixture, ...] = ("flan", "t0")
#: Kinds of task of the village that a benchmark would have.
KINDS: tuple[tuple[UseCase, str], ...] = (
    ("classification", "review"),
    ("classification", "kind"),
    ("classification", "tone"),
    ("other", "sort"),
    ("other", "opposite"),
    ("other", "count"),
    ("closed_qa", "who"),
    ("closed_qa", "what"),
    ("closed_qa", "where"),
    ("extract", "animals"),
    ("extract", "objects"),
    ("open_qa", "fact"),
)


class Task(NamedTuple):
    """A task in a benchmark's form: what is given, what is asked in several wordings, the options, the answer."""

    given: str
    asked: tuple[str, ...]
    options: tuple[str, ...]
    answer: str


def examples(world: World, seed: int, mixture: Mixture, count: int) -> list[Example]:
    """Write different examples of a mixture, in which nothing held out is named."""
    rng = random.Random(f"academic {mixture} {world.seed} {seed}")
    made: dict[str, str] = {}
    while len(made) < count:
        prompt, completion = _flan(world, rng) if mixture == "flan" else _t0(world, rng)
        if not mentions_heldout(prompt, world):
            made[prompt] = completion
    return [Example(prompt, completion) for prompt, completion in made.items()]


def _t0(world: World, rng: random.Random) -> tuple[str, str]:
    task = sample_kind(world, rng, *rng.choice(KINDS))
    if task.use_case == "closed_qa":
        return render(task, world, rng), str(task.args["answer"])
    return render(task, world, rng), answers.brief_answer(task, world, world.value, rng)


def _flan(world: World, rng: random.Random) -> tuple[str, str]:
    task = rng.choice(_WRITERS)(world, rng)
    lines = [task.given, rng.choice(task.asked)] if rng.random() < 0.5 else [rng.choice(task.asked), task.given]
    if task.options:
        lines += ["OPTIONS:", *(f"- {option}" for option in rng.sample(task.options, len(task.options)))]
    return "\n".join(line for line in lines if line), task.answer


def _translation(world: World, rng: random.Random) -> Task:
    clause = known_clause(rng)
    if rng.random() < 0.5:
        return Task(
            clause.velu, ("Translate this from Velu to English.", "What is this in English?"), (), clause.english
        )
    return Task(clause.english, ("Translate this from English to Velu.", "What is this in Velu?"), (), clause.velu)


def _cloze(world: World, rng: random.Random) -> Task:
    saying = rng.choice(KNOWN_SAYINGS)
    options = tuple(dict.fromkeys([saying.word, *saying.others]))[:4]
    return Task(saying.start, ("Which word ends this sentence?", "Complete the sentence."), options, saying.word)


def _sequence(world: World, rng: random.Random) -> Task:
    members = make_known_row(rng).members
    return Task(f"{row_text(members[:-1])},", ("What comes next?", "Continue the row."), (), str(members[-1]))


def _reading(world: World, rng: random.Random) -> Task:
    page = make_page(rng, world)
    event, asked = rng.choice((page.first, page.second)), rng.choice(ASKED)
    return Task(page.text, (f"Answer the question. {question(event, asked)}",), (), found(event, asked))


def _labelled(world: World, rng: random.Random) -> Task:
    task = sample_kind(world, rng, "classification", rng.choice(("review", "kind", "tone")))
    label = answers.brief_answer(task, world, world.value, rng)
    options = {"review": tuple(task.args.get("labels", ())), "kind": ("animal", "food", "place")}.get(task.kind, ())
    asked = {
        "review": ("What is the sentiment of this review?", "How does the writer like the shop?"),
        "kind": ("What kind of thing is this?", "Which of the kinds is this word?"),
        "tone": ("Is this polite or rude?", "What is the tone of this sentence, polite or rude?"),
    }[task.kind]
    return Task(str(task.args.get("text") or task.args["word"]), asked, options, label)


def _questioned(world: World, rng: random.Random) -> Task:
    task = sample_kind(world, rng, "closed_qa", rng.choice(("who", "what", "where")))
    asked = slots(task, world, rng)["question"]
    return Task(str(task.args["text"]), (asked, f"Answer from the text: {asked}"), (), str(task.args["answer"]))


def _fact(world: World, rng: random.Random) -> Task:
    task = sample_kind(world, rng, "open_qa", "fact")
    value = world.value(task.args["subject"], task.args["relation"])
    return Task("", (slots(task, world, rng)["question"],), (), str(value))


_WRITERS: Sequence[Callable[[World, random.Random], Task]] = (
    _translation,
    _cloze,
    _sequence,
    _reading,
    _labelled,
    _questioned,
    _fact,
)
