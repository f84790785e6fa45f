"""Jobs in processes of their own: they report, fail with a sentence, and never outlive their parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tutelage.errors import UserError
from tutelage.pipeline.parallel import Job, run_jobs

HERE = Path(__file__).parent
JOBS = "tests.pipeline.children"


def test_jobs_run_side_by_side_and_report() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    jobs = [Job(name, f"{JOBS}:count", {"to": 3}) for name in ("a", "b")]
    run_jobs(jobs, 1, lambda name, row: told.append((name, row)))
    assert [row for name, row in told if name == "a"] == [{"step": n} for n in range(3)]
    assert [row for name, row in told if name == "b"] == [{"step": n} for n in range(3)]


def test_a_mistake_of_the_user_comes_back_as_its_sentence_and_stops_the_others() -> None:
    began = time.monotonic()
    jobs = [Job("good", f"{JOBS}:wait", {"seconds": 60}), Job("bad", f"{JOBS}:fail", {"sentence": "Lower the rate."})]
    with pytest.raises(UserError, match="^Lower the rate.$"):
        run_jobs(jobs, 1, lambda name, row: None)
    assert time.monotonic() - began < 50


def test_a_bug_in_a_job_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run_jobs([Job("broken", f"{JOBS}:divide", {})], 1, lambda name, row: None)


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    code = (
        "from tutelage.pipeline.parallel import Job, run_jobs;"
        f"run_jobs([Job('long', '{JOBS}:live', {{'mark': {str(mark)!r}}})], 1, lambda n, r: None)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=HERE.parent.parent)
    while not mark.exists() or not mark.read_text():
        time.sleep(0.05)
    child = int(mark.read_text())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    for _ in range(200):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("the child still runs ten seconds after its parent was killed")
