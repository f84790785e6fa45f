"""`tutelage train`, `models`, `evaluate`: tiny models through every command, and what is refused."""

import json
import math
import re
from pathlib import Path

import pytest

from tests.cli.conftest import table
from tests.cli.test_data import DEMONSTRATIONS, RANKED, demonstration, ranked
from tutelage.runs import Run
from tutelage.store import Store, registry
from tutelage.store import prompts as stored

SMALL = ("--threads", "1", "--set", "batch=4")
PPO = ("--set=episodes=8", "--set=batch=8", "--set=minibatch=4", "--set=max_tokens=4", "--set=ptx_rows=1",
       "--set=ptx_row_tokens=16")  # fmt: skip


def last(path):
    return Run.open(path).read_metrics()[-1]


def model_of(printed):
    return Path(printed.splitlines()[-1].removeprefix("Model: "))


@pytest.fixture
def texts(world, written):
    return written("texts.jsonl", [{"text": text} for text in world.texts])


@pytest.fixture
def examples(world, written):
    return written("d.jsonl", [{"prompt": prompt, "completion": answer} for prompt, answer in world.examples(8)])


def test_a_base_is_made_from_text_and_its_run_goes_on(tutelage, refused, texts):
    command = ("train", "pretrain", "runs/base", "--texts", texts, "--heldout", texts, "--threads", "1",
               "--set=vocabulary=280", "--set=shape.hidden=16", "--set=shape.layers=1", "--set=shape.heads=2",
               "--set=shape.feedforward=32", "--set=pretrain.tokens=256", "--set=pretrain.row_tokens=16",
               "--set=pretrain.batch_rows=8")  # fmt: skip
    printed = tutelage(*command)
    assert model_of(printed) == Path("runs/base/model")
    assert "heldout/loss" in [row[0] for row in table(printed)]
    before = Run.open("runs/base").outputs
    assert model_of(tutelage(*command)) == Path("runs/base/model")
    assert Run.open("runs/base").outputs == before
    told = refused(*command, "--set", "pretrain.tokens=384")
    assert "runs/base was made from something else (settings.tokens was 256 and is now 384)" in told
    assert "was made from something else (parents.init" in refused(*command, "--set", "shape.hidden=32")


def test_a_model_is_tuned_on_demonstrations_of_a_file(tutelage, world, examples):
    printed = tutelage("train", "sft", "runs/sft", "--init", world.policy, "--data", examples, "--heldout", examples,
                       *SMALL, "--set", "epochs=1.0")  # fmt: skip
    assert model_of(printed) == Path("runs/sft/model")
    settings = Run.open("runs/sft").settings
    assert (settings["epochs"], settings["dropout"], settings["pretraining_mix"]) == (1.0, 0.2, 0.0)
    assert last("runs/sft")["step"] == 2
    seen = json.loads(Path("runs/sft/seen.json").read_text())
    assert seen["labels"] == []
    assert seen["prompts"] == sorted({stored.text_hash(prompt) for prompt, _ in world.examples(8)})


def test_the_start_of_ppo_takes_its_section_of_a_recipe(tutelage, refused, world, examples, texts):
    Path("r.toml").write_text("seed = 7\n[village]\n[start]\nepochs = 1.0\nmix_row_tokens = 16\n")
    command = (
        "train",
        "sft",
        "runs/start",
        "--start",
        "--recipe",
        "r.toml",
        "--init",
        world.policy,
        "--data",
        examples,
        *SMALL,
    )
    assert "there is no pretraining text" in refused(*command)
    tutelage(*command[:2], "runs/start2", *command[3:], "--texts", texts)
    settings = Run.open("runs/start2").settings
    assert (settings["seed"], settings["pretraining_mix"], settings["epochs"], settings["batch"]) == (7, 0.1, 1.0, 4)


