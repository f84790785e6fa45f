"""The work itself: take a task, keep a draft, hold the lease, hand in, skip; pages and what their scripts ask for.

An address names a draft, which is random: it tells neither the task nor its purpose, so that gold and repeated items
look like all others. Facts (taking, skipping, handing in) are in the audit log; drafts and heartbeats are none.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, get_args
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from tutelage import pii
from tutelage.errors import DataError
from tutelage.feedback import work
from tutelage.feedback.app.bodies import Handed, Saved
from tutelage.feedback.judging import MOST_PAIRS
from tutelage.feedback.work import Assignment, SkipReason, TaskKind
from tutelage.pii import PiiKind
from tutelage.records import FLAGS, USE_CASE_SHARES, Personal
from tutelage.store import Store, audit, drafts, guidance, prompts, returns, tasks, welfare
from tutelage.store.accounts import Person
from tutelage.store.drafts import Draft
from tutelage.store.tasks import HELD
from tutelage.store.welfare import CONTENTS
from tutelage.web import markdown
from tutelage.web.access import Current, require_labeler
from tutelage.web.errors import ApiError
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

KINDS: tuple[TaskKind, ...] = get_args(TaskKind)
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
#: How exactly the end of a lease is kept; every save of a draft would write twice otherwise.
_BEAT = timedelta(minutes=1)
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
    return RedirectResponse(_next(here, person, _kind(fields.get("kind", ""))) or "/", status_code=303)


@router.get("/{draft}")
def page(request: Request, here: Here, person: Current, draft: str, done: str = "") -> Response:
    """Show one piece of work, after its instructions were read; `done` is the work that was handed in before it."""
    kept = drafts.get(here.store, draft, person.labeler)
    held = work.shown(here.store, kept.assignment_id, person.labeler)
    if held.state in HELD and held.instruction_version not in guidance.acknowledged(here.store, person.labeler):
        there = f"/instructions/{quote(held.instruction_version, safe='')}?next=/work/{draft}"
        return RedirectResponse(there, status_code=303)
    contents = _contents(here.store, held)
    return here.pages.render(
        request,
        "work.html",
        held=held,
        draft=draft,
        instructions=markdown.render(held.instructions),
        done=done,
        returned=[one for one in returns.of_assignment(here.store, held.id) if not one.answer],
        letters=_LETTERS,
        task_json=_for_script(here, person, kept, held, contents),
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
def save(here: Here, person: Current, draft: str, body: Saved) -> dict[str, Any]:
    """Save a draft over the version it began from, and keep the lease."""
    now = here.now()
    try:
        saved = drafts.save(here.store, draft, person.labeler, body.content, base=body.base, now=now)
    except drafts.NewerDraftError as error:
        raise ApiError(409, str(error), code="newer_draft") from error
    return {**_draft(saved), **_keep(here.store, saved, now)}


@router.post("/{draft}/lease")
def keep(here: Here, person: Current, draft: str) -> dict[str, Any]:
    """Say that the labeler is still at work."""
    kept = drafts.get(here.store, draft, person.labeler)
    told = _keep(here.store, kept, here.now())
    if not told["is_leased"]:
        raise ApiError(409, here.pages.words("work.lease_over"), code="lease_over")
    return told


@router.post("/{draft}/submission")
def hand_in(here: Here, person: Current, draft: str, body: Handed) -> dict[str, Any]:
    """Hand the work in; return where the labeler goes on."""
    kept = drafts.get(here.store, draft, person.labeler)
    now = here.now()
    submission = body.submission(kept.assignment_id, person.labeler)
    details = {"submission": body.id, "supersedes": body.supersedes}
    event = audit.Event(actor=person.id, action="work.submit", subject=kept.assignment_id, details=details)
    work.submit(audit.audited(here.store, event, now=now), [submission], now=now)
    following = None if body.supersedes else _next(here, person, kept.kind)
    return {"next": f"{following or '/'}?done={draft}"}


@router.post("/{draft}/skip")
def skip(here: Here, person: Current, draft: str, fields: Fields) -> RedirectResponse:
    """Give the work back with a reason and go to the next of its kind."""
    kept = drafts.get(here.store, draft, person.labeler)
    reason: Any = fields.get("reason", "")
    now = here.now()
    event = audit.Event(
        actor=person.id, action="work.skip", subject=kept.assignment_id, details={"reason": str(reason)}
    )
    store = audit.audited(here.store, event, now=now)
    work.skip(store, kept.assignment_id, person.labeler, reason=reason, now=now, note=fields.get("note", ""))
    return RedirectResponse(_next(here, person, kept.kind) or "/", status_code=303)


def _kind(name: str) -> TaskKind:
    for kind in KINDS:
        if kind == name:
            return kind
    raise DataError(f"{name!r} is no kind of work; choose one of {', '.join(KINDS)}.")


def _next(here: Site, person: Person, kind: TaskKind) -> str | None:
    """Return the address of work of this kind: what the labeler holds already, else a task from the queue."""
    now = here.now()
    held = [one for one in tasks.held(here.store, person.labeler) if one.kind == kind and one.lease_until > now]
    if not held:
        event = audit.Event(actor=person.id, action="work.take", subject=person.labeler, details={"kind": kind})
        held = work.take(audit.audited(here.store, event, now=now), person.labeler, now=now, kind=kind)
    if not held:
        return None
    return f"/work/{drafts.begin(here.store, held[0].id, person.labeler, now=now).id}"


def _keep(store: Store, draft: Draft, now: datetime) -> dict[str, Any]:
    """Renew a lease older than `_BEAT`; say whether there is one, and for how long.

    Without, work counts while nobody took the task.
    """
    until = draft.lease_until
    if draft.state != "open" or until < now + timedelta(seconds=work.LEASE_SECONDS) - _BEAT:
        try:
            until = work.heartbeat(store, draft.assignment_id, draft.labeler, now=now)
        except DataError:
            return {"is_leased": False, "lease_seconds": 0.0}
    return {"is_leased": True, "lease_seconds": (until - now).total_seconds()}


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


def _for_script(here: Site, person: Person, draft: Draft, held: Assignment, contents: list[str]) -> str:
    """Return what the page's script must know, as JSON for an attribute."""
    known = {
        **_draft(draft),
        "who": person.id,
        "draft": draft.id,
        "kind": held.kind,
        "state": held.state,
        "lease_seconds": max(0.0, (held.lease_until - here.now()).total_seconds()),
        "supersedes": drafts.latest_submission(here.store, held.id),
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
