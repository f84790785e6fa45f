"""Multiple choice: the answer is the choice with the highest mean log-probability per token."""

from __future__ import annotations

from dataclasses import dataclass

from tutelage.errors import DataError
from tutelage.evaluate.tasks.item import Item
from tutelage.evaluate.tasks.subject import Subject


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """Choose among given continuations.

    The paper's "lowest average per-token log probability" (App. D) is read as the lowest *negative* one. Dividing by
    tokens keeps long choices from losing by their length alone.
    """

    name: str
    items: tuple[Item, ...]

    def __post_init__(self) -> None:
        for item in self.items:
            if not item.choices:
                raise DataError(f"The item {item.item} of {self.name} has no choices; score it by exact match instead.")

    def scores(self, subject: Subject) -> list[float]:
        """Give 1 where the answer alone is likeliest; m choices that tie with it share the point, 1 / (m + 1)."""
        likely = subject.mean_logprobs(
            [item.prompt.rstrip() for item in self.items],
            [[item.border + choice for choice in item.choices] for item in self.items],
        )
        return [_score(item, values) for item, values in zip(self.items, likely, strict=True)]


def _score(item: Item, likely: list[float]) -> float:
    best = [choice for choice, value in zip(item.choices, likely, strict=True) if value == max(likely)]
    return 1 / len(best) if item.answer in best else 0.0