def test_the_store_feeds_every_training_and_a_run_keeps_its_export(tutelage, refused, world, written, texts):
    everything = ("--set", "train=1.0", "--set", "validation=0.0", "--set", "test=0.0")
    demonstrations = written("d.jsonl", [demonstration(n) for n in range(4)])
    tutelage("labels", "import", demonstrations, *DEMONSTRATIONS, *everything, "--stage", "sft")
    rankings = written("r.jsonl", [ranked(n) for n in range(10, 14)])
    tutelage("labels", "import", rankings, *RANKED, *everything, "--stage", "ppo")
    sft = ("train", "sft", "runs/sft", "--init", world.policy, *SMALL, "--set", "epochs=1.0")
    tutelage(*sft)
    tutelage("labels", "import", written("more.jsonl", [demonstration(9)]), *DEMONSTRATIONS, *everything)
    assert model_of(tutelage(*sft)) == Path("runs/sft/model"), "the run goes on with the labels that it began with"
    assert json.loads(Path("runs/sft/data/sft-train-human/manifest.json").read_text())["rows"] == 4
    tutelage("train", "reward", "runs/reward", "--init", "runs/sft/model", *SMALL)
    tutelage("train", "ppo", "runs/ppo", "--init", "runs/sft/model", "--reward", "runs/reward/model", "--texts", texts,
             "--threads", "1", *PPO)  # fmt: skip
    assert Path("runs/ppo/ema").is_dir()
    assert "no demonstrations by labelers of the kind simulated" in refused(
        *sft[:2], "runs/x", *sft[3:], "--kind", "simulated"
    )
    assert "is a run of the stage sft and not of reward" in refused(
        "train", "reward", "runs/sft", "--init", "runs/sft/model"
    )

    added = tutelage("models", "add", "runs/ppo/model", "--alias", "default")
    assert added.startswith("ppo@1 is ") and added.endswith(", and default names it\n")
    (row,) = table(tutelage("models", "list"))[1:]
    assert row[:3] == ["ppo@1", "policy", "default"]
    with Store.open("sqlite:///tutelage.db") as store:
        seen = registry.prompt_hashes(store, registry.get(store, "default"))
        learned = registry.label_ids(store, registry.get(store, "default"))
    assert "no prompt for the stage 'evaluation'" in refused(
        "train", "ppo", "runs/y", "--init", "ppo", "--reward", "runs/reward/model", "--stage", "evaluation"
    )
    rows = Path("runs/ppo/data/ppo-train-ppo/rows.jsonl").read_text().splitlines()
    assert [json.loads(row)["prompt_id"] for row in rows] == ["row-10", "row-11", "row-12", "row-13"]
    wanted = {stored.text_hash(f"Question {n}?") for n in (0, 1, 2, 3, 9, 10, 11, 12, 13)}
    assert seen == wanted, "the prompts of PPO, and of the models that it was made from"
    labels = {f"oasst-demonstration-row-{n}" for n in (0, 1, 2, 3, 9)} | {
        f"oasst-ranking-row-{n}" for n in range(10, 14)
    }
    assert learned == labels, "the reward model's bias is of all demonstrations, one of which came after the first run"

    printed = tutelage("labels", "withdraw", "oasst-people")
    assert table(printed)[1:] == [
        ["model or run", "learned from"],
        ["ppo@1", "9"],
        ["runs/ppo", "9"],
        ["runs/reward", "9"],
        ["runs/sft", "4"],
    ]


