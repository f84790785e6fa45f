"""What servers log: one line an event, as text or JSON, to standard error. Never a key, and no words of a customer.

Everything is logged by the standard library's `logging`; structlog renders it. Facts beside the message come from
`extra={"facts": {...}}`. Of an exception that is a bug the line has the type and the place and not the message, which
may quote what somebody sent; a `UserError` is a sentence of ours.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from tutelage.errors import SettingsError, UserError

Format = Literal["text", "json"]
FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
#: By these a process tells those that it starts how to log.
FORMAT, LEVEL = "TUTELAGE_LOG_FORMAT", "TUTELAGE_LOG_LEVEL"
#: Exceptions of one chain that are told.
_MOST_CAUSES = 8
#: Characters that end a line, move a terminal's cursor or turn its direction.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """How servers log: as text for people or JSON for programs, and from which level on."""

    format: str = "text"
    level: str = "info"


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def configure(options: LogOptions) -> None:
    """Log this way from now on, in this process and in those that it starts."""
    if options.format not in FORMATS:
        raise SettingsError(f"Logs cannot be {options.format!r}; choose {' or '.join(FORMATS)} with --log-format.")
    if options.level not in LEVELS:
        raise SettingsError(f"There is no log level {options.level!r}; choose {', '.join(LEVELS)} with --log-level.")
    os.environ[FORMAT], os.environ[LEVEL] = options.format, options.level
    handler = _Handler()
    handler.setFormatter(formatter(options.format))
    root = logging.getLogger()
    # Handlers of others, where we run inside of another program, stay.
    root.handlers[:] = [*(other for other in root.handlers if not isinstance(other, _Handler)), handler]
    # What libraries say below a warning is about them: addresses that they called, for example.
    root.setLevel(logging.WARNING)
    logging.getLogger("tutelage").setLevel(options.level.upper())
    logging.captureWarnings(True)


def follow() -> None:
    """Log as the process that started this one."""
    configure(LogOptions(format=os.environ.get(FORMAT, "text"), level=os.environ.get(LEVEL, "info")))


def formatter(format: str) -> logging.Formatter:
    """Return what turns records into lines."""
    last = structlog.processors.JSONRenderer() if format == "json" else _as_text
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _facts,
            _exception,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
    )


def places(error: BaseException) -> list[dict[str, Any]]:
    """Return the exceptions of a chain, the last one first: type, places, and the message where it is a sentence."""
    found = []
    for one in _chain(error):
        frames = traceback.extract_tb(one.__traceback__)
        told: dict[str, Any] = {"type": f"{type(one).__module__}.{type(one).__qualname__}"}
        if isinstance(one, UserError):
            told["message"] = str(one)
        found.append({**told, "at": [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]})
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _MOST_CAUSES:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        before = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        waiting += [before] if before is not None else []


def _facts(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    event.update(getattr(event["_record"], "facts", {}))
    return event


def _exception(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    if info and isinstance(info[1], BaseException):
        event["exception"] = places(info[1])
    return event


def _as_text(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    """Return `time level event name=value ...` on one line, and below it where an exception came from."""
    exception = event.pop("exception", [])
    head = [event.pop("timestamp", ""), event.pop("level", ""), event.pop("event", "")]
    event.pop("logger", None)
    line = " ".join(_clean(one) for one in (*head, *(f"{name}={value}" for name, value in event.items())))
    below = [
        "\n".join([f"  {_clean(one['type'])} {_clean(one.get('message', ''))}".rstrip(), *_indented(one["at"])])
        for one in exception
    ]
    return "\n".join([line, *below])


def _indented(lines: list[str]) -> Iterator[str]:
    return (f"    {_clean(line)}" for line in lines)


def _clean(value: object) -> str:
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", str(value))
