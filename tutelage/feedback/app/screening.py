"""A candidate's screening: what it consists of, one item at a time, handing in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError, MissingError
from tutelage.feedback import screening
from tutelage.feedback.screening import PARTS, Item, Sheet
from tutelage.store import audit
from tutelage.store import screening as stored
from tutelage.store.accounts import Person
from tutelage.store.audit import Event
from tutelage.web.access import Current, require
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/screening", dependencies=[Depends(require("candidate"))])


@router.get("")
def overview(request: Request, here: Here, person: Current) -> HTMLResponse:
    """Show the four parts and how far they are; nothing begins by looking."""
    return _overview(request, here, person)


@router.post("/begin")
def begin(here: Here, person: Current) -> Response:
    """Begin, with the set that is in force now."""
    event = Event(actor=person.id, action="screening.begin", subject=person.labeler)
    screening.begin(audit.audited(here.store, event, now=here.now()), person.labeler, now=here.now())
    return _go_on(here, person)


@router.get("/items/{item_id}")
def item(request: Request, here: Here, person: Current, item_id: str) -> HTMLResponse:
    """Show one item with the answer that it has."""
    return _item_page(request, here, person, item_id)


@router.post("/items/{item_id}")
def answer(request: Request, here: Here, person: Current, item_id: str, fields: Fields) -> Response:
    """Keep an answer and go on to the next item that has none."""
    sheet = _sheet(here, person)
    shown = _find(sheet, item_id)
    event = Event(actor=person.id, action="screening.answer", subject=person.labeler, details={"item": item_id})
    try:
        given = _given(shown, fields)
        screening.answer(
            audit.audited(here.store, event, now=here.now()), person.labeler, item_id, given, now=here.now()
        )
    except DataError as error:
        return _item_page(request, here, person, item_id, problem=str(error), text=fields.get("answer", ""))
    return _go_on(here, person)


@router.post("/hand-in")
def hand_in(request: Request, here: Here, person: Current) -> Response:
    """Hand the screening in; its answers stay as they are from then on."""
    event = Event(actor=person.id, action="screening.hand_in", subject=person.labeler)
    try:
        stored.hand_in(audit.audited(here.store, event, now=here.now()), person.labeler, now=here.now())
    except DataError as error:
        return _overview(request, here, person, problem=str(error))
    return RedirectResponse("/screening", status_code=303)


def _overview(request: Request, here: Site, person: Person, *, problem: str = "") -> HTMLResponse:
    under = stored.get(here.store, person.labeler)
    values = {
        "sheet": _sheet(here, person) if under else None,
        "parts": PARTS,
        "decision": stored.decisions(here.store).get(person.labeler),
        "problem": problem,
    }
    return here.pages.render(request, "screening.html", 400 if problem else 200, **values)


def _item_page(
    request: Request, here: Site, person: Person, item_id: str, *, problem: str = "", text: str | None = None
) -> HTMLResponse:
    sheet = _sheet(here, person)
    shown = _find(sheet, item_id)
    of_part = [one.id for one in sheet.items if one.part == shown.part]
    ids = [one.id for one in sheet.items]
    place = ids.index(item_id)
    values = {
        "item": shown,
        "order": screening.shown(here.store, person.labeler, shown),
        "number": of_part.index(item_id) + 1,
        "count": len(of_part),
        "before": ids[place - 1] if place else "",
        "places": _places(sheet.answers.get(item_id)) if shown.part == "ranking" else {},
        "answer": sheet.answers.get(item_id) if text is None else text,
        "is_open": sheet.screening.handed_in is None,
        "problem": problem,
    }
    return here.pages.render(request, "screening_item.html", 400 if problem else 200, **values)


def _sheet(here: Site, person: Person) -> Sheet:
    under = stored.get(here.store, person.labeler)
    if under is None:
        raise MissingError(here.pages.words("screening.not_begun"))
    return Sheet(
        screening=under,
        items=stored.items(here.store, under.set),
        answers=stored.answers(here.store, person.labeler),
    )


def _find(sheet: Sheet, item_id: str) -> Item:
    found = next((one for one in sheet.items if one.id == item_id), None)
    if found is None:
        raise MissingError(f"There is no item {item_id!r} in this screening; go back to its list.")
    return found


def _go_on(here: Site, person: Person) -> Response:
    waiting = _sheet(here, person).next()
    return RedirectResponse(f"/screening/items/{waiting.id}" if waiting else "/screening", status_code=303)


def _given(item: Item, fields: dict[str, str]) -> Any:
    """Read an answer from a form; what was left open stays open and is refused later."""
    if item.part in ("flags", "topics"):
        return {"yes": True, "no": False}.get(fields.get("answer", ""))
    if item.part == "demonstration":
        return fields.get("answer", "")
    chosen = {number: fields.get(f"place-{number}", "") for number in range(len(item.outputs))}
    groups = [[n for n, place in chosen.items() if place == str(rank + 1)] for rank in range(len(item.outputs))]
    return [group for group in groups if group]


def _places(answer: Any) -> dict[int, int]:
    """Return the place, from 1, of each output in an order; {} for none."""
    return {number: place for place, group in enumerate(answer or (), start=1) for number in group}
