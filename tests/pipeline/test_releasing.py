"""Figures of evaluations under the names of gates, and what a recipe releases by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.evaluate.conftest import synthetic_evaluation
from tests.release.versions import NOW, register, write
from tutelage.config import find_recipe, load
from tutelage.core.statistics import Estimate
from tutelage.errors import DataError, MissingError
from tutelage.evaluate import records
from tutelage.evaluate.records import Evaluation
from tutelage.pipeline import releasing, shadowing
from tutelage.pipeline.recipe import Recipe
from tutelage.release.gates import Gate, judge
from tutelage.runs import Run
from tutelage.store import Store, registry, releases, requests, results
from tutelage.store.requests import Ended, Request
from tutelage.store.results import Figure
from tutelage.store.shadows import Shadow

BETTER, WORSE = Gate(figure="win_rate/sft", at_least=0.5), Gate(figure="win_rate/sft", at_most=0.5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "s.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def judged() -> Evaluation:
    """Draw an evaluation in which PPO-ptx is better than SFT by construction."""
    return synthetic_evaluation(1)


def test_figures_are_named_without_the_judged_model() -> None:
    one, two = Estimate(0.6, 0.5, 0.7, 10), Estimate(0.1, float("-inf"), 0.2, 1)
    found = {
        ("win_rate", "ppo", "sft"): one,
        ("win_rate", "sft", "ppo"): Estimate(0.4, 0.3, 0.5, 10),
        ("difference", "toxic", "ppo"): one,
        ("gap", "refused", "ppo", "sft"): one,
        ("tax", "all tasks", "ppo"): one,
        ("loss", "ppo"): two,
        ("agreement", "heldout", "ties_excluded"): one,
        ("tax_difference", "ppo"): one,
    }
    names = {"win_rate/sft", "difference/toxic", "gap/refused/sft", "tax/all tasks"}
    assert releasing.figures_of(found, "ppo") == dict.fromkeys(names, Figure(0.6, 0.5, 0.7, 10))
    assert releasing.figures_of(found, "sft") == {"win_rate/ppo": Figure(0.4, 0.3, 0.5, 10)}


def test_every_gate_of_the_villages_recipe_names_a_figure_that_its_evaluation_gives(judged: Evaluation) -> None:
    gates = load(Recipe, find_recipe("village")).release.gates
    found = releasing.figures_of(releasing.score.figures_of(judged), "ppo_ptx")
    assert [one.gate.figure for one in judge(gates, found) if one.figure is None] == [] != gates


def test_an_evaluation_judges_the_files_that_it_names(store: Store, tmp_path: Path, judged: Evaluation) -> None:
    model, other = register(store, write(tmp_path / "one", 1)), register(store, write(tmp_path / "two", 2))
    place = tmp_path / "evaluation"
    lineage = releasing.lineage_of({"ppo_ptx": Path(model.path), "base": Path(other.path)})
    records.write(place, replace(judged, facts=replace(judged.facts, lineage=lineage)))
    made = releasing.results_of(place, model)
    assert made.figures["win_rate/sft"].low > 0.5 and made.sha256 == model.sha256
    results.record(store, made, by="", now=NOW)
    third = register(store, write(tmp_path / "three", 3))
    with pytest.raises(DataError, match=r"judged other files than those of m@3"):
        releasing.results_of(place, third)
    with pytest.raises(MissingError, match="holds no evaluation"):
        releasing.results_of(tmp_path / "one", model)


def test_people_judge_by_kind_and_group(store: Store, tmp_path: Path) -> None:
    model = register(store, write(tmp_path / "one", 1))
    place = tmp_path / "people"
    Run.begin(place, stage="people", settings={}, parents={"new": model.sha256, "old": "0" * 64})
    figure = {"mean": 0.6, "low": 0.55, "high": 0.65, "n": 600}
    part = {"kind": "human", "group": "heldout", "labelers": 5, "win_rate": {"new": {"old": figure}},
            "quality": {"new": figure}, "flags": {"violent": {"new": figure | {"low": None}}}}  # fmt: skip
    report = {"missing": 0, "asked": 600, "parts": [part], "arms": {}}
    (place / "report.json").write_text(json.dumps(report))
    assert releasing.results_of(place, model).figures == {"human/heldout/win_rate/old": Figure(0.6, 0.55, 0.65, 600)}
    (place / "report.json").write_text(json.dumps(report | {"missing": 7}))
    with pytest.raises(DataError, match="7 of 600 judgements in .* are still to come"):
        releasing.results_of(place, model)


def test_a_recipe_releases_by_its_gates(store: Store, tmp_path: Path, judged: Evaluation) -> None:
    first, second = register(store, write(tmp_path / "one", 1)), register(store, write(tmp_path / "two", 2))
    place = write(tmp_path / "evaluation", 9)

    def release(arms: dict[str, str], chosen: str, *gates: Gate) -> str:
        models = {arm: registry.get(store, name) for arm, name in arms.items()}
        return releasing.release(store, models, (place, judged), registry.get(store, chosen), gates, now=NOW)

    assert "m@1 is not promoted. The gate win_rate/sft fails" in release({"ppo_ptx": "m@1"}, "m@1", WORSE)
    assert registry.pointed(store) == {}
    assert release({"ppo_ptx": "m@1"}, "m@1", BETTER) == ""
    assert release({"ppo_ptx": "m@1"}, "m@1", BETTER) == ""  # given again, nothing moves
    assert release({"sft": "m@2"}, "m@2") == ""
    moves = releases.history(store, "default")
    assert [(str(move.version), len(move.decision.gates), move.decision.reason) for move in moves] == [
        ("m@1", 1, ""), ("m@2", 0, releasing.UNGATED)
    ]  # fmt: skip
    assert results.newest(store, first)["win_rate/sft"].low > 0.5
    assert "win_rate/sft" not in results.newest(store, second)


def test_calls_of_a_canary_are_counted_by_caller(store: Store, tmp_path: Path) -> None:
    model = register(store, write(tmp_path / "one", 1))

    def call(number: int, action: str, severity: int = 0, **more: str) -> Ended:
        told = {"model": "m@1", "policy_version": "p-1", "end_user": f"u{number % 5}", **more}
        return Ended(request=Request(
            id=f"r{number}", endpoint="chat", action=action, status=200, created=NOW, latency_ms=1,  # type: ignore[arg-type]
            completion_severity=severity, **told,  # type: ignore[arg-type]
        ))  # fmt: skip

    made = [call(n, "served", 2 if n == 3 else 0) for n in range(16)] + [call(16, "cut", 2), call(17, "failed")]
    made += [call(18, "failed"), call(19, "cancelled"), call(20, "blocked_prompt"), call(21, "served", 2, model="m@2")]
    requests.add(store, [*made, call(22, "served", policy_version="")])
    figures = releasing.results_of_calls(store, model).figures
    assert {name: (round(one.mean, 4), one.n) for name, one in figures.items()} == {
        "calls/failed": (round(2 / 20, 4), 20), "calls/unsafe": (round(2 / 17, 4), 17)
    }  # fmt: skip
    assert 0 < figures["calls/unsafe"].low < figures["calls/unsafe"].high < 1
    results.record(store, releasing.results_of_calls(store, model), by="", now=NOW)
    assert set(results.newest(store, model)) == {"calls/failed", "calls/unsafe"}


def test_shadow_answers_are_counted_and_held_against_those_of_the_version_in_use() -> None:
    ours = {"a": Shadow("I cannot help with that.", "stop"), "b": Shadow("Yes", "length"), "c": Shadow("", "error"),
            "d": Shadow("No", "stop")}  # fmt: skip
    theirs = {"a": Shadow("Sure", "stop"), "b": Shadow("Yes", "length"), "c": Shadow("A hat.", "stop")}
    found = shadowing.figures_of(ours, theirs)
    assert {name: (round(one.mean, 4), one.n) for name, one in found.items()} == {
        "shadow/refused": (0.25, 4), "shadow/cut": (0.25, 4), "shadow/failed": (0.25, 4),
        "shadow_gap/refused": (0.3333, 3), "shadow_gap/cut": (0.0, 3), "shadow_gap/failed": (0.3333, 3),
    }  # fmt: skip
    assert shadowing.figures_of({}, theirs) == {}
