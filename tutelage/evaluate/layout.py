"""The parts of the page as plain data: sections with pictures, tables, comparisons of texts, and texts."""

from __future__ import annotations

from dataclasses import dataclass

from tutelage.evaluate.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure: its finding, the drawing, and a table of the same numbers."""

    title: str
    svg: str
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What one arm wrote for a prompt, how it ended, and what the judge said."""

    arm: str
    model: str
    text: str
    cut: bool
    verdicts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A prompt and what every arm wrote for it."""

    prompt_id: str
    prompt: str
    tags: str
    outputs: tuple[Written, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """The items that figures rest on, closed until somebody looks; figures link to the id."""

    id: str
    summary: str
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page, reached by its id."""

    id: str
    title: str
    text: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    texts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    items: tuple[Items, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pictures or self.comparisons or self.texts or any(self.tables))
