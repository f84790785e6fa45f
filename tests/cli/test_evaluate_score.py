"""`tutelage evaluate score` and `power` as people give them: tables, JSON, and a sentence for a mistake."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import table

ROWS = [
    {"model": "sft", "type": "plain", "id": "1", "completion": "Paris", "answer": "Paris", "quality": 4},
    {"model": "sft", "type": "plain", "id": "2", "completion": "Rome", "answer": "Oslo", "quality": None},
    {"model": "sft", "type": "plain", "id": "3", "completion": "in Bern", "answer": "Bern", "quality": 5},
    {"model": "ppo", "type": "plain", "id": "1", "completion": "Paris.", "answer": "Paris", "quality": 6},
    {"model": "ppo", "type": "plain", "id": "2", "completion": "Oslo", "answer": "Oslo", "quality": 6},
    {"model": "ppo", "type": "plain", "id": "4", "completion": None, "answer": "Bern", "quality": 7},
]
SQUAD = ("--by", "model", "--by", "type", "--item", "id", "--output", "completion", "--reference", "answer")


def test_groups_and_contrasts_are_printed(tutelage, written):
    file = written("outputs.jsonl", ROWS)
    rows = table(tutelage("evaluate", "score", "squad", file, *SQUAD, "--baseline", "sft"))
    assert rows[0] == ["model", "type", "metric", "mean [95 % interval]", "n", "items", "missing", "rows"]
    shown = {(row[0], row[2]): (row[3].split()[0], *row[4:]) for row in rows[1:5]}
    assert shown == {
        ("sft", "exact_match"): ("0.333", "3", "3", "0", "3"),
        ("sft", "f1"): ("0.556", "3", "3", "0", "3"),
        ("ppo", "exact_match"): ("1.000", "2", "3", "1 output", "3"),
        ("ppo", "f1"): ("1.000", "2", "3", "1 output", "3"),
    }
    assert rows[5][:2] == ["metric", "contrast"]
    assert [(row[0], row[1], row[2].split()[0], *row[4:]) for row in rows[6:]] == [
        ("exact_match", "ppo plain − sft", "+0.500", "2", "1"),
        ("f1", "ppo plain − sft", "+0.500", "2", "1"),
    ]


def test_programs_get_json(tutelage, written):
    file = written("outputs.jsonl", ROWS)
    found = json.loads(
        tutelage("evaluate", "score", "score", file, "--by", "model", "--item", "id", "--score", "quality", "--json")
    )
    assert (found["task"], found["rows"], found["level"]) == ("score", 6, 0.95)
    assert [(one["group"], one["missing"], one["metrics"]["score"]["mean"]) for one in found["groups"]] == [
        ({"model": "sft"}, {"score": 1}, 4.5),
        ({"model": "ppo"}, {}, pytest.approx(19 / 3)),
    ]
    (contrast,) = found["contrasts"]
    assert contrast["first"] == {"model": "sft"} and contrast["difference"]["mean"] == -2.0
    assert (contrast["items"], contrast["unpaired"]) == (1, 3)


def test_without_items_nothing_is_contrasted(tutelage, written):
    printed = tutelage("evaluate", "score", "score", written("o.jsonl", ROWS), "--by", "model", "--score", "quality")
    assert "name what they share with --item" in printed


def test_a_mistake_is_a_sentence(refused, written):
    file = written("outputs.jsonl", ROWS)
    assert "did you mean squad" in refused("evaluate", "score", "squat", file, *SQUAD)
    assert "has no column answr; did you mean answer?" in refused(
        "evaluate", "score", "squad", file, "--output", "completion", "--reference", "answr"
    )
    assert "There is no file none.csv" in refused("evaluate", "score", "squad", "none.csv", *SQUAD)


GUIDE = (Path(__file__).parents[2] / "docs" / "guide" / "researcher.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^tutelage (evaluate (?:score|power) .*)$", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("line", SHOWN)
def test_the_guides_commands_run(tutelage, tmp_path, line):
    """On files that have the columns which the guide names."""
    columns = "model,prompt_type,question,completion,answer,id,output,reference,prompt,toxic,labeler,quality"
    rows = [
        f"{model},plain,q{item},a {item},a {item},{item},the cat sat on,the cat sat on,p{item},no,{who},{4 + item}"
        for model in ("base", "ppo")
        for item in range(3)
        for who in ("ann", "ben")
    ]
    for name in ("outputs.csv", "toxicity.csv", "ratings.csv"):
        (tmp_path / name).write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    objects = [json.dumps(dict(zip(columns.split(","), row.split(","), strict=True))) for row in rows]
    (tmp_path / "translations.jsonl").write_text("\n".join(objects) + "\n", encoding="utf-8")
    assert len(SHOWN) == 8
    assert tutelage(*shlex.split(line))


# --- power --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("effect", "prompts"), [(0.10, 200), (0.05, 780), (0.03, 2180)])
def test_prompts_for_a_win_rate(tutelage, effect, prompts):
    """The number of independent prompts that find 60, 55 and 53 % with 80 % power."""
    found = json.loads(tutelage("evaluate", "power", "win-rate", "--effect", effect, "--json"))
    assert found["prompts_needed"] == pytest.approx(prompts, rel=0.02)


def test_labelers_who_differ_set_a_limit(tutelage):
    """Five labelers who spread by 5 points have a standard error of 2.2 points at best: no prompts help."""
    said = tutelage(
        "evaluate", "power", "win-rate", "--effect", "0.05", "--labelers", "5", "--overlap", "3",
        "--labeler-spread", "0.05", "--prompts", "2000",
    )  # fmt: skip
    assert "no number of prompts is enough" in said
    assert "Spread of judgements: prompts 34.0 points, labelers 5.0 points" in said
    assert "On 2,000 prompts: " in said


def test_spreads_are_estimated_from_judgements(tutelage, written):
    """Everybody judges everything: mean squares 3.5 of prompts, 1.5 of labelers, 0.5 of the rest."""
    values = {("p", "a"): 2, ("p", "b"): 4, ("q", "a"): 5, ("q", "b"): 5, ("r", "a"): 5, ("r", "b"): 6}
    rows = [{"prompt": prompt, "labeler": labeler, "score": value} for (prompt, labeler), value in values.items()]
    found = json.loads(tutelage("evaluate", "power", "likert", "--from", written("r.jsonl", rows), "--json"))
    assert found["variances"] == pytest.approx({"prompt": 1.5, "labeler": 1 / 3, "rest": 0.5})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("likert",), "give --sd and --prompt-spread"),
        (("winrate",), "did you mean win-rate"),
        (("win-rate", "--sd", "1"), "leave --sd out"),
        (("accuracy", "--expected", "1"), "between 0 and 1"),
        (("win-rate", "--labeler-spread", "0.5"), "spread more than single judgements"),
        (("win-rate", "--effect", "0"), "above 0"),
        (("win-rate", "--labelers", "2", "--overlap", "3"), "3 labelers cannot judge a prompt where there are 2"),
        (("likert", "--from", "none.csv"), "There is no file"),
        (("likert", "--from", "none.csv", "--sd", "1"), "--from estimates the spreads"),
    ],
)
def test_a_study_that_cannot_be_is_a_sentence(refused, arguments, sentence):
    assert sentence in refused("evaluate", "power", *arguments)
