"""Promotion through gates, and the way back, on files as they lie in a registry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.release.versions import NOW, judge, register, write
from tutelage.errors import DataError, MissingError, RefusedError, SettingsError
from tutelage.records import RegisteredModel
from tutelage.release import promotion
from tutelage.release.gates import Gate
from tutelage.release.promotion import Order, Promoted
from tutelage.store import Store, registry, releases
from tutelage.store.registry import Version
from tutelage.store.results import Figure

GATES = (Gate(figure="win_rate/sft", at_least=0.5), Gate(figure="difference/toxic", at_most=0.0))
GOOD = {"win_rate__sft": Figure(0.6, 0.55, 0.65, 900), "difference__toxic": Figure(-0.02, -0.03, -0.01, 900)}
BAD = GOOD | {"difference__toxic": Figure(0.02, 0.01, 0.03, 900)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "s.db")) as opened:
        yield opened


@pytest.fixture
def versions(store: Store, tmp_path: Path) -> list[RegisteredModel]:
    """Register two versions that were judged well, and one that was judged badly."""
    made = [register(store, write(tmp_path / f"v{n}", n)) for n in (1, 2, 3)]
    for model, figures in zip(made, (GOOD, GOOD, BAD), strict=True):
        judge(store, model, **figures)
    return made


def promote(store: Store, name: str, **order: Any) -> Promoted:
    return promotion.promote(store, name, Order(alias="default", **order), now=NOW)


def named(store: Store) -> str:
    return str(registry.pointed(store)["default"])


def test_a_version_whose_gates_pass_is_named_and_the_history_says_why(
    store: Store, versions: list[RegisteredModel]
) -> None:
    made = promote(store, "m@1", gates=GATES, by="anna", reason="first")
    assert (made.before, [outcome.state for outcome in made.outcomes]) == (None, ["passed", "passed"])
    assert promote(store, "m@2").before == Version("m", 1)  # the gates of the promotion before hold
    first, second = releases.history(store, "default")
    assert (first.decision.by, first.decision.reason, str(first.version)) == ("anna", "first", "m@1")
    assert [found["gate"]["figure"] for found in second.decision.gates] == ["win_rate/sft", "difference/toxic"]
    assert second.decision.gates[0]["figure"] == [0.6, 0.55, 0.65, 900]
    assert named(store) == "m@2"


def test_a_gate_that_fails_is_named_and_nothing_changes(store: Store, versions: list[RegisteredModel]) -> None:
    promote(store, "m@1", gates=GATES)
    for order in ({}, {"gates": GATES}, {"share": 0.1}):
        with pytest.raises(RefusedError, match=r"m@3 is not promoted\. The gate difference/toxic fails"):
            promote(store, "m@3", **order)
    assert named(store) == "m@1" and len(releases.history(store, "default")) == 1
    assert releases.find_canaries(store) == {}
    judge(store, versions[2], difference__toxic=Figure(-0.01, -0.02, 0.0, 900))  # measured anew, after it was mended
    promote(store, "m@3")
    assert named(store) == "m@3"


def test_without_gates_somebody_answers_for_it(store: Store, versions: list[RegisteredModel]) -> None:
    with pytest.raises(RefusedError, match="Nothing was promoted to default through gates yet"):
        promote(store, "m@3")
    for order in ({"is_ungated": True}, {"is_ungated": True, "reason": " "}, {"is_ungated": True, "gates": GATES,
                                                                             "reason": "r"}):  # fmt: skip
        with pytest.raises(SettingsError, match="say why with --reason"):
            promote(store, "m@3", **order)
    promote(store, "m@3", is_ungated=True, reason="the only one there is")
    (move,) = releases.history(store, "default")
    assert (move.decision.reason, move.decision.gates) == ("the only one there is", [])
    with pytest.raises(RefusedError, match="none hold for it"):
        promote(store, "m@1")


def test_files_are_checked_before_anything_moves(store: Store, versions: list[RegisteredModel]) -> None:
    promote(store, "m@1", gates=GATES)
    config = Path(versions[1].path) / "config.json"
    config.write_text(config.read_text().replace("llama", "gpt2"))
    with pytest.raises(DataError, match="not those that were registered"):
        promote(store, "m@2")
    Path(versions[2].path).rename(Path(versions[2].path).with_name("away"))
    with pytest.raises(MissingError, match="are gone"):
        promote(store, "m@3")
    with pytest.raises(MissingError, match="There is no model 'm@9'"):
        promote(store, "m@9")
    assert named(store) == "m@1"


def test_a_roll_back_needs_no_gate_and_the_files(store: Store, versions: list[RegisteredModel]) -> None:
    promote(store, "m@1", gates=GATES)
    with pytest.raises(DataError, match="never named another version than m@1"):
        promotion.roll_back(store, "default", by="", reason="", now=NOW)
    promote(store, "m@2")
    promote(store, "m@3", share=0.25, is_ungated=True, reason="a trial")
    ended = promotion.roll_back(store, "default", by="", reason="slow", now=NOW)
    assert (ended.action, str(ended.version), named(store)) == ("canary_ended", "m@3", "m@2")
    config = Path(versions[0].path) / "config.json"
    text = config.read_text()
    config.write_text("{}")
    with pytest.raises(DataError, match="not those that were registered"):
        promotion.roll_back(store, "default", by="", reason="", now=NOW)
    assert named(store) == "m@2"
    config.write_text(text)
    back = promotion.roll_back(store, "default", by="", reason="", now=NOW)
    assert (back.action, named(store)) == ("rolled_back", "m@1")
    with pytest.raises(MissingError, match="There is no alias 'other'"):
        promotion.roll_back(store, "other", by="", reason="", now=NOW)


def test_days_that_are_past_and_canaries_keep_nothing(store: Store, versions: list[RegisteredModel]) -> None:
    with pytest.raises(SettingsError, match="is past"):
        promote(store, "m@1", gates=GATES, keep_until=NOW)
    with pytest.raises(SettingsError, match="A canary replaces nothing"):
        promote(store, "m@1", gates=GATES, share=0.5, keep_until=NOW + timedelta(days=1))
