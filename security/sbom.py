"""The bill of materials, as CycloneDX reads it: `python -m security.sbom FILE` writes it from requirements.lock.

The same lock gives the same bytes: there is no time in it, and its number follows from its content.
"""

from __future__ import annotations

import json
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from security.locked import LOCK, ROOT, Pin, read
from tutelage import __version__

NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562, for addresses
OURS = f"pkg:pypi/tutelage@{__version__}"


def bill(pins: Iterable[Pin]) -> dict[str, Any]:
    """Return the bill: each package with the hashes of its files, and whether who only uses the product needs it."""
    needed, direct = set(_needed()), {canonicalize_name(Requirement(one).name) for one in _declared()}
    found = list(pins)
    made = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": OURS,
                "name": "tutelage",
                "version": __version__,
                "purl": OURS,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [_component(pin, pin.name in needed) for pin in found],
        "dependencies": [{"ref": OURS, "dependsOn": [_purl(pin) for pin in found if pin.name in direct]}],
    }
    number = uuid.uuid5(NAMESPACE, json.dumps(made, sort_keys=True))
    return {**made, "serialNumber": f"urn:uuid:{number}"}


def _component(pin: Pin, is_needed: bool) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": _purl(pin),
        "name": pin.name,
        "version": pin.version,
        "purl": _purl(pin),
        "scope": "required" if is_needed else "optional",
        "hashes": [{"alg": "SHA-256", "content": one} for one in pin.hashes],
    }


def _purl(pin: Pin) -> str:
    return f"pkg:pypi/{pin.name}@{pin.version}"


def _declared() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared: list[str] = project["dependencies"]
    return declared


def _needed() -> Iterator[str]:
    """Name what the product needs without its extras, as the packages of this environment say."""
    waiting, seen = [Requirement(one) for one in _declared()], set[str]()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if name in seen:
            continue
        seen.add(name)
        yield name
        try:
            wanted = map(Requirement, metadata.requires(name) or ())
        except metadata.PackageNotFoundError:  # of another platform
            continue
        waiting += [
            one
            for one in wanted
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
        ]


def main(target: Path) -> None:
    """Write the bill of the project's lock."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill(read(LOCK)), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
