"""The rows: typed and whole, in the shares that were promised, held to their hashes; malformed rows are a sentence."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tutelage.errors import DataError
from tutelage.records import USE_CASE_SHARES
from tutelage.starter import rows
from tutelage.starter.splits import split_of

ROWS = rows.load()
PLAIN = {
    "id": "chat-900",
    "use_case": "chat",
    "form": "plain",
    "topic": "tea",
    "prompt": "Green or black?",
    "rubric": {"require": [["green", "black"]]},
    "kind": "model",
}


def test_counts_and_shares_are_those_that_were_promised() -> None:
    assert len(ROWS) >= 700
    assert sum(bool(row.demonstration) for row in ROWS) >= 350
    counts = Counter(row.use_case for row in ROWS)
    for use_case, share in USE_CASE_SHARES.items():
        assert abs(100 * counts[use_case] / len(ROWS) - share) < 1, use_case
    forms = Counter(row.form for row in ROWS)
    assert set(forms) == {"plain", "few_shot", "user_based"}
    assert min(forms.values()) >= 0.08 * len(ROWS)
    focus = Counter(row.focus for row in ROWS)
    assert min(focus["truthfulness"], focus["sensitive"]) >= 60
    refused = [row for row in ROWS if row.rubric.refuse]
    assert 25 <= len(refused) <= focus["sensitive"] - 25
    assert sum(bool(row.rubric.constraints) for row in ROWS) >= 150


def test_every_row_says_that_a_model_wrote_it() -> None:
    for path in sorted(rows.DATA.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert json.loads(line)["kind"] == "model"
    row = next(row for row in ROWS if row.demonstration)
    assert rows.demonstration_of(row).kind == "model"
    assert rows.prompt_of(row).source == "starter"


def test_the_manifest_names_every_file_with_rows_and_hash() -> None:
    manifest = json.loads((rows.DATA / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["kind"], manifest["licence"]) == ("model", "CC0-1.0")
    assert set(manifest["files"]) == {path.name for path in rows.DATA.glob("*.jsonl")}
    for name, told in manifest["files"].items():
        content = (rows.DATA / name).read_bytes()
        assert told == {"rows": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest()}
        assert all(row["use_case"] == name.removesuffix(".jsonl") for row in map(json.loads, content.splitlines()))


def test_related_prompts_are_on_one_side_and_every_side_is_large_enough() -> None:
    sides = defaultdict(set)
    for row in ROWS:
        sides[row.topic].add(row.split)
    assert all(len(found) == 1 for found in sides.values())
    counts = Counter(row.split for row in ROWS)
    assert counts["test"] >= 300
    assert counts["train"] >= 300
    assert counts["validation"] >= 40
    assert len({row.use_case for row in ROWS if row.split == "test"}) == len(USE_CASE_SHARES)


def test_the_split_is_the_hash_that_is_written_down() -> None:
    # printf "starter split: acorn" | sha256sum: 2cce is 0.175; harbour: 9832 is 0.594; basil: 8471 is 0.517.
    for topic, end in (("acorn", "train"), ("harbour", "test"), ("basil", "validation")):
        place = int(hashlib.sha256(f"starter split: {topic}".encode()).hexdigest(), 16) / 2**256
        assert split_of(topic) == ("train" if place < 0.48 else "validation" if place < 0.56 else "test") == end


def test_a_row_is_read_with_all_that_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    full = PLAIN | {
        "focus": "truthfulness",
        "demonstration": "Black.",
        "bad": ["Coffee."],
        "rubric": PLAIN["rubric"]
        | {"forbid": ["coffee"], "number": 2, "constraints": [{"kind": "words", "low": 1, "high": 9}]},
    }
    path.write_text(json.dumps(full), encoding="utf-8")
    (row,) = rows.read(path)
    assert (row.demonstration, row.bad, row.rubric.forbid, row.rubric.number) == (
        "Black.",
        ("Coffee.",),
        ("coffee",),
        2,
    )
    assert (row.rubric.constraints[0].low, row.rubric.constraints[0].high) == (1, 9)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"use_case": "poetry"}, "use_case"),
        ({"kind": "human"}, "kind"),
        ({"prompt": "  "}, "the prompt of 'chat-900' is empty; write one."),
        ({"topic": "Green Tea"}, "is not lower-case words joined by hyphens"),
        ({"rubric": {}}, "the rubric requires nothing"),
        ({"rubric": {"require": [[]]}}, "an empty group"),
        ({"rubric": {"require": [["tea", "?"]]}}, "an alternative or error without a word"),
        ({"rubric": {"requires": [["tea"]]}}, "rubric.requires"),
        ({"rubric": {"constraints": [{"kind": "words"}]}}, "needs low, high or both"),
        ({"rubric": {"constraints": [{"kind": "items", "low": 5, "high": 2}]}}, "the lower first"),
        ({"rubric": {"constraints": [{"kind": "starts"}]}}, "'starts' needs texts"),
        ({"rubric": {"constraints": [{"kind": "format", "texts": ["poem"]}]}}, "takes one of"),
        ({"rubric": {"constraints": [{"kind": "rhyme", "texts": ["poem"]}]}}, "kind"),
        ({"rubric": {"constraints": [{"kind": "words", "low": 1, "hi": 3}]}}, "hi"),
        ({"focus": "truthfulness"}, "names no wrong answer"),
        ({"rubric": {"require": [["no"]], "refuse": True}}, "is not marked sensitive"),
        ({"answer": "tea"}, "no field answer"),
    ],
)
def test_a_malformed_row_is_one_sentence_that_names_file_and_line(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([json.dumps(PLAIN), json.dumps(PLAIN | changes)]), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        rows.read(path)
    said = str(caught.value)
    assert said.startswith(f"{path}:2: ")
    assert told in said
    assert said.count("\n") == 0
    assert said.endswith(".")


def test_ids_and_prompts_are_there_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([json.dumps(PLAIN), json.dumps(PLAIN | {"prompt": "Milk?"})]), encoding="utf-8")
    with pytest.raises(DataError, match="'chat-900' is used twice"):
        rows.check(rows.read(path))
    twice = PLAIN | {"id": "chat-901", "prompt": "Green  or\nblack?"}
    path.write_text("\n".join([json.dumps(PLAIN), json.dumps(twice)]), encoding="utf-8")
    with pytest.raises(DataError, match="chat-900 and chat-901 have the same prompt"):
        rows.check(rows.read(path))


def test_a_changed_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(rows.DATA, tmp_path / "data")
    monkeypatch.setattr(rows, "DATA", tmp_path / "data")
    assert rows.load.__wrapped__() == ROWS
    changed = tmp_path / "data" / "chat.jsonl"
    changed.write_text(changed.read_text(encoding="utf-8").replace("train", "tram", 1), encoding="utf-8")
    with pytest.raises(DataError, match=r"chat\.jsonl is not the published file"):
        rows.load.__wrapped__()


def test_a_row_without_a_demonstration_gives_none() -> None:
    row = next(row for row in ROWS if not row.demonstration)
    with pytest.raises(DataError, match="has no demonstration"):
        rows.demonstration_of(row)
