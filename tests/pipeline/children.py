"""Jobs for the tests of `parallel`."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tutelage.errors import UserError

Report = Callable[[dict[str, Any]], None]


def count(to: int, report: Report) -> None:
    for number in range(to):
        report({"step": number})


def wait(seconds: float, report: Report) -> None:
    time.sleep(seconds)


def fail(sentence: str, report: Report) -> None:
    raise UserError(sentence)


def divide(report: Report) -> None:
    report({"value": 1 / int("0")})


def live(mark: str, report: Report) -> None:
    Path(mark).write_text(str(os.getpid()))
    time.sleep(120)
