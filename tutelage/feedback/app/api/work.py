"""Work: take it, keep a draft, hold the lease, hand in, skip, give back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Response

from tutelage.feedback import desk
from tutelage.feedback import work as queue
from tutelage.feedback.app.api.access import By, labelers
from tutelage.feedback.app.api.schema import refusals
from tutelage.feedback.app.bodies import submission
from tutelage.feedback.wire import work as wire
from tutelage.feedback.wire.parts import Key, Name
from tutelage.store import drafts, prompts, returns
from tutelage.store.drafts import Desk, Draft

TAG = "work"
#: How much finished work the list shows.
SHOWN = 50

router = APIRouter(prefix="/work", dependencies=[Depends(labelers)], responses=refusals(403))


@router.get("")
def list_work(asking: By) -> wire.Desks:
    """List one's own work: what waits, what was returned, what is begun, what was handed in last."""
    labeler = asking.person.labeler
    return wire.Desks(
        waiting=queue.available(asking.store, labeler, now=asking.now),
        returned=[wire.Returned.model_validate(one) for one in returns.waiting(asking.store, labeler)],
        begun=[_desk(one) for one in drafts.on_desk(asking.store, labeler)],
        handed_in=[_desk(one) for one in drafts.handed_in(asking.store, labeler, limit=SHOWN)],
    )


@router.post("", responses={200: {"model": wire.Work}, 204: {"description": "No work of this kind waits."}})
def take_work(asking: By, body: wire.Take) -> Any:
    """Take work of a kind: what one holds already, else the next task of the queue.

    204 when none waits. Work is shown after its instructions were read (409, `instructions_unread`, names them).
    """
    draft = desk.take(asking.store, asking.actor, desk.kind_of(body.kind), now=asking.now)
    return _work(asking, draft.id) if draft else Response(status_code=204)


@router.get("/{draft}", responses=refusals(404, 409))
def read_work(asking: By, draft: Name) -> wire.Work:
    """Return a piece of one's own work."""
    return _work(asking, draft)


@router.get("/{draft}/draft", responses=refusals(404))
def read_draft(asking: By, draft: Name) -> wire.Draft:
    """Return the draft as it was saved last."""
    return _draft(drafts.get(asking.store, draft, asking.person.labeler))


@router.put("/{draft}/draft", responses=refusals(404, 409))
def save_draft(asking: By, draft: Name, body: wire.Save) -> wire.Saved:
    """Save a draft over the version that it began from, and hold the lease.

    409 (`newer_draft`) when the draft was changed in another place since.
    """
    saved, until = desk.save(asking.store, asking.person, draft, body.content, base=body.base, now=asking.now)
    return wire.Saved(**_draft(saved).model_dump(), lease_until=until)


@router.put("/{draft}/lease", responses=refusals(404, 409))
def hold_lease(asking: By, draft: Name) -> wire.Lease:
    """Hold the lease: say that one is still at work.

    409 (`lease_over`) when it ran out; the work can still be handed in as long as nobody else took the task.
    """
    return wire.Lease(lease_until=desk.keep(asking.store, asking.person, draft, now=asking.now))


@router.delete("/{draft}/lease", status_code=204, responses=refusals(404, 409))
def release_work(asking: By, draft: Name) -> None:
    """Give work back without a reason; its draft stays, and anybody may take the task."""
    desk.release(asking.store, asking.actor, draft, now=asking.now)


@router.post("/{draft}/skip", status_code=204, responses=refusals(404, 409))
def skip_work(asking: By, draft: Name, body: wire.Skip) -> None:
    """Give work back with a reason; the reason `pii` also puts the prompt out of use."""
    desk.skip(asking.store, asking.actor, draft, reason=body.reason, note=body.note, now=asking.now)


@router.get("/{draft}/submissions", responses=refusals(404))
def list_revisions(asking: By, draft: Name) -> list[wire.Revision]:
    """List what one handed in for a piece of work, oldest first."""
    found = desk.revisions(asking.store, asking.person, draft)
    return [wire.Revision.model_validate(one) for one in found]


@router.put("/{draft}/submissions/{key}", responses=refusals(404, 409))
def hand_in(asking: By, draft: Name, key: Key, body: wire.HandedIn) -> wire.Revision:
    """Hand work in under a key that the client makes; the same again changes nothing.

    A correction names in `supersedes` the submission that stands. What is handed in is its person's judgement; the
    token that it came through is kept with it.
    """
    desk.hand_in(asking.store, asking.actor, draft, submission(key, body), now=asking.now)
    found = desk.revisions(asking.store, asking.person, draft)
    return wire.Revision.model_validate(next(one for one in found if one.id == key))


def _work(asking: By, draft: str) -> wire.Work:
    shown = desk.shown(asking.store, asking.person, draft)
    held = shown.held
    names = ("kind", "state", "prompt", "form", "use_case", "instruction_version", "lease_until")
    fields = {**{name: getattr(held, name) for name in names}, "before": prompts.text_hash(held.prompt)}
    outputs = [wire.Output.model_validate(one) for one in held.outputs]
    fields["returned"] = [wire.Returned.model_validate(one) for one in shown.returned]
    return wire.Work(id=draft, outputs=outputs, latest=shown.latest, draft=_draft(shown.draft), **fields)


def _draft(draft: Draft) -> wire.Draft:
    return wire.Draft.model_validate(draft)


def _desk(one: Desk) -> wire.Desk:
    return wire.Desk(id=one.draft_id, kind=one.kind, state=one.state, lease_until=one.lease_until, saved=one.saved)
