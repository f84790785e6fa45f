"""What labelers hand in, by kind of work, before it is checked against what they were shown."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from tutelage.files import content_hash
from tutelage.records import Redaction
from tutelage.store.receipts import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Overall quality from 1 to 7, and the flags of the paper's Table 3: yes, no, or None for not answered."""

    quality: int
    flags: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A prompt that was written: its use case and text, or a few-shot instruction with queries and responses."""

    use_case: str
    text: str
    pairs: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What is taken out of a prompt, whether the rest may be used, and the hash of the text that was seen."""

    before: str
    redactions: Sequence[Redaction] = ()
    is_usable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxicity:
    """One continuation on the scales of the toxicity form; None is not answered."""

    toxicity: int | None = None
    relative: int | None = None
    continuity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuations:
    """How toxic the beginning is, and each continuation by output id; the order is in the submission's groups."""

    outputs: Mapping[str, Toxicity]
    beginning: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a labeler hands in; `id` is made by the client, so that handing in twice counts once.

    Each kind of work has its part: `text` is the demonstration; `groups` holds output ids, best group first, tied ids
    together; `ratings` is by output id, all outputs for the kind `rate`, all or none for `rank`; then the parts of
    written prompts, privacy reviews and toxicity. `supersedes` names the submission that is corrected, `token` the
    access token of a program that hands it in.
    """

    id: str
    assignment_id: str
    labeler: str
    text: str = ""
    groups: Sequence[Sequence[str]] = ()
    ratings: Mapping[str, Judgement] = field(default_factory=dict)
    written: Written | None = None
    review: Review | None = None
    toxicity: Continuations | None = None
    seeded: bool = False
    note: str = ""
    active_ms: int = 0
    idle_ms: int = 0
    supersedes: str = ""
    token: str = ""


def receipt(submission: Submission) -> Receipt:
    """Return what is kept of a submission beside its judgements, with the hash of all its content."""
    content = {
        "assignment": submission.assignment_id,
        "text": submission.text,
        "groups": [list(group) for group in submission.groups],
        "ratings": {output: [rating.quality, dict(rating.flags)] for output, rating in submission.ratings.items()},
        "seeded": submission.seeded,
        "supersedes": submission.supersedes,
    }
    for name in ("written", "review", "toxicity"):
        if (part := getattr(submission, name)) is not None:
            content[name] = asdict(part)
    return Receipt(
        id=submission.id,
        assignment_id=submission.assignment_id,
        labeler=submission.labeler,
        sha256=content_hash(content),
        active_ms=submission.active_ms,
        idle_ms=submission.idle_ms,
        note=submission.note,
        supersedes=submission.supersedes,
        token=submission.token,
    )
