"""What a tool found, what was looked at before and is allowed, and the table of both."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ALLOWED = Path(__file__).parent / "allowed.toml"


class BlindError(Exception):
    """A tool could not look: it did not start, was ended by its bound, or says itself that it saw nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a tool says is wrong."""

    rule: str
    place: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A finding that somebody looked at: by tool, rule and place (with stars), and the reason why it stays."""

    tool: str
    rule: str
    place: str
    reason: str

    def covers(self, tool: str, found: Finding) -> bool:
        """Say whether a finding is this one."""
        return tool == self.tool and fnmatchcase(found.rule, self.rule) and fnmatchcase(found.place, self.place)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a tool: its findings, or why it could not look; `told` are figures that are no findings."""

    tool: str
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    blind: str = ""
    told: dict[str, Any] = field(default_factory=dict)
    allowed: list[Finding] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Say whether it looked and found nothing that is not allowed."""
        return not self.blind and not self.findings

    def allow(self, allowances: Sequence[Allowance]) -> None:
        """Put aside what is allowed."""
        covered = [any(one.covers(self.tool, found) for one in allowances) for found in self.findings]
        self.allowed = [found for found, is_allowed in zip(self.findings, covered, strict=True) if is_allowed]
        self.findings = [found for found, is_allowed in zip(self.findings, covered, strict=True) if not is_allowed]


def allowances(path: Path = ALLOWED) -> list[Allowance]:
    """Read what is allowed; each entry says why."""
    read: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Allowance(**one) for one in read.get("allowed", [])]


def stale(known: Sequence[Allowance], outcomes: Sequence[Outcome]) -> list[Allowance]:
    """Return the allowances of tools that looked and that nothing needs any more."""
    looked = {one.tool: one.allowed for one in outcomes if not one.blind}
    return [
        one
        for one in known
        if one.tool in looked and not any(one.covers(one.tool, found) for found in looked[one.tool])
    ]


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a line for each tool, and one for each finding below it."""
    lines = [f"{'tool':<12}{'seconds':>8}{'found':>7}{'allowed':>9}  verdict"]
    for one in outcomes:
        verdict = f"could not look: {one.blind}" if one.blind else "clean" if one.is_clean else "look at it"
        lines.append(f"{one.tool:<12}{one.seconds:>8.0f}{len(one.findings):>7}{len(one.allowed):>9}  {verdict}")
        lines += [f"  {found.rule} at {found.place}: {found.text}" for found in one.findings]
        lines += [f"  {name}: {value}" for name, value in one.told.items()]
    return "\n".join(lines)


def write(outcomes: Sequence[Outcome], path: Path) -> None:
    """Keep everything for programs."""
    path.write_text(json.dumps([asdict(one) for one in outcomes], indent=1, sort_keys=True) + "\n", encoding="utf-8")
