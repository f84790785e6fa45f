"""What never reaches a training export, proved over every combination of what a label and its prompt can be."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple, get_args

import pytest

from tests.feedback.conftest import NOW, Desk
from tutelage.feedback import export, people, withdrawal
from tutelage.records import Completion, Demonstration, Group, Kind, Labeler, Purpose, Ranking, Split
from tutelage.store import completions, labels, users

#: What is wrong with a prompt; "" is nothing.
PROMPTS: dict[str, dict[str, Any]] = {
    "": {},
    "quarantined": {"pii": "quarantined"},
    "silent": {"consent": ""},
    "duplicate": {"status": "duplicate"},
    "capped": {"status": "capped"},
    "endpoint": {"status": "endpoint"},
    "withdrawn": {},
}


class Case(NamedTuple):
    """One label with all that decides about it."""

    split: Split
    prompt: str
    group: Group
    kind: Kind
    labeler_withdrew: bool
    purpose: Purpose
    superseded: bool

    @property
    def prompt_id(self) -> str:
        return f"{self.split}-{self.prompt}"

    @property
    def labeler(self) -> str:
        return f"{self.group}-{self.kind}-{self.labeler_withdrew}"

    @property
    def name(self) -> str:
        return "/".join(map(str, self))

    def may_train(self, kind: Kind, split: str) -> bool:
        """The rules, said once more."""
        fine = not self.prompt and not self.labeler_withdrew and not self.superseded
        return (
            fine and self.group == "training" and self.purpose == "train" and (self.kind, self.split) == (kind, split)
        )


CASES = [
    Case(*parts)
    for parts in product(
        get_args(Split), PROMPTS, get_args(Group), get_args(Kind), (False, True), get_args(Purpose), (False, True)
    )
]


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """Every case as a demonstration and as a ranking, and a correction of each superseded one that may not train."""
    for split, fault in {(case.split, case.prompt) for case in CASES}:
        desk.prompt(f"{split}-{fault}", split=split, **PROMPTS[fault])
    shown = [Completion(id=f"{case.prompt_id}-{n}", prompt_id=case.prompt_id, text=str(n), policy="sft",
                        finish_reason="stop") for case in CASES for n in range(2)]  # fmt: skip
    completions.add(desk.store, list({one.id: one for one in shown}.values()), now=NOW)
    everybody = {case.labeler: Labeler(id=case.labeler, group=case.group, kind=case.kind) for case in CASES}
    people.register(desk.store, list(everybody.values()), now=NOW)
    made = [judged(case, f"{case.name}/{kind}", kind) for case in CASES for kind in ("d", "r")]
    made += [judged(case._replace(purpose="gold"), f"{case.name}/{kind}2", kind, supersedes=f"{case.name}/{kind}")
             for case in CASES if case.superseded for kind in ("d", "r")]  # fmt: skip
    found = labels.Judgements(
        demonstrations=[one for one in made if isinstance(one, Demonstration)],
        rankings=[one for one in made if isinstance(one, Ranking)],
    )
    labels.add(desk.store, found, now=NOW)
    for split in get_args(Split):
        users.withdraw(desk.store, [desk.store.user_hash(f"u-{split}-withdrawn")], by="", now=NOW)
    for labeler in {case.labeler for case in CASES if case.labeler_withdrew}:
        withdrawal.withdraw_labeler(desk.store, labeler, by="", now=NOW)
    return desk


def judged(case: Case, name: str, kind: str, **changes: Any) -> Demonstration | Ranking:
    fields: dict[str, Any] = {
        "id": name,
        "prompt_id": case.prompt_id,
        "labeler": case.labeler,
        "kind": case.kind,
        "purpose": case.purpose,
        **changes,
    }
    if kind == "d":
        return Demonstration(text="t", instruction_version="demonstration-1", **fields)
    shown = (f"{case.prompt_id}-0", f"{case.prompt_id}-1")
    return Ranking(groups=(shown[:1], shown[1:]), presented=shown, instruction_version="comparison-1", **fields)


def test_exactly_what_may_train_is_exported(filled: Desk) -> None:
    assert len(CASES) == 3 * 7 * 4 * 4 * 2 * 6 * 2
    for kind, split in product(get_args(Kind), get_args(export.ExportSplit)):
        wanted = {case.name for case in CASES if case.may_train(kind, split)}
        assert len(wanted) == 1
        shown = {row.label_id for row in export.sft(filled.store, kind=kind, split=split)}
        ranked = {row.label_id for row in export.reward(filled.store, kind=kind, split=split)}
        assert (shown, ranked) == ({f"{name}/d" for name in wanted}, {f"{name}/r" for name in wanted})
    for split in get_args(export.ExportSplit):
        assert [row.prompt_id for row in export.ppo(filled.store, split=split)] == [f"{split}-"]
