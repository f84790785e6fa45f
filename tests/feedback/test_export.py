from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.feedback.conftest import NOW, Desk, ranking
from tutelage.errors import DataError
from tutelage.feedback import export, instructions, work
from tutelage.files import read_records
from tutelage.records import Demonstration, Instructions, RankedGroup, Ranking, RegisteredModel
from tutelage.store import labels, registry
from tutelage.store.prompts import text_hash
from tutelage.store.registry import Version


def demonstrate(desk: Desk, name: str, *, prompt: dict[str, Any] | None = None, **changes: Any) -> None:
    """Add a prompt and a demonstration `d-NAME` of it that may be trained on, unless told otherwise."""
    desk.prompt(name, **(prompt or {}))
    fields: dict[str, Any] = {
        "id": f"d-{name}",
        "prompt_id": name,
        "text": f"Answer {name}",
        "labeler": "anna",
        "kind": "human",
        "instruction_version": "demonstration-1",
    } | changes
    labels.add(desk.store, labels.Judgements(demonstrations=[Demonstration(**fields)]), now=NOW)


def rank(desk: Desk, name: str, *, prompt: dict[str, Any] | None = None, **changes: Any) -> None:
    """Add a prompt, three completions and a ranking `r-NAME` of them, best 0 and 2 tied, that may be trained on."""
    desk.prompt(name, **(prompt or {}))
    a, b, c = desk.outputs(name, 3)
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
    labels.add(desk.store, labels.Judgements(rankings=[Ranking(**fields)]), now=NOW)


def test_a_demonstration_comes_out_with_its_prompt(desk: Desk) -> None:
    demonstrate(desk, "p")
    made = export.demonstrations(desk.store, kind="human")
    assert made.rows == (
        export.DemonstrationRow(prompt_id="p", prompt="Prompt p", completion="Answer p", labeler="anna"),
    )


def test_a_ranking_comes_out_as_one_row_in_the_order_of_the_screen_with_ties(desk: Desk) -> None:
    rank(desk, "p")
    (row,) = export.ranked_groups(desk.store, kind="human").rows
    assert row == RankedGroup(
        prompt="Prompt p",
        completions=("p answer 1", "p answer 0", "p answer 2"),
        ranks=(1, 0, 0),
        prompt_id="p",
        labeler="anna",
        cut=(False, False, False),
    )


def test_rankings_of_some_tasks_alone_can_be_exported(desk: Desk) -> None:
    desk.labelers("zoe")
    for name in ("a_1", "ab1", "b"):
        desk.task(name, k=4)
    desk.submit(*(ranking(held, f"s-{held.id}") for held in desk.lease("zoe")))
    rows = export.ranked_groups(desk.store, kind="human", tasks="t-a_").rows
    assert [row.prompt_id for row in rows] == ["a_1"]
    assert len(export.ranked_groups(desk.store, kind="human").rows) == 3
    assert export.ranked_groups(desk.store, kind="human", tasks="t-c").rows == ()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"labeler": "hal"}, id="held-out labeler"),
        pytest.param({"labeler": "opal"}, id="opposed labeler"),
        pytest.param({"purpose": "evaluation"}, id="evaluation"),
        pytest.param({"purpose": "gold"}, id="gold"),
        pytest.param({"purpose": "repeat"}, id="repeat"),
        pytest.param({"purpose": "agreement"}, id="agreement"),
        pytest.param({"purpose": "screening"}, id="screening"),
        pytest.param({"kind": "simulated"}, id="another kind"),
        pytest.param({"kind": "model"}, id="a model"),
        pytest.param({"prompt": {"split": "validation"}}, id="validation split"),
        pytest.param({"prompt": {"split": "test"}}, id="test split"),
        pytest.param({"prompt": {"consent": ""}}, id="no consent"),
        pytest.param({"prompt": {"pii": "quarantined"}}, id="personal data"),
        pytest.param({"prompt": {"status": "duplicate"}}, id="duplicate"),
        pytest.param({"prompt": {"status": "capped"}}, id="over the cap"),
    ],
)
def test_what_may_not_be_trained_on_is_not_exported(desk: Desk, changes: dict[str, Any]) -> None:
    desk.labelers("rex", group="researcher")
    demonstrate(desk, "good-d")
    rank(desk, "good-r")
    demonstrate(desk, "bad-d", **changes)
    rank(desk, "bad-r", **changes)
    assert [row.prompt_id for row in export.demonstrations(desk.store, kind="human").rows] == ["good-d"]
    assert [row.prompt_id for row in export.ranked_groups(desk.store, kind="human").rows] == ["good-r"]
    if "prompt" in changes:
        exported = [row.prompt_id for row in export.prompts(desk.store).rows]
        assert exported == ["good-d", "good-r"]


def test_labels_of_heldout_people_through_the_queue_are_not_exported_either(desk: Desk) -> None:
    desk.task("p", group="heldout", purpose="evaluation", instruction_version="evaluation-1")
    desk.submit(ranking(desk.lease("hal")[0]))
    assert len(labels.rankings_of(desk.store, labels.Which(group="heldout"))) == 1
    assert export.ranked_groups(desk.store, kind="human").rows == ()


def test_validation_rows_come_only_when_asked_for_and_test_rows_never(desk: Desk) -> None:
    demonstrate(desk, "t")
    demonstrate(desk, "v", prompt={"split": "validation"})
    made = export.demonstrations(desk.store, kind="human", split="validation")
    assert [row.prompt_id for row in made.rows] == ["v"] and made.manifest.split == "validation"
    for build in (export.demonstrations, export.ranked_groups):
        with pytest.raises(DataError, match="'test' is never exported"):
            build(desk.store, kind="human", split="test")  # type: ignore[operator]
    with pytest.raises(DataError, match="'test' is never exported"):
        export.prompts(desk.store, split="test")  # type: ignore[arg-type]


