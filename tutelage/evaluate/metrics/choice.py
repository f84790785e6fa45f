"""Multiple choice where a model was asked to write its choice: a label such as B, or the choice's text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tutelage.evaluate.metrics.squad import normalise

#: `B`, `(B)`, `B.`, `2) ...`: one letter or a number of at most two digits, closed by a mark or the end.
_LABEL = re.compile(r"\s*[(\[]?\s*([A-Za-z]|\d{1,2})\s*(?:[)\].:]+(?=\s|$)|$)")


def accuracy(output: str, references: Sequence[str]) -> float:
    """Give 1 where the output names a reference, else 0.

    Labels are compared where both have one, without case, else the texts as SQuAD normalises them. What follows a
    label is its text.
    """
    given = _named(output)
    return float(any(_same(given, _named(reference)) for reference in references))


def _named(text: str) -> tuple[str, str]:
    """Give label and text, each empty where there is none."""
    found = _LABEL.match(text)
    return (found[1].lower(), normalise(text[found.end() :])) if found else ("", normalise(text))


def _same(given: tuple[str, str], right: tuple[str, str]) -> bool:
    if given[0] and right[0]:
        return given[0] == right[0]
    return bool(given[1]) and given[1] == right[1]
