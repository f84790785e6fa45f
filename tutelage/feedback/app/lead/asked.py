"""What these pages are about: whose labels, under which instructions. Every page says so; nothing is mixed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, get_args

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.feedback import conversations
from tutelage.feedback.actor import Actor
from tutelage.feedback.conversations import To
from tutelage.feedback.leading import SEES
from tutelage.records import FLAGS, USE_CASE_SHARES, Group, Kind
from tutelage.store import judged
from tutelage.store.accounts import Person
from tutelage.store.judged import Looked
from tutelage.web.access import require
from tutelage.web.errors import ApiError
from tutelage.web.site import Here, Site

OPEN = Depends(require(*SEES))

#: The instructions under which outputs are judged: labels of one task are never compared with those of another.
JudgingTask = Literal["comparison", "evaluation", "toxicity"]
TASKS: tuple[JudgingTask, ...] = get_args(JudgingTask)
KINDS: tuple[Kind, ...] = get_args(Kind)
GROUPS: tuple[Group, ...] = get_args(Group)
USE_CASES: tuple[str, ...] = tuple(USE_CASE_SHARES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a page was asked for, from its address; "" is every use case, or no flag."""

    task: JudgingTask
    kind: Kind
    group: Group
    use_case: str
    flag: str

    @property
    def looked(self) -> Looked:
        return Looked(task=self.task, kind=self.kind, use_case=self.use_case)

    def of_prompt(self, prompt: str) -> Looked:
        return Looked(task=self.task, kind=self.kind, prompt_id=prompt)

    def query(self, **changes: str) -> str:
        """Return the part of an address that asks for the same, but for the changes."""
        return "&".join(f"{name}={value}" for name, value in (asdict(self) | changes).items())


def asked(
    here: Here,
    task: str = "comparison",
    kind: str = "human",
    group: str = "training",
    use_case: str = "",
    flag: str = "",
) -> Asked:
    """Read what the address asks for; an unknown name is refused."""
    given = {"task": task, "kind": kind, "group": group, "use_case": use_case, "flag": flag}
    known: dict[str, tuple[str, ...]] = {
        "task": TASKS,
        "kind": KINDS,
        "group": GROUPS,
        "use_case": ("", *USE_CASES),
        "flag": ("", *FLAGS),
    }
    if any(value not in known[name] for name, value in given.items()):
        raise ApiError(400, here.pages.words("lead.unknown"))
    return Asked(**given)  # type: ignore[arg-type]


AskedFor = Annotated[Asked, Depends(asked)]


def page(request: Request, here: Site, template: str, found: Asked, **values: Any) -> HTMLResponse:
    """Return a page about labels, with its filter and, where there are only other kinds of labels, their names."""
    kinds = judged.kinds(here.store)
    choices = {"task": TASKS, "kind": KINDS, "group": GROUPS, "use_case": USE_CASES, "flag": FLAGS}
    shared = {"asked": found, "choices": choices, "others": [] if found.kind in kinds else kinds}
    return here.pages.render(request, template, 400 if values.get("problem") else 200, **{**shared, **values})


def written(here: Site, person: Person, to: Sequence[To], fields: dict[str, str]) -> Response:
    """Begin the conversations that a form asks for, and go on there."""
    key = fields.get("id") or secrets.token_hex(8)
    names = conversations.begin(here.store, Actor(person=person), to, fields.get("text", ""), key, now=here.now())
    return RedirectResponse(f"/messages/{names[0]}" if len(names) == 1 else "/messages", status_code=303)
