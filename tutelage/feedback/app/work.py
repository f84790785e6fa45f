"""The work itself: take a task, keep a draft, hold the lease, hand in, skip; pages and what their scripts ask for.

The rules are those of `tutelage.feedback.desk`, which the API calls too.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, get_args
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from tutelage import pii
from tutelage.feedback import desk
from tutelage.feedback.actor import Actor
from tutelage.feedback.app.bodies import Handed, submission
from tutelage.feedback.judging import MOST_PAIRS
from tutelage.feedback.wire.work import Save
from tutelage.feedback.work import Assignment, SkipReason, TaskKind
from tutelage.pii import PiiKind
from tutelage.records import FLAGS, USE_CASE_SHARES, Personal
from tutelage.store import Store, drafts, prompts, welfare
from tutelage.store.accounts import Person
from tutelage.store.drafts import Draft
from tutelage.store.welfare import CONTENTS
from tutelage.web import markdown
from tutelage.web.access import Current, require_labeler
from tutelage.web.errors import ApiError
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

#: The flags by what they are about; `satisfies_constraint` is a merit, so "none of these" leaves it alone.
FLAG_GROUPS: dict[str, tuple[str, ...]] = {
    "task": ("fails_task", "satisfies_constraint", "hallucination", "inappropriate"),
    "safety": ("sexual", "violent", "encourages_harm", "denigrates", "harmful_advice"),
    "stance": ("opinion", "moral_judgment"),
}
PROBLEMS = tuple(flag for flag in FLAGS if flag != "satisfies_constraint")
#: The key of each flag on the rating page.
FLAG_KEYS = {
    "fails_task": "f",
    "satisfies_constraint": "s",
    "hallucination": "h",
    "inappropriate": "i",
    "sexual": "x",
    "violent": "v",
    "encourages_harm": "e",
    "denigrates": "d",
    "harmful_advice": "a",
    "opinion": "o",
    "moral_judgment": "m",
}
#: What a finding of the program is to a person who looks through a text.
PERSONAL: dict[PiiKind, Personal] = {
    "secret": "secret",
    "iban": "number",
    "card": "number",
    "national_id": "number",
    "email": "contact",
    "ip": "other",
    "phone": "contact",
    "address": "address",
}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

router = APIRouter(prefix="/work", dependencies=[Depends(require_labeler)])


@router.post("/next")
def take(here: Here, person: Current, fields: Fields) -> RedirectResponse:
    """Go to the next work of the kind that the form names; without any, back to the home page."""
    return RedirectResponse(_next(here, person, desk.kind_of(fields.get("kind", ""))) or "/", status_code=303)


@router.get("/{draft}")
def page(request: Request, here: Here, person: Current, draft: str, done: str = "") -> Response:
    """Show one piece of work, after its instructions were read; `done` is the work that was handed in before it."""
    try:
        shown = desk.shown(here.store, person, draft)
    except desk.UnreadError as error:
        there = f"/instructions/{quote(error.param, safe='')}?next=/work/{draft}"
        return RedirectResponse(there, status_code=303)
    held = shown.held
    contents = _contents(here.store, held)
    return here.pages.render(
        request,
        "work.html",
        held=held,
        draft=draft,
        instructions=markdown.render(held.instructions),
        done=done,
        returned=shown.returned,
        letters=_LETTERS,
        task_json=_for_script(here, person, shown, contents),
        flag_groups=FLAG_GROUPS,
        flag_keys=FLAG_KEYS,
        reasons=get_args(SkipReason),
        use_cases=tuple(USE_CASE_SHARES),
        personal=get_args(Personal),
        contents=contents,
    )


@router.get("/{draft}/draft")
def read(here: Here, person: Current, draft: str) -> dict[str, Any]:
    """Return the draft as the server has it."""
    return _draft(drafts.get(here.store, draft, person.labeler))


@router.put("/{draft}/draft")
def save(here: Here, person: Current, draft: str, body: Save) -> dict[str, Any]:
    """Save a draft over the version it began from, and keep the lease."""
    saved, until = desk.save(here.store, person, draft, body.content, base=body.base, now=here.now())
    return {**_draft(saved), **_lease(here, until)}


@router.post("/{draft}/lease")
def keep(here: Here, person: Current, draft: str) -> dict[str, Any]:
    """Say that the labeler is still at work."""
    try:
        return _lease(here, desk.keep(here.store, person, draft, now=here.now()))
    except desk.LeaseOverError as error:
        raise ApiError(409, here.pages.words("work.lease_over"), code=error.code) from error


@router.post("/{draft}/submission")
def hand_in(here: Here, person: Current, draft: str, body: Handed) -> dict[str, Any]:
    """Hand the work in; return where the labeler goes on."""
    kind = desk.hand_in(here.store, Actor(person=person), draft, submission(body.id, body), now=here.now())
    following = None if body.supersedes else _next(here, person, kind)
    return {"next": f"{following or '/'}?done={draft}"}


@router.post("/{draft}/skip")
def skip(here: Here, person: Current, draft: str, fields: Fields) -> RedirectResponse:
    """Give the work back with a reason and go to the next of its kind."""
    reason, note = fields.get("reason", ""), fields.get("note", "")
    kind = desk.skip(here.store, Actor(person=person), draft, reason=reason, note=note, now=here.now())
    return RedirectResponse(_next(here, person, kind) or "/", status_code=303)


def _next(here: Site, person: Person, kind: TaskKind) -> str | None:
    """Return the address of work of this kind: what the labeler holds already, else a task from the queue."""
    draft = desk.take(here.store, Actor(person=person), kind, now=here.now())
    return f"/work/{draft.id}" if draft else None


def _lease(here: Site, until: datetime | None) -> dict[str, Any]:
    """Return whether work is held and for how long; without a lease, it counts while nobody else took the task."""
    return {"is_leased": until is not None, "lease_seconds": (until - here.now()).total_seconds() if until else 0.0}


def _draft(draft: Draft) -> dict[str, Any]:
    return {
        "version": draft.version,
        "content": draft.content,
        "saved": draft.saved.isoformat() if draft.saved else None,
    }


def _contents(store: Store, held: Assignment) -> list[str]:
    """Return what may trouble a reader of this work, in the order of their list; [] for most."""
    known = welfare.sensitive(store, [held.prompt_id]).get(held.prompt_id, set())
    return [name for name in CONTENTS if name in known or name == held.kind]


def _for_script(here: Site, person: Person, shown: desk.Work, contents: list[str]) -> str:
    """Return what the page's script must know, as JSON for an attribute."""
    held = shown.held
    known = {
        **_draft(shown.draft),
        "who": person.id,
        "draft": shown.draft.id,
        "kind": held.kind,
        "state": held.state,
        "lease_seconds": max(0.0, (held.lease_until - here.now()).total_seconds()),
        "supersedes": shown.latest,
        "outputs": [output.id for output in held.outputs],
        "letters": list(_LETTERS[: len(held.outputs)]),
        "flags": FLAGS,
        "problems": PROBLEMS,
        "contents": contents,
        **(_of_kind(held)),
    }
    return json.dumps(known)


def _of_kind(held: Assignment) -> dict[str, Any]:
    """Return what the scripts of one kind of work must know."""
    if held.kind == "write":
        return {"form": held.form, "use_case": held.use_case, "most_pairs": MOST_PAIRS}
    if held.kind == "review":
        found = [{"start": one.start, "end": one.end, "kind": PERSONAL[one.kind]} for one in pii.find(held.prompt)]
        return {"text": held.prompt, "before": prompts.text_hash(held.prompt), "found": found}
    return {}
