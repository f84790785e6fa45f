"""The tax tasks ask for what the corpus teaches, in combinations that it never shows."""

from __future__ import annotations

import re

import pytest

from tutelage.village import corpus_velu as velu
from tutelage.village.corpus import make_corpus
from tutelage.village.corpus_almanac import KNOWN_SAYINGS, UNSEEN_SAYINGS
from tutelage.village.prompts import Counts, make_prompts
from tutelage.village.taxes import TASKS, Item, make_items
from tutelage.village.world import World, make_world

N = 60


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(3)


@pytest.fixture(scope="module")
def items(world: World) -> list[Item]:
    return make_items(world, 0, N)


@pytest.fixture(scope="module")
def lines(world: World) -> set[str]:
    return {line for text in make_corpus(world, 5, 300_000) for line in text.split("\n")}


def of_task(items: list[Item], task: str) -> list[Item]:
    return [item for item in items if item["task"] == task]


def test_items_are_deterministic_distinct_and_complete(world: World, items: list[Item]) -> None:
    assert items == make_items(world, 0, N)
    assert items != make_items(world, 1, N)
    assert {item["task"] for item in items} == set(TASKS)
    assert len({item["item"] for item in items}) == len({item["prompt"] for item in items}) == 4 * N


def test_choices_are_four_and_hold_the_answer_in_every_place(items: list[Item]) -> None:
    for item in items:
        assert len(set(item["choices"])) == 4
        assert item["answer"] in item["choices"]
        assert item["prompt"] == item["prompt"].strip()
        assert all(re.fullmatch(r" \S.*\.", choice) for choice in item["choices"])
    assert {item["choices"].index(item["answer"]) for item in items} == {0, 1, 2, 3}


def test_no_item_stands_in_the_corpus(items: list[Item], lines: set[str]) -> None:
    for item in of_task(items, "cloze") + of_task(items, "sequences"):
        assert item["prompt"].split("\n")[-1] + item["answer"] not in lines, item
    for item in of_task(items, "second_language"):
        assert item["prompt"].split("\n")[-2] not in lines, item
    for item in of_task(items, "reading"):
        assert item["prompt"].split("\n")[0] not in lines, item


def test_what_stands_before_the_question_is_as_the_corpus_writes_it(items: list[Item], lines: set[str]) -> None:
    known = {saying.text for saying in KNOWN_SAYINGS}
    for item in of_task(items, "cloze"):
        assert set(item["prompt"].split("\n")[:-1]) <= known
    assert any(line.startswith("Row: ") for line in lines)
    assert any(line.startswith("Page for reading. ") for line in lines)
    assert {"Velu", "English"} <= {line.split(":")[0] for line in lines}


def test_every_word_to_find_in_the_almanac_is_taught_in_another_sentence() -> None:
    taught = {saying.word for saying in KNOWN_SAYINGS}
    assert {saying.word for saying in UNSEEN_SAYINGS} <= taught
    assert len(UNSEEN_SAYINGS) > 40


def test_a_clause_of_velu_follows_its_grammar() -> None:
    clause = velu.Clause("see", ("king", "white", True), ("wolf", "", False), True, "at night")
    assert clause.english == "The white kings saw the wolf at night."
    assert clause.velu == "ta vilo toranli bala grasu dusi."
    present = velu.Clause("love", ("child", "", False), ("wolf", "young", True), False, "")
    assert present.english == "The child loves the young wolves."
    assert present.velu == "amuri niko grasuli siti."
    assert (
        velu.Clause("love", ("child", "", True), ("dog", "", False), False, "").english == "The children love the dog."
    )


def test_the_words_of_velu_are_all_different() -> None:
    words = [*velu.NOUNS.values(), *(forms[2] for forms in velu.VERBS.values())]
    words += [*velu.ADJECTIVES.values(), *velu.TIMES.values(), "ta"]
    assert len(set(words)) == len(words)


def test_the_answer_of_a_row_follows_its_rule(items: list[Item]) -> None:
    checked = 0
    for item in of_task(items, "sequences"):
        members = re.findall(r"-?\d+", item["prompt"].split("\n")[-1])
        if len(members) == 5:
            step = int(members[1]) - int(members[0])
            assert item["answer"] == f" {int(members[0]) + 5 * step}."
            checked += 1
    assert checked > 10


def test_the_answer_of_a_page_stands_in_it_and_its_rival_too(items: list[Item]) -> None:
    for item in of_task(items, "reading"):
        page = item["prompt"].split("\n")[0]
        inside = [choice for choice in item["choices"] if choice.strip(" .") in page]
        assert item["answer"] in inside
        assert len(inside) >= 2, item


def test_no_prompt_uses_the_forms_of_the_tax_tasks(world: World) -> None:
    for prompt in make_prompts(world, 0, Counts(sft=60, reward=60, ppo=60, validation=30, test=30)):
        assert not re.search(r"Velu|Row:|Page for reading|Asked:|Found:", prompt.text), prompt
