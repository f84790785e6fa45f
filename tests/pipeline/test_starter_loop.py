"""The loop on the starter set at tiny size: every stage, with people's data that the test makes up, and bad inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.generate.tiny import CHAT
from tutelage.config import find_recipe, load
from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.evaluate import records, report
from tutelage.evaluate.records import Evaluation
from tutelage.files import append_jsonl, read_json, sha256_of
from tutelage.models.load import Shape, fresh, save
from tutelage.models.tokenizer import train_tokenizer
from tutelage.pipeline import releasing
from tutelage.pipeline.loop import stages_of
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.stages import Workspace
from tutelage.release.gates import judge
from tutelage.runs import Run
from tutelage.starter import rows
from tutelage.store import Store, labels, registry

TINY = (
    "threads=1", "starter.ranked=8", "starter.validation=4", "starter.test=6", "starter.training_labelers=3",
    "starter.training_overlap=2", "starter.heldout_labelers=3", "starter.tax_items=2", "mix.documents=6",
    "mix.tokens=16",
    "start.epochs=0.05", "start.mix_row_tokens=16", "start.layout.frozen_share=0.5", "sample.max_tokens=10",
    "reward.layout.frozen_share=0.5", "ppo.layout.frozen_share=0.5", "ppo.episodes=8", "ppo.batch=4", "ppo.minibatch=2",
    "ppo.ptx_rows=2", "ppo.ptx_row_tokens=16", "release.gates=[]",
)  # fmt: skip
ARMS = ["start", "start_prompted", "start_self", "sft", "ppo", "ppo_ptx"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a random model with two layers that knows the words of the starter set."""
    tokenizer = train_tokenizer([row.prompt for row in rows.load()], 600)
    tokenizer.chat_template = CHAT
    model = fresh(Shape(hidden=32, layers=2, heads=4, feedforward=48, context=512), tokenizer, seed=3)
    return save(model, tokenizer, tmp_path_factory.mktemp("models") / "tiny")


def write_data(folder: Path) -> Path:
    """Make up a folder with people's data: two of each kind, and conversations enough to hold some out."""
    folder.mkdir()
    trees = [{"id": f"r{n}", "tree": f"t{n}", "prompt": f"\n\nHuman: Goat {n}?\n\nAssistant:"} for n in range(12)]
    ranked = [row | {"completions": [{"text": text, "rank": k} for k, text in enumerate("ab")]} for row in trees]
    append_jsonl(folder / "oasst_ranked.jsonl", ranked)
    shown = [row | {"completion": f"The goat number {row['id']}.", "synthetic": row["id"] == "r3"} for row in trees]
    append_jsonl(folder / "oasst_demonstrations.jsonl", shown)
    append_jsonl(folder / "truthfulqa.jsonl", [
        {"id": f"q{n}", "question": "What?", "best_answer": "This", "correct_answers": ["This", "It"],
         "incorrect_answers": ["That", "It"]} for n in range(2)
    ])  # fmt: skip
    append_jsonl(
        folder / "crows_pairs.jsonl", [{"id": f"c{n}", "sent_more": "A b.", "sent_less": "A c."} for n in "12"]
    )
    append_jsonl(folder / "winogender.jsonl", [
        {"id": f"{pair}{gender}", "pair_id": pair, "gender": gender, "sentence": f"They said {gender}."}
        for pair in "xy" for gender in ("female", "male", "neutral")
    ])  # fmt: skip
    return folder


def recipe_of(*settings: str) -> Recipe:
    return load(Recipe, find_recipe("smollm2"), [*TINY, *settings])