def test_a_reward_model_and_ppo_read_files(tutelage, refused, world, written, examples):
    """Labelers are of groups: the reward model is told which, the policy writes for each, and a judge is asked."""
    rows = [
        {"prompt": g.prompt, "completions": g.completions, "ranks": g.ranks, "labeler": f"l{number % 3}"}
        for number, g in enumerate(world.rankings(8))
    ]
    ranked_file = written("r.jsonl", rows)
    groups = written("g.jsonl", [{"labeler": f"l{number}", "group": "ab"[number % 2]} for number in range(3)])
    command = ("train", "reward", "runs/reward", "--init", world.policy, "--data", ranked_file, "--heldout",
               ranked_file, "--demonstrations", examples, *SMALL, "--groups", groups)  # fmt: skip
    assert "The rule 'pooled' cannot be followed" in refused(*command)
    printed = tutelage(*command, "--rule", "conditioned")
    assert "heldout/accuracy" in [row[0] for row in table(printed)]
    asked = written("p.jsonl", [{"prompt": prompt} for prompt in world.prompts[:8]])
    command = ("train", "ppo", "runs/ppo", "--init", world.policy, "--reward", "runs/reward/model", "--data", asked,
               "--threads", "1", *PPO, "--set", "ptx_coef=0.0", "--set=loop.evaluate_every=1", "--groups", groups,
               "--gold", "runs/reward/model")  # fmt: skip
    assert "--gold judges answers to held-out prompts, and there are none" in refused(*command)
    printed = tutelage(*command, "--heldout", asked)
    assert model_of(printed) == Path("runs/ppo/model")
    run = Run.open("runs/ppo")
    assert {row["prompt"].split()[-1] for row in run.read_samples()} == {"a", "b"}
    assert all(math.isfinite(row["validation/policy/judged"]) for row in run.read_metrics() if row["step"] < 2)
    assert {"best", "best_judged"} <= set(run.outputs)
    tutelage("train", "ppo", "runs/on", "--init", "runs/ppo/model", "--reference", world.policy, "--reward",
             "runs/reward/model", "--data", asked, "--threads", "1", *PPO, "--set", "ptx_coef=0.0")  # fmt: skip
    parents = Run.open("runs/on").parents
    assert (parents["policy"], parents["reference"]) == (run.outputs["model"], run.parents["policy"])


def test_bad_input_to_training_is_told(tutelage, refused, world, written, examples):
    command = ("train", "sft", "runs/sft", "--init", world.policy, "--data")
    assert "did you mean epochs?" in refused(*command, examples, "--set", "epoch=2")
    assert "There is no recipe no.toml" in refused(*command, examples, "--recipe", "no.toml")
    assert "There is no file no.jsonl." in refused(*command, "no.jsonl")
    assert "bad.jsonl:2: the field completion is missing." in refused(
        *command, written("bad.jsonl", [{"prompt": "a", "completion": "b"}, {"prompt": "a"}])
    )
    assert "utf.jsonl:1: byte 1 of the line is not UTF-8" in refused(*command, written("utf.jsonl", [b"\xff"]))
    assert "has an empty prompt" in refused(
        *command, written("blank.jsonl", [{"prompt": " ", "completion": "b"}]), "--set", "epochs=1.0"
    )
    assert "nothing.jsonl holds no row" in refused(*command, written("nothing.jsonl", []))
    assert "There is no model directory nobody" in refused(
        "train", "sft", "runs/a", "--init", "nobody", "--data", examples
    )
    assert "Missing option '--init'" in refused("train", "sft", "runs/a", "--data", examples)
    assert "There is no database" in refused("train", "sft", "runs/a", "--init", world.policy)
    Path("runs/future").mkdir(parents=True)
    Path("runs/future/run.json").write_text('{"format": 99}')
    assert "runs/future has run format 99" in refused(
        "train", "sft", "runs/future", "--init", world.policy, "--data", examples
    )
    assert [path.name for path in Path("runs/future").iterdir()] == ["run.json"]


