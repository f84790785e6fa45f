"""Rows of files: good ones come through whatever stands beside them, bad ones are told by their line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.feedback.rowfiles import LARGEST, Row, read

A, B = {"id": "a", "text": "één \u2028 line"}, {"id": "b", "text": "two"}


def rows(path: Path) -> list[tuple[int, Any]]:
    """Give the line of each row, with its values or the reason."""
    return [(one.line, one.fields if isinstance(one, Row) else one.reason) for one in read(path)]


def written(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def test_json_lines_come_through_beside_bad_ones(tmp_path: Path) -> None:
    good = [json.dumps(one, ensure_ascii=False).encode() for one in (A, B)]
    huge = b'{"text": "' + b"x" * 10_000_000 + b'"}'
    path = written(tmp_path / "x.jsonl", b"\xef\xbb\xbf" + good[0], b"", b"{", huge, b'{"id": "caf\xe9"}', b"[1]",
                   b"[" * 100_000, b"1" * 5000, good[1] + b"\r")  # fmt: skip
    found = rows(path)
    assert [line for line, _ in found] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert (found[0][1], found[-1][1]) == (A, B)
    assert found[1][1].startswith("the line is not JSON: Expecting property name")
    assert found[2][1] == "the row is larger than 4 MB"
    assert found[3][1] == "byte 12 of the row is not UTF-8; save the file as UTF-8"
    assert found[4][1] == "the line is no JSON object"
    assert all(reason.startswith("the line is") for _, reason in found[5:7])


def test_a_row_as_large_as_may_be_is_read(tmp_path: Path) -> None:
    frame = len(json.dumps({"text": ""})) + 1
    path = written(tmp_path / "x.jsonl", json.dumps({"text": "x" * (LARGEST - frame)}).encode(), b'{"text": "next"}')
    assert [line for line, fields in rows(path) if isinstance(fields, dict)] == [1, 2]
    path = written(tmp_path / "y.jsonl", json.dumps({"text": "x" * (LARGEST - frame + 1)}).encode(), b'{"text": "n"}')
    assert rows(path) == [(1, "the row is larger than 4 MB"), (2, {"text": "n"})]


def test_csv_keeps_lines_and_quotes_inside_cells(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", b"\xef\xbb\xbfid,text", b'1,"a ""b"", c', b'd"', b"", b'2,"",', b"3,caf\xe9",
                   b"4," + b"x" * 5_000_000, b'5,"' + b"y" * 3_000_000, b"y" * 3_000_000 + b'"', b"6,",
                   b'7,"unclosed')  # fmt: skip
    assert rows(path) == [
        (2, {"id": "1", "text": 'a "b", c\nd'}),
        (5, "the row has 3 cells and the first row 2"),
        (6, "byte 6 of the row is not UTF-8; save the file as UTF-8"),
        (7, "the row is larger than 4 MB"),
        (8, "the row is larger than 4 MB"),
        (10, {"id": "6", "text": None}),
        (11, "the row is not CSV: unexpected end of data"),
    ]


def test_packed_text_is_unpacked(tmp_path: Path) -> None:
    packed = gzip.compress(json.dumps(A).encode() + b"\n")
    (tmp_path / "x.jsonl.gz").write_bytes(packed)
    assert rows(tmp_path / "x.jsonl.gz") == [(1, A)]
    for name, torn in (("cut", packed[:-9]), ("other", b"no gzip at all")):
        (tmp_path / f"{name}.jsonl.gz").write_bytes(torn)
        with pytest.raises(DataError, match="is no whole gzip file"):
            rows(tmp_path / f"{name}.jsonl.gz")


def test_parquet_gives_what_was_put_in(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "hi"}]
    texts = pyarrow.array([b"a", b"caf\xe9", b"x" * 10_000_000, None], pyarrow.binary()).cast(pyarrow.large_binary())
    table = pyarrow.table({
        "text": pyarrow.LargeStringArray.from_buffers(4, *texts.buffers()[1:], null_bitmap=texts.buffers()[0]),
        "said": [messages, [], [], None],
    })  # fmt: skip
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    assert rows(tmp_path / "x.parquet") == [
        (1, {"text": "a", "said": messages}),
        (2, "a text is not UTF-8"),
        (3, "the row is larger than 4 MB"),
        (4, {"text": None, "said": None}),
    ]
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:-9])
    with pytest.raises(DataError, match=r"torn\.parquet is no Parquet file that can be read"):
        rows(tmp_path / "torn.parquet")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.jsonl", "{}".encode("utf-16"), "x.jsonl is UTF-16; save it as UTF-8."),
        ("x.csv", b"id,id\n1,2\n", "two columns have one name"),
        ("x.csv", b'id,"te\n', "the first row has no names of columns that can be read"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_an_error(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told):
        rows(tmp_path / name)


def test_other_files_and_missing_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"only files that end in \.jsonl"):
        read(tmp_path / "x.xlsx")
    with pytest.raises(MissingError):
        rows(tmp_path / "x.jsonl")
    assert rows(written(tmp_path / "empty.csv")) == rows(written(tmp_path / "empty.jsonl")) == []
