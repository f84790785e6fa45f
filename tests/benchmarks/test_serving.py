"""The benchmark of the API: a small one runs to its end, and what is computed from times is what is told."""

from __future__ import annotations

import pytest

from benchmarks import serving
from benchmarks.serving import Plan
from tests.generate.tiny import make_directory


def test_streams_and_the_gateways_cost_are_measured(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = make_directory(tmp_path_factory.mktemp("bench") / "tiny")
    plan = Plan(model=model, dtype="float32", streams=(1, 3), prompt_words=2, new=4, rounds=1, requests=10, peers=False)
    rows = list(serving.rows(plan))
    assert [(row.case, row.unit, row.peer) for row in rows] == [
        ("1 streams, ours, filtered", "tokens/s", "ours"),
        ("1 streams, ours, filtered, first token", "ms", "ours"),
        ("3 streams, ours, filtered", "tokens/s", "ours"),
        ("3 streams, ours, filtered, first token", "ms", "ours"),
        ("one request of one token, no key", "ms", "the engine's socket"),
        ("one request of one token, key and quota", "ms", "the engine's socket"),
        ("one request of one token, key, quota and filter", "ms", "the engine's socket"),
    ]
    assert all(row.ours > 0 and row.theirs > 0 and row.low <= row.ratio <= row.high for row in rows)


def test_the_cost_is_the_difference_of_medians() -> None:
    through, direct = [5.0, 7.0, 6.0, 9.0, 6.0], [3.0, 4.0, 3.0, 5.0, 4.0]
    row = serving._overhead("no key", through, direct)
    assert (row.ours, row.theirs, row.ratio) == (6.0, 4.0, 4.0 / 6.0)
    assert row.note.startswith("the gateway adds 2.00 ms at p50")


def test_sooner_is_a_ratio_above_one() -> None:
    row = serving._waits("8 streams", {"ours": [10.0, 20.0], "a": [30.0, 30.0], "b": [15.0, 25.0]}, "ours")
    assert (row.peer, row.ours, row.theirs) == ("b", 15.0, 20.0)
    assert (row.low, row.high) == (1.25, 1.5) and row.note == "a 30"
