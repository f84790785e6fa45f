"""Exact match: the likeliest continuation up to the first line feed must be the answer."""

from __future__ import annotations

from dataclasses import dataclass

from tutelage.evaluate.tasks.item import Item
from tutelage.evaluate.tasks.subject import Subject

#: Tokens beyond the longest answer, so that an answer that goes on is seen to be wrong.
MORE = 4


@dataclass(frozen=True, slots=True)
class ExactMatch:
    """Write the answer: greedy, cut at the first line feed; only white space may differ (paper, App. D)."""

    name: str
    items: tuple[Item, ...]

    def scores(self, subject: Subject) -> list[float]:
        """Give 1 where the line that the subject writes is the answer, else 0."""
        longest = max(len(ids) for ids in subject.prompts_ids([item.answer for item in self.items]))
        lines = subject.greedy_lines([item.prompt for item in self.items], longest + MORE)
        return [float(line.split() == item.answer.split()) for item, line in zip(self.items, lines, strict=True)]
