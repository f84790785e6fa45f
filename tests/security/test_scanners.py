"""`make security` itself: what is allowed, what counts as blind, what it prints; the tools are not needed for that."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from security import __main__ as program
from security import controls, findings, garak, locked, tools
from security.findings import Allowance, BlindError, Finding, Outcome

RULES = Path(tools.__file__).parent / "rules.yml"
FOUND = Finding(rule="B608", place="tutelage/store/x.py:12", text="SQL")


def outcome(*found: Finding, **changes: object) -> Outcome:
    return Outcome(tool="bandit", findings=list(found), **changes)  # type: ignore[arg-type]


def test_a_finding_is_allowed_by_tool_rule_and_place() -> None:
    known = Allowance(tool="bandit", rule="B608", place="tutelage/store/*", reason="bound")
    one = outcome(FOUND)
    one.allow([known])
    assert one.is_clean and one.allowed == [FOUND]
    for changed in ({"tool": "semgrep"}, {"rule": "B60"}, {"place": "tutelage/serve/*"}):
        other = outcome(FOUND)
        other.allow(
            [Allowance(**{"tool": "bandit", "rule": "B608", "place": "tutelage/store/*", "reason": "x", **changed})]
        )
        assert not other.is_clean and other.allowed == []


def test_an_allowance_that_nothing_needs_is_told_if_its_tool_looked() -> None:
    known = [Allowance(tool="bandit", rule="B1*", place="*", reason="x")]
    assert findings.stale(known, [outcome()]) == known
    assert findings.stale(known, [outcome(blind="it did not start")]) == []
    used = outcome(Finding(rule="B101", place="a.py:1", text="x"))
    used.allow(known)
    assert findings.stale(known, [used]) == []


def test_what_is_allowed_says_why(tmp_path: Path) -> None:
    for one in findings.allowances():
        assert len(one.reason.split()) >= 5 and one.tool in tools.TOOLS and one.rule.strip("*")
    (tmp_path / "a.toml").write_text('[[allowed]]\ntool = "bandit"\nrule = "B1"\nplace = "*"\n')
    with pytest.raises(TypeError, match="reason"):
        findings.allowances(tmp_path / "a.toml")


def test_the_table_and_the_file_hold_everything(tmp_path: Path) -> None:
    outcomes = [
        outcome(FOUND, seconds=3.4),
        outcome(blind="it did not end within 5 seconds"),
        outcome(told={"dan by DAN": "3 of 8"}),
    ]
    shown = findings.table(outcomes)
    assert "B608 at tutelage/store/x.py:12: SQL" in shown and "dan by DAN: 3 of 8" in shown
    assert shown.count("look at it") == 1 and shown.count("could not look: it did not end") == 1
    findings.write(outcomes, tmp_path / "summary.json")
    assert json.loads((tmp_path / "summary.json").read_text())[0]["findings"][0]["rule"] == "B608"


def test_a_tool_that_is_missing_fails_or_hangs_is_blind() -> None:
    for command, seconds, told in (
        (["/no/such/tool"], 5, "scripts/security.sh sets it up"),
        ([sys.executable, "-c", "raise SystemExit('no rules')"], 20, "status 1: no rules"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], 1, "did not end within 1 seconds"),
    ):
        with pytest.raises(BlindError, match=told):
            tools.call(command, seconds)
    assert tools.call([sys.executable, "-c", "print('x'); raise SystemExit(3)"], 20, known=(3,)) == "x\n"


def test_a_run_with_a_blind_tool_fails_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tools, "ENVIRONMENTS", tmp_path / "none")
    (tmp_path / "model").mkdir()
    arguments = ["--tools", "bandit", "semgrep", "--model", str(tmp_path / "model"), "--out", str(tmp_path / "out")]
    assert program.main(arguments) == 1
    assert capsys.readouterr().out.count("could not look") == 2
    kept = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [one["tool"] for one in kept] == ["bandit", "semgrep"] and all(one["blind"] for one in kept)
    assert program.options(["--without", "garak", "wapiti"]).tools == [
        name for name in tools.TOOLS if name not in ("garak", "wapiti")
    ]


def test_every_rule_has_a_line_that_it_must_find(tmp_path: Path) -> None:
    named = set(re.findall(r"^  - id: ([a-z-]+)$", RULES.read_text(encoding="utf-8"), re.MULTILINE))
    assert named == set(controls.LINES)
    controls.plant(tmp_path)
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert all(line in written for line in controls.LINES.values())


def test_nothing_but_this_machine_is_attacked() -> None:
    text = (Path(tools.__file__).parent / "targets.py").read_text(encoding="utf-8")
    assert '"--host", "127.0.0.1"' in text
    for path in Path(tools.__file__).parent.glob("*.py"):
        addresses = re.findall(r"https?://[^\s\"'{}\\)]+", path.read_text(encoding="utf-8"))
        assert addresses == [], path


def test_garak_asks_the_server_alone_and_its_report_is_read(tmp_path: Path) -> None:
    command = garak.prepared(tmp_path, "http://127.0.0.1:9", 3, "python")
    settings = json.loads((tmp_path / "garak.json").read_text())
    assert settings["run"]["soft_probe_prompt_cap"] == 3
    (client,) = settings["plugins"]["generators"]["openai"].values()
    assert client["uri"] == "http://127.0.0.1:9/v1/"
    assert command[-1].count("probes.") == len(garak.PROBES) and garak.ALONE["HF_HUB_OFFLINE"] == "1"
    row = {"entry_type": "eval", "probe": "dan.X", "detector": "dan.DAN", "passed": 5, "total_evaluated": 8, "nones": 2}
    rows = [{"entry_type": "init"}, row]
    assert garak.figures(tmp_path) == {}
    (tmp_path / "garak.report.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert garak.figures(tmp_path) == {"dan.X by dan.DAN": "5 of 8 passed, 2 not answered"}


def test_a_lock_is_read_as_it_stands() -> None:
    pins = locked.read(locked.LOCK)
    lines = [line for line in locked.LOCK.read_text(encoding="utf-8").splitlines() if not line.startswith(" ")]
    assert len(pins) == len(lines)
    by_name = {pin.name: pin for pin in pins}
    assert str(by_name["triton"].marker).count("linux") == 1 and by_name["nh3"].marker is None
    assert all(pin.hashes and pin.version for pin in pins)
