"""Outputs made elsewhere: files as people have them, figures by hand, and a sentence for every bad input."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from tutelage.errors import UserError
from tutelage.evaluate.cells import Columns
from tutelage.evaluate.scoring import Report, as_json, score

TEXTS = Columns(by=("model",), item=("id",), output="output", references=("reference",))
READY = Columns(by=("model",), item=("id",), score="score")


def sheet(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def means(report: Report, metric: str) -> dict[tuple[str, ...], float]:
    return {group.key: group.figures[metric].mean for group in report.groups}


def test_ten_thousand_rows_with_line_feeds_and_gaps(tmp_path: Path) -> None:
    """Every group's mean, n and gaps, and the paired differences, counted apart from the program."""
    rng = random.Random(7)
    rows = [
        {
            "model": model,
            "prompt_type": kind,
            "prompt": f'Question {item},\n"quoted"\r\nand more',
            "output": rng.choice(["yes,\nit is", "no", "", "n/a"]),
            "reference": "yes, it is" if item % 10 else "",
        }
        for model in ("base", "sft", "ppo", "ptx")
        for kind in ("plain", "few-shot")
        for item in range(1250)
    ]
    columns = Columns(
        by=("model", "prompt_type"), item=("prompt",), output="output", references=("reference",), missing=("n/a",)
    )
    report = score(sheet(tmp_path / "outputs.csv", rows), "squad", columns, baseline="base")
    assert report.rows == 10_000
    right: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row["output"] in ("no", "yes,\nit is") and row["reference"]:
            found = right.setdefault((row["model"], row["prompt_type"]), {})
            found[row["prompt"]] = float(row["output"] != "no")
    assert means(report, "exact_match") == pytest.approx({key: fmean(one.values()) for key, one in right.items()})
    for group in report.groups:
        assert group.figures["f1"].n == len(right[group.key]) == group.rows - sum(group.missing.values())
        assert (group.rows, group.items) == (1250, 1250)
    exact = [one for one in report.contrasts if one.metric == "exact_match"]
    assert {(one.first, one.second) for one in exact} == {
        ((model, kind), ("base", kind)) for model in ("sft", "ppo", "ptx") for kind in ("plain", "few-shot")
    }
    for one in exact:
        first, second = right[one.first], right[one.second]
        both = first.keys() & second.keys()
        assert (one.items, one.unpaired) == (len(both), len(first.keys() ^ second.keys()))
        assert one.difference.mean == pytest.approx(fmean(first[item] - second[item] for item in both))
        assert one.p <= one.adjusted <= 1


def test_missing_is_never_zero_and_is_counted_by_what_lacks(tmp_path: Path) -> None:
    rows = [
        {"model": "m", "id": 1, "output": "a b", "reference": "a b"},
        {"model": "m", "id": 2, "output": None, "reference": "x"},
        {"model": "m", "id": 3, "output": "x", "reference": None},
        {"model": "m", "id": 4, "output": " ", "reference": "x"},
        {"model": "m", "id": 5, "reference": "x"},
    ]
    path = lines(tmp_path / "o.jsonl", rows)
    (group,) = score(path, "exact-match", TEXTS).groups
    assert (group.figures["exact_match"].mean, group.figures["exact_match"].n) == (1, 1)
    assert (group.rows, group.missing) == (5, {"output": 3, "reference": 1})
    counted = Columns(by=("model",), item=("id",), output="output", references=("reference",), empty_counts=True)
    (group,) = score(path, "exact-match", counted).groups
    assert (group.figures["exact_match"].mean, group.missing) == (0.5, {"output": 2, "reference": 1})


def test_no_answer_has_figures_of_its_own(tmp_path: Path) -> None:
    rows = [
        {"model": "m", "id": "1", "output": "Paris", "reference": "Paris"},
        {"model": "m", "id": "2", "output": "Not in background.", "reference": ""},
        {"model": "m", "id": "3", "output": "Rome", "reference": ""},
        {"model": "m", "id": "4", "output": "", "reference": "Oslo"},
    ]
    columns = Columns(
        by=("model",), item=("id",), output="output", references=("reference",), no_answer=("not in background",)
    )
    (group,) = score(sheet(tmp_path / "o.csv", rows), "squad2", columns).groups
    assert {name: (one.mean, one.n) for name, one in group.figures.items()} == {
        "exact_match": (0.5, 4), "f1": (0.5, 4), "has_answer_exact_match": (0.5, 2), "has_answer_f1": (0.5, 2),
        "no_answer_exact_match": (0.5, 2), "no_answer_f1": (0.5, 2),
    }  # fmt: skip


