"""Intake: what users sent becomes stored prompts, by rules in a fixed order, with a report that proves each rule."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from pydantic import Field

from tutelage import pii
from tutelage.config import Settings
from tutelage.errors import DataError
from tutelage.files import numbered_lines, read_records
from tutelage.prompts import cap, consent, dedupe, split
from tutelage.records import Prompt, Split
from tutelage.store import Store, users
from tutelage.store import prompts as stored
from tutelage.store.prompts import Found, Mark, Seen, Status


class Shares(Settings):
    """The shares of users in each split; they add up to 1."""

    train: float = Field(default=0.8, ge=0, le=1)
    """Share of users whose prompts may be trained on. Source: ours; the paper does not state one."""
    validation: float = Field(default=0.1, ge=0, le=1)
    """Share of users whose prompts choose between models."""
    test: float = Field(default=0.1, ge=0, le=1)
    """Share of users whose prompts are kept for the final evaluation."""

    def as_dict(self) -> dict[Split, float]:
        """Return the shares by split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


class IntakeSettings(Settings):
    """The rules of intake. Source: paper, 3.2 and A.2, where it gives a number."""

    min_prefix: int = Field(default=64, ge=1)
    """Characters that two prompts must share at the start to be near-duplicates. Source: ours; the paper gives none."""
    prefix_share: float = Field(default=0.8, gt=0, le=1)
    """And the share of the shorter prompt that these must be. Source: ours."""
    per_user: int = Field(default=200, ge=1)
    """Prompts kept of one user at most. Source: paper, 3.2."""
    endpoints: tuple[str, ...] = ()
    """Endpoints whose prompts are taken; none named takes all. The paper took the playground's only (A.2)."""
    shares: Shares = Shares()
    """The split of users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one rule did: prompts before and after, the ids it dropped, and figures that prove it holds in the store."""

    name: str
    before: int
    after: int
    dropped: tuple[str, ...]
    proof: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeReport:
    """The rules in the order in which they were applied, and what is left to use in each split."""

    rows: int
    rules: tuple[Rule, ...]
    usable: dict[str, int]
    users: dict[str, int]
    notices: dict[str, int]


def intake(
    store: Store,
    rows: Sequence[Prompt],
    settings: IntakeSettings,
    *,
    now: datetime,
    places: Sequence[str] = (),
    are_hashed: bool = False,
) -> IntakeReport:
    """Add what users sent to the store and report on it; a malformed row is refused and then nothing is added.

    Every row is stored with what the rules decided, so that the report can be checked. `user` is the name that the user
    sends under, of which the store keeps a salted hash, or that hash where users `are_hashed`. Rows that are in the
    store already are left as they are. `places` names the rows in messages.
    """
    placed = list(zip(places or [f"Row {number}" for number in range(1, len(rows) + 1)], rows, strict=True))
    _check(placed)
    known = stored.get(store, (row.id for row in rows))
    for place, row in placed:
        if row.id in known and known[row.id].text != row.text:
            raise DataError(f"{place}: the prompt {row.id} is in the store with another text; give it another id.")
    new = [row for row in rows if row.id not in known]
    if not are_hashed:
        new = [replace(row, user=store.user_hash(row.user)) for row in new]
    _add(store, new, settings, now)
    return _report(store, [row.id for row in rows], settings)


def intake_file(store: Store, path: Path, settings: IntakeSettings, *, now: datetime) -> IntakeReport:
    """Take in a file with one prompt per JSON line; a malformed row is told by file and line, and nothing is added."""
    rows = read_records(path, Prompt)
    if not rows:
        raise DataError(f"{path} holds no prompt; give one JSON object per line.")
    places = [f"{path}:{number}" for number, _ in numbered_lines(path)]
    return intake(store, rows, settings, now=now, places=places)


def _check(placed: Sequence[tuple[str, Prompt]]) -> None:
    ids: set[str] = set()
    for place, row in placed:
        if not stored.normalise(row.text):
            raise DataError(f"{place}: the prompt {row.id!r} is empty; take it out.")
        if not row.id or row.id in ids:
            raise DataError(f"{place}: the id {row.id!r} is empty or used twice; give every prompt its own.")
        if not row.user:
            raise DataError(f"{place}: the prompt {row.id!r} names no user; the cap and the split need one.")
        try:
            row.text.encode()
        except UnicodeEncodeError:
            raise DataError(f"{place}: the prompt {row.id!r} is no valid Unicode; decode it as UTF-8.") from None
        ids.add(row.id)


