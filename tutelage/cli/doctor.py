"""`tutelage doctor`: what this machine has and lacks, with the remedy for each lack."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from tutelage.cli.options import DatabaseUrl, RunsRoot
from tutelage.cli.terminal import print_table

if TYPE_CHECKING:
    from tutelage.store.looking import Looked

GIB = 1 << 30
#: The demo's runs take well under 1 GiB; SmolLM2 with optimizer states and checkpoints about 5.
ENOUGH_DISK = 5 * GIB
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Where `tutelage serve` and `tutelage label` listen unless told otherwise.
PORTS = (8000, 8100)
#: How far this machine's clock may be from the database's, in seconds.
CLOCK = 5.0
#: Before this day, the clock is wrong.
BORN = datetime(2026, 1, 1, tzinfo=UTC)


class Finding(NamedTuple):
    """One thing that was looked at: what was found, and the remedy where something is wrong ("" where not)."""

    thing: str
    found: str
    remedy: str


def register(app: typer.Typer) -> None:
    app.command("doctor", epilog="Example: tutelage doctor --database sqlite:///tutelage.db")(doctor)


def doctor(
    database: DatabaseUrl = "",
    root: RunsRoot = Path("runs"),
    engine: Annotated[
        bool, typer.Option(help="Start the engine of the alias default, where the database has it, as a server would.")
    ] = True,
) -> None:
    """Check this machine and the database; status 1 when something needs mending. Nothing is changed or made.

    Looked at are Python, torch, packages, threads, disk space, the folder of the runs, ports, clock and browser, and of
    the database its revision, the secret of the keys, and whether the engine of the alias default starts.
    """
    findings = [*_machine(root), *_database(database, engine)]
    print_table(("thing", "found", "remedy"), findings)
    if any(finding.remedy for finding in findings):
        raise typer.Exit(1)


def _machine(root: Path) -> list[Finding]:
    return [
        _python(), _torch(), _packages(), _threads(), _disk(Path.cwd()), _runs(root), *map(_port, PORTS), _chromium()
    ]  # fmt: skip


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


def _packages() -> Finding:
    """Compare what is installed with what the program asks for; extras are asked for when they are used."""
    from packaging.requirements import Requirement

    wrong: list[str] = []
    needs = [Requirement(text) for text in metadata.requires("tutelage") or [] if "extra ==" not in text]
    for need in needs:
        try:
            if not need.specifier.contains(metadata.version(need.name), prereleases=True):
                wrong.append(str(need))
        except metadata.PackageNotFoundError:
            wrong.append(str(need))
    if wrong:
        asked = " ".join(f"'{need}'" for need in wrong)
        return Finding("packages", f"missing or of another version: {', '.join(wrong)}", f"pip install {asked}")
    return Finding("packages", f"{len(needs)} as asked for", "")


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


def _runs(root: Path) -> Finding:
    """Ask whether runs can be written; a folder that is not there yet is made in the first one above it that is."""
    there = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding("runs", f"{root} can be written", "")
    return Finding("runs", f"{there} cannot be written", "Change its owner, or name another folder with --root.")


def _port(port: int) -> Finding:
    from tutelage.errors import UnavailableError
    from tutelage.web.listening import Listening, bind

    name = f"port {port}"
    try:
        bind(Listening(port=port)).close()
    except UnavailableError:
        if _is_ours(port):
            return Finding(name, "a server of this program answers", "")
        return Finding(name, "another program uses it", "Stop that program, or give our server another --port.")
    return Finding(name, "free", "")


def _is_ours(port: int) -> bool:
    import httpx2

    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=5, trust_env=False) as client:
            is_gateway = client.get("/healthz").text == '{"status":"ok"}'
            return is_gateway or "Tutelage" in client.get("/sign-in").text
    except httpx2.HTTPError:
        return False


def _chromium() -> Finding:
    named = os.environ.get("CHROMIUM", "")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)
    if named and not found:
        return Finding("chromium", f"CHROMIUM names {named}", "Let CHROMIUM name a program, or unset it.")
    return Finding("chromium", found or "none; only the browser tests need it (apt-get install chromium)", "")


def _database(url: str, starts_engine: bool) -> Iterator[Finding]:
    """Look at the database, and at what it names."""
    from tutelage.errors import UserError
    from tutelage.store import looking

    if not url:
        yield Finding("database", "no address given", "")
        yield _clock(None)
        return
    try:
        found = looking.look(url)
    except UserError as error:
        yield Finding("database", "cannot be used", str(error))
        yield _clock(None)
        return
    yield Finding("database", found.told, found.remedy)
    yield _clock(found.time)
    if found.has_keys is not None:
        yield _pepper(url, found)
    if found.model:
        yield _engine(found.model) if starts_engine else Finding("engine", "not started", "")


def _clock(other: datetime | None) -> Finding:
    """Compare this machine's clock with the database's, or with the last thing that the database tells of."""
    now = datetime.now(UTC)
    shown, remedy = f"{now:%Y-%m-%d %H:%M:%S} UTC", "Set the clock, best by NTP: keys, leases and quotas go by it."
    if now < BORN:
        return Finding("clock", shown, remedy)
    behind = 0.0 if other is None else (other - now).total_seconds()
    if behind > CLOCK:
        return Finding("clock", f"{shown}, {behind:.0f} seconds behind the database", remedy)
    return Finding("clock", shown, "")


def _pepper(url: str, found: Looked) -> Finding:
    from tutelage.errors import UserError
    from tutelage.store import Store, keys

    if not found.has_keys:
        return Finding("key secret", "no keys yet", "")
    if not os.environ.get(keys.PEPPER_VARIABLE) and found.pepper_file and not found.pepper_file.exists():
        remedy = f"Restore {found.pepper_file} from a backup, or set {keys.PEPPER_VARIABLE} to what it held."
        return Finding("key secret", "missing", remedy)
    try:
        with Store.open(url, create=False) as store:
            keys.pepper(store)
    except UserError as error:
        return Finding("key secret", "wrong", str(error))
    return Finding("key secret", "the one that the keys were made with", "")


def _engine(model: str) -> Finding:
    """Start the engine of a model as a server does, and let it answer."""
    import asyncio

    from tutelage.errors import UserError
    from tutelage.generate.process import EngineProcess

    async def start() -> int:
        engine = EngineProcess(Path(model))
        try:
            await engine.start()
            await engine.stats()
            return engine.context
        finally:
            await engine.stop()

    try:
        return Finding("engine", f"starts, with a context of {asyncio.run(start())} tokens", "")
    except UserError as error:
        return Finding("engine", "does not start", str(error))
