"""Read a lock: what is pinned, on which platforms, and the hashes of the files that may stand for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package: its version, the SHA-256 of each of its files, and the platforms that need it, None for all."""

    name: str
    version: str
    hashes: tuple[str, ...]
    marker: Marker | None = None


def read(path: Path) -> list[Pin]:
    """Return the pins of a lock, in its order."""
    lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [_pin(line) for line in lines if line.strip() and not line.startswith("#")]


def _pin(line: str) -> Pin:
    requirement = Requirement(line.partition(" --hash=")[0])
    (specifier,) = requirement.specifier
    return Pin(
        name=canonicalize_name(requirement.name),
        version=specifier.version,
        hashes=tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line)),
        marker=requirement.marker,
    )
