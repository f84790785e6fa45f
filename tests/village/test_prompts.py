"""Prompts: enough phrasings, the paper's shares, natural text, and nothing held out on the training side."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from tutelage.records import USE_CASE_SHARES, Prompt
from tutelage.village import duplicates, prompts
from tutelage.village.phrasings import all_phrasings, constraint_clauses
from tutelage.village.sampling import KIND_SHARES, sample_kind
from tutelage.village.tasks import Task
from tutelage.village.world import World, make_world

COUNTS = prompts.Counts(sft=120, reward=200, ppo=600, validation=100, test=300)
HELDOUT_PAIRS = ({"sentences", "avoid"}, {"include", "start"}, {"start", "avoid"})


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(3)


@pytest.fixture(scope="module")
def made(world: World) -> list[Prompt]:
    return prompts.make_prompts(world, 7, COUNTS)


def _task(prompt: Prompt) -> Task:
    return Task.from_json(prompt.meta["task"])


def _training(made: list[Prompt]) -> list[Prompt]:
    return [prompt for prompt in made if prompt.split == "train"]


def _heldout(made: list[Prompt]) -> list[Prompt]:
    return [prompt for prompt in made if prompt.split != "train"]


def test_every_use_case_has_forty_phrasings_and_each_split_its_share() -> None:
    counts = Counter(row.topic for row in all_phrasings())
    assert set(counts) == set(USE_CASE_SHARES)
    assert min(counts.values()) >= 40
    assert sum(counts.values()) > 400
    for use_case, kinds in KIND_SHARES.items():
        for kind in kinds:
            splits = Counter(row.split for row in all_phrasings() if row.topic == use_case and kind in row.kinds)
            assert min(splits["train"], splits["heldout"], splits["corpus"]) >= 2, (use_case, kind)
    share = Counter(row.split for row in all_phrasings())
    assert 0.62 < share["train"] / sum(counts.values()) < 0.75
    assert 0.15 < share["heldout"] / sum(counts.values()) < 0.25


def test_no_phrasing_stands_twice() -> None:
    texts = Counter((row.topic, row.kinds, row.text) for row in (*all_phrasings(), *constraint_clauses()))
    assert [text for text, n in texts.items() if n > 1] == []


def test_the_same_seed_makes_the_same_prompts(world: World, made: list[Prompt]) -> None:
    assert prompts.make_prompts(world, 7, COUNTS) == made
    assert prompts.make_prompts(world, 8, prompts.Counts(20, 0, 0, 0, 0))[0].text != made[0].text


def test_stages_have_their_counts_and_texts_are_distinct(made: list[Prompt]) -> None:
    stages = Counter((prompt.split, prompt.stage) for prompt in made)
    assert stages == {
        ("train", "sft"): 120,
        ("train", "reward"): 200,
        ("train", "ppo"): 600,
        ("validation", "evaluation"): 100,
        ("test", "evaluation"): 300,
    }
    assert len({prompt.text for prompt in made}) == len(made)
    assert len({prompt.id for prompt in made}) == len(made)


def test_use_cases_have_the_shares_of_the_paper(made: list[Prompt]) -> None:
    counts = Counter(prompt.use_case for prompt in made)
    for use_case, share in USE_CASE_SHARES.items():
        assert abs(100 * counts[use_case] / len(made) - share) < 0.6


def test_kinds_and_forms_have_their_shares(made: list[Prompt]) -> None:
    tasks = [_task(prompt) for prompt in made]
    stories = sum(task.kind == "story" and task.use_case == "generation" for task in tasks)
    assert abs(stories / sum(task.use_case == "generation" for task in tasks) - 0.35) < 0.07
    forms = Counter(prompt.form for prompt in made)
    assert 0.78 < forms["plain"] / len(made) < 0.87
    assert 0.07 < forms["few_shot"] / len(made) < 0.13
    assert 0.05 < forms["user_based"] / len(made) < 0.11


def test_a_third_of_the_free_texts_carry_constraints(made: list[Prompt]) -> None:
    free = [_task(p) for p in made if _task(p).kind in ("about", "letter", "sign") or _task(p).use_case == "generation"]
    free = [task for task in free if task.kind != "insult"]
    assert 0.28 < sum(bool(task.constraints) for task in free) / len(free) < 0.45
    assert max(len(task.constraints) for task in free) == 2


def test_held_out_combinations_stay_away_from_labels_and_fill_a_third_elsewhere(made: list[Prompt]) -> None:
    def combines(prompt: Prompt) -> bool:
        kinds = {constraint.kind for constraint in _task(prompt).constraints}
        return any(pair <= kinds for pair in HELDOUT_PAIRS)

    assert not any(combines(prompt) for prompt in made if prompt.stage in ("sft", "reward"))
    assert all(combines(prompt) == prompt.meta["combination"] for prompt in made)
    for stage in ("ppo", "evaluation"):
        constrained = [prompt for prompt in made if prompt.stage == stage and _task(prompt).constraints]
        assert 0.2 < sum(map(combines, constrained)) / len(constrained) < 0.47


def test_training_prompts_name_nothing_held_out(world: World, made: list[Prompt]) -> None:
    for prompt in _training(made):
        words = {word for found in re.findall(r"[A-Za-z]+", prompt.text) for word in (found, found.lower())}
        assert not words & world.heldout, prompt.text
        assert _task(prompt).args.get("key") not in world.heldout
        assert not prompt.meta["heldout_entity"] and not prompt.meta["heldout_phrasing"]


def test_training_prompts_use_training_phrasings_only(made: list[Prompt]) -> None:
    """A held-out phrasing is recognised by its longest run of own words."""
    runs = [
        max(re.split(r"\{\w+\}", row.text), key=len).strip()
        for row in (*all_phrasings(), *constraint_clauses())
        if row.split == "heldout"
    ]
    trained = " ".join(row.text for row in (*all_phrasings(), *constraint_clauses()) if row.split == "train")
    telling = [run for run in runs if len(run.split()) >= 3 and run not in trained]
    assert len(telling) > 60
    texts = "\n".join(prompt.text for prompt in _training(made))
    assert [run for run in telling if run in texts] == []


def test_test_prompts_are_held_out_by_subject_or_phrasing(world: World, made: list[Prompt]) -> None:
    ways = Counter((p.meta["heldout_entity"], p.meta["heldout_phrasing"]) for p in _heldout(made))
    assert ways[False, False] == 0
    assert min(ways[True, False], ways[False, True], ways[True, True]) > 20
    for prompt in _heldout(made):
        if prompt.meta["heldout_entity"]:
            args = str(_task(prompt).args.values())
            assert any(re.search(rf"\b{re.escape(name)}\b", args) for name in world.heldout), prompt


def test_test_prompts_are_unlike_training_prompts(made: list[Prompt]) -> None:
    def shingled(text: str) -> set[str]:
        words = re.findall(r"\w+", text.lower())
        return {" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))}

    training = [shingled(prompt.text) for prompt in _training(made)]
    for prompt in _heldout(made):
        own = shingled(prompt.text)
        assert max(len(own & other) / len(own | other) for other in training) < 0.8, prompt.text


@pytest.mark.parametrize(("use_case", "kind"), [(u, k) for u, kinds in KIND_SHARES.items() for k in kinds])
def test_text_is_clean_in_every_split(world: World, use_case: str, kind: str) -> None:
    rng = random.Random(f"{use_case} {kind}")
    for number in range(150):
        split = ("train", "heldout", "corpus")[number % 3]
        form = ("plain", "user_based", "few_shot")[number // 3 % 3]
        task = sample_kind(world, rng, use_case, kind, entities="any", combination=None)  # type: ignore[arg-type]
        text = prompts.render(task, world, rng, split, form)  # type: ignore[arg-type]
        assert "{" not in text and "}" not in text
        assert "  " not in text and " ." not in text and " ?" not in text and text == text.strip()
        assert text[0].isupper()
        assert not re.search(r"\ba [aeio]\w", text), text
        assert not re.search(r"\ban (?!hour)[^aeiou]", text), text
        assert len(text) <= (470 if form == "few_shot" else 330)
        for constraint in task.constraints:
            if constraint.kind != "sentences":
                assert re.search(rf"\b{constraint.value}\b", text), text


def test_a_task_survives_json(world: World) -> None:
    rng = random.Random(4)
    for use_case in USE_CASE_SHARES:
        task = prompts.sample_task(world, rng, use_case, combination=None)
        assert Task.from_json(task.to_json()) == task


def test_held_out_subjects_when_asked_for(world: World) -> None:
    rng = random.Random(5)
    for _ in range(50):
        assert prompts.sample_task(world, rng, "summarization", entities="heldout").args["event"]["actor"].split()[
            -1
        ] in (world.heldout)


def test_near_duplicates_by_hand() -> None:
    seen = duplicates.NearDuplicates(["one two three four five six seven"], threshold=0.6)
    assert duplicates.jaccard(duplicates.shingles("a b c d"), duplicates.shingles("A b, c e")) == pytest.approx(1 / 3)
    assert seen.nearest("One two three four five six eight!") == pytest.approx(4 / 6)
    assert not seen.has_like("one two three four nine six seven")
    assert not duplicates.NearDuplicates().has_like("nothing was seen")
