"""Briefs: what prompts labelers are asked to write (paper, 3.2 and A.1).

A plain or few-shot brief asks for a use case and holds no text; a user-based one holds what somebody wants to use an
assistant for. Briefs lie among the prompts, with a status of their own, so that personal data in them is quarantined
and reviewed like in any other text; no training query takes them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tutelage import pii
from tutelage.errors import DataError
from tutelage.feedback import instructions
from tutelage.records import USE_CASE_SHARES, Prompt, PromptForm, UseCase
from tutelage.store import Store, openings, prompts, users
from tutelage.store.prompts import Found, Mark
from tutelage.store.tasks import Task

#: The name under which briefs are kept: nobody sent them.
_NOBODY = "briefs"


def drawn(store: Store, form: PromptForm, count: int, *, overlap: int, now: datetime) -> list[Task]:
    """Return tasks to write plain or few-shot prompts, their use cases drawn by the shares of the paper's Table 1."""
    before = openings.filed(store, f"{openings.PREFIX}write/{form}/")
    names = [f"{openings.PREFIX}write/{form}/{before + number}" for number in range(1, count + 1)]
    asked = {name: _use_case(store.digest("use case", name)) for name in names}
    briefs = {case: _brief(form, case, "") for case in asked.values()}
    _add(store, list(briefs.values()), now)
    version = instructions.newest(store, instructions.PROMPT).version
    return [_task(name, briefs[asked[name]].id, version, overlap) for name in names]


def wanted(store: Store, uses: Sequence[str], count: int, *, overlap: int, now: datetime) -> list[Task]:
    """Return tasks to write prompts for uses that somebody described, `count` for each."""
    briefs = [_brief("user_based", "", use.strip()) for use in uses if use.strip()]
    if not briefs:
        raise DataError("Write at least one use that somebody has for an assistant.")
    _add(store, briefs, now)
    version = instructions.newest(store, instructions.PROMPT).version
    found = []
    for brief in briefs:
        stem = f"{openings.PREFIX}write/{brief.id}/"
        before = openings.filed(store, stem)
        found += [_task(f"{stem}{before + number}", brief.id, version, overlap) for number in range(1, count + 1)]
    return found


def _brief(form: PromptForm, use_case: UseCase | str, text: str) -> Prompt:
    name = f"user_based/{prompts.text_hash(text)[:16]}" if text else f"{form}/{use_case}"
    return Prompt(
        id=f"brief/{name}",
        text=text,
        source="brief",
        user=_NOBODY,
        form=form,
        use_case=use_case,  # type: ignore[arg-type]
        consent="brief",
    )


def _add(store: Store, briefs: Sequence[Prompt], now: datetime) -> None:
    known = prompts.get(store, (brief.id for brief in briefs))
    new = {brief.id: brief for brief in briefs if brief.id not in known}
    owner = store.user_hash(_NOBODY)
    users.assign(store, [owner], shares={"train": 1.0, "validation": 0.0, "test": 0.0}, now=now)
    findings = [
        Found(prompt_id=one.id, kind=found.kind, start=found.start, end=found.end, detector=found.detector,
              action="quarantined")
        for one in new.values()
        for found in pii.find(one.text)
    ]  # fmt: skip
    soiled = {found.prompt_id for found in findings}
    marks = {name: Mark(status="brief", pii="quarantined" if name in soiled else "clean") for name in new}
    prompts.add(store, [replace(one, user=owner) for one in new.values()], now=now, marks=marks, findings=findings)


def _task(name: str, brief: str, version: str, overlap: int) -> Task:
    return Task(id=name, kind="write", purpose="train", prompt_id=brief, instruction_version=version, overlap=overlap)


def _use_case(digest: str) -> UseCase:
    """Return the use case in which a uniform hash falls: its first 52 bits as a part of the running sum of shares."""
    place, total = int(digest[:13], 16) / 16**13 * sum(USE_CASE_SHARES.values()), 0.0
    for case, share in USE_CASE_SHARES.items():
        total += share
        if place < total:
            return case
    return "other"
