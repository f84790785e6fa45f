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
from tutelage.records import USE_CASE_SHARES, Prompt, PromptForm, UseCase
from tutelage.store import Store, prompts, users
from tutelage.store.prompts import Found, Mark

#: The name under which briefs are kept: nobody sent them.
_NOBODY = "briefs"


def drawn(store: Store, form: PromptForm, names: Sequence[str], *, now: datetime) -> list[str]:
    """Return a brief for each task to write a plain or few-shot prompt, its use case drawn by the paper's Table 1."""
    asked = {name: _use_case(store.digest("use case", name)) for name in names}
    made = {case: _brief(form, case, "") for case in asked.values()}
    _add(store, list(made.values()), now)
    return [made[asked[name]].id for name in names]


def wanted(store: Store, uses: Sequence[str], count: int, *, now: datetime) -> list[str]:
    """Return the briefs of uses that somebody described, each `count` times."""
    made = [_brief("user_based", "", use.strip()) for use in uses if use.strip()]
    if not made:
        raise DataError("Write at least one use that somebody has for an assistant.")
    _add(store, made, now)
    return [brief.id for brief in made for _ in range(count)]


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


def _use_case(digest: str) -> UseCase:
    """Return the use case in which a uniform hash falls: its first 52 bits as a part of the running sum of shares."""
    place, total = int(digest[:13], 16) / 16**13 * sum(USE_CASE_SHARES.values()), 0.0
    for case, share in USE_CASE_SHARES.items():
        total += share
        if place < total:
            return case
    return "other"
