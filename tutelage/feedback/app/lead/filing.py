"""Filing work: what could be filed, and tasks for as much of it as is wanted; whether training waits for reviews."""

from __future__ import annotations

import re
import secrets
from typing import Any, get_args

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError, UserError
from tutelage.feedback import filing, instructions, leading
from tutelage.feedback.actor import Actor
from tutelage.feedback.app.lead.asked import GROUPS, OPEN, USE_CASES
from tutelage.feedback.filing import WRITTEN, Filing, What
from tutelage.feedback.leading import MORE, RULES, USUAL
from tutelage.records import Purpose, Split, Stage
from tutelage.store import privacy, progress
from tutelage.web.access import Current, require
from tutelage.web.forms import Fields, number
from tutelage.web.site import Here, Site

#: Screening has pages of its own.
PURPOSES: tuple[Purpose, ...] = tuple(purpose for purpose in get_args(Purpose) if purpose != "screening")
#: `usual` are the prompts set aside for demonstrations where answers are filed, else those of any stage.
STAGES = (USUAL, *(stage for stage in get_args(Stage) if stage))
#: The form as it is at first.
FIRST = {
    "what": "",
    "count": str(filing.FIRST),
    "overlap": "1",
    "group": "training",
    "uses": "",
    "purpose": "train",
    "version": "",
    "outputs": "0",
    "split": "train",
    "stage": USUAL,
    "use_case": "",
}
_NUMBERS = ("count", "overlap", "outputs")

router = APIRouter(prefix="/lead/file", dependencies=[OPEN])


@router.get("")
def file(request: Request, here: Here) -> HTMLResponse:
    """Show what could be filed, and the form that files some of it."""
    return _page(request, here, FIRST)


@router.post("")
def file_batch(request: Request, here: Here, person: Current, fields: Fields) -> Response:
    """Say how much there is of what the form asks for, or file it."""
    given = {name: fields.get(name, first) for name, first in FIRST.items()}
    try:
        asked = _read(here, given)
        if fields.get("step") != "file":
            found = filing.found(here.store, asked)
            return _page(request, here, given, asked=asked, found=found, version=filing.told(here.store, asked))
        filed = leading.file_work(here.store, Actor(person=person), [asked], _key(fields), now=here.now())
    except UserError as error:
        return _page(request, here, given, problem=str(error))
    return _page(request, here, given, filed=filed)


@router.post("/first", dependencies=[Depends(require(*RULES))])
def file_first(here: Here, person: Current, fields: Fields) -> Response:
    """File the first work, as the home page offers it, and go back there."""
    first = filing.first(here.store)
    leading.file_work(here.store, Actor(person=person), first, _key(fields), now=here.now())
    return RedirectResponse("/", status_code=303)


@router.post("/review", dependencies=[Depends(require(*RULES))])
def require_review(here: Here, person: Current, fields: Fields) -> Response:
    """Let training wait for people's reviews, or not."""
    required = fields.get("required") == "yes"
    leading.require_review(here.store, Actor(person=person), required, now=here.now())
    return RedirectResponse("/lead/file", status_code=303)


def _key(fields: dict[str, str]) -> str:
    return fields.get("id") or secrets.token_hex(8)


def _page(request: Request, here: Site, given: dict[str, str], **told: Any) -> HTMLResponse:
    possible = filing.possible(here.store)
    values = {
        "given": {**given, "what": given["what"] or next(iter((*possible, *WRITTEN)))},
        "is_open": any(given[name] != FIRST[name] for name in MORE),
        "possible": possible,
        "written": WRITTEN,
        "unfiled": progress.unfiled(here.store),
        "choices": {
            "purpose": PURPOSES,
            "group": GROUPS,
            "split": get_args(Split),
            "stage": STAGES,
            "use_case": USE_CASES,
            "version": tuple(instructions.published(here.store)),
        },
        "is_required": privacy.is_required(here.store),
        "rules": RULES,
        "asked": None,
        "filed": 0,
        "problem": "",
        "id": secrets.token_hex(8),
    }
    return here.pages.render(request, "lead/file.html", 400 if told.get("problem") else 200, **{**values, **told})


def _read(here: Site, given: dict[str, str]) -> Filing:
    """Read the form; what is for answers, ratings and orders alone does not touch other work."""
    known = {"what": get_args(What), "purpose": PURPOSES, "group": GROUPS}
    if any(given[name] not in values for name, values in known.items()):
        raise DataError(here.pages.words("lead.unknown"))
    numbers = {name: number(given, name) for name in _NUMBERS}
    if None in numbers.values():
        raise DataError(here.pages.words("lead.file.numbers"))
    uses = tuple(use.strip() for use in re.split(r"\n\s*\n", given["uses"]) if use.strip())
    return leading.filing_of({**given, **numbers, "uses": uses})
