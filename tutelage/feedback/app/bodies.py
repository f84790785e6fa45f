"""What the desk's scripts and the API send, as the queue takes it."""

from __future__ import annotations

from tutelage.feedback.submissions import Continuations, Judgement, Review, Submission, Toxicity, Written
from tutelage.feedback.wire.parts import Key
from tutelage.feedback.wire.work import HandedIn, ReviewPart, ToxicityPart, WrittenPart
from tutelage.records import Redaction


class Handed(HandedIn):
    """A submission as a page hands it in; `id` was made there, so that handing in twice counts once."""

    id: Key


def submission(key: str, body: HandedIn) -> Submission:
    """Return what was sent as the desk takes it: it says neither whose it is nor what it is for."""
    parts = {"ratings", "written", "review", "toxicity"}
    plain = body.model_dump(include=set(HandedIn.model_fields) - parts)
    return Submission(
        id=key,
        assignment_id="",
        labeler="",
        ratings={output: Judgement(quality=one.quality, flags=one.flags) for output, one in body.ratings.items()},
        written=_written(body.written) if body.written else None,
        review=_review(body.review) if body.review else None,
        toxicity=_toxicity(body.toxicity) if body.toxicity else None,
        **plain,
    )


def _written(part: WrittenPart) -> Written:
    pairs = tuple((query, response) for query, response in part.pairs)
    return Written(use_case=part.use_case, text=part.text, pairs=pairs)


def _review(part: ReviewPart) -> Review:
    redactions = tuple(Redaction(**one.model_dump()) for one in part.redactions)
    return Review(before=part.before, redactions=redactions, is_usable=part.is_usable)


def _toxicity(part: ToxicityPart) -> Continuations:
    outputs = {output: Toxicity(**one.model_dump()) for output, one in part.outputs.items()}
    return Continuations(outputs=outputs, beginning=part.beginning)
