"""Traffic: after a plain intake (consent, endpoint, repeats, cap, personal data) every stage has its counts."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict

import pytest

from tutelage.records import Prompt
from tutelage.village import customers
from tutelage.village.prompts import Counts
from tutelage.village.world import World, make_world

COUNTS = Counts(sft=60, reward=100, ppo=1500, validation=40, test=120)
PERSONAL = re.compile(r"@|\+44|\bof \d+ [A-Z]")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(3)


@pytest.fixture(scope="module")
def traffic(world: World) -> list[Prompt]:
    return customers.make_traffic(world, 1, COUNTS)


def _intake(traffic: list[Prompt]) -> list[Prompt]:
    """A small intake of the test's own."""
    kept, seen = [], set()
    sent: defaultdict[str, int] = defaultdict(int)
    for row in traffic:
        if not row.consent or row.endpoint != "playground" or PERSONAL.search(row.text) or row.text in seen:
            continue
        seen.add(row.text)
        sent[row.user] += 1
        if sent[row.user] <= 200:
            kept.append(row)
    return kept


def test_the_same_seed_makes_the_same_traffic(world: World) -> None:
    small = Counts(sft=20, reward=20, ppo=20, validation=10, test=10)
    assert customers.make_traffic(world, 1, small) == customers.make_traffic(world, 1, small)
    assert customers.make_traffic(world, 1, small) != customers.make_traffic(world, 2, small)


def test_every_stage_keeps_its_counts_after_intake(traffic: list[Prompt]) -> None:
    left = Counter(row.stage if row.split == "train" else row.split for row in _intake(traffic))
    for stage, wanted in COUNTS._asdict().items():
        assert left[stage] >= wanted * 1.05, stage


def test_intake_has_work(traffic: list[Prompt]) -> None:
    n = sum(COUNTS)
    users = Counter(row.user for row in traffic)
    assert max(users.values()) > 200
    assert 3 < sum(users.values()) / len(users) < 9
    assert sum(not row.consent for row in traffic) >= 0.02 * n
    assert sum(bool(PERSONAL.search(row.text)) for row in traffic) >= 0.02 * n
    assert len({row.consent for row in traffic}) == 3
    texts = Counter(row.text for row in traffic)
    assert sum(count - 1 for count in texts.values()) >= 0.03 * n
    ordered = sorted(texts)
    near = sum(b.startswith(a) and b != a for a, b in zip(ordered, ordered[1:], strict=False))
    assert near >= 0.02 * n
    assert all(row.model and row.endpoint and row.user and row.id for row in traffic)
    assert len({row.id for row in traffic}) == len(traffic)


def test_a_user_has_one_split_and_the_rule_agrees(traffic: list[Prompt]) -> None:
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for row in traffic:
        splits[row.user].add(row.split)
        assert customers.default_split(row.user) == row.split
    assert all(len(found) == 1 for found in splits.values())


def test_another_split_rule_is_obeyed(world: World) -> None:
    def salted(user: str) -> str:
        byte = hashlib.blake2b(user.encode(), salt=b"pepper").digest()[0]
        return "train" if byte < 200 else "validation" if byte < 230 else "test"

    rows = customers.make_traffic(world, 1, Counts(20, 20, 20, 10, 10), salted)
    assert all(salted(row.user) == row.split for row in rows)


def test_a_rule_that_forgets_a_split_is_refused() -> None:
    names = customers._Names(lambda user: "train")
    names._next["test"] = iter(())
    with pytest.raises(ValueError, match="'test'"):
        names.take("test")
