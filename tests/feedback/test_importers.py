from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.feedback.conftest import NOW
from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.feedback import export
from tutelage.feedback.importers import Imported, Source, import_labels, read_labels
from tutelage.store import Store, completions, labels, prompts, users

TRAIN = {"train": 1.0}
HALF = {"train": 0.5, "validation": 0.5}


def demonstration(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"row-{number}",
        "tree": f"tree-{number // 3}",
        "prompt": f"\n\nHuman: Question {number}?\n\nAssistant:",
        "completion": f"Answer {number}.",
        "synthetic": False,
    } | changes


def ranked(number: int, ranks: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    outputs = [
        {"id": f"{number}-{n}", "text": f"Text {n}", "rank": rank, "synthetic": False}
        for n, rank in enumerate(ranks or [1, 0])
    ]
    return demonstration(number) | {"completions": outputs} | changes


def pair(number: int, **changes: Any) -> dict[str, Any]:
    return {"prompt": f"Question {number}?", "chosen": f"Good {number}", "rejected": f"Bad {number}"} | changes


def written(folder: Path, *rows: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def take(store: Store, path: Path, format: str, shares: Any = TRAIN, **changes: Any) -> Imported:
    told = {"name": "oasst", "kind": "human", "licence": "Apache-2.0"} | changes
    return import_labels(store, Source(path=path, format=format, shares=shares, **told), now=NOW)


def test_demonstrations_come_in_and_out(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, demonstration(0), demonstration(1, synthetic=True))
    made = take(store, path, "demonstrations", stage="sft")
    assert (made.demonstrations, made.rankings, made.new, made.quarantined) == (2, 0, 2, 0)
    assert made.prompts == {"train": 2, "validation": 0, "test": 0}
    (row,) = export.sft(store, kind="human")
    assert (row.prompt, row.completion, row.labeler) == (demonstration(0)["prompt"], "Answer 0.", "oasst-people")
    assert [one.completion for one in export.sft(store, kind="model")] == ["Answer 1."]
    assert [one.prompt_id for one in export.ppo(store, stage="sft")] == ["row-0", "row-1"]


def test_rankings_of_two_to_nine_with_ties_come_in_and_out(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, ranked(0, [1, 0]), ranked(1, [0, 2, 2, 5]), ranked(2, list(range(9))))
    take(store, path, "ranked")
    rows = list(export.reward(store, kind="human"))
    assert [row.ranks for row in rows] == [(1, 0), (0, 1, 1, 2), tuple(range(9))]
    assert rows[0].completions == ("Text 0", "Text 1")


def test_pairs_are_of_the_kind_that_is_stated_and_nothing_shows_which_was_chosen(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, *(pair(n, labeler=f"l{n % 2}") for n in range(40)))
    assert take(store, path, "pairs", name="webby", kind="model", licence="MIT").new == 40
    assert not list(export.reward(store, kind="human"))
    rows = list(export.reward(store, kind="model"))
    assert {row.labeler for row in rows} == {"webby-l0", "webby-l1"}
    assert all(row.completions[row.ranks.index(0)].startswith("Good") for row in rows)
    # The order on the screen is unknown; 40 coins fall on one side once in a billion times.
    assert 5 < sum(row.ranks == (0, 1) for row in rows) < 35
    (prompt,) = prompts.get(store, [rows[0].prompt_id]).values()
    assert prompt.consent == "webby: published under MIT"
    assert (prompt.meta["source"], prompt.meta["origin"], prompt.meta["format"]) == ("webby", "rows.jsonl", "pairs")


def test_a_tree_belongs_to_one_split_in_both_files(store: Store, tmp_path: Path) -> None:
    demonstrations = written(tmp_path, *(demonstration(n) for n in range(90)))
    take(store, demonstrations, "demonstrations", HALF)
    # Later shares move no tree.
    comparisons = written(tmp_path, *(ranked(n) for n in range(0, 120)))
    take(store, comparisons, "ranked", TRAIN)
    found = prompts.get(store, (f"row-{n}" for n in range(120)))
    splits = {name: one.split for name, one in found.items()}
    for n in range(0, 120, 3):
        assert splits[f"row-{n}"] == splits[f"row-{n + 1}"] == splits[f"row-{n + 2}"]
    first = [splits[f"row-{n}"] for n in range(0, 90, 3)]
    # 30 trees in halves: 15 expected with a standard deviation of 2.7.
    assert 4 <= first.count("validation") <= 26
    assert {splits[f"row-{n}"] for n in range(90, 120)} == {"train"}
    trained = {row.prompt_id for row in export.sft(store, kind="human")}
    assert trained == {f"row-{n}" for n in range(90) if splits[f"row-{n}"] == "train"}
    ranked_for_training = {row.prompt_id for row in export.reward(store, kind="human")}
    assert not any(splits[name] != "train" for name in ranked_for_training)


def test_importing_again_adds_nothing_and_more_rows_add_themselves(store: Store, tmp_path: Path) -> None:
    assert take(store, written(tmp_path, pair(0), pair(1)), "pairs").new == 2
    made = take(store, written(tmp_path, pair(2), pair(1), pair(0, prompt=" Question 0?")), "pairs")
    assert (made.rankings, made.new) == (3, 2)
    assert len(labels.rankings_of(store, labels.Which())) == 4
    assert take(store, tmp_path / "rows.jsonl", "pairs").new == 0
    assert len(labels.rankings_of(store, labels.Which())) == 4


def test_imported_prompts_with_personal_data_are_quarantined(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, demonstration(0, prompt="Mail me at anna@example.org please"), demonstration(1))
    assert take(store, path, "demonstrations").quarantined == 1
    assert [row.prompt_id for row in export.sft(store, kind="human")] == ["row-1"]
    assert prompts.findings(store)[0].kind == "email"
    assert prompts.unchecked(store) == 0


def test_who_wrote_a_completion_is_kept(store: Store, tmp_path: Path) -> None:
    row = ranked(0)
    row["completions"][1]["synthetic"] = True
    take(store, written(tmp_path, row), "ranked")
    assert [one.id for one in completions.of_policy(store, "oasst-model")] == ["oasst-0-1"]
    assert [one.id for one in completions.of_policy(store, "oasst-people")] == ["oasst-0-0"]


def test_good_rows_come_in_and_bad_ones_are_told(store: Store, tmp_path: Path) -> None:
    take(store, written(tmp_path, ranked(0)), "ranked")
    bad = [pair(3, chosen=None), "{", pair(0), pair(4, chosen="x" * 5_000_000), pair(5, id="a"), pair(6, id="a"),
           pair(9, id="row-0")]  # fmt: skip
    made = take(store, written(tmp_path, pair(0), *bad, pair(1)), "pairs")
    assert (made.rankings, made.new) == (3, 3)
    assert [(fault.line, fault.reason) for fault in made.faults] == [
        (2, "the field 'chosen' is missing"),
        (3, made.faults[1].reason),
        (4, "it says what line 1 says"),
        (5, "the row is larger than 4 MB"),
        (7, "the id a is used in line 6"),
        (8, "the prompt row-0 is there with another text"),
    ]
    assert made.faults[1].reason.startswith("the line is not JSON")
    assert len(labels.rankings_of(store, labels.Which())) == 4


def test_a_label_that_is_there_and_says_something_else_is_told(store: Store, tmp_path: Path) -> None:
    take(store, written(tmp_path, pair(0, id="a"), pair(1, id="b"), pair(2, id="c")), "pairs")
    changed = [pair(0, id="a", chosen="Bad 0", rejected="Good 0"), pair(1, id="b", labeler="ann"), pair(2, id="c")]
    made = take(store, written(tmp_path, *changed), "pairs")
    assert [(fault.line, fault.reason) for fault in made.faults] == [
        (1, "the label oasst-ranking-a is there with another content or kind"),
        (2, "the label oasst-ranking-b is there with another content or kind"),
    ]
    with pytest.raises(DataError, match="with another content or kind; none of the 3 rows can be used"):
        take(store, tmp_path / "rows.jsonl", "pairs", kind="model")


def test_of_a_file_without_a_good_row_nothing_is_stored(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, "", ranked(1, [0]), ranked(2, [0]))
    with pytest.raises(DataError) as caught:
        take(store, path, "ranked")
    assert str(caught.value) == (
        f"{path}:2: a ranking needs two or more completions, not 1; none of the 2 rows can be used, and nothing was "
        "imported."
    )
    with pytest.raises(DataError, match="holds no row; nothing was imported"):
        take(store, written(tmp_path), "pairs")
    assert prompts.seen(store) == [] and labels.rankings_of(store, labels.Which()) == []
    assert users.splits(store, [store.user_hash("oasst tree tree-0")]) == {}


def test_what_fails_on_the_way_leaves_nothing(store: Store, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    source = Source(
        path=written(tmp_path, pair(0)), format="pairs", name="x", kind="human", licence="MIT", shares=TRAIN
    )
    with pytest.raises(KeyboardInterrupt):
        import_labels(store, source, now=NOW, progress=stop)
    ((row,), _) = read_labels(source.path, source.format, {})
    assert users.splits(store, [store.user_hash(f"x tree {row.tree}")]) == {}
    assert prompts.seen(store) == []


def test_a_source_needs_a_name_and_a_licence(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'a b' cannot name a source"):
        take(store, tmp_path / "x.jsonl", "pairs", name="a b")
    with pytest.raises(SettingsError, match="under which licence"):
        take(store, tmp_path / "x.jsonl", "pairs", licence=" ")
    with pytest.raises(MissingError):
        take(store, tmp_path / "none.jsonl", "pairs")
