"""Judgements are facts: the databases themselves refuse to change or delete them, whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tutelage.store import Store, tables

NOW = datetime(2026, 11, 2, tzinfo=UTC)
PROMPT = {"id": "p", "text": "t", "text_hash": "h", "source": "customer", "user": "u", "meta": {}, "created": NOW}
COMPLETION = {"id": "c", "prompt_id": "p", "text": "t", "policy": "sft", "finish_reason": "stop", "sampling": {}}
TASK = {
    "id": "t",
    "kind": "rank",
    "purpose": "train",
    "group": "training",
    "prompt_id": "p",
    "k": 2,
    "instruction_version": "i",
    "overlap": 1,
}
ASSIGNMENT = {"id": "a", "task_id": "t", "labeler": "l", "presented": [], "state": "offered", "lease_until": NOW}
JUDGEMENT = {"labeler": "l", "kind": "human", "instruction_version": "i", "purpose": "train", "created": NOW}
PERSON = {"id": "h", "name": "A", "name_key": "a", "role": "lead", "password": "p", "status": "active", "failures": 0}
ITEM = {"set": "s", "id": "f", "position": 0, "part": "flags", "kind": "model"}
ROWS: dict[str, dict[str, Any]] = {
    "users": {"user": "u", "split": "train"},
    "withdrawals": {"user": "u"},
    "labelers": {"id": "l", "group": "training", "kind": "human", "screened": False},
    "instruction_versions": {"version": "i", "task": "comparison", "sha256": "s"},
    "prompts": PROMPT,
    "completions": COMPLETION,
    "tasks": TASK,
    "assignments": {**ASSIGNMENT, "heartbeat": NOW},
    "submissions": {"id": "s", "assignment_id": "a", "labeler": "l", "sha256": "s", "active_ms": 0, "idle_ms": 0},
    "demonstrations": {"id": "d", "prompt_id": "p", "text": "t", **JUDGEMENT},
    "ratings": {"id": "r", "completion_id": "c", "quality": 4, "flags": {"violent": None}, **JUDGEMENT},
    "rankings": {"id": "k", "prompt_id": "p", "groups": [["c"]], "presented": ["c"], "seeded": False, **JUDGEMENT},
    "written_prompts": {"id": "w", "prompt_id": "p", "form": "plain", "use_case": "chat", "pairs": [], **JUDGEMENT},
    "privacy_reviews": {"id": "v", "prompt_id": "p", "redactions": [], "is_usable": True, "before": "h", **JUDGEMENT},
    "toxicity_ratings": {"id": "x", "completion_id": "c", "rank": 0, **JUDGEMENT},
    "models": {"name": "m", "version": 1, "path": "p", "sha256": "s", "run": "r", "role": "policy"},
    "model_prompts": {"name": "m", "version": 1, "text_hash": "h"},
    "audit_log": {
        "number": 1,
        "at": NOW,
        "actor": "a",
        "action": "x",
        "subject": "s",
        "details": "{}",
        "previous": "p",
        "hash": "h",
    },
    "people": PERSON,
    "screening_items": {**ITEM, "prompt": "t", "outputs": ["t"], "sensitive": True, "order": [], "reason": "r"},
    "screening_answers": {"candidate": "l", "set": "s", "item": "f", "answer": True},
    "screening_scores": {"candidate": "l", "set": "s", "item": "f", "researcher": "l", "score": 4},
    "screening_decisions": {"candidate": "l", "passed": True, "reason": "r", "decided_by": "h", "results": {}},
    "acknowledgements": {"labeler": "l", "version": "i"},
    "threads": {"id": "t", "person": "h", "assignment_id": "a", "output": ""},
    "messages": {"id": "m", "thread": "t", "author": "h", "text": "t"},
    "examples": {"id": "e", "version": "i", "thread": "t", "author": "h", "about": "order", "text": "t"},
    "returns": {"id": "r", "submission_id": "s", "returned_by": "h", "comment": "t"},
    "withdrawal_requests": {"labeler": "l"},
    "labeler_withdrawals": {"labeler": "l", "by": ""},
    "model_labels": {"name": "m", "version": 1, "label_id": "k"},
    "doubts": {"example": "e", "judgement_kind": "ranking", "judgement": "k", "labeler": "l"},
    "choices": {"task_id": "t", "prompt_id": "p", "reason": "random"},
    "notices": {"version": "n", "text": "t", "sha256": "s"},
    "data_uses": {"application_id": "a", "data_use": "none", "withdraws": False, "by": ""},
    "request_prompts": {"prompt_id": "p", "request_id": "r", "application_id": "a", "model": "m@1", "sent": NOW},
    "model_results": {
        "name": "m",
        "version": 1,
        "sha256": "s",
        "source": "o",
        "source_sha256": "s",
        "figures": {},
        "by": "",
    },
    "alias_moves": {
        "alias": "a",
        "action": "pointed",
        "name": "m",
        "version": 1,
        "by": "",
        "reason": "",
        "gates": [],
    },
    "comparisons": {
        "id": "z",
        "prompt": "h",
        "left_arm": "a",
        "left_model": "m@1",
        "left_request": "l",
        "right_arm": "b",
        "right_model": "m@2",
        "right_request": "r",
        "data_use": "none",
    },
    "votes": {"comparison_id": "z", "pair": "p", "choice": "tie", "reasons": []},
    "notice_views": {"person": "h", "notice_version": "n", "data_use": "none"},
}


@pytest.fixture
def filled(store: Store) -> Store:
    with store.write() as connection:
        for name, row in ROWS.items():
            table = tables.metadata.tables[name]
            stamp = {"created": NOW} if "created" in table.c else {}
            connection.execute(table.insert(), {**stamp, **row})
    return store


def test_rows_can_not_be_changed_or_deleted(filled: Store) -> None:
    for table in tables.APPEND_ONLY:
        column = next(iter(tables.metadata.tables[table].c)).name
        for statement in (
            f'UPDATE {table} SET "{column}" = "{column}"',
            f"DELETE FROM {table}",
            f'DELETE FROM {table} WHERE "{column}" IS NOT NULL',
        ):
            with (
                pytest.raises(DBAPIError, match=f"rows of {table} are never changed or deleted"),
                filled.write() as connection,
            ):
                connection.execute(text(statement))
        with filled.read() as connection:
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 1


def test_tables_can_not_be_emptied_at_once_either(filled: Store) -> None:
    is_sqlite = filled.engine.dialect.name == "sqlite"
    for table in tables.APPEND_ONLY:
        # SQLite has no TRUNCATE; REPLACE is its other way to take a row's place.
        replaced = f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
        with pytest.raises(DBAPIError, match="are never changed or deleted"), filled.write() as connection:
            connection.execute(text(replaced if is_sqlite else f"TRUNCATE {table} CASCADE"))


@pytest.mark.parametrize("change", ["\"group\" = 'heldout'", "kind = 'simulated'"])
def test_a_labeler_can_not_change_sides(filled: Store, change: str) -> None:
    with pytest.raises(DBAPIError, match="keeps the group and kind"), filled.write() as connection:
        connection.execute(text(f"UPDATE labelers SET {change}"))
    with filled.write() as connection:
        connection.execute(text("UPDATE labelers SET screened = true"))


def test_every_judgement_table_is_append_only() -> None:
    judged = {name for name, table in tables.metadata.tables.items() if "supersedes" in table.c}
    kinds = {"demonstrations", "ratings", "rankings", "written_prompts", "privacy_reviews", "toxicity_ratings"}
    assert judged == {"submissions", *kinds} <= set(tables.APPEND_ONLY)


@pytest.mark.parametrize("quality", [0, 8])
def test_the_database_refuses_a_quality_outside_the_scale(filled: Store, quality: int) -> None:
    row = {**ROWS["ratings"], "id": "other", "quality": quality}
    with pytest.raises(DBAPIError, match="(?i)check constraint"), filled.write() as connection:
        connection.execute(tables.ratings.insert(), row)
