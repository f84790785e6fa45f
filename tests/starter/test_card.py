"""The card tells the figures of the data, as counted again here."""

from __future__ import annotations

import json

from tutelage.starter import card, rows

TEXT = card.CARD.read_text(encoding="utf-8")


def test_the_card_has_the_figures_that_its_program_writes() -> None:
    assert card.with_figures(TEXT, rows.load()) == TEXT


def test_the_card_says_who_wrote_the_set_and_its_licence() -> None:
    said = " ".join(TEXT.split())
    assert "A large language model wrote every row" in said
    assert "none may be reported as human" in said
    assert "CC0-1.0" in said


def test_the_figures_are_those_of_the_files() -> None:
    lines = [line for path in rows.DATA.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    found = [json.loads(line) for line in lines]
    demonstrated = sum("demonstration" in row for row in found)
    assert f"| all | {len(found)} | 100.0 | 100.0 | {demonstrated} |" in TEXT
    chat = [row for row in found if row["use_case"] == "chat"]
    assert f"| chat | {len(chat)} | {100 * len(chat) / len(found):.1f} | 8.4 |" in TEXT
    refused = sum(row["rubric"].get("refuse", False) for row in found)
    assert f"| sensitive, refusing is right | {refused} |" in TEXT
    topics = len({row["topic"] for row in found})
    assert f"{len(found)} rows in {topics} topics." in TEXT
