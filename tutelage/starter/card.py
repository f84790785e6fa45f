"""The figures of the data card: `python -m tutelage.starter.card` writes them into README.md between its marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from tutelage.files import write_text
from tutelage.records import USE_CASE_SHARES, Split
from tutelage.starter import rows
from tutelage.starter.rows import Row

CARD = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def figures(found: Sequence[Row]) -> str:
    """Return the tables of the card as Markdown."""
    return "\n".join([_use_cases(found), _parts(found), _lengths(found)])


def with_figures(card: str, found: Sequence[Row]) -> str:
    """Return the card with the tables between its marks written anew."""
    before, rest = card.split(BEGIN)
    return f"{before}{BEGIN}{figures(found)}{END}{rest.split(END)[1]}"


def _use_cases(found: Sequence[Row]) -> str:
    lines = [
        "| use case | rows | % | paper, % | demonstrations | train | validation | test |",
        "|---" + "|--:" * 7 + "|",
    ]
    groups = [(name, [row for row in found if row.use_case == name]) for name in USE_CASE_SHARES]
    for name, part in [*groups, ("all", found)]:
        share = f"{USE_CASE_SHARES[name]:.1f}" if name in USE_CASE_SHARES else "100.0"
        splits = Counter(row.split for row in part)
        cells = [name, len(part), f"{100 * len(part) / len(found):.1f}", share, _demonstrated(part)]
        lines.append(_line([*cells, *(splits[split] for split in SPLITS)]))
    return "\n".join(lines) + "\n"


def _parts(found: Sequence[Row]) -> str:
    parts: dict[str, Callable[[Row], bool]] = {
        "plain": lambda row: row.form == "plain",
        "few-shot": lambda row: row.form == "few_shot",
        "user-based": lambda row: row.form == "user_based",
        "on truthfulness": lambda row: row.focus == "truthfulness",
        "sensitive": lambda row: row.focus == "sensitive",
        "sensitive, refusing is right": lambda row: row.rubric.refuse,
        "sensitive, refusing is wrong": lambda row: row.focus == "sensitive" and not row.rubric.refuse,
        "with constraints": lambda row: bool(row.rubric.constraints),
        "with wrong answers in the row": lambda row: bool(row.bad),
    }
    lines = ["| part | rows | demonstrations | train | validation | test |", "|---" + "|--:" * 5 + "|"]
    for name, belongs in parts.items():
        part = [row for row in found if belongs(row)]
        splits = Counter(row.split for row in part)
        lines.append(_line([name, len(part), _demonstrated(part), *(splits[split] for split in SPLITS)]))
    return "\n".join(lines) + "\n"


def _lengths(found: Sequence[Row]) -> str:
    lines = ["| words | median | 95th percentile | most |", "|---" + "|--:" * 3 + "|"]
    for name, texts in (
        ("prompts", [row.prompt for row in found]),
        ("demonstrations", [row.demonstration for row in found if row.demonstration]),
    ):
        counts = sorted(len(text.split()) for text in texts)
        lines.append(_line([name, f"{median(counts):g}", counts[int(0.95 * len(counts))], counts[-1]]))
    topics = len({row.topic for row in found})
    return "\n".join(lines) + f"\n\n{len(found)} rows in {topics} topics.\n"


def _demonstrated(part: Sequence[Row]) -> int:
    return sum(bool(row.demonstration) for row in part)


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    write_text(CARD, with_figures(CARD.read_text(encoding="utf-8"), rows.load()))
