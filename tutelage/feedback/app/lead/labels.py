"""One label as it was handed in: look at it, write to its labeler, or return it with a comment."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import UserError
from tutelage.feedback import conversations, leading, work
from tutelage.feedback.actor import Actor
from tutelage.feedback.app.lead import asked
from tutelage.feedback.app.lead.asked import OPEN
from tutelage.feedback.conversations import To
from tutelage.feedback.views import labels as view
from tutelage.feedback.views.disagreements import LETTERS
from tutelage.store import tasks
from tutelage.store.judged import Handed
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
    actor, key = Actor(person=person), fields.get("id") or secrets.token_hex(8)
    try:
        if fields.get("step") == "return":
            # What was on the screen: a newer revision that came meanwhile is not returned unread.
            read, comment = fields.get("submission", ""), fields.get("text", "")
            leading.give_back(here.store, actor, read, key, comment, now=here.now())
            return RedirectResponse(f"/lead/labels/{read}", status_code=303)
        made = view.of(here.store, submission).latest
        to = To(labeler=made.labeler, assignment_id=made.assignment_id, output=_output(here, made, fields))
        return asked.written(here, person, [to], fields)
    except UserError as error:
        told = {"step": fields.get("step", ""), "text": fields.get("text", ""), "problem": str(error)}
        return _page(request, here, submission, **told)


def _page(
    request: Request, here: Site, submission: str, *, problem: str = "", step: str = "", text: str = ""
) -> HTMLResponse:
    found = view.of(here.store, submission)
    latest = found.latest
    held = work.shown(here.store, latest.assignment_id, latest.labeler)
    presented = tasks.holdings(here.store, [latest.assignment_id])[latest.assignment_id].presented
    letters = dict(zip(presented, LETTERS, strict=False))
    said = found.said
    others = [{**one, "letter": letters.get(one.get("completion_id", ""), "")} for one in said.others]
    values = {
        "made": latest,
        "history": found.history,
        "held": held,
        "letters": LETTERS,
        "said": said,
        "ratings": sorted((letters[output], one) for output, one in said.ratings.items()),
        "order": [sorted(letters[output] for output in tied) for tied in said.groups],
        "others": sorted(others, key=lambda one: one["letter"]),
        "returned": found.returned,
        "can_write": latest.labeler in conversations.people_of(here.store),
        "problem": problem,
        "step": step,
        "text": text,
        "id": secrets.token_hex(8),
    }
    return here.pages.render(request, "lead/label.html", 400 if problem else 200, **values)


def _output(here: Site, made: Handed, fields: dict[str, str]) -> str:
    letter = fields.get("output", "")
    outputs = work.shown(here.store, made.assignment_id, made.labeler).outputs
    return outputs[at].id if letter and (at := LETTERS.find(letter)) < len(outputs) else ""
