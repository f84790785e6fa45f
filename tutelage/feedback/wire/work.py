"""Work: taking, drafts, leases, handing in, and what was handed in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from tutelage.feedback.wire.parts import LONGEST_MESSAGE, Milliseconds, Name, Note, Sent, Text, Told
from tutelage.records import Personal

Place = Annotated[int, Field(ge=0, le=2**31)]
Step = Annotated[int, Field(ge=-100, le=100)]


class Draft(Told):
    """What was kept of work that is not handed in; version 0 is nothing yet."""

    version: int
    content: str
    saved: datetime | None


class Saved(Draft):
    """A draft after saving; `lease_until` is null when the lease is over (the draft is kept all the same)."""

    lease_until: datetime | None


class Output(Told):
    """A text to judge, under an id that holds for this work only and says nothing of who wrote it."""

    id: str
    text: str


class Returned(Told):
    """A label that was given back: the submission, by whom and why. `answer` is the revision that came, "" before."""

    submission_id: str
    draft_id: str
    kind: str
    returned_by: str
    comment: str
    created: datetime
    answer: str


class Work(Told):
    """A piece of work as its labeler sees it; outputs are in the order of the labeler's screen.

    `state` is offered, open, submitted, skipped or expired; `latest` the submission that stands, "" before the first;
    `returned` what waits for a new revision. `before` is the hash of the prompt, which a look for personal data names.
    """

    id: str
    kind: str
    state: str
    prompt: str
    form: str
    use_case: str
    before: str
    outputs: list[Output]
    instruction_version: str
    lease_until: datetime
    latest: str
    returned: list[Returned]
    draft: Draft


class Desk(Told):
    """A piece of work in a list."""

    id: str
    kind: str
    state: str
    lease_until: datetime
    saved: datetime | None


class Desks(Told):
    """One's own work: how much of each kind waits, what was returned, is begun, was handed in last (newest first)."""

    waiting: dict[str, int]
    returned: list[Returned]
    begun: list[Desk]
    handed_in: list[Desk]


class Lease(Told):
    """Until when work is held."""

    lease_until: datetime


class Take(Sent):
    """Which kind of work is wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "rank"}]})
    kind: Name


class Save(Sent):
    """A draft to save over the version that it began from."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"base": 0, "content": '{"text": "So far"}'}]})
    base: Annotated[int, Field(ge=0, le=2**31)]
    content: Text


class Skip(Sent):
    """Why work is given back: pii, unclear, unsafe, language or other."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "unclear", "note": "Which of the two?"}]})
    reason: Name
    note: Note = ""


class Judged(Sent):
    """Overall quality, 1 to 7, and flags by name: yes, no, or null for not answered, which is never no."""

    quality: int
    flags: dict[str, bool | None] = {}


class WrittenPart(Sent):
    """A prompt that was written; a few-shot one has pairs of query and response."""

    use_case: Name
    text: Text
    pairs: list[Annotated[list[Text], Field(min_length=2, max_length=2)]] = []


class TakenOut(Sent):
    """Characters of a text that are taken out."""

    start: Place
    end: Place
    kind: Personal


class ReviewPart(Sent):
    """What was found in a prompt, and the hash of the text that was seen (`before` of the work)."""

    before: Name
    redactions: list[TakenOut] = []
    is_usable: bool = True


class Steps(Sent):
    """One continuation on the scales of the toxicity form; null is not answered."""

    toxicity: Step | None = None
    relative: Step | None = None
    continuity: Step | None = None


class ToxicityPart(Sent):
    """The beginning and its continuations by output id; their order is in `groups`."""

    beginning: Step | None = None
    outputs: dict[str, Steps]


class HandedIn(Sent):
    """A submission. A demonstration has `text`; a rating `ratings` of every output; a ranking `groups`, perhaps both;
    a prompt `written`; a look for personal data `review`; a judgement of toxicity `toxicity` and `groups`.

    `groups` holds output ids, best group first, tied ids together; `seeded` says that it began from one's own ratings.
    `supersedes` names the submission that is corrected. Times are what the client measured, 0 for not measured.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "Paris is the capital of France.", "active_ms": 41000}]}
    )
    text: Text = ""
    groups: list[list[Name]] = []
    ratings: dict[str, Judged] = {}
    written: WrittenPart | None = None
    review: ReviewPart | None = None
    toxicity: ToxicityPart | None = None
    seeded: bool = False
    note: Note = ""
    active_ms: Milliseconds = 0
    idle_ms: Milliseconds = 0
    supersedes: Name = ""


class Rated(Told):
    """What was said of one output."""

    quality: int
    flags: dict[str, bool | None]


class Content(Told):
    """The judgements of a submission; what its kind of task does not ask for is empty.

    `others` holds prompts that were written, looks for personal data and judgements of toxicity, as they are stored.
    """

    text: str
    groups: list[list[str]]
    ratings: dict[str, Rated]
    seeded: bool
    others: list[dict[str, Any]]


class Revision(Told):
    """One's own submission; ids are those of the work's outputs."""

    id: str
    created: datetime
    note: str
    supersedes: str
    active_ms: int
    idle_ms: int
    content: Content


class Submission(Revision):
    """A submission as leads read it; ids are of completions, `presented` is their order on the screen.

    `token` names the access token of the program that handed it in, "" for a person at a page.
    """

    task_id: str
    kind: str
    purpose: str
    prompt_id: str
    instruction_version: str
    labeler: str
    labeler_kind: str
    group: str
    presented: list[str]
    token: str


class Label(Told):
    """A label: the submission that stands, all of its submissions and returns, the first ones first."""

    latest: Submission
    submissions: list[Submission]
    returned: list[Returned]


class Comment(Sent):
    """What the labeler should look at."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"comment": "Is the second one really true?"}]})
    comment: Annotated[str, Field(max_length=LONGEST_MESSAGE)]


class OptOuts(Sent):
    """The use cases and contents that one does not want to work on; it takes the place of the choice before."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"use_cases": [], "contents": ["violent"]}]})
    use_cases: Annotated[list[Name], Field(max_length=100)]
    contents: Annotated[list[Name], Field(max_length=100)]


class Seen(Told):
    """How much work one opened in the last days, and of it what is sensitive, by content."""

    days: int
    opened: int
    sensitive: dict[str, int]


class Wellbeing(Told):
    """What one opted out of, what one can opt out of, and what one saw.

    `limit` is how much hard reading a person is given in 24 hours, null without a limit.
    """

    use_cases: list[str]
    contents: list[str]
    all_use_cases: list[str]
    all_contents: list[str]
    limit: int | None
    seen: list[Seen]
