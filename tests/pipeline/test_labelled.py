"""Labelled texts are read as their columns say, and parted so that equal texts stay together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.feedback.conftest import Desk, database, desk, store
from tutelage.errors import DataError, SettingsError
from tutelage.feedback.export import RatingRow
from tutelage.pipeline import labelled
from tutelage.pipeline.sources import Sources
from tutelage.records import FLAGS
from tutelage.train.content_filter import Labelled

__all__ = ["database", "desk", "store"]


def file(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_columns_are_shares_counts_or_values(tmp_path: Path) -> None:
    path = file(tmp_path, {"text": "g\u200boat", "n": 1, "of": 4, "kind": "rude", "sure": True, "none": None})
    specs = ["hate=n/of", "offensive=kind:rude", "sexual=sure", "violence=none"]
    (found,) = labelled.read(path, [labelled.column(spec) for spec in specs])
    assert found == Labelled(text="goat", labels={"hate": 0.25, "offensive": 1.0, "sexual": 1.0})
    (own,) = labelled.read(file(tmp_path, {"text": "a", "labels": {"hate": 0.5, "sexual": None}}), [])
    assert own.labels == {"hate": 0.5}


@pytest.mark.parametrize(
    ("row", "spec", "told"),
    [
        ({"text": "a", "n": 5, "of": 4}, "hate=n/of", "counts 5 of 4"),
        ({"text": "a"}, "hate=n", "lacks 'n'"),
        ({"text": "a", "n": "many"}, "hate=n", "is 'many'"),
        ({"n": 1}, "hate=n", "no text"),
        ({"text": "a"}, "", "no `labels`"),
    ],
)
def test_rows_that_cannot_be_used_are_told_by_number(tmp_path: Path, row: dict[str, Any], spec: str, told: str) -> None:
    with pytest.raises(DataError, match=f"row 1.*{told}|{told}"):
        labelled.read(file(tmp_path, row), [labelled.column(spec)] if spec else [])


@pytest.mark.parametrize(("spec", "told"), [("hate", "write CATEGORY=FIELD"), ("hat=n", "no category 'hat'")])
def test_columns_that_name_nothing_are_told(spec: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        labelled.column(spec)


def test_equal_texts_stay_together_and_nearly_equal_ones_do_not_cross() -> None:
    words = "goat eats grass near river under old stone bridge while children sing songs about winter snow".split()
    base = [" ".join(words[number % 5 :] + [f"w{number}", f"x{number * 7}"]) for number in range(300)]
    texts = [Labelled(text=text, labels={"hate": 0.0}) for text in base]
    parts = labelled.parted(texts)
    assert len(parts.train) + parts.alike + len(parts.calibration) + len(parts.test) == 300
    for text in base[:50]:
        again = f"RT @somebody {text.upper()}!! https://example.org/x &amp;"
        assert labelled.part_of(again) == labelled.part_of(text)
    assert {labelled.part_of(text) for text in base} == {"train", "calibration", "test"}
    held = [one.text for one in parts.test]
    copies = [Labelled(text=f"{text} indeed", labels={}) for text in held]
    near = labelled.parted(texts + copies)
    crossing = {one.text for one in near.train} & {one.text for one in copies}
    assert not crossing


def test_flags_become_shares_of_those_who_answered() -> None:
    def row(labeler: str, **flags: bool) -> RatingRow:
        values = dict.fromkeys(FLAGS) | flags
        rest = dict.fromkeys(("policy", "work", "instruction_version", "use_case", "source", "split"), "")
        return RatingRow(
            label_id=labeler, prompt_id="p", prompt="q", completion="text", cut=False, quality=4, flags=values,
            labeler=labeler, **rest,
        )  # fmt: skip

    rows = [row("a", denigrates=True, violent=False), row("b", denigrates=False, opinion=True)]
    (found,) = labelled.flagged(rows)
    assert found == Labelled(text="text", labels={"hate": 0.5, "violence": 0.0})
    assert labelled.flagged([row("c", opinion=True)]) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_stores_ratings_are_labelled_texts_and_those_for_evaluation_are_not(
    desk: Desk, database: str, tmp_path: Path
) -> None:
    desk.rate("p", flags={"denigrates": True, "harmful_advice": None})
    desk.rate("q", flags={"denigrates": False})
    desk.rate("r", flags={"denigrates": True}, purpose="evaluation")
    desk.rate("s", flags={"denigrates": True}, prompt={"split": "validation"})
    source = Sources(tmp_path / "run", "filter", database)
    found = labelled.flagged(source.ratings())
    assert sorted(one.labels["hate"] for one in found) == [0.0, 1.0]
    assert [one.labels for one in labelled.flagged(source.ratings("validation"))] == [{"hate": 1.0}]
    assert source.seen.labels == {"q-p", "q-q"}