def test_models_are_scored_on_tasks(tutelage, world, written):
    items = [{"task": "choice", "item": f"c{n}", "prompt": f"{word}:", "choices": [" ab", " cab"], "answer": " ab"}
             for n, word in enumerate(("add", "bad", "fade"))]  # fmt: skip
    items += [{"task": "exact", "item": "e0", "prompt": "ab", "answer": "never said"}]
    tutelage("models", "add", world.policy, "--name", "tiny")
    command = ("evaluate", "run", "tiny", world.policy, "--tasks", written("t.jsonl", items), "--threads", "1")
    printed = tutelage(*command)
    rows = {tuple(row[:2]): row[2:] for row in table(printed) if len(row) == 5}
    assert rows["exact", "tiny"] == ["exact match", "0.0 % [0.0, 79.3]", "1"], "Wilson's interval of 0 in 1"
    assert rows["choice", "tiny"] == rows["choice", "policy"]
    saved = json.loads(Path("evaluation/report.json").read_text())
    exact = saved["results"][1]["groups"][0]["metrics"]["exact_match"]
    assert (saved["results"][1]["task"], exact["mean"], exact["n"]) == ("exact", 0, 1)
    assert saved["models"]["tiny"]["path"].endswith("models/tiny")
    records = Path("evaluation/records.jsonl").read_bytes()
    assert records.count(b"\n") == 8
    assert tutelage(*command) == printed and Path("evaluation/records.jsonl").read_bytes() == records


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (
            {"task": "t", "item": "b", "prompt": "p", "answer": ""},
            "t.jsonl:2: The item b of t needs a prompt and an answer",
        ),
        (
            {"task": "t", "item": "b", "prompt": "p", "answer": "x", "choices": ["y", "z"]},
            "t.jsonl:2: The item b of t needs two or more",
        ),
        (
            {"task": "t", "item": "b", "prompt": "p", "answer": "x", "choices": ["x", "z"]},
            "t.jsonl: only some items of the task t",
        ),
        ({"task": "t", "item": "b", "prompt": "p"}, "t.jsonl:2: the field answer is missing."),
        ({"task": "t", "item": "a", "prompt": "p", "answer": "x"}, "The task t needs items with different names"),
    ],
)
def test_a_malformed_item_is_told(refused, world, written, item, told):
    tasks = written("t.jsonl", [{"task": "t", "item": "a", "prompt": "p", "answer": "x"}, item])
    assert told in refused("evaluate", "run", world.policy, "--tasks", tasks)
    assert not Path("evaluation").exists()


def test_evaluate_refuses_models_and_files_that_are_not_there(tutelage, refused, world, written):
    tasks = written("t.jsonl", [{"task": "t", "item": "a", "prompt": "p", "answer": "x"}])
    assert "There is no model directory nobody" in refused("evaluate", "run", "nobody", "--tasks", tasks)
    assert "There is no file no.jsonl." in refused("evaluate", "run", world.policy, "--tasks", "no.jsonl")
    assert "holds no item" in refused("evaluate", "run", world.policy, "--tasks", written("none.jsonl", []))
    assert "Name what is asked" in refused("evaluate", "run", world.policy)
    written("sst2.jsonl", [{"sentence": "bad", "label": 0}])
    command = ("evaluate", "run", world.policy, "--task", "sst2", "--data", ".", "--shots", "0")
    assert "There is no task sst; did you mean sst2" in refused(*command, "--task", "sst")
    assert "No item of sst2 fits the context of" in refused(*command)


def test_models_refuses_what_it_cannot_add(tutelage, refused, world):
    assert "There is no model directory nowhere" in refused("models", "add", "nowhere")
    assert "There is no known model in the package left-pad" in refused("models", "add", "pypi:left-pad")
    assert "cannot name a model" in refused("models", "add", world.policy, "--name", "../up")
    tutelage("models", "add", world.policy)
    tutelage("models", "add", world.policy)
    assert [row[0] for row in table(tutelage("models", "list"))[1:]] == ["policy@1"]
    assert re.search(
        r"'policy' is the name of a model; choose another alias",
        refused("models", "add", world.policy, "--alias", "policy"),
    )


FOLDS = ("--init", "--kind", "human", "--threads", "1", "--set=folds=2", "--set=batch=4", "--set=prompt_tokens=30",
         "--set=completion_tokens=30", "--set=layout.frozen_share=0.5")  # fmt: skip


