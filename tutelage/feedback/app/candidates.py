"""Who is to be taken: scoring demonstrations blind, results beside the soft cut-offs, decisions with their reason."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.core.screening import SCORERS
from tutelage.errors import DataError, MissingError
from tutelage.feedback import screening
from tutelage.store import audit, labelers
from tutelage.store import screening as stored
from tutelage.store.audit import Event
from tutelage.web.access import Current, require
from tutelage.web.errors import ApiError
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

DECIDE = require("lead", "researcher", "admin")
router = APIRouter()


@router.get("/scoring", dependencies=[Depends(require("researcher"))])
def scoring(request: Request, here: Here, person: Current) -> HTMLResponse:
    """Show the next demonstration that waits for this researcher, and nothing about who wrote it."""
    waiting = screening.to_score(here.store, person.labeler)
    values = {"text": waiting[0] if waiting else None, "waiting": len(waiting), "problem": ""}
    return here.pages.render(request, "scoring.html", 200, **values)


@router.post("/scoring/{text_id}", dependencies=[Depends(require("researcher"))])
def score(here: Here, person: Current, text_id: str, fields: Fields) -> Response:
    """Keep a score and go on."""
    given = fields.get("score", "")
    if given not in tuple("1234567"):
        raise ApiError(400, here.pages.words("scoring.no_score"))
    event = Event(actor=person.id, action="screening.score", subject=text_id)
    store = audit.audited(here.store, event, now=here.now())
    screening.score(store, person.labeler, text_id, int(given), now=here.now())
    return RedirectResponse("/scoring", status_code=303)


@router.get("/candidates", dependencies=[Depends(DECIDE)])
def candidates(request: Request, here: Here) -> HTMLResponse:
    """Show everybody under screening by pseudonym, and who enters without."""
    found = stored.find(here.store)
    values = {
        "screenings": found,
        "results": {one.candidate: screening.result(here.store, one.candidate) for one in found},
        "decisions": stored.decisions(here.store),
        "held_out": [one for one in labelers.find(here.store, group="heldout") if one.kind == "human"],
    }
    return here.pages.render(request, "candidates.html", 200, **values)


@router.get("/candidates/{candidate}", dependencies=[Depends(DECIDE)])
def candidate(request: Request, here: Here, candidate: str) -> HTMLResponse:
    """Show one candidate's results and answers."""
    return _page(request, here, candidate)


@router.post("/candidates/{candidate}", dependencies=[Depends(DECIDE)])
def decide(request: Request, here: Here, person: Current, candidate: str, fields: Fields) -> Response:
    """Record the decision and its reason."""
    chosen, reason = fields.get("decision", ""), fields.get("reason", "")
    event = Event(actor=person.id, action="screening.decide", subject=candidate, details={"decision": chosen})
    store = audit.audited(here.store, event, now=here.now())
    try:
        if chosen not in ("take", "refuse"):
            raise DataError(here.pages.words("candidate.choose"))
        screening.decide(store, candidate, chosen == "take", reason=reason, by=person.id, now=here.now())
    except DataError as error:
        return _page(request, here, candidate, problem=str(error), reason=reason)
    return RedirectResponse("/candidates", status_code=303)


def _page(request: Request, here: Site, candidate: str, *, problem: str = "", reason: str = "") -> HTMLResponse:
    under = stored.get(here.store, candidate)
    if under is None:
        raise MissingError(here.pages.words("candidate.none"))
    items = stored.items(here.store, under.set)
    result = screening.result(here.store, candidate)
    values = {
        "screening": under,
        "items": items,
        "answers": screening.readable(here.store, candidate),
        "result": result,
        "scorers": SCORERS,
        "texts_are_shown": result.demonstration is not None,
        "is_by_model": any(item.kind == "model" for item in items),
        "decision": stored.decisions(here.store).get(candidate),
        "problem": problem,
        "reason": reason,
    }
    return here.pages.render(request, "candidate.html", 400 if problem else 200, **values)
