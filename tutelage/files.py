"""Files: records as JSON lines, writes that are whole or not there, and content hashes."""

from __future__ import annotations

import dataclasses
import errno
import functools
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from tutelage.errors import DataError, MissingError, UnavailableError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")
#: What the system answers when a file cannot grow: no space, no quota, a size limit.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
BOM = b"\xef\xbb\xbf"
BLOCK = 1 << 20


def read_records(path: Path | str, record: type[R], *, others: bool = False) -> list[R]:
    """Read one record per JSON line. The first malformed line raises DataError, so that all rows count or none do."""
    return list(iterate_records(path, record, others=others))


def iterate_records(path: Path | str, record: type[R], *, others: bool = False) -> Iterator[R]:
    """Yield one record per JSON line while the file is read; a malformed line raises DataError when it is reached.

    With `others`, lines may hold fields that the record does not have, as files that were made elsewhere do.
    """
    path = Path(path)
    adapter = _adapter(record)
    known = {field.name for field in dataclasses.fields(record)}
    for number, line in numbered_lines(path):
        try:
            row = adapter.validate_json(line, strict=True)
        except ValidationError as error:
            raise DataError(f"{path}:{number}: {_reason(error)}.") from None
        except DataError as error:  # a record that checks itself
            raise DataError(f"{path}:{number}: {error}") from None
        unknown = [] if others else sorted(json.loads(line).keys() - known)
        if unknown:
            raise DataError(f"{path}:{number}: {record.__name__} has no field {', '.join(unknown)}.")
        yield row


def write_records(path: Path | str, rows: Iterable[DataclassInstance]) -> None:
    """Write one JSON line per record, atomically: readers see the old file or the whole new one."""
    with atomic_write(path) as file:
        for row in rows:
            file.write(_line(dataclasses.asdict(row)))


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number (from 1) and text of every line that is not blank; a line that is not UTF-8 raises DataError."""
    # Split at line feeds only: U+2028 and its like are ordinary characters inside JSON strings.
    with open_to_read(path) as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = (raw.removeprefix(BOM) if number == 1 else raw).decode("utf-8").strip(" \t\r\n")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}:{number}: byte {error.start + 1} of the line is not UTF-8; save the file as UTF-8."
                ) from None
            if line:
                yield number, line


def open_to_read(path: Path) -> BufferedReader:
    """Open a file for reading bytes; one that is missing or cannot be read is told in a sentence."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise MissingError(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise MissingError(f"{path} is a directory; name a file in it.") from None
    except PermissionError:
        raise UnavailableError(f"{path} cannot be read: permission denied.") from None


@contextmanager
def atomic_write(path: Path | str) -> Iterator[IO[bytes]]:
    """Write a file so that it is there whole or not at all, whatever fails: temporary file, fsync, rename, fsync."""
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _part_name(path)
        try:
            with part.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        fsync_directory(path.parent)


@contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """Fill a directory so that it appears under its name only when everything in it is on the disk.

    A directory of that name is put aside and then removed. Where two versions must never be missing together (as for
    checkpoints), give each its own name.
    """
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _part_name(path)
        part.mkdir()
        try:
            yield part
            _fsync_tree(part)
            _swap_in(part, path)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically as UTF-8."""
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path | str, value: Any) -> None:
    """Write a JSON file atomically, indented for people."""
    write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file; one that is not JSON or not UTF-8 raises DataError."""
    path = Path(path)
    with open_to_read(path) as file:
        try:
            return json.loads(file.read().decode("utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise DataError(f"{path} is not valid JSON: {error}.") from None


def append_jsonl(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to a JSON lines file; a last line that a crash cut off is removed first."""
    path = Path(path)
    block = b"".join(_line(row) for row in rows)
    with disk_errors(path), path.open("a+b") as file:
        _drop_torn_line(file)
        file.write(block)


def read_jsonl(path: Path | str) -> list[dict[str, Any]]:
    """Read the whole rows of a file that `append_jsonl` writes; a last line that a crash cut off does not count."""
    path = Path(path)
    rows: list[dict[str, Any]] = []
    with open_to_read(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise DataError(f"{path}:{number}: {error}.") from None
    return rows


def keep_jsonl(path: Path | str, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Rewrite a JSON lines file atomically with only the rows for which `keep` is true."""
    rows = [row for row in read_jsonl(path) if keep(row)]
    with atomic_write(path) as file:
        file.writelines(_line(row) for row in rows)


def sha256_of(path: Path | str) -> str:
    """Hash a file's content, or a directory's sorted relative names and contents, as 64 hexadecimal digits."""
    path = Path(path)
    if not path.is_dir():
        with open_to_read(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    total = hashlib.sha256()
    inside = {found.relative_to(path).as_posix(): found for found in path.rglob("*") if found.is_file()}
    for name in sorted(inside):
        # The name is closed by a zero byte, which no name holds, and each digest has a fixed length: no two
        # directories give the same bytes here.
        total.update(name.encode("utf-8", "surrogateescape") + b"\0" + bytes.fromhex(sha256_of(inside[name])))
    return total.hexdigest()


def content_hash(value: Any) -> str:
    """Hash a JSON-able value by its canonical JSON: sorted keys, no white space, no NaN."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


@contextmanager
def disk_errors(path: Path | str) -> Iterator[None]:
    """Turn a full or forbidden disk into a sentence, also when a library hides the system's error in its own."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise UnavailableError(_full(Path(path))) from error
        if error.errno in FORBIDDEN:
            raise UnavailableError(
                f"{path} cannot be written ({error.strerror}); choose another place or its owner."
            ) from error
        raise
    except Exception as error:
        # safetensors and torch write by themselves and raise their own kinds, with the system's words inside.
        if any(
            words in str(error)
            for words in ("No space left on device", "os error 28", "Disk quota exceeded", "File too large")
        ):
            raise UnavailableError(_full(Path(path))) from error
        raise


def fsync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _full(path: Path) -> str:
    return f"The disk that holds {path} is full; nothing that was there is changed: free some space and run again."


def _swap_in(part: Path, path: Path) -> None:
    old = path.with_name(f".{path.name}.old")
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
    part.rename(path)
    fsync_directory(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _fsync_tree(root: Path) -> None:
    for found in root.rglob("*"):
        if found.is_dir():
            fsync_directory(found)
        elif found.is_file():
            with found.open("rb") as file:
                os.fsync(file.fileno())
    fsync_directory(root)


def _drop_torn_line(file: IO[bytes]) -> None:
    size = end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - BLOCK)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        file.truncate(end)


def _line(row: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"
    except UnicodeEncodeError:
        raise DataError(f"A row holds half of a surrogate pair, which is not text: {row!r}.") from None


def _reason(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in detail["loc"])
    message = detail["msg"].replace("Input should", "should", 1).replace("Invalid JSON: ", "not valid JSON: ", 1)
    if detail["type"] == "missing":
        return f"the field {where} is missing"
    if detail["type"] == "dataclass_type":
        return "the line is not a JSON object"
    return f"{where} {message}, got {detail['input']!r:.80}" if where else message


@functools.cache
def _adapter(record: type[R]) -> TypeAdapter[R]:
    return TypeAdapter(record)


def _part_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
