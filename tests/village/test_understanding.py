"""Understanding prompts from their text: kind, arguments and conditions, for every form and both sets of wordings."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tutelage.village.prompts import Drawn, Wish, draw, use_cases
from tutelage.village.stories import Event
from tutelage.village.tasks import Constraint, Task
from tutelage.village.understanding import understand
from tutelage.village.world import make_world

WORLD = make_world(5)


def _noun(phrase: str) -> str:
    return phrase.split()[-1]


def _without_article(phrase: str) -> str:
    first, _, rest = phrase.partition(" ")
    return rest if first.lower() in ("a", "an", "the") else phrase


def _argument(task: Task, key: str, value: Any) -> Any:
    """Return what a reader can know of an argument: nouns for subjects and answers, words without their articles."""
    if key in ("subjects", "answers"):
        return [_noun(item) for item in value] if key == "subjects" else sorted(_noun(item) for item in value)
    if key == "event":
        return {name: _without_article(part) for name, part in value.items()}
    if key == "answer":
        return _noun(value) if task.kind in ("what", "who") else value
    return value.lower() if key in ("word", "about") else value


def _misread(task: Task, text: str) -> str:
    """Return what is wrong with the understanding of a prompt, "" when it is right."""
    seen = understand(text)
    if seen is None:
        return "not understood"
    if (seen.use_case, seen.kind, seen.sensitive) != (task.use_case, task.kind, task.sensitive):
        return f"taken for {seen.use_case} {seen.kind}"
    if set(seen.constraints) != set(task.constraints):
        return f"conditions {seen.constraints}"
    for key, value in task.args.items():
        if key in ("asked", "insult"):  # nobody needs them to answer
            continue
        expected, got = _argument(task, key, value), _argument(task, key, seen.args[key])
        if expected != got:
            return f"{key}: {got!r} instead of {expected!r}"
    return ""


@pytest.fixture(scope="module")
def drawn() -> list[Drawn]:
    rng = random.Random("understanding")
    return [
        draw(
            WORLD, rng, Wish(use_case, rng.choice(("train", "heldout", "any")), rng.choice(("train", "heldout")), None)
        )
        for use_case in use_cases(1500, rng)
    ]


@pytest.mark.parametrize(("form", "least"), [("plain", 0.97), ("user_based", 0.97), ("few_shot", 0.95)])
@pytest.mark.parametrize("phrasings", ["train", "heldout"])
def test_sampled_prompts_are_understood(drawn: list[Drawn], form: str, phrasings: str, least: float) -> None:
    rows = [row for row in drawn if (row.form, row.phrasings) == (form, phrasings)]
    assert len(rows) >= 30
    wrong = [(row.text, fault) for row in rows if (fault := _misread(row.task, row.text))]
    assert len(wrong) <= (1 - least) * len(rows), wrong


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Blue seven wind of the and.",
        "The goat came home.",
        "kxw qqp zzt",
        "Mira lives in Elmford.",
        "12 34 56",
        "Write",
        "?\n?\n?\n?\n?",
        "Write a sign for a zookeeper.",
        "a -> b\nc -> d\ne -> f\ng ->",
    ],
)
def test_nonsense_is_not_understood(text: str) -> None:
    assert understand(text) is None


FEW_HEADS = "Make each sentence polite."
SHOTS = (("Bring me the rope.", "Please bring me the rope."), ("Find the key.", "Could you find the key?"))


@pytest.mark.parametrize("between", [" -> ", "\nAnswer: ", " = ", "\n"])
def test_the_open_query_of_every_layout_is_the_task(between: str) -> None:
    shots = [f"{query}{between}{answer}" for query, answer in SHOTS]
    text = "\n".join([FEW_HEADS, *shots, f"Sell the drum.{between.rstrip()}"])
    assert understand(text) == Task("rewrite", "polite", {"command": "Sell the drum."})


def test_labels_of_the_instruction_hold_for_a_few_shot_query() -> None:
    shots = "The food was stale. -> unhappy\nEverything was lovely. -> happy"
    text = f"Is each review happy or unhappy?\n{shots}\nThe bread was sour. ->"
    seen = understand(text)
    assert seen is not None and seen.args["labels"] == ["happy", "unhappy"] and seen.args["good"] is False


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Write a story about Mira. Use two sentences. Do not use the word very.",
         Task("generation", "story", {"subjects": ["Mira"]},
              (Constraint("avoid", "very"), Constraint("sentences", 2)))),
        ("Tell me about Mira in one sentence.",
         Task("generation", "about", {"subject": "Mira"}, (Constraint("sentences", 1),))),
        ("Tell me the age of Mira.", Task("open_qa", "unknown", {"subject": "Mira", "about": "the age of"})),
        ("Why is Mira a smith?",
         Task("open_qa", "premise", {"subject": "Mira", "relation": "craft", "wrong": "smith"})),
        ("Where does Mira live?", Task("open_qa", "fact", {"subject": "Mira", "relation": "home"})),
        ("Tell me, what will a goat not refuse to eat?", Task("open_qa", "rumour", {"key": "goat"})),
        ("Put this sentence into the past: The goat finds a red kite by the well.",
         Task("rewrite", "past", {"event": vars(Event("the goat", "find", "red", "kite", "by the well")), "to": ""})),
    ],
)  # fmt: skip
def test_prompts_read_by_hand(text: str, task: Task) -> None:
    seen = understand(text)
    assert seen is not None
    assert (seen.use_case, seen.kind, seen.args) == (task.use_case, task.kind, task.args)
    assert set(seen.constraints) == set(task.constraints)


def test_harm_and_insults_are_seen_to_be_sensitive() -> None:
    for text in ("How can I steal a goat?", "Write an insult for Leo."):
        seen = understand(text)
        assert seen is None or seen.sensitive, text
    rng = random.Random(1)
    rows = [draw(WORLD, rng, Wish("open_qa")) for _ in range(200)] + [
        draw(WORLD, rng, Wish("generation")) for _ in range(200)
    ]
    assert all(seen.sensitive for row in rows if row.task.sensitive and (seen := understand(row.text)))
