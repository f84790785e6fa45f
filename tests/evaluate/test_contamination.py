"""Shared runs of words, against cases counted by hand and a search by text."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tutelage.errors import DataError, MissingError
from tutelage.evaluate.contamination import Shared, compare


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_run_is_found_whatever_case_punctuation_and_field(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", {"prompt": "He said: the Old\nmill, by the river!"}, {"text": "the old mill"})
    b = write(tmp_path / "b.jsonl", {"x": 1}, {"deep": [{"answer": "At the old mill by the river we met."}]})
    found = compare(a, b, 6)
    assert found.shared == (Shared(place="a.jsonl:1", other="b.jsonl:2", words="the old mill by the river"),)
    assert (found.rows, found.others, found.share) == (2, 2, 0.5)
    assert compare(a, b, 7).shared == ()


def test_a_run_lies_within_one_text_and_ids_do_not_count(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", {"id": "one two three four", "text": "one two", "more": "three four"})
    b = write(tmp_path / "b.jsonl", {"id": "one two three four", "text": "one two three four"})
    assert compare(a, b, 3).shared == ()
    assert len(compare(a, b, 2).shared) == 1


def test_the_longest_run_is_told(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", "a b c x d e f g y")
    b = write(tmp_path / "b.jsonl", "a b c", "d e f g")
    assert compare(a, b, 3).shared == (Shared(place="a.jsonl:1", other="b.jsonl:2", words="d e f g"),)


def test_the_same_rows_are_found_as_by_searching_the_text(tmp_path: Path) -> None:
    rng = random.Random(5)
    texts = [" ".join(rng.choices("abcd", k=rng.randint(1, 12))) for _ in range(80)]
    others = [" ".join(rng.choices("abcd", k=rng.randint(1, 12))) for _ in range(30)]

    def shares(text: str) -> bool:
        words = text.split()
        runs = [" ".join(words[start : start + 5]) for start in range(len(words) - 4)]
        return any(f" {run} " in f" {other} " for run in runs for other in others)

    found = compare(write(tmp_path / "a.jsonl", *texts), write(tmp_path / "b.jsonl", *others), 5)
    expected = [f"a.jsonl:{number}" for number, text in enumerate(texts, start=1) if shares(text)]
    assert [one.place for one in found.shared] == expected
    assert 5 < len(expected) < 75


def test_a_folder_is_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder / "one.jsonl", "not here")
    write(folder / "two.jsonl", "nor here", "one two three")
    (folder / "notes.txt").write_text("one two three", encoding="utf-8")
    found = compare(folder, write(tmp_path / "b.jsonl", "one two three"), 3)
    assert (found.rows, [one.place for one in found.shared]) == (3, ["two.jsonl:2"])


def test_what_cannot_be_compared_is_a_sentence(tmp_path: Path) -> None:
    good, empty = write(tmp_path / "a.jsonl", "text"), write(tmp_path / "empty.jsonl")
    with pytest.raises(MissingError, match="There is no file"):
        compare(good, tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="holds no row"):
        compare(good, empty)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(MissingError, match=r"no file that ends in \.jsonl"):
        compare(folder, good)
    empty.write_text("{oops", encoding="utf-8")
    with pytest.raises(DataError, match=r"empty\.jsonl:1: .*give one JSON value per line"):
        compare(empty, good)
