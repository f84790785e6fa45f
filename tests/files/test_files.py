"""Files: records that count whole or not at all, writes that survive, hashes that mean content."""

import errno
import hashlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutelage.errors import DataError, MissingError, UnavailableError
from tutelage.files import (
    append_jsonl,
    atomic_directory,
    atomic_write,
    content_hash,
    disk_errors,
    keep_jsonl,
    read_json,
    read_jsonl,
    read_records,
    sha256_of,
    write_json,
    write_records,
    write_text,
)
from tutelage.records import Prompt, Ranking

PROMPTS = [
    Prompt(id="1", text="Write a line.\u2028And another.", source="village", user="u", meta={"n": 1}),
    Prompt(id="2", text='Ünïcode 😀 "quoted"\n', source="starter", user="v", use_case="chat"),
]
RANKING = Ranking(
    id="r",
    prompt_id="1",
    labeler="l",
    kind="human",
    instruction_version="1",
    purpose="train",
    groups=(("a", "b"), ("c",)),
    presented=("c", "a", "b"),
)


def test_records_read_back_as_they_were_written(tmp_path: Path) -> None:
    write_records(tmp_path / "p.jsonl", PROMPTS)
    write_records(tmp_path / "r.jsonl", [RANKING])
    assert read_records(tmp_path / "p.jsonl", Prompt) == PROMPTS
    assert read_records(tmp_path / "r.jsonl", Ranking) == [RANKING]
    assert json.loads((tmp_path / "p.jsonl").read_text(encoding="utf-8").split("\n")[0])["text"] == PROMPTS[0].text


def test_a_byte_order_mark_blank_lines_and_a_missing_end_of_line_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    row = '{"id": "1", "text": "t", "source": "imported", "user": "u"}'
    path.write_bytes(b"\xef\xbb\xbf" + f"{row}\r\n\n{row}".encode())
    assert len(read_records(path, Prompt)) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "1", "text": "t"', "not valid JSON"),
        ("[1]", "the line is not a JSON object"),
        ('{"id": "1", "source": "imported", "user": "u"}', "the field text is missing"),
        ('{"id": 1, "text": "t", "source": "imported", "user": "u"}', "id should be a valid string, got 1"),
        ('{"id": "1", "text": "t", "source": "web", "user": "u"}', "source should be 'labeler', "),
        ('{"id": "1", "text": "t", "source": "imported", "user": "u", "txet": ""}', "Prompt has no field txet"),
        ('{"id": "1", "text": "\\ud800", "source": "imported", "user": "u"}', "not valid JSON"),
    ],
)
def test_a_malformed_row_is_told_with_file_line_and_reason(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "p.jsonl"
    write_records(path, PROMPTS)
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(DataError) as caught:
        read_records(path, Prompt)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert reason in str(caught.value)


def test_a_line_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"\n{}\xe9\n")
    with pytest.raises(DataError, match=r"p\.jsonl:2: byte 3 of the line is not UTF-8"):
        read_records(path, Prompt)


def test_a_missing_file_or_a_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="There is no file"):
        read_records(tmp_path / "no.jsonl", Prompt)
    with pytest.raises(MissingError, match="is a directory"):
        read_records(tmp_path, Prompt)


def test_half_a_surrogate_pair_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(DataError, match="surrogate"):
        write_records(path, [Prompt(id="1", text="\ud800", source="imported", user="u")])
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["p.jsonl"]


def test_an_interrupted_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_an_atomic_directory_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for text in ("one", "two"):
        with atomic_directory(path) as part:
            (part / "sub").mkdir()
            (part / "sub" / "weights").write_text(text, encoding="utf-8")
    assert (path / "sub" / "weights").read_text(encoding="utf-8") == "two"
    with pytest.raises(ZeroDivisionError), atomic_directory(path) as part:
        (part / "half").touch()
        raise ZeroDivisionError
    assert [str(found.relative_to(path)) for found in path.rglob("*")] == ["sub", "sub/weights"]
    assert os.listdir(tmp_path) == ["model"]


