"""`tutelage label` in one process that notes its statements: `python -m benchmarks.labelserver FILE --database URL`.

At its end, FILE holds for every statement how often it was sent to the database and the seconds until its answer.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from tutelage.feedback.app import server
from tutelage.web.listening import Listening


class Notes:
    """Counts and seconds by statement, of all threads."""

    def __init__(self) -> None:
        self._found: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])
        self._lock = threading.Lock()

    def begin(self, connection: Any, *_: Any) -> None:
        connection.info["began"] = time.perf_counter()

    def end(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seconds = time.perf_counter() - connection.info["began"]
        name = re.sub(r"IN \([^()]*\)", "IN (...)", " ".join(statement.split()))
        with self._lock:
            entry = self._found[name]
            entry[0] += 1
            entry[1] += seconds

    def write(self, path: Path) -> None:
        with self._lock:
            path.write_text(json.dumps(self._found))


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--workers", type=int, choices=[1], default=1)
    options = parser.parse_args()
    notes = Notes()
    event.listen(Engine, "before_cursor_execute", notes.begin)
    event.listen(Engine, "after_cursor_execute", notes.end)
    # The server ends by the signal that stopped it; ours lets the notes be written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.serve(options.database, Listening(port=options.port), 1, lambda line: print(line, flush=True))
    finally:
        notes.write(options.file)


if __name__ == "__main__":
    main()