def test_a_superseded_label_is_replaced_by_its_correction(desk: Desk) -> None:
    demonstrate(desk, "p")
    fixed = Demonstration(
        id="d2",
        prompt_id="p",
        text="Better",
        labeler="anna",
        kind="human",
        instruction_version="demonstration-1",
        supersedes="d-p",
    )
    labels.add(desk.store, labels.Judgements(demonstrations=[fixed]), now=NOW)
    assert [row.completion for row in export.demonstrations(desk.store, kind="human").rows] == ["Better"]


def test_prompts_are_exported_by_stage(desk: Desk) -> None:
    desk.prompt("a", stage="ppo")
    desk.prompt("b", stage="reward")
    assert export.prompts(desk.store).rows == (export.PromptRow(prompt_id="a", prompt="Prompt a"),)
    assert [row.prompt_id for row in export.prompts(desk.store, stage="reward").rows] == ["b"]


def test_the_manifest_names_labels_versions_people_and_prompts(desk: Desk) -> None:
    instructions.publish(
        desk.store, Instructions(version="comparison-2", task="comparison", text="Other words."), now=NOW
    )
    rank(desk, "p")
    rank(desk, "q", labeler="ben", instruction_version="comparison-2")
    manifest = export.ranked_groups(desk.store, kind="human").manifest
    assert (manifest.what, manifest.rows, manifest.labels) == ("rankings", 2, ("r-p", "r-q"))
    assert manifest.instruction_versions == {"comparison-1": 1, "comparison-2": 1}
    assert manifest.labelers == {"anna": 1, "ben": 1}
    assert (manifest.kinds, manifest.groups) == ({"human": 2}, {"training": 2})
    assert manifest.prompts == (text_hash("Prompt p"), text_hash("Prompt q"))


def test_the_hash_changes_exactly_with_the_content(desk: Desk) -> None:
    demonstrate(desk, "p")
    first = export.demonstrations(desk.store, kind="human").manifest
    assert export.demonstrations(desk.store, kind="human").manifest == first
    demonstrate(desk, "q")
    assert export.demonstrations(desk.store, kind="human").manifest.sha256 != first.sha256


def test_an_export_is_written_as_rows_and_manifest(desk: Desk, tmp_path: Path) -> None:
    rank(desk, "p")
    made = export.ranked_groups(desk.store, kind="human")
    export.write(made, tmp_path / "export")
    assert read_records(tmp_path / "export" / "rows.jsonl", RankedGroup) == list(made.rows)
    assert json.loads((tmp_path / "export" / "manifest.json").read_text())["labels"] == ["r-p"]


def test_a_withdrawal_empties_later_exports_and_names_the_models_that_saw_the_prompts(desk: Desk) -> None:
    demonstrate(desk, "p", prompt={"user": "customer-7"})
    rank(desk, "q", prompt={"user": "customer-7"})
    demonstrate(desk, "other")
    desk.task("open", prompt={"user": "customer-7"})
    seen = export.demonstrations(desk.store, kind="human").manifest.prompts
    for name, hashes in (("sft", seen), ("reward", [text_hash("something else")])):
        model = RegisteredModel(name=name, version=0, path=name, sha256=name, run=name)
        registry.register(desk.store, model, prompt_hashes=hashes, now=NOW)
    report = export.withdraw(desk.store, "customer-7", now=NOW)
    assert report.prompts == 3
    assert report.models == {Version("sft", 1): 1}
    assert [row.prompt_id for row in export.demonstrations(desk.store, kind="human").rows] == ["other"]
    assert export.ranked_groups(desk.store, kind="human").rows == ()
    assert [row.prompt_id for row in export.prompts(desk.store).rows] == ["other"]
    assert desk.lease("anna") == []
    assert export.withdraw(desk.store, report.user, now=NOW) == report


def test_ten_thousand_labels_go_through_the_queue_in_batches(desk: Desk) -> None:
    """The batch is the unit: 500 tasks of four outputs, each with a ranking and four ratings."""
    from tutelage.records import Completion, Prompt
    from tutelage.store import completions, prompts, users

    user = desk.store.user_hash("u")
    users.assign(desk.store, [user], shares={"train": 1.0}, now=NOW)
    names = [f"p{n:04}" for n in range(500)]
    made = [Prompt(id=p, text=p, source="village", user=user, consent="n", split="train") for p in names]
    prompts.add(desk.store, made, now=NOW)
    outputs = [
        Completion(
            id=f"{p}-{n}", prompt_id=p, text=f"{p} {n}", policy="sft", finish_reason="length" if n == 3 else "stop"
        )
        for p in names
        for n in range(4)
    ]
    completions.add(desk.store, outputs, now=NOW)
    filed = [
        work.Task(
            id=p,
            kind="rank",
            purpose="train",
            prompt_id=p,
            instruction_version="comparison-1",
            completion_ids=tuple(f"{p}-{n}" for n in range(4)),
        )
        for p in names
    ]
    work.file_tasks(desk.store, filed, now=NOW)
    held = desk.lease("anna", limit=1000)
    assert len(held) == 500
    judged = work.Judgement(quality=5, flags={"violent": False})
    batch = [ranking(one, one.id, ratings={output.id: judged for output in one.outputs}) for one in held]
    assert desk.submit(*batch) == 500
    assert len(labels.ratings_of(desk.store, labels.Which())) == 2000
    rows = export.ranked_groups(desk.store, kind="human").rows
    assert len(rows) == 500
    assert all(row.cut == tuple(text.endswith(" 3") for text in row.completions) for row in rows)
