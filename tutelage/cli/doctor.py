"""`tutelage doctor`: what this machine has and lacks, with the remedy for each lack."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import typer

from tutelage.cli.options import DatabaseUrl
from tutelage.cli.terminal import print_table

GIB = 1 << 30
#: The demo's runs take well under 1 GiB; SmolLM2 with optimizer states and checkpoints about 5.
ENOUGH_DISK = 5 * GIB
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Finding(NamedTuple):
    """One thing that was looked at: what was found, and the remedy where something is wrong ("" where not)."""

    thing: str
    found: str
    remedy: str


def register(app: typer.Typer) -> None:
    app.command("doctor", epilog="Example: tutelage doctor --database sqlite:///tutelage.db")(doctor)


def doctor(database: DatabaseUrl = "") -> None:
    """Check Python, torch, threads, disk space, the database and the browser; status 1 when something needs mending."""
    findings = [_python(), _torch(), _threads(), _disk(Path.cwd()), _database(database), _chromium()]
    print_table(("thing", "found", "remedy"), findings)
    if any(finding.remedy for finding in findings):
        raise typer.Exit(1)


def _python() -> Finding:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    return Finding("python", found, "" if sys.version_info >= (3, 11) else "Install Python 3.11 or newer.")


def _torch() -> Finding:
    wanted = next((need for need in metadata.requires("tutelage") or [] if need.startswith("torch==")), "torch")
    try:
        import torch
    except ImportError as error:
        return Finding("torch", str(error), f"pip install {wanted}")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    version = torch.__version__.partition("+")[0]
    remedy = "" if wanted in ("torch", f"torch=={version}") else f"pip install {wanted}"
    return Finding("torch", f"{torch.__version__} on {device}", remedy)


def _threads() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    found = f"{usable} cores, OMP_NUM_THREADS {asked or 'unset'}"
    too_many = asked.isdigit() and int(asked) > usable
    return Finding("threads", found, f"Set OMP_NUM_THREADS to {usable} or less." if too_many else "")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    remedy = "" if free >= ENOUGH_DISK else f"Free {ENOUGH_DISK // GIB} GiB here, or work in another folder."
    return Finding("disk", f"{free / GIB:.1f} GiB free in {folder}", remedy)


def _database(url: str) -> Finding:
    from tutelage.errors import UserError

    try:
        return Finding("database", _reach(url) if url else "no address given", "")
    except UserError as error:
        return Finding("database", "cannot be used", str(error))


def _reach(url: str) -> str:
    """Look at a database without making one: opening the store would create its file and tables."""
    from tutelage.store import Store
    from tutelage.store.database import connect

    engine = connect(url)
    engine.dispose()
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
        return f"{engine.url.database} is made when it is first used"
    with Store(engine, salt="").read() as connection:
        connection.exec_driver_sql("SELECT 1")
    engine.dispose()
    return f"{engine.dialect.name} answers"


def _chromium() -> Finding:
    named = os.environ.get("CHROMIUM", "")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)
    if named and not found:
        return Finding("chromium", f"CHROMIUM names {named}", "Let CHROMIUM name a program, or unset it.")
    return Finding("chromium", found or "none; only the browser tests need it (apt-get install chromium)", "")