def _add(store: Store, rows: list[Prompt], settings: IntakeSettings, now: datetime) -> None:
    """Apply the rules in order and store all rows with what they decided."""
    seen = stored.seen(store)
    status: dict[str, Status] = {}
    if settings.endpoints:
        status |= {row.id: "endpoint" for row in rows if row.endpoint not in settings.endpoints}
    groups = _duplicates([row for row in rows if row.id not in status], seen, settings)
    status |= dict.fromkeys(groups, "duplicate")
    before = Counter(one.user for one in seen)
    left = [row for row in rows if row.id not in status]
    status |= dict.fromkeys(cap.beyond(store, left, limit=settings.per_user, before=before), "capped")
    splits = split.assign(store, rows, shares=settings.shares.as_dict(), now=now)
    rows = [replace(row, split=splits[row.user]) for row in rows]
    trained = [row for row in rows if row.split == "train" and row.id not in status]
    findings = [found for row in trained for found in quarantined(row)]
    soiled = {found.prompt_id for found in findings}
    clean = {row.id for row in trained} - soiled
    marks = {
        row.id: Mark(
            status=status.get(row.id, "kept"),
            pii="quarantined" if row.id in soiled else "clean" if row.id in clean else "",
            group=groups.get(row.id, ""),
        )
        for row in rows
    }
    stored.add(store, rows, now=now, marks=marks, findings=findings)


def quarantined(row: Prompt) -> list[Found]:
    """Return the findings that put a prompt into quarantine; none for a clean one."""
    return [
        Found(
            prompt_id=row.id,
            kind=found.kind,
            start=found.start,
            end=found.end,
            detector=found.detector,
            action="quarantined",
        )
        for found in pii.find(row.text)
    ]


def _duplicates(rows: Sequence[Prompt], seen: Sequence[Seen], settings: IntakeSettings) -> dict[str, str]:
    """Return the new rows to drop. What is in the store stays, then a prompt with consent, then the earlier one."""
    texts = [dedupe.Text(one.id, stored.normalise(one.text), (number,), fixed=True) for number, one in enumerate(seen)]
    texts += [
        dedupe.Text(row.id, stored.normalise(row.text), (int(not row.consent), number))
        for number, row in enumerate(rows)
    ]
    found = dedupe.duplicates(texts, min_prefix=settings.min_prefix, share=settings.prefix_share)
    new = {row.id for row in rows}
    return {one: kept for one, kept in found.items() if one in new}


def _report(store: Store, ids: Sequence[str], settings: IntakeSettings) -> IntakeReport:
    """Read back what is in the store about these rows, and figures over the whole store that prove the rules."""
    rows, marks = stored.get(store, ids), stored.marks(store, ids)
    usable = stored.usable(store)
    proofs = _proofs(store, usable, settings)
    drops: dict[str, list[str]] = {
        "endpoint": [row for row in ids if marks[row].status == "endpoint"],
        "dedupe": [row for row in ids if marks[row].status == "duplicate"],
        "cap": [row for row in ids if marks[row].status == "capped"],
        "split": [],
        "pii": [row for row in ids if marks[row].pii == "quarantined"],
    }
    gone = {row for dropped in drops.values() for row in dropped}
    drops["consent"] = sorted(consent.without([rows[row] for row in ids if row not in gone]))
    rules, before = [], len(ids)
    for name, dropped in drops.items():
        after = before - len(dropped)
        rules.append(Rule(name=name, before=before, after=after, dropped=tuple(dropped), proof=proofs[name]))
        before = after
    mine = [prompt for prompt in usable if prompt.id in rows]
    return IntakeReport(
        rows=len(ids),
        rules=tuple(rules),
        usable=_by_split((prompt.split, prompt.id) for prompt in mine),
        users=_by_split((row.split, row.user) for row in rows.values()),
        notices=consent.notices(mine),
    )


def _proofs(store: Store, usable: Sequence[Prompt], settings: IntakeSettings) -> dict[str, dict[str, float]]:
    seen = stored.seen(store)
    ordered = sorted(stored.normalise(one.text) for one in seen)
    close = sum(
        dedupe.are_duplicates(a, b, min_prefix=settings.min_prefix, share=settings.prefix_share)
        for a, b in pairwise(ordered)
    )
    splits: dict[str, set[str]] = {}
    for prompt in usable:
        splits.setdefault(prompt.user, set()).add(prompt.split)
    elsewhere = sum(bool(settings.endpoints) and prompt.endpoint not in settings.endpoints for prompt in usable)
    return {
        "endpoint": {"usable_from_other_endpoints": elsewhere},
        "dedupe": {"neighbours_still_alike": close},
        "cap": {"most_of_one_user": max(Counter(one.user for one in seen).values(), default=0)},
        "split": {"users_in_two_splits": sum(len(one) > 1 for one in splits.values())},
        "pii": {"usable_for_training_unchecked": stored.unchecked(store)},
        "consent": {"usable_without_consent": len(consent.without(usable))},
    }


def _by_split(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Count different things in each split."""
    found: dict[str, set[str]] = {}
    for name, thing in pairs:
        found.setdefault(name, set()).add(thing)
    return {name: len(found.get(name, ())) for name in users.SPLITS}
