"""Row 22: every file that is installed is known by its hash, and nothing of ours runs or asks while it is installed."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from security import sbom

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "requirements.lock", *sorted((ROOT / "security" / "locks").glob("*.lock"))]
#: What the lock has beside constraints.txt: what torch's build for GPUs brings, and what a browser's Python needs.
#: constraints.txt holds what was tested together, on machines without either.
ELSEWHERE = re.compile(r"nvidia-[a-z0-9-]+|cuda-(bindings|pathfinder|toolkit)|triton|httpx2-jsfetch")
#: Files of other packages that Python runs whenever it starts, and why they may be here.
STARTERS = {"distutils-precedence.pth": "setuptools keeps the name distutils for who still imports it"}
#: Hosts and files are asked for by what is imported, never by installing or importing us.
IMPORTS = """
import sys
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
        raise SystemExit(f"{event} {arguments}")
sys.addaudithook(hook)
import tutelage.cli, tutelage.service, tutelage.work, tutelage.feedback.app.server, tutelage.govern.jobs
"""


def entries(lock: Path) -> list[str]:
    """Return one line for each entry."""
    lines = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+", " ", line).strip() for line in lines if line.strip()]


def versions(lock: Path) -> dict[str, str]:
    """Return name and version of each entry."""
    return {
        canonicalize_name(line.partition("==")[0]): re.split(r"[ ;]", line.partition("==")[2])[0]
        for line in entries(lock)
    }


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines if line[:1] not in ("#", "")}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_entry_is_one_public_version_with_hashes_and_nothing_else(lock: Path) -> None:
    found = entries(lock)
    assert len(found) > 10
    for line in found:
        # No index, no address, no option, no local version: only what the pin says, from wherever it is installed.
        assert re.fullmatch(
            r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.!]*( ; [^@]+?)?( --hash=sha256:[0-9a-f]{64})+", line
        ), line
    names = [line.partition("==")[0] for line in found]
    # Where platforms differ in the version, each of its lines says for which it is.
    assert all(" ; " in line for line, name in zip(found, names, strict=True) if names.count(name) > 1)
    assert lock != LOCKS[0] or len(set(names)) == len(names)


def test_the_lock_says_what_the_constraints_say() -> None:
    """`make lock` writes it again after a change."""
    locked, tested = versions(LOCKS[0]), constraints()
    assert {name: locked.get(name) for name in tested} == tested
    more = {name for name in locked if name not in tested}
    assert {name for name in more if not ELSEWHERE.fullmatch(name)} == set()
    marked = {line.partition("==")[0] for line in entries(LOCKS[0]) if " ; " in line}
    assert {"triton", "cuda-toolkit", "httpx2-jsfetch"} <= marked, "they are for their platforms only"


def test_every_declared_package_is_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    locked = versions(LOCKS[0])
    for requirement in map(Requirement, declared):
        if requirement.name != "tutelage":
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("lock", LOCKS[1:], ids=lambda path: path.name)
def test_a_tools_lock_holds_what_its_list_asks_for(lock: Path) -> None:
    asked = lock.with_suffix(".in").read_text(encoding="utf-8").splitlines()
    for requirement in (Requirement(line) for line in asked if not line.startswith("#")):
        assert requirement.specifier.contains(versions(lock)[canonicalize_name(requirement.name)]), requirement


def test_what_is_installed_is_what_is_locked() -> None:
    locked = versions(LOCKS[0])
    for distribution in metadata.distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        if name not in ("pip", "tutelage"):  # the installer, and ourselves
            assert distribution.version.partition("+")[0] == locked.get(name), name


def test_the_scripts_install_pinned_versions_only() -> None:
    lines = [
        line.strip()
        for script in (ROOT / "scripts").glob("*.sh")
        for line in script.read_text(encoding="utf-8").splitlines()
        if re.search(r"(^|\s)pip\s+(\"|--requirement|--no-deps|install)|-m pip install", line) and "() {" not in line
    ]
    assert len(lines) > 8
    for line in lines:
        assert re.search(r"==|--constraint|--require-hashes|--requirement", line), line


def test_nothing_of_ours_runs_when_it_is_installed() -> None:
    """The build is hatchling's own, without hooks; there is no script that it would run and no .pth file."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["build-system"]["build-backend"] == "hatchling.build"
    assert [Requirement(one).name for one in settings["build-system"]["requires"]] == ["hatchling"]
    build = settings["tool"]["hatch"]["build"]
    assert "hooks" not in build and set(build["targets"]) == {"wheel"}
    assert set(build["targets"]["wheel"]) == {"packages", "force-include"}
    assert settings["tool"]["hatch"]["version"] == {"path": "tutelage/__init__.py"}
    for pattern in ("setup.py", "setup.cfg", "hatch_build.py", "tutelage/**/*.pth", "sitecustomize.py"):
        assert list(ROOT.glob(pattern)) == []


