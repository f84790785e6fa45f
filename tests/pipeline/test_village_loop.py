"""The whole loop on a tiny village: every stage runs, a second run skips all, and the outputs fit together."""

import json
import random

import pytest

from tutelage.claims.registry import named
from tutelage.claims.running import measure_in_village
from tutelage.config import find_recipe, load
from tutelage.core.disagreement import decompose
from tutelage.errors import SettingsError
from tutelage.evaluate import records
from tutelage.models.scoring import Answer
from tutelage.pipeline.chosen import chosen
from tutelage.pipeline.judging import read_judge
from tutelage.pipeline.loop import stages_of
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.stages import Workspace
from tutelage.pipeline.tastes import judged_rows
from tutelage.pipeline.village import Village
from tutelage.pipeline.villagers import rows_of_village
from tutelage.records import Completion
from tutelage.runs import Run
from tutelage.store import Store, labels, registry
from tutelage.village import answers
from tutelage.village.tasks import Task

TINY = (
    "threads=1",
    "village.corpus_tokens=60000",
    "village.demonstrated=40",
    "village.ranked=40",
    "village.ppo=60",
    "village.validation=70",
    "village.test=40",
    "village.tax_items=12",
    "base.vocabulary=900",
    "base.shape.layers=2",
    "base.shape.hidden=64",
    "base.shape.feedforward=128",
    "base.primer=8192",
    "base.pretrain.tokens=30000",
    "base.pretrain.loop.processes=1",
    "sft.loop.processes=1",
    "reward.loop.processes=1",
    "start.epochs=1",
    "sft.epochs=2",
    "sample.validation=20",
    "sample.max_tokens=24",
    "ppo.episodes=64",
    "ppo.batch=32",
    "ppo.minibatch=16",
    "ppo.max_tokens=24",
    "ppo.ptx_rows=2",
    "ppo.loop.evaluate_every=2",
    "release.gates=[]",  # so little training shows nothing
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    recipe = load(Recipe, find_recipe("village"), list(TINY))
    space = Workspace(tmp_path_factory.mktemp("village"), recipe)
    space.run(stages_of(recipe))
    return space


def test_the_evaluation_holds_every_arm_for_every_prompt(made: Workspace) -> None:
    found = records.read(made.root / made.facts("evaluation")["evaluation"])
    assert [arm.model for arm in found.arms] == [
        "base", "base_more", "prompted_base", "sft", "sft_random", "ppo", "ppo_ptx"
    ]  # fmt: skip
    assert len(found.prompts) == 40
    assert len(found.completions) == len(found.verdicts) == 40 * 7
    assert all(set(ranking.ranks) == {arm.model for arm in found.arms} for ranking in found.rankings)
    assert sum(ranking.group == "heldout" for ranking in found.rankings) == 40 * 3
    assert {source.kind for source in found.facts.labels} == {"simulated"}


def test_the_report_gives_the_figures_that_programs_read(made: Workspace) -> None:
    page = made.root / made.facts("report")["report"]
    figures = json.loads((page.parent / "report.json").read_text())
    assert {"mean", "low", "high", "n"} <= set(figures["win_rate"]["ppo_ptx"]["sft"])
    assert set(figures["tasks"]) == {"second_language", "cloze", "sequences", "reading"}
    assert figures["seconds"]["base"] > 0
    assert "SIMULATED" in page.read_text()


def test_the_released_model_is_the_default(made: Workspace) -> None:
    with Store.open(f"sqlite:///{made.root / 'tutelage.db'}") as store:
        released = registry.get(store, "default")
        assert released.name == "village-ppo_ptx"
        learned = {name: registry.label_ids(store, registry.get(store, f"village-{name}"))
                   for name in ("base", "sft", "reward", "ppo_ptx")}  # fmt: skip
        validation = {prompt.id for prompt in chosen(made, store, "validation")}
        shown = labels.demonstrations_of(store, labels.Which())
    scored = {one.id for one in shown if one.prompt_id in validation}
    exported = {stage: {json.loads(line)["label_id"] for line in (made.directory(stage) / "export" / "rows.jsonl")
                        .read_text().splitlines()} for stage in ("start", "sft", "reward")}  # fmt: skip
    assert learned["base"] == set() and learned["sft"] == exported["sft"] == exported["start"]
    # The reward model's bias is of validation demonstrations, which are in no export of the split train.
    assert learned["ppo_ptx"] == learned["reward"] == exported["start"] | exported["reward"] | scored


def test_the_judge_chooses_among_the_policies_on_the_way(made: Workspace) -> None:
    """It answers for what the pipeline's own judge says of the same answers, and no policy learns from it."""
    for name in ("ppo", "ppo_ptx"):
        run = Run.open(made.root / made.facts("ppo")[name])
        assert {"best", "best_judged"} <= set(run.outputs)
        assert [choice.output for choice in run.choices()] == ["best", "best_judged"]
        rows = [row for row in run.read_metrics() if "validation/policy/judged" in row]
        assert [row["step"] for row in rows] == [2, 4]
        assert all(0 <= row["validation/policy/judged"] <= 1 for row in rows)
    prompts, judge = read_judge(made.directory("ppo") / "judge.json")
    village = Village(load(Recipe, find_recipe("village"), list(TINY)))
    with Store.open(f"sqlite:///{made.root / 'tutelage.db'}") as store:
        known = chosen(made, store, "validation")
    assert prompts == [prompt.text for prompt in known]
    passed = []
    for prompt in known[:12]:
        task = Task.from_json(prompt.meta["task"])
        true = answers.answer(task, village.world, village.truth, random.Random(1))
        for text, reason in ((true, "stop"), (true, "length"), ("a an the", "stop")):
            said = Completion(id="", prompt_id=prompt.id, text=text, policy="", finish_reason=reason)
            passed.append(village.verdict(prompt, said).passed)
            assert judge([Answer(prompt.text, text, reason == "stop")]) == passed[-1]
    assert 0 < sum(passed) <= 12
    assert judge([Answer(prompt.text, "a an the") for prompt in known]) == 0


def test_running_again_makes_nothing(made: Workspace) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.root.glob("*/stage.json")}
    recipe = load(Recipe, find_recipe("village"), list(TINY))
    Workspace(made.root, recipe).run(stages_of(recipe))
    assert {path: path.stat().st_mtime_ns for path in made.root.glob("*/stage.json")} == before


