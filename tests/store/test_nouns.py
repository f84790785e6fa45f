from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.records import Completion, Instructions, Labeler, Prompt, Rating, RegisteredModel
from tutelage.store import Store, audit, completions, labelers, labels, prompts, registry, users
from tutelage.store.registry import Version

NOW = datetime(2026, 11, 2, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def model(name: str = "ppo", version: int = 0, sha256: str = "aa", **changes: Any) -> RegisteredModel:
    return RegisteredModel(
        **{"name": name, "version": version, "path": "runs/x", "sha256": sha256, "run": "x"} | changes
    )


def add_prompt(store: Store, name: str, text: str = "", user: str = "u") -> Prompt:
    made = Prompt(id=name, text=text or name, source="customer", user=user, consent="n", split="train", stage="ppo")
    users.assign(store, [user], shares={"train": 1}, now=NOW)
    prompts.add(store, [made], now=NOW)
    return made


# Users


def test_shares_divide_the_hashes_in_order() -> None:
    shares = {"train": 0.5, "validation": 0.25, "test": 0.25}
    ends = {"7" * 13: "train", "7" + "f" * 12: "train", "8" + "0" * 12: "validation", "c" + "0" * 12: "test"}
    assert {digest: users.split_of(digest, shares) for digest in ends} == ends  # type: ignore[arg-type]
    assert users.split_of("f" * 13, {"train": 1.0}) == "train"


@pytest.mark.parametrize("shares", [{}, {"train": 0.9}, {"train": 1.5, "test": -0.5}, {"night": 1.0}])
def test_shares_that_are_none_are_refused(shares: Any) -> None:
    with pytest.raises(SettingsError, match="add up to 1"):
        users.split_of("0" * 13, shares)


def test_a_split_is_frozen_at_first_sight(store: Store) -> None:
    names = [f"u{n}" for n in range(50)]
    first = users.assign(store, names, shares={"train": 0.5, "test": 0.5}, now=NOW)
    assert set(first.values()) == {"train", "test"}
    assert users.assign(store, names, shares={"validation": 1}, now=LATER) == first
    with pytest.raises(DataError, match="cannot move to 'validation'"):
        users.assign(store, ["u0", "new"], shares={"train": 1}, now=LATER, wanted={"u0": "validation"})
    assert users.splits(store, ["u0", "new"]) == {"u0": first["u0"]}


def test_a_withdrawal_is_remembered_once(store: Store) -> None:
    users.withdraw(store, ["u", "v"], by="", now=NOW)
    users.withdraw(store, ["u", "w"], by="lead", now=LATER)
    assert users.withdrawn(store) == {"u", "v", "w"}
    told = [(one.event.subject, one.event.actor, one.at) for one in audit.find(store)]
    assert told == [("w", "lead", LATER), ("v", "", NOW), ("u", "", NOW)]
    assert {one.event.action for one in audit.find(store)} == {"user.withdraw"}
    assert audit.verify(store).rows == 3


# Prompts


def test_the_hash_of_a_text_ignores_white_space_and_unicode_form() -> None:
    assert prompts.text_hash("a  b\n") == prompts.text_hash("a b") != prompts.text_hash("ab")
    assert prompts.text_hash("e\u0301") == prompts.text_hash("é")


def test_stages_are_set_and_prompts_found_by_them(store: Store) -> None:
    for name in ("a", "b", "c"):
        add_prompt(store, name)
    prompts.set_stage(store, ["a", "b"], "sft")
    assert [one.id for one in prompts.usable(store, stage="sft", split="train")] == ["a", "b"]
    assert prompts.usable(store, split="test") == []
    assert set(prompts.get(store, ["a", "none"])) == {"a"}


def test_prompts_are_counted_with_those_that_may_be_used(store: Store) -> None:
    for name in ("a", "b", "c"):
        add_prompt(store, name)
    users.assign(store, ["silent"], shares={"train": 1}, now=NOW)
    silent = Prompt(id="d", text="d", source="customer", user="silent", split="train", stage="ppo")
    prompts.add(store, [silent], now=NOW)
    prompts.set_stage(store, ["a"], "sft")
    assert prompts.counts(store) == [
        prompts.Tally(source="customer", split="train", stage="ppo", prompts=3, usable=2),
        prompts.Tally(source="customer", split="train", stage="sft", prompts=1, usable=1),
    ]


# Completions


def test_completions_are_found_by_id_policy_and_prompt(store: Store) -> None:
    add_prompt(store, "p")
    made = [
        Completion(id=f"c{n}", prompt_id="p", text="\0", policy=f"m{n % 2}", finish_reason="stop", sampling={"seed": n})
        for n in range(3)
    ]
    completions.add(store, made, now=NOW)
    completions.add(store, made, now=LATER)
    assert completions.get(store, ["c1", "none"]) == {"c1": made[1]}
    assert [one.id for one in completions.of_policy(store, "m0")] == ["c0", "c2"]
    assert completions.of_prompts(store, ["p", "q"]) == {"p": made, "q": []}
    other = Completion(id="c1", prompt_id="p", text="other", policy="m1", finish_reason="stop")
    with pytest.raises(DataError, match="c1 is in the store with another text"):
        completions.add(store, [other], now=LATER)


# Models


def test_versions_count_up_and_the_same_files_are_the_same_version(store: Store) -> None:
    first = registry.register(store, model(sha256="aa"), prompt_hashes=["h1", "h2", "h1"], now=NOW)
    second = registry.register(store, model(sha256="bb"), prompt_hashes=["h2"], now=LATER)
    again = registry.register(store, model(sha256="aa"), prompt_hashes=["h9"], now=LATER)
    other = registry.register(store, model("sft", sha256="aa"), prompt_hashes=[], now=LATER)
    assert (first.version, second.version, again, other.version) == (1, 2, first, 1)
    assert registry.find(store) == [first, second, other]
    with pytest.raises(DataError, match="ppo 2 is registered already.*the next is 3"):
        registry.register(store, model(version=2, sha256="cc"), prompt_hashes=[], now=LATER)
    assert registry.trained_on(store, ["h1", "h2", "h9"]) == {
        Version("ppo", 1): {"h1", "h2"},
        Version("ppo", 2): {"h2"},
    }
    assert registry.prompt_hashes(store, first) == {"h1", "h2"}
    assert registry.prompt_hashes(store, other) == set()


def test_a_model_is_found_by_name_version_and_alias(store: Store) -> None:
    first = registry.register(store, model(sha256="aa"), prompt_hashes=[], now=NOW)
    second = registry.register(store, model(sha256="bb"), prompt_hashes=[], now=NOW)
    registry.point(store, "default", first, now=NOW)
    assert [registry.get(store, name) for name in ("ppo", "ppo@1", "default")] == [second, first, first]
    registry.point(store, "default", second, now=LATER)
    assert registry.get(store, "default") == second
    assert registry.pointed(store) == {"default": Version("ppo", 2)}


@pytest.mark.parametrize("name", ["none", "ppo@2", "ppo@", "ppo@x", "", "@1"])
def test_an_unknown_model_is_a_sentence(store: Store, name: str) -> None:
    registry.register(store, model(), prompt_hashes=[], now=NOW)
    with pytest.raises(MissingError, match="There is no model"):
        registry.get(store, name)


def test_an_alias_points_at_what_is_there_and_is_no_models_name(store: Store) -> None:
    made = registry.register(store, model(), prompt_hashes=[], now=NOW)
    with pytest.raises(DataError, match="name of a model"):
        registry.point(store, "ppo", made, now=NOW)
    with pytest.raises(MissingError, match="ppo 7 is not in the registry"):
        registry.point(store, "default", model(version=7), now=NOW)


# Many rows


def test_twenty_thousand_ratings_are_one_batch(store: Store) -> None:
    add_prompt(store, "p")
    labelers.add(store, [Labeler(id="l", group="heldout", kind="simulated")], now=NOW)
    labelers.publish(store, Instructions(version="i", task="evaluation", text="t"), now=NOW)
    texts = [Completion(id=f"c{n}", prompt_id="p", text="t", policy="m", finish_reason="stop") for n in range(5000)]
    completions.add(store, texts, now=NOW)
    flags = {"violent": False, "hallucination": None}
    made = [
        Rating(
            id=f"r{n}",
            completion_id=f"c{n // 4}",
            labeler="l",
            kind="simulated",
            instruction_version="i",
            purpose="evaluation",
            quality=1 + n % 7,
            flags=flags,
        )
        for n in range(20_000)
    ]
    labels.add(store, labels.Judgements(ratings=made), now=NOW)
    found = labels.ratings_of(store, labels.Which(purpose="evaluation", group="heldout", kind="simulated"))
    assert Counter(one.quality for one in found) == Counter(1 + n % 7 for n in range(20_000))
    assert found[0] == made[0]
    assert labels.ratings_of(store, labels.Which(purpose="train")) == []