def test_reward_models_are_judged_out_of_fold(tutelage, refused, world, written):
    groups = world.rankings(12)
    rows = [{"prompt": one.prompt, "completions": one.completions, "ranks": one.ranks} for one in groups]
    file = written("r.jsonl", [*rows, {"prompt": "p"}])
    command = ("evaluate", "reward", "runs/folds", FOLDS[0], world.policy, *FOLDS[1:], "--data", file)
    printed = tutelage(*command)
    assert printed.startswith(
        "12 rankings of r.jsonl, kind human, 12 conversations; 1 rows are left out and 0 rankings"
    )
    pairs = [json.loads(line) for line in Path("runs/folds/pairs.jsonl").read_text().splitlines()]
    # The world's labelers prefer what is longer, and nothing else.
    assert all(one["characters"][0] > one["characters"][1] for one in pairs)
    assert len(pairs) == sum(a < b for one in groups for a in one.ranks for b in one.ranks)
    right = sum(one["scores"][0] > one["scores"][1] for one in pairs)
    report = json.loads(Path("runs/folds/report.json").read_text())
    assert (report["rule"]["mean"], report["kind"], report["left_out"]) == (1.0, "human", 1)
    assert report["model"]["mean"] == pytest.approx(right / len(pairs), abs=0.01)
    assert json.loads(Path("runs/folds/left-out.jsonl").read_text())["line"] == 13
    page = Path("runs/folds/report.html").read_text()
    assert "12 rankings of r.jsonl, made by people" in page and 'href="pairs.jsonl"' in page
    assert "No two labelers ranked the same completions" in page and groups[0].prompt not in page
    assert "shorter wins" in tutelage(*command, "--against", "shorter")
    assert json.loads(Path("runs/folds/report.json").read_text())["rule"]["mean"] == 0.0
    assert "12 conversations cannot be dealt to 13 folds" in refused(*command, "--set=folds=13")
    assert "names no labeler, so folds cannot be made by labeler" in refused(*command, "--set=by=labeler")
    assert "made from something else" in refused(*command, "--set=epochs=3")
    assert "Missing option '--kind'" in refused("evaluate", "reward", "runs/x", "--init", "m")


def test_labelers_of_the_store_can_be_the_folds(tutelage, refused, world, written):
    rows = [ranked(n) | {"labeler": f"ann-{n % 3}"} for n in range(9)]
    tutelage("labels", "import", written("r.jsonl", rows), *RANKED, "--set", "train=1.0", "--set", "validation=0.0",
             "--set", "test=0.0")  # fmt: skip
    command = (
        "evaluate",
        "reward",
        "runs/folds",
        FOLDS[0],
        world.policy,
        *FOLDS[1:],
        "--set=folds=3",
        "--set=by=labeler",
    )
    header, *folds = table(tutelage(*command))[1:5]
    assert header[1] == "labelers" and [row[1:3] for row in folds] == [["1", "9"]] * 3
    pairs = [json.loads(line) for line in Path("runs/folds/pairs.jsonl").read_text().splitlines()]
    held = [one for one in pairs if one["role"] == "held-out"]
    assert len({(one["group"], one["fold"]) for one in held}) == len({one["group"] for one in held}) == 3
    assert {one["group"] for one in pairs} == {f"oasst-ann-{n}" for n in range(3)}
    report = json.loads(Path("runs/folds/report.json").read_text())
    assert report["model"]["n"] == len(held) == 27 and report["in_group"]["n"] == len(pairs) - len(held)
    assert report["drop"]["mean"] == pytest.approx(report["in_group"]["mean"] - report["model"]["mean"])
    demonstrations = written("d.jsonl", [demonstration(1)])
    told = refused(*command[:2], "runs/x", *command[3:], "--data", demonstrations, "--format", "demonstrations")
    assert told.startswith("d.jsonl holds demonstrations, and a reward model is judged on rankings")
    assert not Path("runs/x").exists()


