"""The whole recipe on people's labels, as a user gives the command: a tiny model, few labels, every stage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.generate.tiny import make_directory
from tutelage.cli import app
from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.files import append_jsonl, read_json, sha256_of
from tutelage.models.tokenizer import train_tokenizer
from tutelage.store import Store, registry

TREES = 24
SMALL = (
    "threads=1", "mix.documents=4", "mix.tokens=12", "start.mix_row_tokens=16",
    "sample.max_tokens=8", "ppo.episodes=8", "ppo.batch=4", "ppo.minibatch=2",
    "ppo.max_tokens=8", "ppo.ptx_rows=2", "ppo.ptx_row_tokens=16",
)  # fmt: skip


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Write demonstrations and rankings; ranked outputs come three to a prompt."""
    folder = tmp_path / "labels"
    folder.mkdir()
    trees = [{"id": f"row-{n}", "tree": f"tree-{n}", "prompt": f"the goat {n}?"} for n in range(TREES)]
    append_jsonl(folder / "oasst_demonstrations.jsonl", [tree | {"completion": "the hat"} for tree in trees])
    ranked = [
        tree | {"completions": [{"id": f"{tree['id']}-{k}", "text": text, "rank": k} for k, text in enumerate("abc")]}
        for tree in trees
    ]
    append_jsonl(folder / "oasst_ranked.jsonl", ranked)
    return folder


