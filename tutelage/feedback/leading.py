"""What leads and researchers do with labels and work: return a label, ask again, file. Pages and the API do the same.

What is made under a key of the caller's can be sent twice and counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from tutelage.errors import DataError
from tutelage.feedback import conversations, filing
from tutelage.feedback.actor import Actor
from tutelage.feedback.filing import CHOSEN, Filing
from tutelage.feedback.views import labels
from tutelage.records import Group
from tutelage.store import Store, privacy, returns, welfare
from tutelage.store.accounts import Role
from tutelage.store.returns import Return

#: Who sees the work of all, returns labels and files work.
SEES: tuple[Role, ...] = ("lead", "researcher", "admin")
#: Who sets the rules of the queue; researchers look at them.
RULES: tuple[Role, ...] = ("lead", "admin")
#: The part of a filing that is for answers, ratings and orders alone.
MORE = ("purpose", "version", "outputs", "split", "stage", "use_case")
#: Stands for the stage that such work is usually about.
USUAL = "usual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A task to be judged again by `overlap` labelers of a group."""

    task: str
    group: Group
    overlap: int


def give_back(store: Store, actor: Actor, submission: str, key: str, comment: str, *, now: datetime) -> None:
    """Return a label with a comment. A revision that came after `submission`, which was read, is not returned."""
    labeler = labels.of(store, submission).latest.labeler
    if labeler not in conversations.people_of(store):
        raise DataError("This labeler has no account, so nobody would read the comment.")
    made = Return(id=key, submission_id=submission, returned_by=actor.person.id, comment=comment)
    returns.add(actor.audited(store, "label.return", submission, now=now), made, now=now)


def repeat(store: Store, actor: Actor, again: Again, key: str, *, now: datetime) -> str:
    """File a task again, to see whether the answers stay the same; return the new task's id."""
    name, details = f"repeat-{key}", {"group": again.group, "overlap": again.overlap}
    audited = actor.audited(store, "tasks.repeat", again.task, now=now, **details)
    filing.repeat(audited, again.task, name=name, group=again.group, overlap=again.overlap, now=now)
    return name


def filing_of(given: Mapping[str, Any]) -> Filing:
    """Return a filing by the names of its fields; what is for answers, ratings and orders touches no other work."""
    stage = filing.usual_stage(given["what"]) if given["stage"] == USUAL else given["stage"]
    fields = {**given, "stage": stage}
    return Filing(**{name: value for name, value in fields.items() if name not in MORE or given["what"] in CHOSEN})


def file_work(store: Store, actor: Actor, filings: Sequence[Filing], key: str, *, now: datetime) -> int:
    """File work; return how many tasks there are. The same key again files no more."""
    name = f"filed-{key}"
    asked = [asdict(one) for one in filings]
    details: dict[str, Any] = {one["what"]: {field: value for field, value in one.items() if value} for one in asked}
    return filing.file(store, filings, name=name, now=now, event=actor.event("tasks.file", name, **details))


def require_review(store: Store, actor: Actor, is_required: bool, *, now: datetime) -> None:
    """Let training wait for people's looks through prompts, or not."""
    privacy.require(actor.audited(store, "privacy.require", "", now=now, required=is_required), is_required)


def limit_hard_reading(store: Store, actor: Actor, most: int | None, *, now: datetime) -> None:
    """Set how much hard reading a person is given in 24 hours; None is no limit."""
    welfare.set_limit(actor.audited(store, "welfare.limit", "", now=now, most=most), most)
