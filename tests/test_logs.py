"""What a line of the log holds, and what it never does."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tutelage import logs
from tutelage.errors import DataError, SettingsError
from tutelage.logs import LogOptions

CANARY = "canary-7f3a"


def line(format: str, message: str, error: BaseException | None = None, **facts: object) -> str:
    record = logging.LogRecord("tutelage.some", logging.ERROR, __file__, 1, message, (), None)
    record.exc_info = (type(error), error, error.__traceback__) if error else None
    record.facts = facts
    return logs.formatter(format).format(record)


def raised(fail: Callable[[], Any]) -> BaseException:
    try:
        fail()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def fail_for_a_reason() -> None:
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        raise DataError("Line 3 of x.jsonl is empty; fill it or leave it out.") from error


def test_a_line_of_json_has_time_level_and_facts() -> None:
    told = json.loads(line("json", "request", route="/v1/models", status=200))
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "event": "request", "level": "error", "logger": "tutelage.some", "route": "/v1/models", "status": 200
    }  # fmt: skip


def test_a_bug_is_told_by_type_and_place_without_its_words() -> None:
    told = json.loads(line("json", "a call failed", raised(lambda: int(CANARY))))
    [error] = told["exception"]
    assert error["type"] == "builtins.ValueError" and "message" not in error
    assert any("test_logs.py" in place and "in raised" in place for place in error["at"])
    assert CANARY not in line("text", "a call failed", raised(lambda: int(CANARY)))


def test_a_sentence_of_ours_is_told_and_its_cause_by_type() -> None:
    found = logs.places(raised(fail_for_a_reason))
    assert [one["type"] for one in found] == ["tutelage.errors.DataError", "builtins.KeyError"]
    assert found[0]["message"].startswith("Line 3") and CANARY not in repr(found)


def test_every_exception_of_a_group_is_told() -> None:
    group = ExceptionGroup(CANARY, [ValueError(CANARY), TypeError(CANARY)])
    assert [one["type"].rpartition(".")[2] for one in logs.places(group)] == [
        "ExceptionGroup",
        "ValueError",
        "TypeError",
    ]


@pytest.mark.parametrize("format", ["json", "text"])
def test_nobody_writes_a_second_line(format: str) -> None:
    told = line(format, 'x\r\n{"event": "forged"}', name="a\x1b[2J\u202e\u2028b")
    assert len(told.splitlines()) == 1 and not any(one in told for one in "\x1b\u202e\u2028")


@pytest.mark.parametrize(
    ("options", "told"), [(LogOptions(format="xml"), "--log-format"), (LogOptions(level="loud"), "--log-level")]
)
def test_a_wrong_option_is_a_sentence(options: LogOptions, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        logs.configure(options)


def test_libraries_warn_where_we_log_and_say_no_more() -> None:
    """In a process of its own: logging is the whole process's."""
    program = """
import logging, warnings
from tutelage import logs
logs.configure(logs.LogOptions(format="json", level="debug"))
logging.getLogger("httpx2").info("HTTP Request: GET https://example.org/secret")
logging.getLogger("tutelage.web").debug("ours")
warnings.warn("old")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    lines = [json.loads(one) for one in done.stderr.splitlines()]
    assert [(one["logger"], one["level"]) for one in lines] == [("tutelage.web", "debug"), ("py.warnings", "warning")]