def test_references_and_spans_in_cells_lists_and_columns(tmp_path: Path) -> None:
    several = Columns(output="output", references=("a", "b"), separator=";")
    rows = [{"output": "Rome", "a": "Paris; Rome", "b": ""}, {"output": "Oslo", "a": "", "b": "Oslo"}]
    assert means(score(sheet(tmp_path / "o.csv", rows), "squad", several), "exact_match") == {(): 1.0}
    # Of DROP a cell is one answer, and the separator divides its spans; one answer in the second cell is right.
    spans = [{"output": "x; y", "a": "y;x", "b": ""}, {"output": "4", "a": "5", "b": "4.0"}]
    assert means(score(sheet(tmp_path / "d.csv", spans), "drop", several), "exact_match") == {(): 1.0}
    plain = Columns(output="output", references=("a",))
    listed = [{"output": ["y", "x"], "a": [["z"], ["x", "y"]]}, {"output": 4, "a": ["4.0"]}]
    assert means(score(lines(tmp_path / "d.jsonl", listed), "drop", plain), "exact_match") == {(): 1.0}
    listed = [{"output": "Rome", "a": ["Paris", "Rome"]}]
    assert means(score(lines(tmp_path / "o.jsonl", listed), "rouge-l", plain), "rouge_l") == {(): 1.0}


def test_ready_numbers_and_rates(tmp_path: Path) -> None:
    rows = [
        {"model": "a", "id": "1", "score": "3.5"},
        {"model": "a", "id": "2", "score": "nan"},
        {"model": "a", "id": "3", "score": ""},
        {"model": "b", "id": "1", "score": "-1e1"},
    ]
    report = score(sheet(tmp_path / "s.csv", rows), "score", READY)
    assert means(report, "score") == {("a",): 3.5, ("b",): -10.0}
    assert [group.missing for group in report.groups] == [{"score": 2}, {}]
    (contrast,) = report.contrasts
    assert (contrast.difference.mean, contrast.items, contrast.unpaired, contrast.p) == (13.5, 1, 0, 1.0)
    plain = as_json(report)
    assert plain["contrasts"][0]["difference"] == {"mean": 13.5, "low": None, "high": None, "n": 1}
    json.dumps(plain, allow_nan=False)
    said = [{"model": "a", "id": str(n), "score": value} for n, value in enumerate(["Yes", "no", "TRUE", "0", "0.5"])]
    (group,) = score(sheet(tmp_path / "r.csv", said), "rate", READY).groups
    assert (group.figures["rate"].mean, group.figures["rate"].n) == (0.5, 5)
    assert 0 < group.figures["rate"].low < 0.5 < group.figures["rate"].high < 1


def test_rows_of_an_item_depend_on_each_other_and_labelers_count(tmp_path: Path) -> None:
    """The same four values: by item, by cluster of two items, and by labeler, ever fewer independent ones."""
    rows = [
        {"id": item, "passage": item[0], "labeler": labeler, "score": value}
        for item, labeler, value in [("a1", "x", 1), ("a2", "y", 2), ("b1", "x", 6), ("b2", "y", 7)]
    ]
    path = sheet(tmp_path / "s.csv", rows)
    by_item = score(path, "score", Columns(item=("id",), score="score")).groups[0].figures["score"]
    by_passage = (
        score(path, "score", Columns(item=("id",), cluster="passage", score="score")).groups[0].figures["score"]
    )
    by_both = score(path, "score", Columns(item=("passage",), labeler="labeler", score="score"))
    # Independent: sqrt(sum of squares 26 / 3 / 4), t 3.182; two passages: means 1.5 and 6.5, t 12.706 * 2.5.
    assert by_item.high - by_item.mean == pytest.approx(3.182 * (26 / 12) ** 0.5, rel=1e-3)
    assert by_passage.high - by_passage.mean == pytest.approx(12.706 * 2.5, rel=1e-3)
    assert by_both.groups[0].figures["score"].high > by_item.high


def test_models_that_are_always_right_are_not_certain_to_be_equal(tmp_path: Path) -> None:
    rows = [{"model": m, "id": n, "output": "x", "reference": "x"} for m in "ab" for n in range(20)]
    (contrast,) = score(sheet(tmp_path / "o.csv", rows), "exact-match", TEXTS).contrasts
    assert contrast.difference.mean == 0
    # Wilson's upper bound for 0 of 20.
    assert contrast.difference.high == -contrast.difference.low == pytest.approx(0.1611, abs=1e-4)


