"""The directory of an export: rows, Parquet, manifest and card."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from tests.feedback.conftest import NOW, Desk, ranking
from tutelage import __version__
from tutelage.errors import DataError, MissingError, UserError
from tutelage.feedback import dataset, export, instructions, work
from tutelage.feedback.export import Query
from tutelage.files import read_records
from tutelage.records import FLAGS, Instructions, ToxicityRating
from tutelage.store import labels


def written(desk: Desk, folder: Path, what: export.What = "reward", **chosen: Any) -> dict[str, bytes]:
    """Write an export and read its files as bytes, by name."""
    dataset.write(desk.store, Query(what=what, **chosen), folder, with_parquet=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows_of(files: dict[str, bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files["rows.jsonl"].splitlines()]


def fill(desk: Desk) -> None:
    """Two rankings, of which one has ratings with every answer that a flag can have."""
    desk.rank("p", prompt={"use_case": "chat", "text": 'Say "naïve"\n\0 🙂 \u2028'})
    desk.task("q", k=4)
    held = desk.lease("ben")[0]
    flags = ({}, {"violent": None}, {"violent": False}, {"violent": True})
    judged = {output.id: work.Judgement(quality=1 + at, flags=flags[at]) for at, output in enumerate(held.outputs)}
    desk.submit(ranking(held, groups=[[one.id for one in held.outputs[:2]], [one.id for one in held.outputs[2:]]],
                        ratings=judged))  # fmt: skip


def test_parquet_holds_the_rows_of_the_lines_with_their_types(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    files = written(desk, tmp_path / "reward")
    table = pyarrow.parquet.read_table(tmp_path / "reward" / "rows.parquet")
    assert table.to_pylist() == rows_of(files)
    first, second = table.to_pylist()
    assert (first["ranks"], first["ratings"], first["flags"]) == ([1, 0, 0], [], [])
    assert (second["ranks"], second["ratings"]) == ([0, 0, 1, 1], [1, 2, 3, 4])
    assert [one["violent"] for one in second["flags"]] == [None, None, False, True]
    assert str(table.schema.field("flags").type.value_type.field("violent").type) == "bool"
    assert str(table.schema.field("ranks").type) == "list<element: int64>"


@pytest.mark.parametrize("what", ["sft", "ppo"])
def test_demonstrations_and_prompts_are_written_as_parquet_too(desk: Desk, tmp_path: Path, what: export.What) -> None:
    desk.demonstrate("p")
    files = written(desk, tmp_path / "out", what)
    table = pyarrow.parquet.read_table(tmp_path / "out" / "rows.parquet")
    assert table.to_pylist() == rows_of(files)
    assert table.column_names == list(rows_of(files)[0])


def test_judgements_of_single_outputs_are_written_with_manifest_and_card(desk: Desk, tmp_path: Path) -> None:
    desk.rate("p", flags={"violent": True, "sexual": None})
    told = {"purpose": "evaluation", "instruction_version": "evaluation-1", "labeler": "hal"}
    desk.rate("e", prompt={"split": "test"}, **told)
    made = ToxicityRating(
        id="x", completion_id="e-sft-0", beginning=None, toxicity=2, relative=None, continuity=7, rank=0,
        labeler="hal", kind="human", instruction_version="toxicity-1",
    )  # fmt: skip
    labels.add(desk.store, labels.Judgements(toxicity=[made]), now=NOW)
    held: dict[str, Any] = {"purpose": "evaluation", "group": "heldout"}
    for what, chosen in (("ratings", {}), ("ratings", held), ("toxicity", held)):
        folder = tmp_path / f"{what}-{len(chosen)}"
        files = written(desk, folder, what, **chosen)  # type: ignore[arg-type]
        table = pyarrow.parquet.read_table(folder / "rows.parquet")
        assert table.to_pylist() == rows_of(files) and table.num_rows == 1
        assert table.column_names == list(rows_of(files)[0])
        manifest, card = json.loads(files["manifest.json"]), files["README.md"].decode()
        assert manifest["counts"]["policy"] == {"sft": 1} and "| Model that wrote the output: sft | 1 |" in card
        assert all(f"| `{name}` |" in card for name in table.column_names)
        if chosen:
            assert manifest["query"] == {"what": what, "kind": "human", **held}
            assert manifest["counts"]["group"] == {"heldout": 1} and manifest["counts"]["split"]["test"] == 1
            assert "must not be trained on" in card and "split: test" in card and "tutelage train" not in card
            with pytest.raises(DataError, match="has no field"):
                read_records(folder / "rows.jsonl", export.SFTRow)
    assert str(table.schema.field("toxicity").type) == "int64"
    with pytest.raises(DataError, match="no judgements of toxicity for evaluation by .* in the group tr"):
        written(desk, tmp_path / "none", "toxicity", purpose="evaluation")


def test_comparisons_are_written_with_the_models_in_the_order_of_the_screen(desk: Desk, tmp_path: Path) -> None:
    told = {"purpose": "evaluation", "instruction_version": "evaluation-1", "labeler": "hal"}
    desk.rank("e", prompt={"split": "test"}, **told)
    desk.rank("t")
    held: dict[str, Any] = {"purpose": "evaluation", "group": "heldout"}
    files = written(desk, tmp_path / "out", "comparisons", **held)
    table = pyarrow.parquet.read_table(tmp_path / "out" / "rows.parquet")
    [row] = rows_of(files)
    assert table.to_pylist() == [row] and str(table.schema.field("policies").type) == "list<element: string>"
    assert (row["label_id"], row["completions"]) == ("r-e", ["e answer 1", "e answer 0", "e answer 2"])
    assert (row["policies"], row["ranks"], row["split"]) == (["sft"] * 3, [1, 0, 0], "test")
    card = files["README.md"].decode()
    assert "# Comparisons of models, for evaluation" in card and "must not be trained on" in card
    assert all(f"| `{name}` |" in card for name in table.column_names)
    with pytest.raises(DataError, match="no comparisons for evaluation by .* in the group training"):
        written(desk, tmp_path / "none", "comparisons", purpose="evaluation")


def test_more_rows_than_one_group_of_parquet_come_out_once(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tutelage.feedback.parquet.GROUP", 2)
    monkeypatch.setattr("tutelage.store.exported.PART", 2)
    for number in range(5):
        desk.rank(f"p{number}")
    files = written(desk, tmp_path / "out")
    file = pyarrow.parquet.ParquetFile(tmp_path / "out" / "rows.parquet")
    assert file.num_row_groups == 3
    assert file.read().to_pylist() == rows_of(files)
    assert [row["label_id"] for row in rows_of(files)] == [f"r-p{number}" for number in range(5)]


def test_the_same_store_gives_the_same_bytes(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    first = written(desk, tmp_path / "one")
    assert set(first) == {"rows.jsonl", "rows.parquet", "manifest.json", "README.md"}
    assert written(desk, tmp_path / "two") == first
    desk.rank("r")
    assert written(desk, tmp_path / "three")["manifest.json"] != first["manifest.json"]


def test_the_manifest_says_what_was_asked_for_and_counts_it(desk: Desk, tmp_path: Path) -> None:
    text = "Other words."
    told = Instructions(version="comparison-2", task="comparison", text=text)
    instructions.publish(desk.store, told, now=NOW)
    desk.rank("p", prompt={"use_case": "chat"})
    desk.rank("q", labeler="ben", instruction_version="comparison-2")
    desk.rank("out", purpose="gold")
    files = written(desk, tmp_path / "out", tasks="")
    manifest = json.loads(files["manifest.json"])
    assert manifest["query"] == {"what": "reward", "split": "train", "kind": "human", "tasks": ""}
    assert "made for the purpose train" in manifest["words"][0]
    assert manifest["rows"] == 2
    assert manifest["counts"] == {
        "group": {"training": 2},
        "instruction_version": {"comparison-1": 1, "comparison-2": 1},
        "kind": {"human": 2},
        "labeler": {"anna": 1, "ben": 1},
        "purpose": {"train": 2},
        "source": {"customer": 2},
        "use_case": {"": 1, "chat": 1},
    }
    assert manifest["instructions"][1] == {
        "version": "comparison-2",
        "task": "comparison",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "labels": 1,
    }
    assert manifest["newest"] == NOW.isoformat()
    assert manifest["product"] == f"tutelage {__version__}"
    assert manifest["sha256"] == hashlib.sha256(files["rows.jsonl"]).hexdigest()
    assert manifest["files"] == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != "manifest.json"
    }


def test_the_card_tells_a_person_and_the_library_datasets(desk: Desk, tmp_path: Path) -> None:
    fill(desk)
    files = written(desk, tmp_path / "out")
    card = files["README.md"].decode()
    head = card.split("---\n")[1]
    assert head.startswith(
        "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: rows.parquet\n"
    )
    # Types, or a reader guesses them from the first rows.
    assert re.findall(r"^  - name: (\w+)$", head, re.MULTILINE) == list(rows_of(files)[0])
    assert "  - name: ranks\n    list: int64\n  - name: cut\n    list: bool\n" in head
    flags = "".join(f"    - name: {name}\n      dtype: bool\n" for name in FLAGS)
    assert f"  - name: flags\n    list:\n{flags}  - name: labeler\n    dtype: string\n" in head
    assert "# Rankings for a reward model" in card and "2 rows of the split train." in card
    assert "null for not answered, which is not no" in card
    assert "| Use case: chat | 1 |" in card and "| Use case: not said | 1 |" in card
    assert "| Different labelers | 2 |" in card and "anna" not in card
    dataset.write(desk.store, Query(what="reward"), tmp_path / "lines")
    assert "path: rows.jsonl" in (tmp_path / "lines" / "README.md").read_text()
    assert not (tmp_path / "lines" / "rows.parquet").exists()


def test_a_directory_that_is_there_is_left_alone(desk: Desk, tmp_path: Path) -> None:
    desk.rank("p")
    first = written(desk, tmp_path / "out")
    desk.rank("q")
    with pytest.raises(UserError, match="out is there already; name another directory, or delete this one"):
        written(desk, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first
    dataset.write(desk.store, Query(what="reward"), tmp_path / "out", replace=True)
    assert len((tmp_path / "out" / "rows.jsonl").read_text().splitlines()) == 2


def test_an_empty_export_is_refused_and_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.rank("p", labeler="hal")
    with pytest.raises(DataError, match="no rankings by labelers of the kind human in the split train"):
        written(desk, tmp_path / "out")
    with pytest.raises(DataError, match="no prompt for the stage 'sft'"):
        written(desk, tmp_path / "out", "ppo", stage="sft")
    assert list(tmp_path.glob("out*")) == list(tmp_path.glob(".out*")) == []


def test_an_export_that_fails_on_the_way_leaves_nothing(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of three labels cannot be written; what was written before is gone too."""
    for number in range(3):
        desk.demonstrate(f"p{number}")
    number = iter(range(3))

    def full(*_: Any, **__: Any) -> Any:
        if next(number) == 2:
            raise OSError(28, "No space left on device")
        return "{}"

    monkeypatch.setattr("tutelage.files.json.dumps", full)
    with pytest.raises(UserError, match="disk that holds .* is full"):
        dataset.write(desk.store, Query(what="sft"), tmp_path / "out")
    assert list(tmp_path.glob("out*")) == list(tmp_path.glob(".out*")) == []


def test_without_pyarrow_a_sentence_says_what_to_install(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.rank("p")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingError, match=r"pip install 'tutelage\[parquet\]'"):
        dataset.write(desk.store, Query(what="reward"), tmp_path / "out", with_parquet=True)
    assert not (tmp_path / "out").exists()
    dataset.write(desk.store, Query(what="reward"), tmp_path / "out")
