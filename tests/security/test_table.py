"""docs/security.md lists every threat with its module, and no module lacks its row."""

from __future__ import annotations

import re
from pathlib import Path

from security import controls, garak, tools
from tests.security.hostile import PAYLOADS

HERE = Path(__file__).parent
TEXT = (HERE.parents[1] / "docs" / "security.md").read_text(encoding="utf-8")
#: All threats but 23, which is about models and not about code: garak's.
ROWS = {*range(1, 25)} - {23}


def rows() -> dict[int, list[str]]:
    """Return the cells of each row by its number."""
    found = [re.split(r"\s*\|\s*", line.strip("| ")) for line in TEXT.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len({int(cells[0]) for cells in found}) == len(found), "no number stands twice"
    return {int(cells[0]): cells[1:] for cells in found}


def modules() -> dict[int, Path]:
    """Return the modules of tests by the number in their names."""
    return {int(path.name[8:10]): path for path in HERE.glob("test_row*.py")}


def test_every_row_has_its_module_and_every_module_its_row() -> None:
    table = rows()
    assert {number: cells[2].strip("`") for number, cells in table.items()} == {
        number: path.name for number, path in modules().items()
    }
    assert set(table) == ROWS


def test_every_row_says_what_threatens_and_what_is_done() -> None:
    for number, cells in rows().items():
        threat, done, _ = cells
        assert len(threat) > 10 and len(done) > 30, number


def test_every_module_says_which_row_it_is_and_tests_something() -> None:
    for number, path in modules().items():
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f'"""Row {number}: '), path
        assert len(re.findall(r"^def test_", text, re.MULTILINE)) >= 1, path
        assert not re.search(r"mark\.(skip|xfail)|pytest\.skip|importorskip", text), path


def test_what_the_page_counts_is_right() -> None:
    assert f"{len(PAYLOADS)} payloads" in TEXT
    assert f"by {len(garak.PROBES)} probes" in TEXT
    assert f"{len(tools.WAPITI.split(','))} kinds of attack" in TEXT
    assert len(controls.LINES) == 11 and "eleven rules of our own" in TEXT
