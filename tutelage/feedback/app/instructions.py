"""What labelers are told: versions, what changed, and saying that one has read them."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.feedback import instructions
from tutelage.store import audit, guidance
from tutelage.store.accounts import LABELING
from tutelage.store.audit import Event
from tutelage.web import markdown
from tutelage.web.access import Current, require
from tutelage.web.forms import Fields
from tutelage.web.pages import local
from tutelage.web.site import Here

router = APIRouter(prefix="/instructions", dependencies=[Depends(require(*LABELING))])


@router.get("")
def versions(request: Request, here: Here, person: Current) -> HTMLResponse:
    """Show all versions by task, the newest first, and which ones one has read."""
    published = list(instructions.published(here.store).values())
    tasks = {one.task: [other for other in reversed(published) if other.task == one.task] for one in published}
    read = guidance.acknowledged(here.store, person.labeler) if person.labeler else set()
    return here.pages.render(request, "instructions.html", tasks=tasks, read=read)


@router.get("/{version}")
def version(request: Request, here: Here, person: Current, version: str, next: str = "/") -> HTMLResponse:
    """Show a version, and what is new in it to somebody who had read the one before."""
    shown, earlier = instructions.get(here.store, version), instructions.before(here.store, version)
    read = guidance.acknowledged(here.store, person.labeler) if person.labeler else set()
    sees_doubts = person.role in ("lead", "researcher", "admin")
    added = guidance.examples_of(here.store, version) if sees_doubts else []
    values = {
        "instructions": shown,
        "text": markdown.render(shown.text),
        "earlier": earlier,
        "changes": instructions.difference(earlier.text, shown.text) if earlier else [],
        "is_read": version in read,
        "knew_earlier": earlier is not None and earlier.version in read,
        "doubts": [(example, guidance.doubts_of(here.store, example.id)) for example in added],
        "next": local(next),
    }
    return here.pages.render(request, "instruction.html", 200, **values)


@router.post("/{version}/read")
def read(here: Here, person: Current, version: str, fields: Fields) -> Response:
    """Remember that somebody has read a version."""
    shown = instructions.get(here.store, version)
    if person.labeler:
        event = Event(actor=person.id, action="instructions.read", subject=shown.version)
        guidance.acknowledge(
            audit.audited(here.store, event, now=here.now()), person.labeler, shown.version, now=here.now()
        )
    return RedirectResponse(local(fields.get("next", "/")), status_code=303)