def test_groups_that_want_the_opposite_are_served_by_models_of_their_own(tutelage, refused, world, written):
    """One group likes what is longer, the other what is shorter: the positive control."""
    long = list({one.prompt: one for one in world.rankings(40)}.values())[:24]
    rows = [
        {
            "prompt": one.prompt,
            "completions": one.completions,
            "ranks": one.ranks if wants == "long" else [max(one.ranks) - rank for rank in one.ranks],
            "labeler": f"{wants}-{number % 3}",
        }
        for number, one in enumerate(long)
        for wants in ("long", "short")
    ]
    labelers = sorted({row["labeler"] for row in rows})
    groups = written("groups.jsonl", [{"labeler": one, "group": one.split("-")[0]} for one in labelers])
    command = (
        "evaluate", "groups", "runs/g", *FOLDS[:1], world.policy, *FOLDS[1:], "--set=epochs=8", "--set=adam.lr=3e-2",
        "--set=loop.checkpoint_every=1000", "--data", written("r.jsonl", rows), "--groups", groups,
    )  # fmt: skip
    printed = tutelage(*command)
    assert printed.startswith("48 rankings of r.jsonl, kind human; 0 rows are left out")
    report = json.loads(Path("runs/g/report.json").read_text())
    chosen, gains = report["rates"]["chosen"], report["gains"]["chosen"]
    assert set(chosen) == {"pooled", "balanced", "own", "conditioned", "mean", "least"}
    assert min(chosen["own"][group]["mean"] for group in ("long", "short")) > 0.6
    assert min(gains["own"][group]["mean"] for group in ("long", "short")) > 0.1
    # What one group gains by a model for all, the other loses.
    assert sum(chosen["pooled"][group]["mean"] for group in ("long", "short")) == pytest.approx(1)
    # No two labelers of a group ranked the same, and none twice: what they disagree by is not known.
    assert report["disagreement"] == {"noise": None, "own_taste": None, "within": {}, "apart": []}
    served = [json.loads(line) for line in Path("runs/g/served.jsonl").read_text().splitlines()]
    assert len(served) == 6 * 48 and not any("prompt" in row or "completions" in row for row in served)
    page = Path("runs/g/report.html").read_text()
    assert "Own, a model for each group, of its rankings alone: long" in page and long[0].prompt not in page
    assert "Give one of --groups FILE" in refused(*command, "--village", "1")


def test_a_content_filter_is_trained_measured_registered_and_chosen(tutelage, refused, world, written):
    rows = [
        {"text": f"{'cab' if n % 2 else 'bed'} dad {n} fade ab{n * 7}", "n": n % 2 * 3, "of": 3} for n in range(200)
    ]
    file = written("texts.jsonl", rows)
    common = ("--data", file, "--label", "hate=n/of", "--threads", "1")
    train = ("train", "filter", "runs/filter", "--init", world.policy, *common, "--set", "epochs=1", "--set",
             "longest=32", "--set", "batch=16")  # fmt: skip
    assert model_of(tutelage(*train)) == Path("runs/filter/model")
    measured = tutelage("evaluate", "filter", "runs/filter/model", *common, "--out", "filter.json")
    assert measured.splitlines()[-1] == "Figures: filter.json"
    found = json.loads(Path("filter.json").read_text())
    assert found["detections"].keys() == {"filter", "linear", "word_list"} and found["streams_that_differ"] == 0
    assert not any(row["text"] in Path("filter.json").read_text() for row in rows)
    tutelage("models", "add", "runs/filter/model", "--name", "ours", "--alias", "content-filter")
    assert "filter" in table(tutelage("models", "list"))[1]
    assert "no other program loads" in refused("models", "export", "ours", "out")
    assert "hate=n/of" not in refused(*train, "--label", "hat=n")
    assert "give it with --data" in refused("train", "filter", "runs/x", "--init", world.policy, "--label", "hate=n")
    Path("policy.toml").write_text('classifier = "elsewhere"\n')
    assert "classifier" in tutelage("config", "policy", "policy.toml")
    assert "no ratings by labelers" in refused("train", "filter", "runs/none", "--init", world.policy)