def test_bleu_of_groups_and_their_difference(tmp_path: Path) -> None:
    rng = random.Random(1)
    rows = []
    for item in range(40):
        words = rng.choices("abcdefgh", k=12)
        for model, swaps in (("good", 1), ("bad", 6)):
            said = list(words)
            for place in rng.sample(range(12), swaps):
                said[place] = "z"
            rows.append({"model": model, "id": item, "output": " ".join(said), "reference": " ".join(words)})
    report = score(sheet(tmp_path / "o.csv", rows), "bleu", TEXTS)
    good, bad = (group.figures["bleu"] for group in report.groups)
    (contrast,) = report.contrasts
    assert contrast.difference.mean == pytest.approx(good.mean - bad.mean)
    assert 0 < bad.mean < good.mean < 100
    assert contrast.difference.low > 0 and contrast.p < 0.001
    assert score(report.path, "bleu", TEXTS) == report, "the same file gives the same figures"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("e.csv", b"", r"holds no row"),
        ("e.csv", b"model,id,output,reference\n", r"holds no row"),
        ("e.jsonl", b"\n", r"holds no row"),
        ("l.csv", b"model,id,output,reference\nm,1,caf\xe9,x\n", r"l\.csv:2: a byte of the line is not UTF-8"),
        ("l.jsonl", b'{"model": "\xe9"}\n', r"l\.jsonl:1: byte 12 of the line is not UTF-8"),
        ("q.csv", b'model,id,output,reference\nm,1,x,y\nm,2,"x,y\n', r"q\.csv:3: .*check the quotes"),
        ("w.csv", b"model,id,output,reference\nm,1,x\n", r"w\.csv:2: the row has 3 cells and the header 4"),
        ("t.csv", b"model,id,id,output\n", r"several columns named 'id'"),
        ("n.csv", b"model,id,outptu,reference\nm,1,x,y\n", r"no column output; did you mean outptu\? It has model, id"),
        ("j.jsonl", b"{oops\n", r"j\.jsonl:1: .*one JSON object per line"),
        ("j.jsonl", b"[1]\n", r"j\.jsonl:1: the line is not a JSON object"),
        ("i.csv", b"model,id,output,reference\nm,,x,y\n", r"i\.csv:2: id is empty"),
        ("x.jsonl", b'{"model": 1, "id": 1, "output": {"a": 1}, "reference": "y"}\n', r"x\.jsonl:1: output is \{'a'"),
        ("y.jsonl", b'{"model": 1, "id": 1, "output": "x", "reference": {"a": 1}}\n', r"y\.jsonl:1: reference is"),
        ("m.csv", b"model,id,output,reference\nm,1,,y\n", r"no row to score: every output is missing"),
        ("o.xlsx", b"PK", r"does not end in \.csv, \.tsv, \.jsonl"),
    ],
)
def test_a_bad_file_is_a_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        score(path, "squad", TEXTS)


@pytest.mark.parametrize(
    ("task", "columns", "baseline", "sentence"),
    [
        ("squda", TEXTS, "", "There is no task squda; did you mean squad"),
        ("squad", READY, "", "name --output and --reference"),
        ("score", TEXTS, "", "name their column with --score"),
        ("squad", Columns(output="output", references=("reference",), score="score"), "", "leave the other columns"),
        ("squad", Columns(output="output", references=("reference",), no_answer=("x",)), "", "is for squad2"),
        ("score", READY, "nobody", "No row has model nobody, the baseline; there are m."),
        ("score", Columns(by=("model",), score="score"), "m", "name group columns with --by, and items with --item"),
        ("score", Columns(score="model"), "", r"s\.csv:2: model is 'm', not a number"),
        ("rate", READY, "", r"s\.csv:2: score is '7', not yes, no or a number from 0 to 1"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(
    tmp_path: Path, task: str, columns: Columns, baseline: str, sentence: str
) -> None:
    path = sheet(tmp_path / "s.csv", [{"model": "m", "id": "1", "score": 7, "output": "x", "reference": "x"}])
    with pytest.raises(UserError, match=sentence):
        score(path, task, columns, baseline=baseline)


def test_a_tab_separated_file_with_a_mark_of_byte_order(tmp_path: Path) -> None:
    path = tmp_path / "o.tsv"
    path.write_bytes(b"\xef\xbb\xbfmodel\tid\toutput\treference\r\nm\t1\tx, y\tx y\r\n\r\n")
    assert means(score(path, "squad", TEXTS), "exact_match") == {("m",): 1.0}
