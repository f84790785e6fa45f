"""Groups of labelers: files are read or refused, rankings are readied under each rule, villagers have their tastes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tutelage.errors import DataError, SettingsError
from tutelage.labelers.village import make_labelers
from tutelage.pipeline.folding import FoldRow, FoldRows
from tutelage.pipeline.tastes import asked_for, grouped_rows, taught
from tutelage.records import RankedGroup
from tutelage.village.world import make_world

LINES = {
    "groups": [
        '{"labeler": "anna", "group": "a"}',
        '{"labeler": "ben", "group": "b"}',
        '{"labeler": "bo", "group": "b"}',
    ],
    "concerns": ['{"prompt": "p1", "group": "a"}', '{"prompt": "p2", "group": "b"}'],
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    for name, lines in LINES.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return {name: tmp_path / f"{name}.jsonl" for name in LINES}


def ranking(labeler: str, prompt: str) -> RankedGroup:
    return RankedGroup(
        prompt=f"Say {prompt}.", completions=("yes", "no"), ranks=(0, 1), prompt_id=prompt, labeler=labeler
    )


RANKINGS = [ranking("anna", "p1"), ranking("ben", "p1"), ranking("bo", "p2"), ranking("zoe", "p3")]


def test_rankings_are_readied_under_each_rule(files: dict[str, Path]) -> None:
    groups, concerns = files["groups"], files["concerns"]
    assert taught(RANKINGS, "pooled", None, None) == RANKINGS
    assert [one.weight for one in taught(RANKINGS, "balanced", groups, None)] == pytest.approx([1.5, 0.75, 0.75])
    assert [one.prompt for one in taught(RANKINGS, "conditioned", groups, None)] == [
        "Say p1.\n\nWritten for: a",
        "Say p1.\n\nWritten for: b",
        "Say p2.\n\nWritten for: b",
    ]
    assert [one.labeler for one in taught(RANKINGS, "own:b", groups, None)] == ["ben", "bo"]
    assert [one.weight for one in taught(RANKINGS, "weighted:3", groups, concerns)] == [3.0, 1.0, 3.0]


def test_a_policy_is_asked_on_behalf_of_each_group_by_turns(files: dict[str, Path]) -> None:
    assert asked_for(["x", "y"], None) == ["x", "y"]
    assert [one.splitlines()[-1] for one in asked_for(["x", "y", "z"], files["groups"])] == [
        "Written for: a",
        "Written for: b",
        "Written for: a",
    ]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("pooled", "The rule 'pooled' cannot be followed: with --groups FILE there are balanced"),
        ("own:c", "No ranking is by a labeler of c in"),
        ("weighted", "needs a whole number above 1, and --concerns FILE"),
        ("fair", "The rule 'fair' cannot be followed"),
    ],
)
def test_rules_that_cannot_be_followed(files: dict[str, Path], rule: str, sentence: str) -> None:
    with pytest.raises((SettingsError, DataError), match=sentence):
        taught(RANKINGS, rule, files["groups"], None)
    with pytest.raises(SettingsError, match="cannot be followed"):
        taught(RANKINGS, "balanced", None, None)


def rows() -> FoldRows:
    found = [FoldRow(name=str(n), conversation=one.prompt_id, ranking=one) for n, one in enumerate(RANKINGS)]
    return FoldRows(rows=[*found, found[1]], source="here", kind="human")


def test_rows_without_a_group_are_left_out_and_second_judgements_kept_apart(files: dict[str, Path]) -> None:
    given = grouped_rows(rows(), files["groups"], files["concerns"])
    assert (given.group, given.concern) == (["a", "b", "b"], ["a", "a", "b"])
    assert [one.ranking.labeler for one in given.again] == ["ben"]
    [fault] = given.found.faults
    assert (fault.line, fault.reason.endswith("names no group of the labeler 'zoe'")) == (4, True)
    assert grouped_rows(rows(), files["groups"], None).concern == ()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"labeler": "anna"}', "line 4: give each line a labeler and a group, both as text"),
        ('{"labeler": "anna", "group": "b"}', "line 4: 'anna' is of 'a' in an earlier line"),
        ("anna, a", "line 4: the line is not JSON"),
    ],
)
def test_files_of_groups_that_say_nothing_or_too_much(files: dict[str, Path], line: str, sentence: str) -> None:
    with files["groups"].open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=sentence):
        grouped_rows(rows(), files["groups"], None)


def test_one_group_is_compared_with_nobody(files: dict[str, Path]) -> None:
    files["groups"].write_text(LINES["groups"][0] + "\n")
    with pytest.raises(DataError, match=r"of 1 of the groups in .*; two or more are compared"):
        grouped_rows(rows(), files["groups"], None)
    files["groups"].write_text("\n".join(LINES["groups"]))
    files["concerns"].write_text('{"prompt": "p1", "group": "c"}')
    with pytest.raises(DataError, match="names the group 'c', of which no ranking is; there are: a, b"):
        grouped_rows(rows(), files["groups"], files["concerns"])
    files["groups"].write_text("")
    with pytest.raises(DataError, match="holds no row; give each line labeler and group"):
        grouped_rows(rows(), files["groups"], None)


def test_villagers_want_what_their_group_wants() -> None:
    """Of a short and a long kind answer, both without a task, brief ones prefer the short and ample ones the long."""
    world = make_world(1)
    short, long = "Bread.", "Thank you, dear friend. I hope that you like bread and cheese and honey and pears. " * 2
    said = {
        group: [one.utility("Hm?", short, "training") > one.utility("Hm?", long, "training") for one in labelers]
        for group in ("brief", "ample")
        for labelers in [make_labelers(world, 1, group, 6)]
    }
    assert all(said["brief"]) and not any(said["ample"])
