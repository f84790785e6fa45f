"""The program from outside: sentences, statuses and what is printed, in processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = [sys.executable, "-m", "tutelage.cli"]


def tutelage(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **environment},
    )


def test_help_names_the_commands() -> None:
    done = tutelage("--help")
    assert done.returncode == 0
    for command in ("init", "runs", "doctor"):
        assert f" {command} " in done.stdout


def test_help_loads_no_stage() -> None:
    """A command imports its stage when it is called: torch alone takes seconds."""
    program = "import sys; from tutelage import cli; print(*(sys.modules.keys() & {'torch', 'sqlalchemy', 'pydantic'}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_mistake_is_one_sentence_and_status_2() -> None:
    done = tutelage("runs", "show", "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "nowhere is not a run directory: it has no run.json.\n"


def test_an_unknown_command_is_told_with_a_suggestion() -> None:
    done = tutelage("doctr")
    assert done.returncode == 2
    assert "doctor" in done.stderr
    assert "Traceback" not in done.stderr


STOPPED = """
import os, signal, sys
import typer
from tutelage import cli

# A shell starts what runs in its background with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

@cli.app.command()
def long() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    raise AssertionError("went on")

sys.argv = ["tutelage", "long"]
cli.main()
"""


def test_ctrl_c_says_that_running_again_goes_on() -> None:
    done = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == "Stopped. Nothing is lost: give the same command again and it goes on where it was.\n"


def test_a_bug_keeps_its_traceback() -> None:
    program = STOPPED.replace("os.kill(os.getpid(), signal.SIGINT)", "pass")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "AssertionError: went on" in done.stderr
