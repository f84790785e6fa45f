"""One label: the submission that stands, those before it, what they say, and what was returned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tutelage.errors import MissingError
from tutelage.store import Store, judged, returns, submitted, withdrawals
from tutelage.store.judged import Handed
from tutelage.store.returns import Returned
from tutelage.store.submitted import Content, Submitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The submission that stands for an assignment, all of its submissions and returns, the first ones first.

    What a labeler who withdrew said is shown no more.
    """

    latest: Handed
    history: Sequence[Handed]
    submissions: Sequence[Submitted]
    returned: Sequence[Returned]

    @property
    def said(self) -> Content:
        """Return what the submission that stands says."""
        return next(one.content for one in self.submissions if one.id == self.latest.id)


def of(store: Store, submission: str) -> Label:
    """Return the label that a submission, superseded or not, belongs to."""
    assignment = judged.submission(store, submission)
    if assignment is None:
        raise MissingError("There is no such label; open it from the list of a labeler.")
    history, made = judged.handed(store, assignment=assignment), submitted.of_assignment(store, assignment)
    if history[0].labeler in withdrawals.withdrawn(store):
        made = [replace(one, content=Content()) for one in made]
    return Label(
        latest=next(one for one in history if one.is_latest),
        history=history[::-1],
        submissions=made,
        returned=returns.of_assignment(store, assignment),
    )
