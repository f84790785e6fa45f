"""What the database must hold after the load, told by the labelers' own journals."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks.labelers import Handed, Journal
from tests.feedback.load.database import Database, json_of, most_at_once, utc


def assert_every_label_once(database: Database, journals: Sequence[Journal]) -> Counter[str]:
    """Acknowledged: there once. No answer came: at most once. Refused, or never sent: not there. Count by outcome."""
    sent = {name: handed for journal in journals for name, handed in journal.handed.items()}
    assert len(sent) == sum(len(journal.handed) for journal in journals)
    rows = database.rows("SELECT * FROM submissions")
    there = {row.id: row for row in rows}
    assert len(there) == len(rows)
    assert there.keys() <= sent.keys()
    by_outcome = Counter[str]()
    for name, handed in sent.items():
        by_outcome[handed.outcome] += 1
        by_outcome["there without an answer"] += handed.outcome == "unknown" and name in there
        assert handed.outcome != "acknowledged" or name in there, f"{name} was acknowledged and is lost"
        assert handed.outcome != "refused" or name not in there, f"{name} was refused and is there"
    known = Content(database)
    for name, row in there.items():
        known.check(row, sent[name])
    assert known.rows == sum(_judgements(sent[name]) for name in there)
    return by_outcome


def assert_labels_are_whole(database: Database) -> None:
    """No task has more labels than its overlap; nobody judged their own text; what is superseded is so once."""
    tasks = {row.id: row for row in database.rows("SELECT id, overlap, closed FROM tasks")}
    done: dict[str, list[str]] = {task: [] for task in tasks}
    authors = {row.id: row.authored_by for row in database.rows("SELECT id, authored_by FROM completions")}
    assert any(authors.values())
    submitted = set()
    for row in database.rows("SELECT * FROM assignments"):
        assert row.labeler not in {authors[output] for output in json_of(row.presented)}
        if row.state == "submitted":
            submitted.add(row.id)
            done[row.task_id].append(row.labeler)
    for task, who in done.items():
        assert len(who) == len(set(who)) <= tasks[task].overlap
        assert (tasks[task].closed is not None) == (len(who) == tasks[task].overlap)
    rows = database.rows("SELECT id, assignment_id, supersedes FROM submissions")
    superseded = [row.supersedes for row in rows if row.supersedes]
    assert len(superseded) == len(set(superseded))
    standing = [row.assignment_id for row in rows if row.id not in set(superseded)]
    assert sorted(standing) == sorted(submitted)


def assert_never_too_many(database: Database) -> None:
    """At no instant was a task with more labelers than its overlap."""
    most, wrong = most_at_once(database)
    assert wrong == []
    overlap = {row.id: row.overlap for row in database.rows("SELECT id, overlap FROM tasks")}
    assert {task: count for task, count in most.items() if count > overlap[task]} == {}


def assert_no_draft_lost(database: Database, journals: Sequence[Journal]) -> None:
    """Every draft is as it was acknowledged last, or as it was sent later; skipped work is skipped."""
    there = {row.id: row for row in database.rows("SELECT * FROM drafts")}
    states = {row.id: row.state for row in database.rows("SELECT id, state FROM assignments")}
    for journal in journals:
        for name, drafted in journal.drafts.items():
            row = there[name]
            assert row.version >= drafted.version
            if row.version == drafted.version:
                assert row.content == drafted.content
            assert row.version == 0 or row.content in drafted.sent
        assert {states[there[name].assignment_id] for name in journal.skipped} <= {"skipped"}


def assert_log_is_whole(database: Database) -> None:
    """The chain of hashes has no gap, and tells of exactly the submissions that are there, each once."""
    previous, told = "0" * 64, []
    for number, row in enumerate(database.rows("SELECT * FROM audit_log ORDER BY number"), start=1):
        fields = [row.number, row.actor, row.action, row.subject, row.details, row.previous, utc(row.at)]
        assert (row.number, row.previous) == (number, previous)
        previous = hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode()).hexdigest()
        assert row.hash == previous
        if row.action == "work.submit":
            told.append(json.loads(row.details)["submission"])
    assert sorted(told) == sorted(row.id for row in database.rows("SELECT id FROM submissions"))


def _judgements(handed: Handed) -> int:
    return len(handed.body.get("ratings", {})) + (handed.kind in ("demonstrate", "rank"))


class Content:
    """The judgements in the database, compared with what was handed in."""

    def __init__(self, database: Database) -> None:
        names = ("demonstrations", "rankings", "ratings")
        found = {name: database.rows(f"SELECT * FROM {name}") for name in names}
        self.rows = sum(len(rows) for rows in found.values())
        self._made = {name: {row.id: row for row in rows} for name, rows in found.items()}
        self._assignments = {row.id: row for row in database.rows("SELECT * FROM assignments")}
        self._drafts = {row.id: row.assignment_id for row in database.rows("SELECT id, assignment_id FROM drafts")}

    def check(self, row: Any, handed: Handed) -> None:
        """Compare one submission; the output at a place of the screen is the completion at that place."""
        assignment = self._assignments[row.assignment_id]
        assert self._drafts[handed.draft] == assignment.id
        assert row.labeler == assignment.labeler
        assert (row.active_ms, row.supersedes) == (handed.body["active_ms"], handed.body["supersedes"])
        presented = dict(zip(handed.outputs, json_of(assignment.presented), strict=True))
        if handed.kind == "demonstrate":
            assert self._made["demonstrations"][row.id].text == handed.body["text"]
        if handed.kind == "rank":
            wanted = [[presented[output] for output in group] for group in handed.body["groups"]]
            assert json_of(self._made["rankings"][row.id].groups) == wanted
        for number, output in enumerate(handed.outputs if handed.body.get("ratings") else ()):
            rating, said = self._made["ratings"][f"{row.id}:{number}"], handed.body["ratings"][output]
            assert (rating.completion_id, rating.quality) == (presented[output], said["quality"])
            assert json_of(rating.flags) == said["flags"]
