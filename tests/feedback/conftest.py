"""A store with prompts, completions, labelers and instructions, ready for work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.databases import database, store
from tutelage.feedback import instructions, people, work
from tutelage.records import Completion, Demonstration, Group, Kind, Labeler, Prompt, Ranking, Rating
from tutelage.store import Store, completions, labels, prompts, users

__all__ = ["database", "store"]

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@dataclass
class Desk:
    """Short ways to fill a store in tests."""

    store: Store

    def labelers(self, *names: str, group: Group = "training", kind: Kind = "human") -> None:
        people.register(self.store, [Labeler(id=name, group=group, kind=kind) for name in names], now=NOW)

    def prompt(self, name: str, *, pii: Any = "clean", status: Any = "kept", **changes: Any) -> str:
        """Add a prompt of the user `u-NAME` that may be trained on, unless `changes` say otherwise."""
        fields: dict[str, Any] = {
            "id": name,
            "text": f"Prompt {name}",
            "source": "customer",
            "user": f"u-{name}",
            "consent": "notice-1",
            "split": "train",
            "stage": "ppo",
        } | changes
        user = self.store.user_hash(fields["user"])
        shares = {"train": 1.0, "validation": 0.0, "test": 0.0}
        users.assign(self.store, [user], shares=shares, now=NOW, wanted={user: fields["split"]})
        prompt = Prompt(**{**fields, "user": user})
        prompts.add(self.store, [prompt], now=NOW, marks={name: prompts.Mark(pii=pii, status=status)})
        return name

    def outputs(self, prompt: str, count: int, *, author: str = "") -> tuple[str, ...]:
        new = [
            Completion(
                id=f"{prompt}-sft-{n}",
                prompt_id=prompt,
                text=f"{prompt} answer {n}",
                policy="sft",
                finish_reason="stop",
            )
            for n in range(count)
        ]
        completions.add(self.store, new, now=NOW, authors={new[0].id: author} if author else {})
        return tuple(one.id for one in new)

    def demonstrate(self, name: str, *, prompt: dict[str, Any] | None = None, **changes: Any) -> None:
        """Add a prompt and a demonstration `d-NAME` of it that may be trained on, unless told otherwise."""
        self.prompt(name, **(prompt or {}))
        fields: dict[str, Any] = {
            "id": f"d-{name}",
            "prompt_id": name,
            "text": f"Answer {name}",
            "labeler": "anna",
            "kind": "human",
            "instruction_version": "demonstration-1",
        } | changes
        labels.add(self.store, labels.Judgements(demonstrations=[Demonstration(**fields)]), now=NOW)

    def rank(self, name: str, *, prompt: dict[str, Any] | None = None, author: str = "", **changes: Any) -> None:
        """Add a prompt, three completions and a ranking `r-NAME` of them, best 0 and 2 tied, that may be trained on."""
        self.prompt(name, **(prompt or {}))
        a, b, c = self.outputs(name, 3, author=author)
        fields: dict[str, Any] = {
            "id": f"r-{name}",
            "prompt_id": name,
            "labeler": "anna",
            "kind": "human",
            "instruction_version": "comparison-1",
            "purpose": "train",
            "groups": ((a, c), (b,)),
            "presented": (b, a, c),
        } | changes
        labels.add(self.store, labels.Judgements(rankings=[Ranking(**fields)]), now=NOW)

    def rate(self, name: str, *, prompt: dict[str, Any] | None = None, author: str = "", **changes: Any) -> None:
        """Add a prompt, one completion and a rating `q-NAME` of it that may be trained on, unless told otherwise."""
        self.prompt(name, **(prompt or {}))
        fields: dict[str, Any] = {
            "id": f"q-{name}",
            "completion_id": self.outputs(name, 1, author=author)[0],
            "labeler": "anna",
            "kind": "human",
            "instruction_version": "comparison-1",
            "purpose": "train",
            "quality": 4,
        } | changes
        labels.add(self.store, labels.Judgements(ratings=[Rating(**fields)]), now=NOW)

    def task(self, name: str, kind: work.TaskKind = "rank", k: int = 4, **changes: Any) -> work.Task:
        """File a task `t-NAME` about a new prompt NAME."""
        author = changes.pop("author", "")
        self.prompt(name, **changes.pop("prompt", {}))
        outputs = self.outputs(name, k, author=author) if kind != "demonstrate" else ()
        fields: dict[str, Any] = {
            "purpose": "train",
            "instruction_version": "demonstration-1" if kind == "demonstrate" else "comparison-1",
        } | changes
        task = work.Task(id=f"t-{name}", kind=kind, prompt_id=name, completion_ids=outputs, **fields)
        work.file_tasks(self.store, [task], now=NOW)
        return task

    def lease(self, labeler: str, limit: int = 10, at: float = 0, **changes: Any) -> list[work.Assignment]:
        return work.lease(self.store, labeler, now=later(at), limit=limit, **changes)

    def submit(self, *submissions: work.Submission, at: float = 1) -> int:
        return work.submit(self.store, submissions, now=later(at))


def ranking(
    held: work.Assignment, name: str = "s1", groups: Sequence[Sequence[str]] = (), **changes: Any
) -> work.Submission:
    """Rank the outputs of an assignment in the order of the screen, or as told."""
    order = groups or [[output.id] for output in held.outputs]
    return work.Submission(id=name, assignment_id=held.id, labeler=held.labeler, groups=order, **changes)


@pytest.fixture
def desk(store: Store) -> Desk:
    made = Desk(store)
    instructions.publish_defaults(store, now=NOW)
    made.labelers("anna", "ben", "cleo")
    made.labelers("hal", group="heldout")
    made.labelers("opal", group="opposed")
    return made