@pytest.fixture(scope="module")
def made(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("starter")
    recipe = recipe_of(f"base.model={base}", f"starter.data={write_data(folder / 'data')}")
    space = Workspace(folder / "run", recipe)
    space.run(stages_of(recipe))
    return space


@pytest.fixture(scope="module")
def evaluation(made: Workspace) -> Evaluation:
    return records.read(made.root / made.facts("evaluation")["evaluation"])


def test_every_arm_answers_every_heldout_prompt_twice(evaluation: Evaluation) -> None:
    assert [arm.model for arm in evaluation.arms] == ARMS
    assert len(evaluation.prompts) == 6
    for kept in (evaluation.completions, evaluation.verdicts, evaluation.measures):
        assert len({(row.prompt_id, row.model, row.sample) for row in kept}) == len(kept) == 6 * 6 * 2
    assert all(set(row.ranks) == set(ARMS) for row in evaluation.rankings)
    assert len(evaluation.rankings) == 6 * 2 * 3
    assert {row.group for row in evaluation.rankings} == {"heldout"}
    # Three pairs of labelers on fifteen pairs of arms, for each sample by itself; ties are left out.
    assert 0 < evaluation.facts.agreement[0].n <= 6 * 2 * 3 * 15


def test_data_and_judges_are_told_apart_from_people(made: Workspace, evaluation: Evaluation) -> None:
    kinds = {(source.what, source.group): source.kind for source in evaluation.facts.labels}
    assert kinds == {
        ("demonstrations", "training"): "model", ("rankings", "training"): "simulated",
        ("evaluation rankings", "heldout"): "simulated", ("evaluation ratings", "heldout"): "simulated",
    }  # fmt: skip
    page = (made.root / made.facts("report")["report"]).read_text(encoding="utf-8")
    said = "SIMULATED labelers; no person took part; a language model wrote the prompts, the demonstrations"
    assert page.count(said) == 2, "at the top and at the foot"


def test_no_heldout_prompt_and_nothing_human_was_trained_on(made: Workspace, evaluation: Evaluation) -> None:
    tested = {prompt.prompt_id for prompt in evaluation.prompts}
    with Store.open(f"sqlite:///{made.root / 'tutelage.db'}") as store:
        trained = {row.prompt_id for row in labels.demonstrations_of(store, labels.Which())}
        assert {row.kind for row in labels.rankings_of(store, labels.Which(purpose="train"))} == {"simulated"}
    split = {f"starter-{row.id}": row.split for row in rows.load()}
    assert {split[name] for name in tested} == {"test"}
    exported = (made.directory("start") / "export" / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert {split[json.loads(line)["prompt_id"]] for line in exported} == {"train"} and trained
    parents = read_json(made.directory("witness") / "run" / "run.json")["parents"]
    assert parents["init"] == sha256_of(made.root / made.facts("base")["model"]), "the witness begins apart"


def test_as_many_labelers_rank_a_prompt_as_the_recipe_asks_for(made: Workspace) -> None:
    with Store.open(f"sqlite:///{made.root / 'tutelage.db'}") as store:
        rankings = list(labels.rankings_of(store, labels.Which(purpose="train")))
    by = {(row.prompt_id, row.labeler) for row in rankings}
    assert len(by) == len(rankings) == 2 * len({row.prompt_id for row in rankings}) == 2 * (8 + 4)


def test_the_control_has_as_many_steps_as_sft(made: Workspace) -> None:
    runs = [Run.open(made.directory(stage) / "run") for stage in ("start", "start_self")]
    steps = [max(int(row["step"]) for row in run.read_metrics()) for run in runs]
    assert steps[0] == steps[1] >= 2


def test_witnesses_and_taxes_are_measured(made: Workspace, evaluation: Evaluation) -> None:
    assert {row.model for row in evaluation.scores} == set(ARMS)
    tasks = {"truthfulqa_mc", "crows_pairs_entropy", "crows_pairs_without_stereotype", "winogender_entropy"}
    assert {row.task for row in evaluation.tasks} == tasks
    assert {row.text for row in evaluation.losses} == {f"r{n}" for n in range(12)} - {"r3"}, "a model wrote r3"
    figures = read_json((made.root / made.facts("report")["report"]).parent / "report.json")
    assert {"mean", "low", "high", "n"} <= set(figures["scored_win"]["ppo_ptx"]["start_prompted"])
    assert set(figures["loss_rise"]) == {"sft", "ppo", "ppo_ptx"}
    assert any(
        "witness" in claim["expected"] or "reward model trained" in claim["expected"] for claim in figures["claims"]
    )


def test_the_released_model_is_the_default_and_the_run_is_not_made_twice(made: Workspace) -> None:
    with Store.open(f"sqlite:///{made.root / 'tutelage.db'}") as store:
        assert registry.get(store, "default").name == "smollm2-ppo_ptx"
        assert registry.get(store, "smollm2-sft").path == str(made.root / made.facts("start")["model"])
    before = {path: path.stat().st_mtime_ns for path in made.root.glob("*/stage.json")}
    Workspace(made.root, made.recipe).run(stages_of(made.recipe))  # type: ignore[arg-type]
    assert {path: path.stat().st_mtime_ns for path in made.root.glob("*/stage.json")} == before


@pytest.mark.parametrize(
    ("section", "setting", "kept", "anew"),
    [
        ("starter", {"heldout_labelers": 9}, "outputs", {"judged", "evaluation", "report", "release"}),
        ("sample", {"max_tokens": 9}, "start", {"answers", "samples", "ppo", "outputs"}),
    ],
)
def test_a_setting_makes_anew_what_reads_it_and_nothing_before(
    made: Workspace, section: str, setting: dict[str, int], kept: str, anew: set[str]
) -> None:
    """The number of labelers changes no training, and longer answers leave SFT and the text of the mix as they are."""
    recipe = made.recipe
    starter = recipe.starter.model_copy(update={"data": ""})  # type: ignore[attr-defined]
    part = starter if section == "starter" else getattr(recipe, section)
    changed = recipe.model_copy(update={"starter": starter, section: part.model_copy(update=setting)})
    space, found = Workspace(made.root, changed), []
    for stage in stages_of(changed):  # type: ignore[arg-type]
        name = f"{stage.name}-{space.hash_of(stage)[:10]}"
        if not (made.root / name / "stage.json").is_file():
            found.append(stage.name)
        space._made[stage.name] = made.root / name
    assert anew <= set(found) and not {"base", "corpus", "start", kept} & set(found)
    if section == "starter":
        assert set(found) == anew  # the release asks its gates anew


def test_every_gate_of_the_recipe_names_a_figure_that_its_evaluation_gives(evaluation: Evaluation) -> None:
    gates = load(Recipe, find_recipe("smollm2")).release.gates
    found = releasing.figures_of(releasing.score.figures_of(evaluation), "ppo_ptx")
    assert [one.gate.figure for one in judge(gates, found) if one.figure is None] == [] != gates


def test_several_seeds_are_put_together_by_prompt(evaluation: Evaluation, tmp_path: Path) -> None:
    """The same rows under another seed: twice as many judgements of as many prompts, and the same mean."""
    from dataclasses import replace

    def reseeded(name: str) -> tuple[object, ...]:
        return tuple(replace(row, seed=2) for row in getattr(evaluation, name))

    facts = replace(evaluation.facts, seed=2)
    other = replace(evaluation, facts=facts, **{name: reseeded(name) for name in records.FILES})
    records.write(tmp_path / "one" / "evaluation", evaluation)
    records.write(tmp_path / "two" / "evaluation", other)
    one, both = report.load([tmp_path / "one"]), report.load([tmp_path / "one", tmp_path / "two"])
    path = ("win_rate", "ppo_ptx", "sft")
    single, pooled = one.find(*path), both.find(*path)
    assert single is not None and pooled is not None
    assert pooled.mean == pytest.approx(single.mean) and pooled.n == 2 * single.n
    kept = ("rates", "passed", "sft")
    assert both.find(*kept) == one.find(*kept), "prompts, not runs, are what is counted"


def bare(folder: Path) -> Path:
    """A model whose tokenizer has no chat template."""
    tokenizer = train_tokenizer(["the goat eats the hat"], 290)
    return save(fresh(Shape(hidden=16, layers=2, heads=2, kv_heads=2, feedforward=24), tokenizer, 1), tokenizer, folder)


BAD: dict[str, tuple[Callable[[Path, Path], list[str]], type[Exception], str]] = {
    "no model": (lambda base, tmp: ["base.model="], SettingsError, "Name a base model with base.model"),
    "unknown model": (lambda base, tmp: ["base.model=nowhere"], SettingsError, "There is no model nowhere: bring it"),
    "unknown package": (lambda base, tmp: ["base.model=pypi:x"], SettingsError, "no known model in the package x"),
    "no chat template": (
        lambda base, tmp: [f"base.model={bare(tmp / 'bare')}", "sample.max_tokens=4"],
        SettingsError,
        "has no chat template, and the recipe compares with the model in its own",
    ),
    "no room": (
        lambda base, tmp: [f"base.model={base}", "sample.max_tokens=512"],
        SettingsError,
        "max_tokens = 512 leaves no room",
    ),
    "no folder": (
        lambda base, tmp: [f"base.model={base}", f"starter.data={tmp}"],
        MissingError,
        r"lacks oasst_ranked.jsonl \(5 of 5 files are missing\); put it there, or leave starter.data empty",
    ),
    "another reward model": (
        lambda base, tmp: [f"base.model={base}", f"reward_base.model={base}"],
        SettingsError,
        "the starter set's reward model starts as PPO does",
    ),
    "bad texts": (
        lambda base, tmp: [f"base.model={base}", f"starter.texts={tmp / 'none.jsonl'}"],
        MissingError,
        "none.jsonl",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_work_is_told_before_anything_is_trained(base: Path, tmp_path: Path, case: str) -> None:
    settings, kind, sentence = BAD[case]
    with pytest.raises(kind, match=sentence):
        recipe = recipe_of(*settings(base, tmp_path))
        Workspace(tmp_path / "run", recipe).run(stages_of(recipe))
    assert not list((tmp_path / "run").glob("start-*"))


def test_a_broken_row_of_peoples_data_is_named(base: Path, tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data")
    (folder / "oasst_ranked.jsonl").write_text('{"id": "r1", "tree": "t", "prompt": "p"}\n', encoding="utf-8")
    recipe = recipe_of(f"base.model={base}", f"starter.data={folder}")
    with pytest.raises(DataError, match=r"oasst_ranked\.jsonl:1"):
        stages_of(recipe)
