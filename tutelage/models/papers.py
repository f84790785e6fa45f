"""What travels with a model: a card that says what it is and how prompts are rendered, and the licence of its base."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tutelage.files import read_json, write_json

CARD = "card.json"
#: Files of a model's licence, by the beginning of their names.
LICENCES = ("LICENSE", "LICENCE", "NOTICE", "COPYING", "USE_POLICY")
#: What a card says of the base, which holds for all that is made from it.
INHERITED = ("model", "licence")
UNKNOWN = "not stated"


def card(path: Path | str) -> dict[str, Any]:
    """Read the card of a model directory; nothing where it has none."""
    file = Path(path) / CARD
    found: dict[str, Any] = read_json(file) if file.is_file() else {}
    return found


def licences(path: Path | str) -> list[Path]:
    """Find the licence files in a directory."""
    return sorted(one for one in Path(path).iterdir() if one.is_file() and one.name.upper().startswith(LICENCES))


def copy_licences(source: Path, target: Path) -> None:
    """Copy the licence files of a model to another directory."""
    for one in licences(source):
        shutil.copyfile(one, target / one.name)


def carry(source: Path, target: Path, **facts: str) -> None:
    """Write the card of a model that was trained from another one, and copy the licence of that one."""
    before = card(source)
    write_json(target / CARD, {name: before[name] for name in INHERITED if name in before} | facts)
    copy_licences(source, target)
