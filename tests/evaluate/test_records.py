"""Rows on disk: what is written is read, and what does not belong is refused in a sentence that names the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tutelage.errors import DataError, MissingError
from tutelage.evaluate.records import FILES, Check, Evaluation, read, write

Draw = Callable[..., Evaluation]


def test_what_is_written_is_read(draw: Draw, tmp_path: Path) -> None:
    evaluation = draw(4, prompts=5, labelers=4, items=3)
    write(tmp_path, evaluation)
    again = read(tmp_path)
    assert (again.arms, again.facts) == (evaluation.arms, evaluation.facts)
    for name in FILES:
        rows, known = getattr(again, name), getattr(evaluation, name)
        assert len(rows) == len(known) and all(row in rows for row in known), name


def test_rows_lie_in_one_order_on_disk(draw: Draw, tmp_path: Path) -> None:
    evaluation = draw(4, prompts=5, labelers=4, items=3)
    write(tmp_path / "one", evaluation)
    write(tmp_path / "two", replace(evaluation, rankings=evaluation.rankings[::-1], ratings=evaluation.ratings[::-1]))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize(("name", "change", "sentence"), [
    ("rankings", {"seed": 9}, "has seed 9 in an evaluation of seed 4"),
    ("rankings", {"prompt_id": "nowhere"}, "names the prompt 'nowhere'"),
    ("rankings", {"ranks": {"gpt": 0, "sft": 1}}, "names the model 'gpt', which models.json does not list"),
    ("ratings", {"quality": 8}, "has quality 8, which must be 1 to 7"),
    ("tasks", {"score": 1.5}, "has score 1.5, which must lie in 0 to 1"),
    ("verdicts", {"model": "gpt"}, "names the model 'gpt'"),
    ("ratings", {"quality": "good"}, r"ratings.jsonl:\d+: quality should be a valid integer"),
    ("ratings", {"group": "friends"}, r"ratings.jsonl:\d+: group should be"),
])  # fmt: skip
def test_rows_that_do_not_belong_are_refused(
    name: str, change: dict[str, object], sentence: str, draw: Draw, tmp_path: Path
) -> None:
    write(tmp_path, draw(4, prompts=3, labelers=4, items=2))
    path = tmp_path / f"{name}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | change)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=sentence) as caught:
        read(tmp_path)
    assert f"{name}.jsonl:2" in str(caught.value)


def test_a_row_that_occurs_twice_is_refused(draw: Draw, tmp_path: Path) -> None:
    evaluation = draw(4, prompts=3, labelers=4, items=2)
    write(tmp_path, replace(evaluation, verdicts=evaluation.verdicts + evaluation.verdicts[:1]))
    with pytest.raises(DataError, match="occurs twice"):
        read(tmp_path)


def test_missing_files_are_named(draw: Draw, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="holds no evaluation"):
        read(tmp_path)
    write(tmp_path, draw(4, prompts=3, labelers=4, items=2))
    (tmp_path / "tasks.jsonl").unlink()
    assert read(tmp_path).tasks == (), "an evaluation without tasks can be reported"
    (tmp_path / "rankings.jsonl").unlink()
    with pytest.raises(MissingError, match=r"rankings\.jsonl is missing"):
        read(tmp_path)


@pytest.mark.parametrize(("text", "sentence"), [
    ("{", "not valid JSON"),
    ('{"seed": "four"}', "facts.json: seed"),
    ('{"seed": 4, "labels": [{"what": "x", "kind": "robot", "group": "", "count": 1, "labelers": 1}]}', "0.kind"),
])  # fmt: skip
def test_malformed_facts_are_named(text: str, sentence: str, draw: Draw, tmp_path: Path) -> None:
    write(tmp_path, draw(4, prompts=3, labelers=4, items=2))
    (tmp_path / "facts.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=sentence):
        read(tmp_path)


def test_one_arm_is_no_comparison(draw: Draw, tmp_path: Path) -> None:
    write(tmp_path, draw(4, prompts=3, labelers=4, items=2))
    (tmp_path / "models.json").write_text('[{"model": "base", "name": "base"}]', encoding="utf-8")
    with pytest.raises(DataError, match="at least two different arms"):
        read(tmp_path)


@pytest.mark.parametrize(("mean", "low", "high", "expected"), [
    (0.5, 0.35, 0.7, True), (0.35, 0.35, None, True), (0.34, 0.35, None, False), (0.71, None, 0.7, False),
    (9, None, None, True),
])  # fmt: skip
def test_a_check_holds_within_its_bounds(mean: float, low: float | None, high: float | None, expected: bool) -> None:
    assert Check(name="x", mean=mean, low=0, high=1, n=1, at_least=low, at_most=high).holds is expected