def run(out: Path, *settings: str) -> str:
    arguments = [word for setting in (*SMALL, *settings) for word in ("--set", setting)]
    result = CliRunner().invoke(app, ["run", "imported", "--out", str(out), *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_the_recipe_runs_to_a_released_model_and_ends_well(tmp_path: Path, labels: Path) -> None:
    base, out = make_directory(tmp_path / "tiny"), tmp_path / "run"
    settings = (f"base.model={base}", f"imported.directory={labels}")
    printed = run(out, *settings)
    assert f"Serve:   tutelage serve --database sqlite:///{out / 'tutelage.db'}" in printed
    assert "Report:" not in printed
    stages = read_json(out / "stages.json")
    samples = (out / stages["samples"] / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["model"] for line in samples} == {"base", "start", "ppo"}
    with Store.open(f"sqlite:///{out / 'tutelage.db'}", create=False) as store:
        assert registry.get(store, "default").name == "imported-ppo"
    assert run(out, *settings).count("\n") == printed.count("\n")  # nothing is made twice, and the end is told again


def test_the_papers_parts_can_be_asked_for(tmp_path: Path, labels: Path) -> None:
    """A baseline chosen by reward, a reward model from a base of its own, and text for the mix from a file."""
    base, own, out = make_directory(tmp_path / "tiny"), make_directory(tmp_path / "own", seed=5), tmp_path / "run"
    append_jsonl(labels / "texts.jsonl", [{"text": f"the goat {n} sat on the hat and the cat sat"} for n in range(20)])
    run(out, f"base.model={base}", f"reward_base.model={own}", f"imported.directory={labels}", "imported.baseline=true",
        "imported.texts=texts.jsonl", "sft.epochs=2", "sft.batch=8", "sft.adam.lr=1e-3",
        "release.weights=ema")  # fmt: skip
    stages = read_json(out / "stages.json")
    made_from = read_json(out / stages["reward"] / "run" / "run.json")["parents"]["init"]
    assert made_from == sha256_of(own)
    scores = read_json(out / stages["baseline"] / "scores.json")
    assert set(scores) == {"epoch-01", "epoch-02"}
    chosen = read_json(out / stages["baseline"] / "stage.json")["facts"]["epoch"]
    assert scores[chosen] == max(scores.values())
    assert len(read_json(out / stages["corpus"] / "texts.json")) == 20
    with Store.open(f"sqlite:///{out / 'tutelage.db'}", create=False) as store:
        assert registry.get(store, "imported-baseline").path.endswith(chosen)
        assert registry.get(store, "default").path.endswith("ema")


def test_what_is_missing_is_told(tmp_path: Path, labels: Path) -> None:
    with pytest.raises(SettingsError, match=r"imported\.directory=DATA_DIR"):
        run(tmp_path / "one")
    with pytest.raises(SettingsError, match="There is no model nowhere"):
        run(tmp_path / "two", f"imported.directory={labels}", "base.model=nowhere")
    with pytest.raises(SettingsError, match="There is no model nowhere: bring it"):
        run(tmp_path / "four", f"imported.directory={labels}", f"base.model={make_directory(tmp_path / 'tiny')}",
            "reward_base.model=nowhere")  # fmt: skip
    with pytest.raises(SettingsError, match=r"start\.loop\.evaluate_every"):
        run(tmp_path / "three", "start.loop.evaluate_every=0")


def changed(labels: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change every row of a file of labels."""
    path = labels / name
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        change(row)
    path.unlink()
    append_jsonl(path, rows)


def tie(row: dict[str, Any]) -> None:
    row["completions"] = [output | {"rank": 0} for output in row["completions"]]


BAD = {
    "ties": ("ranked", tie, "hold no prompt with a preference between two completions"),
    "one": (
        "ranked",
        lambda row: row["completions"].__delitem__(slice(1, None)),
        "needs two or more completions, not 1",
    ),
    "empty": ("demonstrations", lambda row: row.update(completion=""), "the field 'completion' is empty"),
    "long": (
        "demonstrations",
        lambda row: row.update(completion="hat " * 99),
        "no held-out demonstrations of at most",
    ),
    "prompts": (
        "ranked",
        lambda row: row.update(prompt="goat " * 99 + row["id"]),
        r"\(of \d+, 0 are all ties and \d+ too long\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_labels_that_cannot_be_used_are_told_before_anything_is_trained(
    tmp_path: Path, labels: Path, case: str
) -> None:
    name, change, sentence = BAD[case]
    if case == "prompts":  # a prompt that is in both files is the same prompt
        changed(labels, "oasst_demonstrations.jsonl", lambda row: row.update(id=f"d-{row['id']}"))
    changed(labels, f"oasst_{name}.jsonl", change)
    with pytest.raises(DataError, match=sentence):
        run(tmp_path / "run", f"base.model={make_directory(tmp_path / 'tiny')}", f"imported.directory={labels}")
    assert not list((tmp_path / "run").glob("start-*"))
    assert not list((tmp_path / "run").glob("corpus-*"))


def test_models_that_cannot_be_used_are_told_before_anything_is_trained(tmp_path: Path, labels: Path) -> None:
    base, own = make_directory(tmp_path / "tiny"), make_directory(tmp_path / "own", seed=5)
    train_tokenizer(["other words"] * 9, 290).save_pretrained(own)
    settings = (f"imported.directory={labels}", f"base.model={base}")
    with pytest.raises(DataError, match=f"The tokenizer in {own} is not the one that the model there was written with"):
        run(tmp_path / "run", *settings, f"reward_base.model={own}")
    (own / "model.safetensors").unlink()
    with pytest.raises(MissingError, match=f"{own} holds no .safetensors file"):
        run(tmp_path / "run", *settings, f"reward_base.model={own}")
    assert not list((tmp_path / "run").glob("start-*"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["ppo.batch=3"], "ppo: episodes = 8 must be a multiple of batch = 3, and that one of minibatch = 2"),
        (
            ["ppo.layout.kind=adapters"],
            "in the same layout; set reward.layout.kind = adapters and leave out",
        ),
        (
            ["ppo.layout.kind=shared_trunk", "reward.layout.kind=shared_trunk", "reward.layout.frozen_share=0.3"],
            "ppo.layout.frozen_share = 0.67 needs as much in reward.layout.frozen_share, which is 0.3",
        ),
        (["ppo.loop.processes=2"], "PPO trains two models in one process; set ppo.loop.processes = 1"),
        (["start.layout.kind=adapters", "start.adam.muon_lr=0.1"], "Muon is for whole matrices"),
        (["sample.max_tokens=96"], "max_tokens = 96 leaves no room for a prompt in a context of 96 tokens"),
        (["ppo.ptx_row_tokens=97"], "ppo.ptx_row_tokens is 97; choose 2 to 96, the context of the model"),
    ],
)
def test_settings_that_a_later_training_would_refuse_are_told_first(
    tmp_path: Path, labels: Path, settings: list[str], sentence: str
) -> None:
    base = make_directory(tmp_path / "tiny")
    with pytest.raises(SettingsError, match=sentence):
        run(tmp_path / "run", f"imported.directory={labels}", f"base.model={base}", *settings)
    assert not list((tmp_path / "run").glob("start-*"))