def test_villagers_of_other_tastes_rank_what_the_labelers_ranked(made: Workspace) -> None:
    """Truth to find: opposed ones want the opposite of the others, and asked twice each differs from itself."""
    database = f"sqlite:///{made.root / 'tutelage.db'}"
    found = rows_of_village(database, made.recipe.seed, ("training", "brief", "opposed"), 400)  # type: ignore[attr-defined]
    prompts = {row.conversation for row in found.found.rows}
    assert len(found.group) == len(found.found.rows) == 3 * (len(prompts) + len(prompts) // 2)
    assert {row.ranking.labeler.partition("-")[0] for row in found.again} == {"training", "brief", "opposed"}
    said = decompose(judged_rows(found))
    taste = {(one.first, one.second): one.taste.mean for one in said.apart}
    assert taste["opposed", "training"] > taste["brief", "training"] and taste["opposed", "training"] > 0.05
    # Labelers of a group differ by noise and by taste: the noise alone is less, as far as so few rows tell.
    assert said.noise is not None and 0.02 < said.noise.mean and said.noise.low < said.within[""].high
    with pytest.raises(SettingsError, match="No villagers are 'rich'; there are: training, opposed, brief, ample"):
        rows_of_village(database, 1, ("rich", "brief"), 10)
    with pytest.raises(SettingsError, match="Name two or more groups"):
        rows_of_village(database, 1, ("brief",), 10)


#: Claims whose models are trained in the pipeline's own process.
QUICK = ("sft", "academic", "labelers", "toxicity", "compute", "curated", "refusal", "language")


def _claims_are_tested(made: Workspace, names: tuple[str, ...]) -> None:
    claims, recipe = named(names), load(Recipe, find_recipe("village"), list(TINY))
    found = measure_in_village(claims, recipe, made.root)
    for claim in claims:
        missing = [part.says for part in claim.measured if part.figure not in found.claims[claim.name]]
        assert not missing or claim.name == "sft", f"{claim.name} has no figure for {missing}"
    stages = {path: path.stat().st_mtime_ns for path in made.root.glob("*/stage.json")}
    assert measure_in_village(claims, recipe, made.root) == found
    assert {path: path.stat().st_mtime_ns for path in made.root.glob("*/stage.json")} == stages


def test_claims_begin_with_the_run_and_add_what_they_need(made: Workspace) -> None:
    """All their figures are there, and testing them again makes nothing."""
    _claims_are_tested(made, QUICK)


@pytest.mark.soak
def test_every_claim_can_be_tested(made: Workspace) -> None:
    """Those too whose models are trained side by side in processes of their own, and larger bases."""
    _claims_are_tested(made, tuple(claim.name for claim in named([]) if claim.name not in QUICK))
