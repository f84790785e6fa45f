"""The scanners: how each is called, how long it may take, and how its answer is read. None leaves this machine, save
pip-audit, which asks the package index about the packages of the lock.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from security import controls, garak, sbom, targets
from security.findings import BlindError, Finding, Outcome
from security.locked import LOCK, ROOT

ENVIRONMENTS = ROOT / ".venv-security"
#: A pickle that would run a program, as bytes: a scanner that does not see it is blind.
PICKLE = b"cposix\nsystem\n(S'true'\ntR."
#: Seconds for a scan of files, of one address, and of a site.
FILES, ADDRESS, SITE = 300, 150, 240
WAPITI = "cookieflags,crlf,csp,csrf,exec,file,http_headers,methods,permanentxss,redirect,sql,xss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a tool is given: a folder for its files, the model that is served, and how many prompts a probe has."""

    folder: Path
    model: Path
    prompts: int


def program(environment: str, name: str) -> str:
    """Return the path of a tool."""
    return str(ENVIRONMENTS / environment / "bin" / name)


def call(
    command: Sequence[str], seconds: int, *, known: Sequence[int] = (0,), environment: Mapping[str, str] | None = None
) -> str:
    """Run a tool and return what it prints; one that fails or takes too long is blind."""
    try:
        done = subprocess.run(
            [*command],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise BlindError(f"{command[0]} is not there; scripts/security.sh sets it up") from error
    except subprocess.TimeoutExpired as error:
        raise BlindError(f"it did not end within {seconds} seconds") from error
    if done.returncode not in known:
        raise BlindError(f"it ended with status {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout + done.stderr


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BlindError(f"it left no result at {path}") from error


def bandit(scan: Scan, outcome: Outcome) -> None:
    """Look for dangerous calls in our code, of medium severity and above."""
    out = scan.folder / "bandit.json"
    call([program("tools", "bandit"), "-q", "-r", "tutelage", "-ll", "-f", "json", "-o", str(out)], FILES, known=(0, 1))
    found = _read(out)
    outcome.told["lines looked at"] = found["metrics"]["_totals"]["loc"]
    outcome.findings = [
        Finding(rule=one["test_id"], place=f"{one['filename']}:{one['line_number']}", text=one["issue_text"])
        for one in found["results"]
    ]


def semgrep(scan: Scan, outcome: Outcome) -> None:
    """Look for what our own rules forbid, without asking a registry; each rule shows first that it sees."""
    control = scan.folder / "control"
    controls.plant(control)
    if blind := set(controls.LINES) - {found.rule for found in _against_rules(scan, outcome, control)}:
        raise BlindError(f"the rules {', '.join(sorted(blind))} did not see what was put before them")
    outcome.findings = _against_rules(scan, outcome, ROOT / "tutelage")


def _against_rules(scan: Scan, outcome: Outcome, folder: Path) -> list[Finding]:
    out = scan.folder / f"semgrep-{folder.name}.json"
    options = ["scan", "--config", str(Path(__file__).parent / "rules.yml"), "--metrics", "off", "--quiet"]
    # Its settings are kept with its results and not in anybody's home, and its own programs lie beside it.
    environment = {
        "PATH": f"{ENVIRONMENTS / 'semgrep' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "SEMGREP_SETTINGS_FILE": str(scan.folder / "settings.yml"),
    }
    options += ["--disable-version-check", "--no-git-ignore", "--json", "--output", str(out), str(folder)]
    call([program("semgrep", "semgrep"), *options], FILES, environment=environment)
    found = _read(out)
    outcome.told["files looked at"] = len(found["paths"]["scanned"])
    return [
        Finding(
            rule=one["check_id"].rpartition(".")[2],
            place=f"{os.path.relpath(one['path'], ROOT)}:{one['start']['line']}",
            text=one["extra"]["message"].strip(),
        )
        for one in found["results"]
    ]


def modelscan(scan: Scan, outcome: Outcome) -> None:
    """Look for code in the model's files; a pickle of ours shows first that it sees."""
    control = scan.folder / "control"
    control.mkdir(exist_ok=True)
    (control / "model.pkl").write_bytes(PICKLE)
    if not _unsafe(scan, control, "control"):
        raise BlindError("it did not see the pickle that was put before it")
    outcome.findings = _unsafe(scan, scan.model, "model")


def _unsafe(scan: Scan, folder: Path, name: str) -> list[Finding]:
    out = scan.folder / f"modelscan-{name}.json"
    # 1: found; 3: none of the files is of a kind that could hold code, as with safetensors alone.
    call([program("tools", "modelscan"), "-p", str(folder), "-r", "json", "-o", str(out)], FILES, known=(0, 1, 3))
    found = _read(out) if out.exists() else {"issues": []}
    return [
        Finding(rule=f"{one['module']}.{one['operator']}", place=one["source"], text=one["description"])
        for one in found["issues"]
    ]


def audit(scan: Scan, outcome: Outcome) -> None:
    """Ask the package index for known weaknesses of what the lock pins; what it does not know is not clean."""
    out = scan.folder / "pip-audit.json"
    options = ["-r", str(LOCK), "--require-hashes", "--disable-pip", "--no-deps", "-f", "json", "-o", str(out)]
    call([program("tools", "pip-audit"), *options, "--progress-spinner", "off"], FILES, known=(0, 1))
    found = _read(out)["dependencies"]
    unknown = [one["name"] for one in found if one.get("skip_reason")]
    if unknown:
        raise BlindError(f"{len(unknown)} of {len(found)} packages could not be looked up")
    outcome.told["packages looked up"] = len(found)
    outcome.findings = [
        Finding(rule=weak["id"], place=f"{one['name']}=={one['version']}", text=f"mended in {weak['fix_versions']}")
        for one in found
        for weak in one["vulns"]
    ]


def bill(scan: Scan, outcome: Outcome) -> None:
    """Write the bill of materials, and let CycloneDX's own reader check its form."""
    out = scan.folder / "sbom.json"
    sbom.main(out)
    program_text = (
        "import sys; from cyclonedx.schema import SchemaVersion; from cyclonedx.validation.json import "
        "JsonStrictValidator as V; print(V(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()) or 'valid')"
    )
    said = call([program("tools", "python"), "-c", program_text, str(out)], FILES).strip()
    outcome.told["components"] = len(_read(out)["components"])
    outcome.findings = [] if said.endswith("valid") else [Finding(rule="form", place=out.name, text=said[:300])]


def sqlmap(scan: Scan, outcome: Outcome) -> None:
    """Try to inject SQL through what strangers and people who are signed in can send."""
    with targets.api(scan.folder, scan.model, needs_key=True) as model, targets.labeling(scan.folder) as desk:
        cookie, bearer = f"--cookie=tutelage={desk.secret}", f"Authorization: Bearer {model.secret}"
        body = '{"model": "default*", "prompt": "a*", "user": "kim*", "max_tokens": 1}'
        wanted = {
            "the bearer": ["-u", f"{model.address}/v1/models", "-H", "Authorization: Bearer tut_abcdefgh*"],
            "a model's name": ["-u", f"{model.address}/v1/models/default*", "-H", bearer],
            "a completion": ["-u", f"{model.address}/v1/completions", "-H", bearer, f"--data={body}"],
            "signing in": ["-u", f"{desk.address}/sign-in", "--data=name=Ada&password=x&next=/", "-p", "name,next"],
            "a session": ["-u", f"{desk.address}/account", "-H", "Cookie: tutelage=abc*"],
            "what leads ask for": ["-u", f"{desk.address}/lead/disagreements?kind=human&task=training&flag=", cookie],
            "a prompt's name": ["-u", f"{desk.address}/lead/disagreements/p*", cookie],
            "the log": ["-u", f"{desk.address}/log?before=9", cookie],
        }
        for name, options in wanted.items():
            outcome.findings += _injections(scan, name, options)
        outcome.told["places tried"] = len(wanted)


def _injections(scan: Scan, name: str, options: Sequence[str]) -> list[Finding]:
    kept = scan.folder / "sqlmap"
    bounds = ["--batch", "--flush-session", "--level=1", "--risk=1", "--technique=BEU", "--threads=1", "--timeout=10"]
    quiet = ["--retries=0", "--ignore-code=*", "--disable-coloring", f"--output-dir={kept}"]
    said = call([program("tools", "sqlmap"), *options, *bounds, *quiet], ADDRESS)
    if "do not appear to be injectable" in said or "does not seem to be injectable" in said:
        return []
    found = re.findall(r"^Parameter: (.+)$", said, re.MULTILINE)
    if not found:
        raise BlindError(f"of {name} it says neither yes nor no: {said.strip()[-300:]}")
    return [Finding(rule="injection", place=name, text=one) for one in found]


def wapiti(scan: Scan, outcome: Outcome) -> None:
    """Crawl the labeling app as an administrator, and attack what is found."""
    out = scan.folder / "wapiti.json"
    with targets.labeling(scan.folder) as desk:
        options = ["-u", f"{desk.address}/", "--scope", "folder", "-C", f"tutelage={desk.secret}", "-m", WAPITI]
        # Signing out, and what it changes about itself, would end the scan.
        options += ["-x", f"{desk.address}/sign-out", "-x", f"{desk.address}/account/*"]
        bounds = ["--max-scan-time", "60", "--max-attack-time", "12", "--max-links-per-page", "40", "-d", "4"]
        kept = ["--store-session", str(scan.folder / "wapiti"), "--store-config", str(scan.folder / "wapiti")]
        call(
            [program("wapiti", "wapiti"), *options, *bounds, *kept, "--flush-session", "--no-bugreport", "-v", "0"]
            + ["-f", "json", "-o", str(out)],
            SITE,
        )
    found = _read(out)
    outcome.told["pages crawled"] = found["infos"].get("crawled_pages_nbr", 0)
    if not outcome.told["pages crawled"]:
        raise BlindError("it crawled no page")
    for kind in ("vulnerabilities", "anomalies"):
        for rule, each in found[kind].items():
            outcome.findings += [
                Finding(rule=rule, place=f"{one['method']} {one['path']}", text=one["info"]) for one in each
            ]


def probes(scan: Scan, outcome: Outcome) -> None:
    """Ask the served model what garak's probes ask; what it answers is a figure, not a finding."""
    with targets.api(scan.folder, scan.model) as model:
        command = garak.prepared(scan.folder, model.address, scan.prompts, program("garak", "python"))
        call(command, garak.SECONDS, environment=garak.ALONE)
    outcome.told = garak.figures(scan.folder)
    if not outcome.told:
        raise BlindError("its report holds no figure")


#: The tools by name, the quick ones first.
TOOLS: dict[str, Callable[[Scan, Outcome], None]] = {
    "bandit": bandit,
    "semgrep": semgrep,
    "modelscan": modelscan,
    "sbom": bill,
    "pip-audit": audit,
    "sqlmap": sqlmap,
    "wapiti": wapiti,
    "garak": probes,
}
