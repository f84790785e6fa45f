"""One label as it was handed in: look at it, write to its labeler, or return it with a comment."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError, MissingError, UserError
from tutelage.feedback import work
from tutelage.feedback.app.lead import conversations
from tutelage.feedback.app.lead.asked import OPEN
from tutelage.feedback.app.lead.conversations import To
from tutelage.feedback.views.disagreements import LETTERS
from tutelage.store import audit, judged, returns, submitted, tasks, withdrawals
from tutelage.store.audit import Event
from tutelage.store.judged import Handed
from tutelage.store.returns import Return
from tutelage.store.submitted import Content
from tutelage.web.access import Current
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/lead/labels", dependencies=[OPEN])


@router.get("/{submission}")
def label(request: Request, here: Here, submission: str) -> HTMLResponse:
    """Show what the labeler saw and made of it; of several revisions, the last one stands."""
    return _page(request, here, submission)


@router.post("/{submission}")
def act(request: Request, here: Here, person: Current, submission: str, fields: Fields) -> Response:
    """Return the label with a comment, or begin a conversation about it; the form's `step` says which."""
    made = _found(here, submission)[0]
    try:
        if fields.get("step") == "return":
            if made.labeler not in conversations.people_of(here):
                raise DataError(here.pages.words("lead.write.whom"))
            given = Return(
                id=fields.get("id") or secrets.token_hex(8),
                # What was on the screen: a newer revision that came meanwhile is not returned unread.
                submission_id=fields.get("submission", ""),
                returned_by=person.id,
                comment=fields.get("text", ""),
            )
            event = Event(actor=person.id, action="label.return", subject=made.id)
            returns.add(audit.audited(here.store, event, now=here.now()), given, now=here.now())
            return RedirectResponse(f"/lead/labels/{made.id}", status_code=303)
        to = To(labeler=made.labeler, assignment_id=made.assignment_id, output=_output(here, made, fields))
        return RedirectResponse(conversations.begin(here, person, [to], fields), status_code=303)
    except UserError as error:
        told = {"step": fields.get("step", ""), "text": fields.get("text", ""), "problem": str(error)}
        return _page(request, here, submission, **told)


def _page(
    request: Request, here: Site, submission: str, *, problem: str = "", step: str = "", text: str = ""
) -> HTMLResponse:
    latest, history = _found(here, submission)
    held = work.shown(here.store, latest.assignment_id, latest.labeler)
    presented = tasks.holdings(here.store, [latest.assignment_id])[latest.assignment_id].presented
    letters = dict(zip(presented, LETTERS, strict=False))
    said = _said(here, latest)
    others = [{**one, "letter": letters.get(one.get("completion_id", ""), "")} for one in said.others]
    values = {
        "made": latest,
        "history": history,
        "held": held,
        "letters": LETTERS,
        "said": said,
        "ratings": sorted((letters[output], one) for output, one in said.ratings.items()),
        "order": [sorted(letters[output] for output in tied) for tied in said.groups],
        "others": sorted(others, key=lambda one: one["letter"]),
        "returned": returns.of_assignment(here.store, latest.assignment_id),
        "can_write": latest.labeler in conversations.people_of(here),
        "problem": problem,
        "step": step,
        "text": text,
        "id": secrets.token_hex(8),
    }
    return here.pages.render(request, "lead/label.html", 400 if problem else 200, **values)


def _said(here: Site, made: Handed) -> Content:
    """Return the judgement; what a labeler who withdrew said is shown no more."""
    if made.labeler in withdrawals.withdrawn(here.store):
        return Content()
    revisions = submitted.of_assignment(here.store, made.assignment_id)
    return next(one.content for one in revisions if one.id == made.id)


def _found(here: Site, submission: str) -> tuple[Handed, list[Handed]]:
    """Return the submission that stands for a submission's assignment, and all of them, the first one first."""
    assignment = judged.submission(here.store, submission)
    if assignment is None:
        raise MissingError(here.pages.words("lead.label.none"))
    history = judged.handed(here.store, assignment=assignment)
    return next(one for one in history if one.is_latest), history[::-1]


def _output(here: Site, made: Handed, fields: dict[str, str]) -> str:
    letter = fields.get("output", "")
    outputs = work.shown(here.store, made.assignment_id, made.labeler).outputs
    return outputs[at].id if letter and (at := LETTERS.find(letter)) < len(outputs) else ""
