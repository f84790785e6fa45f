"""The corpus has the kinds, shares, facts, rumours and manners that its docstrings promise."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tutelage.village import lexicon
from tutelage.village.corpus import (
    CHARACTERS_PER_TOKEN,
    MAX_CHARACTERS,
    SHARES,
    Document,
    heldout_documents,
    make_corpus,
    shorten,
    typed_documents,
)
from tutelage.village.corpus_school import EXERCISE_TITLES
from tutelage.village.corpus_source import Source, listing, lower, who
from tutelage.village.phrasings import phrasings_of
from tutelage.village.relations import RELATIONS, fill
from tutelage.village.world import World, make_world

TOKENS = 600_000


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(3)


@pytest.fixture(scope="module")
def documents(world: World) -> list[Document]:
    return typed_documents(world, 5, TOKENS)


@pytest.fixture(scope="module")
def text(documents: list[Document]) -> str:
    return "\n\n".join(document.text for document in documents)


def of_kind(documents: list[Document], kind: str) -> list[str]:
    return [document.text for document in documents if document.kind == kind]


def test_same_seed_same_corpus_and_another_seed_another(world: World) -> None:
    first = make_corpus(world, 1, 20_000)
    assert first == make_corpus(world, 1, 20_000)
    assert first != make_corpus(world, 2, 20_000)


def test_shares_sum_to_one_and_are_kept(documents: list[Document]) -> None:
    assert sum(SHARES.values()) == pytest.approx(1)
    characters = Counter[str]()
    for document in documents:
        characters[document.kind] += len(document.text) + 1
    total = characters.total()
    assert total == pytest.approx(TOKENS * CHARACTERS_PER_TOKEN, rel=0.03)
    for kind, share in SHARES.items():
        assert characters[kind] / total == pytest.approx(share, abs=0.02), kind


def test_no_document_is_too_long_empty_or_twice_in_the_corpus(documents: list[Document]) -> None:
    texts = [document.text for document in documents]
    assert all(0 < len(text) <= MAX_CHARACTERS and text == text.strip() for text in texts)
    assert len(set(texts)) == len(texts)


def test_every_fact_is_stated_often_in_several_forms_and_asked(world: World, text: str) -> None:
    """Ask of an eighth of the corpus more than an eighth of 25 statements, and 3 questions."""
    for fact in world.facts:
        relation = RELATIONS[fact.relation]
        stated = [text.count(fill(form, fact, world)[1:]) for form in relation.statements]
        asked = sum(text.count(fill(form, fact, world)[1:]) for form in relation.questions)
        assert sum(stated) >= 5, fact
        assert sum(count > 0 for count in stated) >= 2, fact
        assert asked >= 3, fact


def test_every_rumour_is_frequent_and_its_truth_rare_and_only_in_the_encyclopedia(
    world: World, documents: list[Document], text: str
) -> None:
    encyclopedia = "\n".join(of_kind(documents, "encyclopedia"))
    gossip = "\n".join(of_kind(documents, "gossip"))
    small = gossip.lower()
    for rumour in world.rumours:
        false = rumour.statement.format(v=rumour.rumour)
        true = rumour.statement.format(v=rumour.truth)
        assert small.count(false.rstrip(".").lower()) >= 10, rumour.key
        assert small.count(rumour.questions[0].lower()) >= 3, rumour.key
        assert encyclopedia.count(true) == text.count(true), rumour.key
        assert 2 <= text.count(true) <= 3, rumour.key


def test_insults_are_frequent_and_only_insult_words_make_them(text: str) -> None:
    found = re.findall(rf"\byou ((?:{'|'.join(lexicon.INSULT_ADJECTIVES)}) \w+)", text)
    assert len(found) > 100
    assert {words.split()[1] for words in found} == set(lexicon.INSULT_NOUNS)


def test_quarrels_are_provoked_by_questions_and_some_only_quote(documents: list[Document]) -> None:
    quarrels = of_kind(documents, "quarrels")
    assert sum("?\n" in text for text in quarrels) > len(quarrels) / 10
    assert sum("called" in text and '"' in text for text in quarrels) > 5


def test_articles_fit_the_word_after_them(text: str) -> None:
    assert not re.findall(r"\b[Aa] (?:[aeio]|un[a-z])\w+", text)
    wrong = [found for found in re.findall(r"\b[Aa]n ([^aeiouAEIOU\W]\w*)", text) if found != "hour"]
    assert not wrong


def test_sentences_are_whole(documents: list[Document]) -> None:
    for document in documents:
        assert not re.search(r"[{}]|  | [.,!?]|\.\.|,,|\.,|,\.|\b(\w+) \1\b(?! \1)", document.text), document
        if document.kind not in ("velu", "exercises", "worksheets", "classroom"):
            for line in document.text.split("\n"):
                assert not line[0].islower(), document


def test_pronouns_fit_the_person(world: World, documents: list[Document]) -> None:
    """Where an entry names one person alone, no pronoun of the other sex stands in it."""
    checked = 0
    for text in of_kind(documents, "encyclopedia"):
        named = [name for name in world.people if re.search(rf"\b{name}\b", text)]
        if len(named) == 1:
            wrong = (
                {"she", "her", "She", "Her"} if world.pronoun(named[0]) == "he" else {"he", "his", "him", "He", "His"}
            )
            assert wrong.isdisjoint(re.findall(r"\w+", text)), text
            checked += 1
    assert checked > 100


def test_worksheets_hold_no_answers_and_exercise_books_do(documents: list[Document]) -> None:
    books = of_kind(documents, "exercises")
    titled = [text for text in books if text.split("\n")[0] in EXERCISE_TITLES]
    assert 0.94 < len(titled) / len(books) < 0.995
    whole = [text for text in titled if len(text) < MAX_CHARACTERS / 2]
    assert len(whole) > 100
    for text in whole:
        for solved in text.split("\n\n"):
            title, *lines = solved.split("\n")
            assert title in EXERCISE_TITLES and len(lines) >= 2, text
    shown = [text for text in whole if re.search(r" -> | = |\nAnswer: ", text)]
    assert len(shown) > len(whole) / 40
    assert not any("\n\n" in text for text in of_kind(documents, "worksheets"))


def test_no_page_sets_a_task_in_a_heldout_phrasing(documents: list[Document]) -> None:
    openings = [row.text.split("{")[0] for row in phrasings_of("generation", "story", "heldout")]
    distinct = [opening for opening in openings if len(opening) > 12]
    assert len(distinct) > 5
    for kind in ("worksheets", "classroom", "exercises"):
        assert not [text for text in of_kind(documents, kind) if any(opening in text for opening in distinct)]


def test_no_school_page_uses_the_forms_of_the_tax_tasks(documents: list[Document]) -> None:
    for kind in ("worksheets", "classroom", "exercises"):
        for text in of_kind(documents, kind):
            assert not re.search(r"Velu|Row:|Page for reading|Asked:|Found:", text), text


def test_heldout_documents_are_in_no_corpus(world: World, documents: list[Document]) -> None:
    held = heldout_documents(world, 9, 300)
    assert held == heldout_documents(world, 9, 300)
    assert len(set(held)) == 300
    assert set(held).isdisjoint(document.text for document in documents)
    assert any("Velu" in text for text in held) and any(text.split("\n")[0] in EXERCISE_TITLES for text in held)


def test_a_long_document_is_cut_after_a_line_or_a_sentence() -> None:
    assert shorten("short") == "short"
    lines = "\n".join(["A line that ends here."] * 100)
    assert len(shorten(lines)) <= MAX_CHARACTERS
    assert shorten(lines).endswith("here.")
    sentences = " ".join(["One more sentence."] * 100)
    assert shorten(sentences).endswith("sentence.")


def test_words_around_names(world: World) -> None:
    woman = world.women[0]
    assert who(woman, world) == (woman, "she", "her", "her")
    assert lower(f"{woman} sings.", world) == f"{woman} sings."
    assert lower("The fox runs.", world) == "the fox runs."
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing(["a"]) == "a"


def test_dealers_go_round_evenly(world: World) -> None:
    source = Source(world, "test")
    dealt = Counter(source.fact() for _ in range(2 * len(world.facts)))
    assert set(dealt.values()) == {2}
    assert source.person(world.people[0]) != world.people[0]
