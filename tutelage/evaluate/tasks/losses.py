"""How well models predict texts that they were not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tutelage.errors import DataError
from tutelage.evaluate.records import TextLoss
from tutelage.evaluate.tasks.subject import Subject


class Text(NamedTuple):
    """A text with its name."""

    id: str
    text: str


def run(texts: Sequence[Text], models: Mapping[str, Path], *, seed: int) -> list[TextLoss]:
    """Give the mean loss per token, in nats, of every text under every model, which read it without any template.

    One model is in memory at a time.
    """
    if not texts or len({text.id for text in texts}) < len(texts):
        raise DataError("The loss needs texts with different names, at least one.")
    rows: list[TextLoss] = []
    for model, directory in models.items():
        found = Subject.load(directory).text_likelihoods([text.text for text in texts])
        rows += [
            TextLoss(seed=seed, text=text.id, model=model, loss=-likely.mean)
            for text, likely in zip(texts, found, strict=True)
        ]
    return rows
