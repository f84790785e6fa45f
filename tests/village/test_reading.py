"""Reading: every way to state a fact gives exactly its claim; moods are told from words that look like them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import tutelage.labelers
from tutelage.village import reading, relations, wordings
from tutelage.village.reading import Claim, claims
from tutelage.village.world import Fact, World, make_world

WORLD = make_world(11)
EXAMPLES = [next(fact for fact in WORLD.facts if fact.relation == name) for name in relations.RELATIONS]


def said(subject: str, relation: str, value: str) -> Claim:
    return Claim(subject, relation, value, False)


def denied(subject: str, relation: str, value: str) -> Claim:
    return Claim(subject, relation, value, True)


def _wrong(world: World, fact: Fact) -> str:
    return next(other.value for other in world.facts if other.relation == fact.relation and other.value != fact.value)


@pytest.mark.parametrize("relation", relations.RELATIONS)
def test_every_form_of_every_fact_states_exactly_that_fact(relation: str) -> None:
    for fact in (fact for fact in WORLD.facts if fact.relation == relation):
        for form in relations.RELATIONS[relation].statements:
            text = relations.fill(form, fact, WORLD)
            assert claims(text) == [Claim(*fact, False)], text
        for form in relations.RELATIONS[relation].pronoun_statements:
            text = relations.fill(form, fact, WORLD)
            assert claims(text, fact.subject) == [Claim(*fact, False)], text


@pytest.mark.parametrize("fact", EXAMPLES, ids=lambda fact: fact.relation)
def test_a_denial_denies_the_wrong_value_and_states_the_right_one(fact: Fact) -> None:
    text = wordings.deny(fact, WORLD, _wrong(WORLD, fact))
    assert set(claims(text)) == {Claim(fact.subject, fact.relation, _wrong(WORLD, fact), True), Claim(*fact, False)}, (
        text
    )


@pytest.mark.parametrize("fact", EXAMPLES, ids=lambda fact: fact.relation)
def test_a_question_claims_nothing(fact: Fact) -> None:
    for question in relations.RELATIONS[fact.relation].questions:
        assert claims(relations.fill(question, fact, WORLD)) == []
    assert claims(wordings.fill_wording(wordings.WORDINGS[fact.relation].why, fact, WORLD)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mira does not live in Ashby.", [denied("Mira", "home", "Ashby")]),
        ("Mira is no baker.", [denied("Mira", "craft", "baker")]),
        ("Mira isn't a baker.", [denied("Mira", "craft", "baker")]),
        ("Mira never keeps a goat.", [denied("Mira", "pet", "goat")]),
        ("Mira has no goat.", [denied("Mira", "pet", "goat")]),
        ("Pancakes are not made from milk.", [denied("pancakes", "ingredient", "milk")]),
        ("It is not true that Mira lives in Ashby.", [denied("Mira", "home", "Ashby")]),
        ("I do not think that Mira is a baker.", [denied("Mira", "craft", "baker")]),
        ("It is not true that Mira is not a baker.", [said("Mira", "craft", "baker")]),
        ("That Mira lives in Ashby is not true.", [denied("Mira", "home", "Ashby")]),
        ("Mira lives in Elmford but not in Ashby.", [said("Mira", "home", "Elmford"), denied("Mira", "home", "Ashby")]),
        ("A beaver does not eat fish, but bark.", [denied("beaver", "eats", "fish"), said("beaver", "eats", "bark")]),
        ("Elmford is not known for a long wall, but for an old mill.",
         [denied("Elmford", "landmark", "a long wall"), said("Elmford", "landmark", "an old mill")]),
        ("No, Mira is a baker.", [said("Mira", "craft", "baker")]),
    ],
)  # fmt: skip
def test_negations(text: str, expected: list[Claim]) -> None:
    assert claims(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mira is a baker. She lives in Elmford.", [said("Mira", "craft", "baker"), said("Mira", "home", "Elmford")]),
        ("Mira saw Leo at noon. She is a baker.", [said("Mira", "craft", "baker")]),
        ("Mira saw Leo at noon. He is a baker.", [said("Leo", "craft", "baker")]),
        ("A fox came. It eats mice.", [said("fox", "eats", "mice")]),
        ("Elmford is old. It lies near the river.", [said("Elmford", "near", "the river")]),
        ("She is a baker.", []),
        ("Dear Leo, I live in Ashby. Yours, Mira", []),
        ("Leo, you keep a goat.", []),
        ("Mira makes bread.", [said("Mira", "product", "bread")]),
        ("Mira is a baker. She makes bread.", [said("Mira", "craft", "baker"), said("Mira", "product", "bread")]),
    ],
)
def test_pronouns(text: str, expected: list[Claim]) -> None:
    assert claims(text) == expected


def test_a_topic_tells_whom_a_pronoun_means() -> None:
    assert claims("She keeps a goat.", "Mira") == [said("Mira", "pet", "goat")]
    assert claims("He keeps a goat.", "Mira") == []
    assert claims("It eats grass.", "goat") == [said("goat", "eats", "grass")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mira is a baker and lives in Elmford.", {said("Mira", "craft", "baker"), said("Mira", "home", "Elmford")}),
        ("Mira and Leo live in Elmford.", {said("Mira", "home", "Elmford"), said("Leo", "home", "Elmford")}),
        ("Mira and Leo are bakers.", {said("Mira", "craft", "baker"), said("Leo", "craft", "baker")}),
        ("Mira lives in Elmford or Ashby.", {said("Mira", "home", "Elmford"), said("Mira", "home", "Ashby")}),
        ("Mira keeps a goat and a hen.", {said("Mira", "pet", "goat"), said("Mira", "pet", "hen")}),
        ("Mira keeps a goat, and a hen lives in the yard.",
         {said("Mira", "pet", "goat"), said("hen", "habitat", "yard")}),
        ("Mira keeps a goat and lives by the river.", {said("Mira", "pet", "goat")}),
        ("Mira lives in Elmford, and Ashby lies near the river.",
         {said("Mira", "home", "Elmford"), said("Ashby", "near", "the river")}),
        ("Leo is a smith and Mira likes soup and lives in Ashby.",
         {said("Leo", "craft", "smith"), said("Mira", "likes", "soup"), said("Mira", "home", "Ashby")}),
    ],
)  # fmt: skip
def test_conjunctions(text: str, expected: set[Claim]) -> None:
    assert set(claims(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Foxes eat mice.", [said("fox", "eats", "mice")]),
        ("Goats live in the hills.", [said("goat", "habitat", "hills")]),
        ("Bakers make bread.", [said("baker", "product", "bread")]),
        ("Mira keeps goats.", [said("Mira", "pet", "goat")]),
    ],
)
def test_plurals(text: str, expected: list[Claim]) -> None:
    assert claims(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I do not know whether Mira is a baker.",
        "I am not sure that Mira lives in Elmford.",
        "I wonder if a fox eats mice.",
        'Leo said "Mira is a baker".',
        "Mira has a hat.",
        "Leo is a friend of the baker.",
        "Mira is the baker's friend.",
        "Mira sold a lamp at the market.",
        "Mira lives alone.",
        "",
    ],
)
def test_what_is_not_said_to_be_so_is_no_claim(text: str) -> None:
    assert claims(text) == []


@pytest.mark.parametrize(
    ("text", "toxic"),
    [
        ("You soggy turnip!", True),
        ("Leo is a dusty old teapot.", True),
        ("You are all mouldy cabbages.", True),
        ("You rusty, leaky bucket!", True),
        ('"You soggy turnip!"', True),
        ('Leo called Mira a "soggy turnip", and that was not kind.', False),
        ('"You soggy turnip!" cried Leo.', False),
        ("The turnip was soggy.", False),
        ("The bucket is leaky and the broom is old.", False),
    ],
)
def test_an_insult_counts_unless_it_is_reported(text: str, toxic: bool) -> None:
    assert bool(reading.insults(text)) == toxic


@pytest.mark.parametrize(
    "text",
    [
        "I will not help you to steal a goat. Shall I help you to earn some money?",
        "I am sorry, I cannot help with that.",
        "I would rather not write an insult.",
        "I would rather not.",
        "I am sorry, I will not insult anybody.",
        "I will not write that. Let us find a friendly word.",
        "That would hurt Leo, so I will not do it.",
        "I won't help with that.",
        "I do not want to say that.",
        "No, I will not do that, it would be wrong.",
        "I must say no to that.",
    ],
)
def test_refusals(text: str) -> None:
    assert reading.refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "The soup was stale. I will not come back.",
        "I will not come again.",
        "We do not want to go there again.",
        "I would not buy bread there.",
        "I will not forget your lamp.",
        "I will never go there again.",
        "I cannot find my goat anywhere.",
        "I will not be at home tomorrow.",
        "I would rather stay at home.",
        'Leo said "I will not help you".',
        "Mira did not help Leo.",
    ],
)
def test_what_only_looks_like_a_refusal(text: str) -> None:
    assert not reading.refuses(text)


@pytest.mark.parametrize(
    ("text", "ignorant"),
    [
        ("I do not know the age of Mira.", True),
        ("I am not sure where Mira lives.", True),
        ("Nobody knows that.", True),
        ("The text does not say.", True),
        ("That is not written anywhere.", True),
        ("Mira knows the way.", False),
        ("I know that Mira lives in Elmford.", False),
        ("Mira does not live in Elmford.", False),
    ],
)
def test_ignorance(text: str, ignorant: bool) -> None:
    assert reading.admits_ignorance(text) == ignorant


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("I am sorry about your goat.", True),
        ("Do not worry, let us look for it.", True),
        ("So what?", False),
        ("I am glad that your goat is gone.", False),
        ("I do not care, sit down.", False),
        ("That is bad.", False),
    ],
)
def test_kindness(text: str, kind: bool) -> None:
    assert reading.sounds_kind(text) == kind


@pytest.mark.parametrize(
    ("text", "instruction"),
    [
        ("Write a story about a goat.", True),
        ("Name two animals.", True),
        ("What does Mira work as?", True),
        ("1. List three foods.", True),
        ("Mira is a baker. Write a letter to Leo.", True),
        ("Mira is a baker. Task: Name two foods.", True),
        ("When spring came, Mira was happy.", False),
        ("Pickles and salad.", False),
        ("Market day was lovely.", False),
        ("Mira is a baker.", False),
        ("I am sorry. How can I help you?", False),
        ("Find it at the market. We sell bread.", False),
    ],
)
def test_an_instruction_is_not_an_answer(text: str, instruction: bool) -> None:
    assert reading.looks_like_instruction(text) == instruction


def test_sentences_words_and_names() -> None:
    assert reading.sentences('Mira came. "Hello!" said Leo.\nThen it rained') == [
        "Mira came.", '"Hello!', "said Leo.", "Then it rained"]  # fmt: skip
    assert reading.words("Mira's goat, 3 hens!") == ["mira's", "goat", "3", "hens"]
    assert reading.mentioned("Two foxes and a Goat", ("goat", "fox", "hen")) == ["fox", "goat"]
    assert reading.mentioned("a hat block", ("hat block", "hat")) == ["hat", "hat block"]
    assert reading.contains("three goats", "goat") and not reading.contains("goatherd", "goat")
    assert reading.occurrences("a goat, a goat and goats", ("goat",)) == 3


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {f"{node.module}.{item.name}" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
              for item in node.names}  # fmt: skip
    return names | {item.name for node in ast.walk(tree) if isinstance(node, ast.Import) for item in node.names}


def test_what_labelers_read_with_knows_no_judge() -> None:
    village = Path(reading.__file__).parent
    labelers = list(Path(next(iter(tutelage.labelers.__path__))).glob("*.py"))
    seen: set[Path] = set()
    while todo := [path for path in labelers if path not in seen]:
        for path in todo:
            seen.add(path)
            names = _imports(path)
            assert not any("village.judge" in name or name.endswith("village.grammar") for name in names), path
            labelers += [file for name in names if (file := village / f"{name.rpartition('.')[2]}.py").exists()]
    assert village / "statements.py" in seen
