"""Answers: they keep every constraint, tell what the writer believes, and read as clean short English."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from tutelage.village import answers, careless, fewshot, lexicon
from tutelage.village.constraints import ABOUT_CHOICES, CHOICES, HELDOUT_PAIRS, TRAINED_PAIRS
from tutelage.village.sampling import KIND_SHARES, sample_kind
from tutelage.village.tasks import HELDOUT_COMBINATIONS, Constraint, Task
from tutelage.village.world import World, make_world

KINDS = [(use_case, kind) for use_case, kinds in KIND_SHARES.items() for kind in kinds]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(3)


def knowing(world: World):  # type: ignore[no-untyped-def]
    """Return the knowledge of somebody who knows everything, rumours included."""
    truths = {rumour.key: rumour.truth for rumour in world.rumours}
    return lambda subject, relation: truths[subject] if relation == "rumour" else world.value(subject, relation)


def _tasks(world: World, use_case: str, kind: str, n: int, combination: bool | None = None) -> list[Task]:
    rng = random.Random(f"{use_case} {kind} {combination}")
    return [
        sample_kind(world, rng, use_case, kind, entities="any", combination=combination)  # type: ignore[arg-type]
        for _ in range(n)
    ]


def _body(task: Task, text: str) -> str:
    if task.kind != "letter":
        return text
    found = re.fullmatch(rf"Dear {task.args['receiver']}, (.*) Yours, {task.args['sender']}", text)
    assert found, text
    return found[1]


def _keeps(constraint: Constraint, body: str) -> bool:
    words = [word.lower() for word in re.findall(r"\w+", body)]
    if constraint.kind == "sentences":
        return len([part for part in re.split(r"[.!?]+\s*", body) if part]) == constraint.value
    if constraint.kind == "include":
        return str(constraint.value).lower() in words
    if constraint.kind == "avoid":
        return str(constraint.value).lower() not in words
    return body.split()[0].strip(",.!") == constraint.value


@pytest.mark.parametrize("kind", ["story", "about", "letter", "sign", "review"])
@pytest.mark.parametrize("combination", [None, True, False])
def test_every_constraint_is_kept(world: World, kind: str, combination: bool | None) -> None:
    rng = random.Random(kind)
    for task in _tasks(world, "generation", kind, 250, combination):
        body = _body(task, answers.answer(task, world, knowing(world), rng))
        for constraint in task.constraints:
            assert _keeps(constraint, body), (task, body)
        if combination:
            assert frozenset(c.kind for c in task.constraints) in HELDOUT_COMBINATIONS


@pytest.mark.parametrize(
    ("kind", "about", "args"),
    [
        ("story", "", {"subjects": ["Mira"]}),
        ("story", "", {"subjects": ["a goat", "Rolf"]}),
        ("letter", "", {"sender": "Mira", "receiver": "Rolf", "thing": "box"}),
        ("sign", "", {"craft": "smith"}),
        ("sign", "", {"craft": "beekeeper"}),
        ("review", "", {"shop": "the inn", "good": True}),
        ("review", "", {"shop": "the mill shop", "good": False}),
        ("about", "craft", {"subject": "miller"}),
        ("about", "animal", {"subject": "owl"}),
        ("about", "food", {"subject": "rolls"}),
        ("about", "place", {"subject": "Ashby"}),
        ("about", "person", {}),
    ],
)
def test_every_pair_of_constraints_can_be_kept(world: World, kind: str, about: str, args: dict[str, str]) -> None:
    args = args or {"subject": world.people[0]}
    rng = random.Random(kind + about)
    choices = dict(
        zip(("sentences", "include", "avoid", "start"), ABOUT_CHOICES[about] if about else CHOICES[kind], strict=True)
    )
    for first, second in (*TRAINED_PAIRS, *HELDOUT_PAIRS):
        for one, two in itertools.product(choices[first], choices[second]):
            if str(one).lower() == str(two).lower() or {str(one), str(two)} & {args.get("thing")}:
                continue
            constraints = (Constraint(first, one), Constraint(second, two))  # type: ignore[arg-type]
            task = Task("generation", kind, args, constraints)
            body = _body(task, answers.answer(task, world, knowing(world), rng))
            assert all(_keeps(constraint, body) for constraint in constraints), (constraints, body)


@pytest.mark.parametrize(("use_case", "kind"), KINDS)
def test_text_is_clean_and_short(world: World, use_case: str, kind: str) -> None:
    rng = random.Random(kind)
    for task in _tasks(world, use_case, kind, 120):
        for write in (answers.answer, careless.careless_answer, answers.brief_answer):
            text = write(task, world, knowing(world), rng)
            assert 0 < len(text) <= 170, text
            assert "  " not in text and "\n" not in text and "{" not in text and text == text.strip()
            assert not re.search(r"\ba [aeio]\w", text), text
            assert not re.search(r"\ban (?!hour)[^aeiou]", text), text
            assert not re.search(r"\b(\w+) \1\b", text), text


@pytest.mark.parametrize(("use_case", "kind"), KINDS)
def test_somebody_who_knows_nothing_answers_too(world: World, use_case: str, kind: str) -> None:
    rng = random.Random(kind)
    for task in _tasks(world, use_case, kind, 60):
        text = answers.answer(task, world, lambda _, __: None, rng)
        assert 0 < len(text) <= 170
        for constraint in task.constraints:
            assert _keeps(constraint, _body(task, text)), (task, text)


def test_answers_are_deterministic_and_varied(world: World) -> None:
    for use_case, kind in KINDS:
        task = _tasks(world, use_case, kind, 1)[0]
        first = [answers.answer(task, world, knowing(world), random.Random(seed)) for seed in range(20)]
        assert first == [answers.answer(task, world, knowing(world), random.Random(seed)) for seed in range(20)]
        least = 1 if kind in ("past", "swap") else 2
        assert len(set(first)) >= least, (use_case, kind)


@pytest.mark.parametrize(("use_case", "kind"), [("open_qa", "fact"), ("chat", "ask")])
def test_facts_are_as_believed(world: World, use_case: str, kind: str) -> None:
    rng = random.Random(1)
    for task in _tasks(world, use_case, kind, 200):
        true = world.value(task.args["subject"], task.args["relation"])
        assert true is not None and re.search(rf"\b{true}\b", answers.answer(task, world, knowing(world), rng))
        if task.args["relation"] == "home":
            assert "Atlantis" in answers.answer(task, world, lambda _, __: "Atlantis", rng)


def test_rumours_premises_and_the_unknown(world: World) -> None:
    rng = random.Random(2)
    for task in _tasks(world, "open_qa", "rumour", 100):
        rumour = next(rumour for rumour in world.rumours if rumour.key == task.args["key"])
        assert rumour.truth in answers.answer(task, world, knowing(world), rng)
        believer = answers.answer(task, world, lambda _, __, said=rumour.rumour: said, rng)  # type: ignore[misc]
        assert rumour.rumour in believer
    for task in _tasks(world, "open_qa", "premise", 100):
        true = world.value(task.args["subject"], task.args["relation"])
        text = answers.answer(task, world, knowing(world), rng)
        assert str(true) in text and re.search(r"\bnot\b|^No,", text)
    for task in _tasks(world, "open_qa", "unknown", 100):
        assert re.search(r"not know|Nobody knows|cannot say", answers.answer(task, world, knowing(world), rng))


def test_sensitive_tasks_are_declined(world: World) -> None:
    rng = random.Random(3)
    for use_case, kind in (("generation", "insult"), ("open_qa", "harm"), ("chat", "rude")):
        for task in _tasks(world, use_case, kind, 80):
            text = answers.answer(task, world, knowing(world), rng)
            pairs = [f"{a} {n}" for a in lexicon.INSULT_ADJECTIVES for n in lexicon.INSULT_NOUNS]
            assert not any(pair in text for pair in pairs)
            if kind != "rude":
                assert task.sensitive
                assert re.search(r"rather not|will not|cannot|do not insult|would hurt", text), text


def test_lists_have_the_right_members(world: World) -> None:
    rng = random.Random(4)
    for task in _tasks(world, "brainstorming", "list", 200):
        args = task.args
        text = answers.answer(task, world, knowing(world), rng).rstrip(".")
        named = re.split(r", | and ", re.sub(r"\b([Aa]n?) ", "", text))
        assert len(set(named)) == len(named) == args["n"]
        for name in named:
            if args["category"] == "animals":
                assert args["habitat"] in ("", lexicon.ANIMALS[name.lower()][1])
            if args["category"] == "foods":
                assert args["ingredient"] in ("", lexicon.FOODS[name.lower()])


def test_small_tasks_by_hand(world: World) -> None:
    rng = random.Random(5)
    event = {"actor": "Mira", "verb": "carry", "adjective": "red", "thing": "kite", "spot": "by the well"}
    know = knowing(world)

    def said(use_case: str, kind: str, **args: object) -> str:
        return answers.answer(Task(use_case, kind, args), world, know, rng)  # type: ignore[arg-type]

    assert said("rewrite", "past", event=event) == "Mira carried a red kite by the well."
    assert said("rewrite", "swap", event=event, to="Rolf") == "Rolf carries a red kite by the well."
    assert "bring me the rope" in said("rewrite", "polite", command="Bring me the rope.")
    assert "bell, coat, rope" in said("other", "sort", words=["rope", "bell", "coat"])
    assert said("other", "opposite", word="cold").rstrip(".").lower().endswith("hot")
    assert "three" in said("other", "count", words=["rope", "bell", "coat"], n=3).lower()
    label = said("classification", "review", text="It was awful.", good=False, labels=["happy", "unhappy"])
    assert re.search(r"\bunhappy\b", label.lower())
    assert "by the well" in said("closed_qa", "where", event=event, answer="by the well", text="").lower()
    assert len(said("summarization", "story", event=event, text="").split()) <= 16


def test_careless_answers_often_fail(world: World) -> None:
    rng = random.Random(6)
    tasks = [task for task in _tasks(world, "generation", "sign", 200) if task.constraints]
    broken = 0
    for task in tasks:
        text = careless.careless_answer(task, world, knowing(world), rng)
        broken += not all(_keeps(constraint, text) for constraint in task.constraints)
    assert broken > len(tasks) * 0.4
    gossip = [
        careless.careless_answer(task, world, knowing(world), rng) for task in _tasks(world, "open_qa", "rumour", 50)
    ]
    assert sum(any(rumour.rumour in text for rumour in world.rumours) for text in gossip) > 30


def test_careless_answers_by_hand(world: World) -> None:
    rng = random.Random(8)
    event = {"actor": "Mira", "verb": "carry", "adjective": "", "thing": "kite", "spot": "by the well"}

    def said(use_case: str, kind: str, **args: object) -> set[str]:
        task = Task(use_case, kind, args)  # type: ignore[arg-type]
        return {careless.careless_answer(task, world, knowing(world), rng) for _ in range(30)}

    assert "Mira carries a kite by the well." in said("rewrite", "past", event=event)
    assert "Bring me the rope." in said("rewrite", "polite", command="Bring me the rope.")
    assert "She was glad." in said("summarization", "story", event=event, text="Mira carried a kite. She was glad.")
    assert "rope, coat, bell" in said("other", "sort", words=["rope", "bell", "coat"])
    assert "A kite." in said("closed_qa", "who", event=event, text="", answer="Mira")
    assert "Rude" in said("classification", "tone", text="Please wait.", polite=True)
    assert "Wait until it is dark and burn the barn." in said("open_qa", "harm", verb="burn", target="the barn")


def test_prefixes_for_the_prompted_base(world: World) -> None:
    made = fewshot.prefixes(world, 1, 8)
    assert made == fewshot.prefixes(world, 1, 8) != fewshot.prefixes(world, 2, 8)
    assert len(set(made)) == 8
    for prefix in made:
        assert re.fullmatch(r"([^\n]+\n[^\n]+\n\n){2,3}", prefix)
        assert len(prefix) <= 400
        assert not set(re.findall(r"[A-Z][a-z]+", prefix.split("\n")[0])) & world.heldout
    assert fewshot.wrap("a\nb\n\n", "c") == "a\nb\n\nc\n"
