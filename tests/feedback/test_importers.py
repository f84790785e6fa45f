from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.feedback.conftest import NOW
from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.feedback import export
from tutelage.feedback.importers import Source, import_demonstrations, import_rankings
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


def written(folder: Path, *rows: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def source(path: Path, shares: Any = TRAIN, **changes: Any) -> Source:
    return Source(**{"path": path, "format": "oasst", "shares": shares} | changes)


def test_demonstrations_come_in_and_out(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, demonstration(0), demonstration(1, synthetic=True))
    made = import_demonstrations(store, source(path, stage="sft"), now=NOW)
    assert (made.rows, made.prompts, made.quarantined) == (2, {"train": 2, "validation": 0, "test": 0}, 0)
    (row,) = export.sft(store, kind="human")
    assert (row.prompt, row.completion, row.labeler) == (demonstration(0)["prompt"], "Answer 0.", "oasst-people")
    assert [one.completion for one in export.sft(store, kind="model")] == ["Answer 1."]
    assert [one.prompt_id for one in export.ppo(store, stage="sft")] == ["row-0", "row-1"]


def test_rankings_of_two_to_nine_with_ties_come_in_and_out(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, ranked(0, [1, 0]), ranked(1, [0, 2, 2, 5]), ranked(2, list(range(9))))
    import_rankings(store, source(path), now=NOW)
    rows = list(export.reward(store, kind="human"))
    assert [row.ranks for row in rows] == [(1, 0), (0, 1, 1, 2), tuple(range(9))]
    assert rows[0].completions == ("Text 0", "Text 1")


def test_a_tree_belongs_to_one_split_in_both_files(store: Store, tmp_path: Path) -> None:
    demonstrations = written(tmp_path, *(demonstration(n) for n in range(90)))
    import_demonstrations(store, source(demonstrations, HALF), now=NOW)
    # Later shares move no tree.
    comparisons = written(tmp_path, *(ranked(n) for n in range(0, 120)))
    import_rankings(store, source(comparisons, TRAIN), now=NOW)
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


def test_importing_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, ranked(0), ranked(1))
    first = import_rankings(store, source(path), now=NOW)
    assert import_rankings(store, source(path), now=NOW) == first
    assert len(labels.rankings_of(store, labels.Which())) == 2


def test_imported_prompts_with_personal_data_are_quarantined(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, demonstration(0, prompt="Mail me at anna@example.org please"), demonstration(1))
    assert import_demonstrations(store, source(path), now=NOW).quarantined == 1
    assert [row.prompt_id for row in export.sft(store, kind="human")] == ["row-1"]
    assert prompts.findings(store)[0].kind == "email"
    assert prompts.unchecked(store) == 0


def test_who_wrote_a_completion_is_kept(store: Store, tmp_path: Path) -> None:
    row = ranked(0)
    row["completions"][1]["synthetic"] = True
    import_rankings(store, source(written(tmp_path, row)), now=NOW)
    assert [one.id for one in completions.of_policy(store, "oasst-model")] == ["oasst-0-1"]
    assert [one.id for one in completions.of_policy(store, "oasst-people")] == ["oasst-0-0"]


@pytest.mark.parametrize(
    "bad, reason",
    [
        ("{not json", "Expecting property name"),
        ("[1]", "the row is no JSON object"),
        (demonstration(1, prompt="  "), "the field 'prompt' is empty"),
        (demonstration(1, prompt=None), "the field 'prompt' must be a text, not None"),
        (demonstration(1, completion=3), "the field 'completion' must be a text, not 3"),
        (demonstration(1, completion="\ud83d"), "the field 'completion' holds half of a character"),
        (demonstration(1, synthetic="no"), "the field 'synthetic' must be true or false, not 'no'"),
        (demonstration(0), "the id row-0 is used twice"),
        ({key: value for key, value in demonstration(1).items() if key != "tree"}, "the field 'tree' must be a text"),
    ],
)
def test_a_malformed_demonstration_is_named_and_nothing_is_imported(
    store: Store, tmp_path: Path, bad: Any, reason: str
) -> None:
    path = written(tmp_path, demonstration(0), bad, demonstration(2))
    with pytest.raises(DataError) as caught:
        import_demonstrations(store, source(path), now=NOW)
    assert str(caught.value).startswith(f"{path}:2: ") and reason in str(caught.value)
    assert str(caught.value).endswith("nothing was imported.")
    assert prompts.seen(store) == []
    assert users.splits(store, [store.user_hash("oasst tree tree-0")]) == {}


@pytest.mark.parametrize(
    "bad, reason",
    [
        (ranked(1, [0]), "must be a list of two or more objects"),
        (ranked(1, completions="none"), "must be a list of two or more objects"),
        (ranked(1, completions=[1, 2]), "must be a list of two or more objects"),
        (ranked(1, [0, -1]), "must be a whole number from 0 (best), not -1"),
        (ranked(1, [0, True]), "not True"),
        (ranked(1, [0, 1.0]), "not 1.0"),
        (ranked(1, completions=ranked(1)["completions"][:1] * 2), "a completion id is used twice"),
    ],
)
def test_a_malformed_ranking_is_named_and_nothing_is_imported(
    store: Store, tmp_path: Path, bad: Any, reason: str
) -> None:
    path = written(tmp_path, ranked(0), bad)
    with pytest.raises(DataError) as caught:
        import_rankings(store, source(path), now=NOW)
    assert str(caught.value).startswith(f"{path}:2: ") and reason in str(caught.value)
    assert prompts.seen(store) == [] and labels.rankings_of(store, labels.Which()) == []


def test_a_prompt_that_is_there_with_another_text_is_named(store: Store, tmp_path: Path) -> None:
    import_demonstrations(store, source(written(tmp_path, demonstration(0))), now=NOW)
    path = written(tmp_path, demonstration(1), demonstration(0, prompt="Other"))
    with pytest.raises(DataError, match=":2: the prompt row-0 is in the store with another text"):
        import_demonstrations(store, source(path), now=NOW)


def test_unknown_formats_and_files_that_cannot_be_read(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no import format 'csv'; there are: oasst"):
        import_rankings(store, source(tmp_path / "x", format="csv"), now=NOW)
    with pytest.raises(MissingError):
        import_rankings(store, source(tmp_path / "none.jsonl"), now=NOW)
    (tmp_path / "latin").write_bytes(b'{"id": "caf\xe9"}\n')
    with pytest.raises(DataError, match=":1: .*UTF-8"):
        import_rankings(store, source(tmp_path / "latin"), now=NOW)
