"""Run a command that must not outlive its parent: `python -m tutelage.generate.leash COMMAND ...`.

The parent holds this process's standard input. When it closes, however the parent ended, the command dies with all its
children. SIGTERM is passed on: the command may end in its own time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Run the command; return its status."""
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())

    def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        end()

    threading.Thread(target=watch, daemon=True).start()
    try:
        return child.wait()
    finally:
        end()  # children that the command left behind


if __name__ == "__main__":
    sys.exit(main())