def test_only_known_files_run_when_python_starts() -> None:
    folders = {Path(str(one.locate_file(""))) for one in metadata.distributions()}
    running = [
        path.name
        for folder in folders
        for path in folder.glob("*.pth")
        if re.search(r"^\s*import\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert set(running) <= set(STARTERS)


def test_importing_us_asks_nobody() -> None:
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, cwd=ROOT)


def wheel(folder: Path, body: str) -> Path:
    """Make a small wheel by hand."""
    folder.mkdir(exist_ok=True)
    path = folder / "harmless-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(zipfile.ZipInfo("harmless.py"), body)
        told = "Metadata-Version: 2.1\nName: harmless\nVersion: 1.0\n"
        made.writestr(zipfile.ZipInfo("harmless-1.0.dist-info/METADATA"), told)
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        made.writestr(zipfile.ZipInfo("harmless-1.0.dist-info/WHEEL"), tags)
        made.writestr(zipfile.ZipInfo("harmless-1.0.dist-info/RECORD"), "")
    return path


def test_a_file_that_is_not_the_locked_one_is_not_installed(tmp_path: Path) -> None:
    """In the form of our locks, by the installer that reads them, without a network."""
    known = hashlib.sha256(wheel(tmp_path / "known", "good = True").read_bytes()).hexdigest()
    wheel(tmp_path / "changed", "good = False")
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"harmless==1.0 \\\n    --hash=sha256:{known}\n")
    install = [sys.executable, "-m", "pip", "install", "--isolated", "--no-index", "--require-hashes", "--no-deps"]
    for folder, is_taken in (("known", True), ("changed", False)):
        command = [*install, "--target", str(tmp_path / "to"), "--find-links", str(tmp_path / folder), "-r", str(lock)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode == 0) == is_taken, done.stderr
        assert is_taken or "DO NOT MATCH THE HASHES" in done.stderr
    assert (tmp_path / "to" / "harmless.py").read_text() == "good = True"


def test_the_bill_of_materials_lists_the_lock(tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        sbom.main(tmp_path / "new" / name)
    one, two = ((tmp_path / "new" / name).read_bytes() for name in ("one.json", "two.json"))
    assert one == two
    bill = json.loads(one)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    assert {part["name"]: part["version"] for part in bill["components"]} == versions(LOCKS[0])
    parts = {part["name"]: part for part in bill["components"]}
    assert parts["fastapi"]["purl"] == f"pkg:pypi/fastapi@{constraints()['fastapi']}"
    hashes = {line.partition("==")[0]: re.findall(r"sha256:(\w+)", line) for line in entries(LOCKS[0])}
    assert [each["content"] for each in parts["nh3"]["hashes"]] == hashes["nh3"]
    scopes = {name: parts[name]["scope"] for name in ("starlette", "h11", "torch", "pytest", "openai", "psycopg")}
    assert scopes == {
        **dict.fromkeys(("starlette", "h11", "torch"), "required"),
        **dict.fromkeys(("pytest", "openai", "psycopg"), "optional"),
    }
    (root,) = bill["dependencies"]
    assert parts["fastapi"]["purl"] in root["dependsOn"] and parts["h11"]["purl"] not in root["dependsOn"]
