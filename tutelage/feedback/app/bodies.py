"""What the desk's scripts send: bodies whose fields have exactly these names and types."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tutelage.feedback.submissions import Continuations, Judgement, Review, Submission, Toxicity, Written
from tutelage.records import Personal, Redaction
from tutelage.store import drafts

#: Longest time that one submission may tell, a week: nothing sensible is longer.
_LONGEST_MS = 7 * 24 * 3600 * 1000
Milliseconds = Annotated[int, Field(ge=0, le=_LONGEST_MS)]
LongText = Annotated[str, Field(max_length=drafts.LONGEST)]


class Refusing(BaseModel):
    """A body that takes nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Saved(Refusing):
    """A draft to save: the version it began from, and what only the page reads."""

    base: int = Field(ge=0)
    content: LongText


class Rated(Refusing):
    """What was said of one output."""

    quality: int
    flags: dict[str, bool | None] = {}


class WrittenPart(Refusing):
    """A prompt that was written."""

    use_case: str
    text: LongText
    pairs: list[Annotated[list[LongText], Field(min_length=2, max_length=2)]] = []


class TakenOut(Refusing):
    """Characters of a text that are taken out."""

    start: int = Field(ge=0)
    end: int
    kind: Personal


class ReviewPart(Refusing):
    """What was found in a prompt, and the hash of the text that was seen."""

    before: str
    redactions: list[TakenOut] = []
    is_usable: bool = True


class Steps(Refusing):
    """One continuation on the scales of the toxicity form."""

    toxicity: int | None = None
    relative: int | None = None
    continuity: int | None = None


class ToxicityPart(Refusing):
    """The beginning and its continuations."""

    beginning: int | None = None
    outputs: dict[str, Steps]


class Handed(Refusing):
    """A submission as a page hands it in; `id` was made there, so that handing in twice counts once."""

    id: str = Field(min_length=16, max_length=64, pattern=r"^[A-Za-z0-9-]+$")
    text: LongText = ""
    groups: list[list[str]] = []
    ratings: dict[str, Rated] = {}
    written: WrittenPart | None = None
    review: ReviewPart | None = None
    toxicity: ToxicityPart | None = None
    seeded: bool = False
    note: str = Field(default="", max_length=10_000)
    active_ms: Milliseconds = 0
    idle_ms: Milliseconds = 0
    supersedes: str = ""

    def submission(self, assignment_id: str, labeler: str) -> Submission:
        """Return it as the queue takes it."""
        plain = self.model_dump(exclude={"ratings", "written", "review", "toxicity"})
        return Submission(
            assignment_id=assignment_id,
            labeler=labeler,
            ratings={output: Judgement(quality=one.quality, flags=one.flags) for output, one in self.ratings.items()},
            written=self._written(),
            review=self._review(),
            toxicity=self._toxicity(),
            **plain,
        )

    def _written(self) -> Written | None:
        if self.written is None:
            return None
        pairs = tuple((query, response) for query, response in self.written.pairs)
        return Written(use_case=self.written.use_case, text=self.written.text, pairs=pairs)

    def _review(self) -> Review | None:
        if self.review is None:
            return None
        redactions = tuple(Redaction(**one.model_dump()) for one in self.review.redactions)
        return Review(before=self.review.before, redactions=redactions, is_usable=self.review.is_usable)

    def _toxicity(self) -> Continuations | None:
        if self.toxicity is None:
            return None
        outputs = {output: Toxicity(**one.model_dump()) for output, one in self.toxicity.outputs.items()}
        return Continuations(outputs=outputs, beginning=self.toxicity.beginning)
