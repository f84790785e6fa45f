"""The starter set in a store: every row is usable, the split is the set's own, and the demonstrations are a model's."""

from __future__ import annotations

from datetime import UTC, datetime

from tutelage.feedback import export
from tutelage.pipeline import starter
from tutelage.prompts.intake import IntakeSettings
from tutelage.starter import rows
from tutelage.store import Store, prompts

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_intake_drops_nothing_and_keeps_the_split(tmp_path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.sqlite") as store:
        for _ in range(2):  # a second time changes nothing
            report = starter.take_in(store, IntakeSettings(), now=NOW)
            assert {rule.name: rule.dropped for rule in report.rules if rule.dropped} == {}
            expected = {f"starter-{row.id}": row.split for row in rows.load()}
            assert {prompt.id: prompt.split for prompt in prompts.usable(store)} == expected
        found = list(export.sft(store, kind="model"))
        wanted = {row.prompt: row.demonstration for row in rows.load() if row.demonstration and row.split == "train"}
        assert {row.prompt: row.completion for row in found} == wanted
        assert not list(export.sft(store, kind="human"))
