"""Evaluations by people on both databases: drawn once, asked once, labels that train nothing, mistakes in words."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.databases import database, store
from tests.generate.tiny import make_directory
from tutelage.config import from_dict
from tutelage.errors import UserError
from tutelage.evaluate.comparison import Comparison
from tutelage.feedback import export, people, work
from tutelage.files import read_json, sha256_of
from tutelage.pipeline import asking
from tutelage.pipeline.asking import PeopleRecipe
from tutelage.records import Group, Kind, Labeler, Prompt, RegisteredModel
from tutelage.runs import Run
from tutelage.store import Store, labels, prompts, registry, tasks, users
from tutelage.store.labels import Which

__all__ = ["database", "store"]

NOW = datetime(2026, 11, 2, tzinfo=UTC)
RECIPE: dict[str, Any] = {
    "name": "first",
    "baseline": "old",
    "arms": {"old": {"model": "old@1"}, "new": {"model": "newest"}},
    "prompts": {"count": 3},
    "labels": {"overlap": 2},
    "sampling": {"max_tokens": 5},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two policies in directories."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("old", "new")):
        make_directory(folder / name, seed + 1)
    return folder


@pytest.fixture
def filled(store: Store, made: Path) -> Store:
    """A store with five test prompts that may be used, two models and some labelers."""
    for name in ("old", "new"):
        path = made / name
        model = RegisteredModel(name=name, version=0, path=str(path), sha256=sha256_of(path), run="")
        registered = registry.register(store, model, prompt_hashes=[prompts.text_hash("Prompt 1")], now=NOW)
    registry.point(store, "newest", registered, now=NOW)
    for n in range(6):
        user = store.user_hash(f"u{n}")
        users.assign(store, [user], shares={"test": 1.0}, now=NOW)
        prompt = Prompt(
            id=f"p{n}", text=f"Prompt {n}", source="customer", user=user, consent="v1" if n else "",
            split="test", stage="evaluation",
        )  # fmt: skip
        prompts.add(store, [prompt], now=NOW, marks={prompt.id: prompts.Mark(pii="clean")})
    for group, kind in (("heldout", "human"), ("heldout", "simulated"), ("training", "human")):
        new = [Labeler(id=f"{group}-{kind}-{n}", group=group, kind=kind) for n in range(2)]  # type: ignore[arg-type]
        people.register(store, new, now=NOW)
    return store


def run(store: Store, out: Path, warnings: list[str] | None = None, **changes: Any) -> Comparison:
    recipe = from_dict(PeopleRecipe, RECIPE | changes, "people.toml")
    told = [] if warnings is None else warnings
    return asking.evaluate(store, recipe, out, lambda done, total: None, told.append, now=NOW)


def judge(store: Store, labeler: str, better: Callable[[str], bool]) -> None:
    """Hand in everything on offer: the outputs that are better first, the others tied behind them."""
    for held in work.lease(store, labeler, now=NOW, limit=99):
        first = [output.id for output in held.outputs if better(output.text)]
        rest = [output.id for output in held.outputs if output.id not in first]
        ratings = {output.id: work.Judgement(quality=6 if output.id in first else 3) for output in held.outputs}
        made = work.Submission(
            id=held.id, assignment_id=held.id, labeler=labeler, ratings=ratings,
            groups=[group for group in (first, rest) if group],
        )  # fmt: skip
        work.submit(store, [made], now=NOW)


def test_it_draws_once_asks_once_and_prints_what_is_there(filled: Store, tmp_path: Path) -> None:
    out, warnings = tmp_path / "run", []  # type: ignore[var-annotated]
    first = run(filled, out, warnings)
    assert (first.prompts, first.asked, first.missing, first.parts) == (3, 6, 6, ())
    assert warnings == [] or "was trained on 1 of the 3 prompts" in warnings[0]
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    again = run(filled, out)
    assert again == first and {path.name: path.read_bytes() for path in out.iterdir()} | written == written | {
        "run.json": (out / "run.json").read_bytes()
    }
    (count,) = tasks.counts(filled)
    assert (count.kind, count.purpose, count.group, count.tasks) == ("rank", "evaluation", "heldout", 3)
    texts = {row["text"] for row in _rows(out / "outputs.jsonl") if row["model"] == "new"}
    # Neither other prompts in the store nor an alias that moves change anything.
    prompts.set_stage(filled, ["p1"], "ppo")
    registry.point(filled, "newest", registry.get(filled, "old"), now=NOW)
    for labeler in ("heldout-human-0", "heldout-simulated-0"):
        judge(filled, labeler, texts.__contains__ if "human" in labeler else lambda text: text not in texts)
    last = run(filled, out)
    assert last.missing == 0 and [(part.kind, len(part.rankings)) for part in last.parts] == [
        ("human", 3), ("simulated", 3)
    ]  # fmt: skip
    parts = {part["kind"]: part for part in read_json(out / "report.json")["parts"]}
    assert parts["human"]["win_rate"]["new"]["old"]["mean"] == 1
    assert parts["simulated"]["win_rate"]["new"]["old"]["mean"] == 0
    assert parts["human"]["quality"]["new"]["mean"] == 6
    assert Run.open(out).is_finished


def _rows(path: Path) -> list[dict[str, Any]]:
    from tutelage.files import read_jsonl

    return read_jsonl(path)


@pytest.mark.parametrize("group", ["heldout", "training"])
def test_labels_of_an_evaluation_never_enter_an_export(filled: Store, tmp_path: Path, group: Group) -> None:
    """Nor do those of training labelers, on prompts that may be trained on."""
    kinds: tuple[Kind, ...] = ("human", "simulated")
    user = filled.user_hash("trainee")
    users.assign(filled, [user], shares={"train": 1.0}, now=NOW)
    trainable = [
        Prompt(id=f"t{n}", text=f"Train {n}", source="customer", user=user, consent="v1", split="train", stage="ppo")
        for n in range(2)
    ]
    prompts.add(filled, trainable, now=NOW, marks={prompt.id: prompts.Mark(pii="clean") for prompt in trainable})
    asked = {"split": "train", "stage": "ppo", "count": 0}
    run(filled, tmp_path / "run", prompts=asked, labels={"groups": [group], "overlap": 1})
    judge(filled, f"{group}-human-0", lambda text: True)
    found = run(filled, tmp_path / "run", prompts=asked, labels={"groups": [group], "overlap": 1})
    assert found.missing == 0
    assert len(labels.rankings_of(filled, Which(purpose="evaluation", group=group))) == 2
    assert len(labels.ratings_of(filled, Which(purpose="evaluation", group=group))) == 4
    for kind in kinds:
        for build in (export.reward, export.sft):
            for split in ("train", "validation"):
                assert list(build(filled, kind=kind, split=split)) == []  # type: ignore[operator]


def test_an_evaluation_that_was_stopped_goes_on_with_its_prompts(filled: Store, tmp_path: Path) -> None:
    first = run(filled, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "stopped")
    (tmp_path / "stopped" / "outputs.jsonl").unlink()
    assert run(filled, tmp_path / "stopped") == first
    assert (tmp_path / "stopped" / "outputs.jsonl").read_bytes() == (tmp_path / "whole" / "outputs.jsonl").read_bytes()


def test_other_seeds_choose_other_prompts_and_a_file_names_them(filled: Store, tmp_path: Path) -> None:
    def chosen(out: str, **changes: Any) -> set[str]:
        run(filled, tmp_path / out, **changes)
        return {row["prompt_id"] for row in _rows(tmp_path / out / "prompts.jsonl")}

    several = {frozenset(chosen(f"seed {seed}", seed=seed, name=f"n{seed}")) for seed in range(6)}
    assert len(several) > 1 and set().union(*several) <= {"p1", "p2", "p3", "p4", "p5"}
    named = tmp_path / "named.jsonl"
    named.write_text('{"id": "p4", "text": "Prompt 4"}\n{"id": "p2"}\n')
    assert chosen("file", name="file", prompts={"file": str(named), "count": 0}) == {"p2", "p4"}


def test_a_changed_recipe_is_refused_in_the_same_directory(filled: Store, tmp_path: Path) -> None:
    run(filled, tmp_path / "run")
    with pytest.raises(UserError, match=r"made from something else \(settings.labels.overlap was 2 and is now 1\)"):
        run(filled, tmp_path / "run", labels={"overlap": 1})


def arms(**models: str) -> dict[str, Any]:
    return {name: {"model": model} for name, model in models.items()}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"arms": arms(old="old", new="nobody")}, "There is no model directory nobody, and the registry does not help"),
        ({"arms": arms(old="old", new="old@1")}, "The arms old and new are the same model"),
        ({"arms": arms(old="old")}, "arms has 1; labelers rank 2 to 9 outputs"),
        ({"arms": arms(**{f"a{n}": "old" for n in range(10)}), "baseline": "a1"}, "arms has 10"),
        ({"baseline": "oldest"}, "baseline is 'oldest'; choose one of the arms old, new"),
        ({"arms": arms(old="old", new="new") | {"x": {"model": "m", "frame": "no place"}}}, "does not hold {prompt}"),
        ({"prompts": {"count": 9}}, "There are 5 usable prompts of the split test and the stage evaluation, and"),
        ({"prompts": {"stage": "sft", "count": 0}}, "There are 0 usable prompts"),
        ({"prompts": {"file": "none.jsonl"}}, "There is no file none.jsonl"),
        ({"labels": {"groups": ["researcher"]}}, "Nobody is in the group researcher; start `tutelage label`"),
        ({"labels": {"groups": []}}, "labels.groups"),
        ({"labels": {"instructions": "comparison-1"}}, "are for comparison; an evaluation needs its own"),
        ({"labels": {"instructions": "mine-1"}}, "There are no instructions 'mine-1'"),
        ({"labels": {"overlap": 0}}, "labels.overlap should be greater than or equal to 1"),
        ({"name": "../up"}, "name"),
        ({"sampling": {"per_prompt": 2}}, "there is no setting sampling.per_prompt"),
        ({"sampling": {"max_tokens": 95}}, "Every prompt is too long for one of the models"),
    ],
)
def test_what_cannot_be_evaluated_is_a_sentence(
    filled: Store, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError) as caught:
        run(filled, tmp_path / "run", **changes)
    assert told in str(caught.value) and str(caught.value).count("\n") == 0
    assert "max_tokens" in str(changes) or not (tmp_path / "run").exists()
    assert tasks.counts(filled) == []


def test_prompts_of_a_file_that_may_not_be_used_are_named(filled: Store, tmp_path: Path) -> None:
    named = tmp_path / "named.jsonl"
    for line, told in (
        ('{"id": "p0"}', "names 1 prompts that the store does not have or that may not be used, 'p0' first"),
        ('{"text": "x"}', ":1: the line has no id"),
        ("[", ":1: Expecting value"),
    ):
        named.write_text(line + "\n")
        with pytest.raises(UserError, match="named.jsonl") as caught:
            run(filled, tmp_path / "run", prompts={"file": str(named), "count": 1})
        assert told in str(caught.value)


def test_too_few_labelers_are_told(filled: Store, tmp_path: Path) -> None:
    warnings: list[str] = []
    run(filled, tmp_path / "run", warnings, labels={"overlap": 5})
    assert any("has 4 of the 5 labelers" in line for line in warnings)
