"""What the queue asks of a labeler that is not a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from tutelage.errors import DataError

Instructions = Literal["training", "evaluation"]


class NoJudgementError(DataError):
    """A labeler cannot judge this item; it is given back, counted, and never becomes a label."""


class Labeler(Protocol):
    """Judges texts. `kind` says what it is, everywhere: `simulated` weighs by rule, `model` is a language model."""

    @property
    def id(self) -> str:
        """Name it."""

    @property
    def group(self) -> str:
        """Say whether its labels train (`training`) or only measure (`heldout`)."""

    @property
    def kind(self) -> Literal["simulated", "model"]:
        """Say what it is."""

    def rank(self, prompt: str, texts: Sequence[str], instructions: Instructions) -> list[int]:
        """Rank answers: 0 is best, equal ranks are ties."""

    def rate(self, prompt: str, text: str, instructions: Instructions) -> tuple[int, dict[str, bool | None]]:
        """Rate one answer: overall quality 1 to 7 and the flags of the paper's Table 3, None where it does not tell."""


@runtime_checkable
class Demonstrator(Protocol):
    """A labeler that also answers prompts itself."""

    def demonstrate(self, prompt: str) -> str | None:
        """Answer a prompt; None gives it back."""