WRITE_TOO_MUCH = """
import resource, sys
from tutelage.errors import UnavailableError
from tutelage.files import atomic_write
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    with atomic_write(sys.argv[1]) as file:
        file.write(b"x" * 100_000)
except UnavailableError as error:
    sys.exit(str(error))
"""


def test_a_file_that_cannot_grow_is_told_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    write_text(path, "old")
    done = subprocess.run(
        [sys.executable, "-c", WRITE_TOO_MUCH, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stderr == (
        f"The disk that holds {path} is full; nothing that was there is changed: free some space and run again.\n"
    )
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["weights"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_a_full_disk_is_told_whoever_writes() -> None:
    with pytest.raises(UnavailableError, match="is full"), disk_errors("x"), open("/dev/full", "wb") as file:
        file.write(b"x")
        file.flush()
    with pytest.raises(UnavailableError, match="is full"), disk_errors("x"):
        raise RuntimeError("I/O error: No space left on device (os error 28)")


def test_other_errors_pass_through_and_forbidden_places_are_told() -> None:
    with pytest.raises(ZeroDivisionError), disk_errors("x"):
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), disk_errors("x"):
        raise FileNotFoundError
    with pytest.raises(UnavailableError, match="cannot be written"), disk_errors("x"):
        raise OSError(errno.EROFS, "Read-only file system")


def test_appending_drops_a_line_that_a_crash_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    append_jsonl(path, [{"step": 1}, {"step": 2}])
    with path.open("ab") as file:
        file.write(b'{"step": 3, "x')
    assert read_jsonl(path) == [{"step": 1}, {"step": 2}]
    append_jsonl(path, [{"step": 3}])
    assert path.read_text(encoding="utf-8") == '{"step": 1}\n{"step": 2}\n{"step": 3}\n'


@given(whole=st.lists(st.integers(), max_size=3), torn=st.integers(min_value=1, max_value=3_000_000))
def test_a_torn_line_of_any_length_is_dropped(
    tmp_path_factory: pytest.TempPathFactory, whole: list[int], torn: int
) -> None:
    path = tmp_path_factory.mktemp("torn") / "m.jsonl"
    lines = b"".join(b"%d\n" % number for number in whole)
    path.write_bytes(lines + b"7" * torn)
    append_jsonl(path, [{}])
    assert path.read_bytes() == lines + b"{}\n"


def test_rows_that_are_not_kept_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    append_jsonl(path, [{"step": step} for step in range(5)])
    keep_jsonl(path, lambda row: row["step"] < 2)
    assert read_jsonl(path) == [{"step": 0}, {"step": 1}]


def test_a_spoiled_line_in_the_middle_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"step": 0}\nnonsense\n{"step": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"m\.jsonl:2: "):
        read_jsonl(path)


def test_json_files_read_back_and_spoiled_ones_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"ü": [1, None]})
    assert read_json(path) == {"ü": [1, None]}
    path.write_bytes(b"{")
    with pytest.raises(DataError, match="not valid JSON"):
        read_json(path)


def test_the_hash_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_hash_of_a_directory_is_that_of_names_and_contents(tmp_path: Path) -> None:
    def made(name: str, files: dict[str, bytes]) -> str:
        for inner, content in files.items():
            path = tmp_path / name / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return sha256_of(tmp_path / name)

    first = made("first", {"a": b"1", "b/c": b"2"})
    assert first == made("second", {"b/c": b"2", "a": b"1"})
    others = [made("third", {"a": b"1", "b/c": b"3"}), made("fourth", {"a": b"1", "b/d": b"2"}), made("5", {"a": b"1"})]
    assert len({first, *others}) == 4
    one, two = hashlib.sha256(b"1").digest(), hashlib.sha256(b"2").digest()
    assert first == hashlib.sha256(b"a\0" + one + b"b/c\0" + two).hexdigest()


def test_the_hash_of_a_value_ignores_the_order_of_keys_and_nothing_else() -> None:
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": [1, 2], "a": 1})
    assert content_hash({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()
    assert len({content_hash(value) for value in ([1, 2], [2, 1], "1", 1, None, {"a": 2})}) == 6
    with pytest.raises(ValueError, match="JSON"):
        content_hash(float("nan"))
