"""The whole loop on a tiny village: every stage runs, a second run skips all, and the outputs fit together."""

import contextlib
import json
import random
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from tutelage.claims.registry import named
from tutelage.claims.running import measure_in_village
from tutelage.config import find_recipe, load
from tutelage.core.disagreement import decompose
from tutelage.errors import SettingsError
from tutelage.evaluate import records
from tutelage.feedback import export
from tutelage.files import read_jsonl, sha256_of
from tutelage.govern import consent
from tutelage.models.scoring import Answer
from tutelage.pipeline.chosen import chosen
from tutelage.pipeline.judging import read_judge
from tutelage.pipeline.loop import stages_of
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.rounds import asked_of
from tutelage.pipeline.stages import Workspace
from tutelage.pipeline.tastes import judged_rows
from tutelage.pipeline.training import model_of, texts_of
from tutelage.pipeline.village import Village
from tutelage.pipeline.villagers import rows_of_village
from tutelage.records import Completion
from tutelage.runs import Run
from tutelage.store import Store, applications, keys, labels, prompts, registry, requests
from tutelage.store.request_tables import request_contents
from tutelage.store.tables import prompts as prompt_rows
from tutelage.village import answers
from tutelage.village.callers import Call, make_calls
from tutelage.village.tasks import Task
from tutelage.village.world import make_world

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


#: Claims with a figure over prompts that models so small may nowhere answer as it asks; it says so by not being there.
RARE = {"sft", "truthful"}


def _claims_are_tested(made: Workspace, names: tuple[str, ...]) -> None:
    claims, recipe = named(names), load(Recipe, find_recipe("village"), list(TINY))
    found = measure_in_village(claims, recipe, made.root)
    missing = {
        claim.name: [part.says for part in claim.measured if part.figure not in found.claims[claim.name]]
        for claim in claims
    }
    assert {name for name, parts in missing.items() if parts} <= RARE, missing
    stages = {path: path.stat().st_mtime_ns for path in made.root.glob("*/stage.json")}
    assert measure_in_village(claims, recipe, made.root) == found
    assert {path: path.stat().st_mtime_ns for path in made.root.glob("*/stage.json")} == stages


def test_claims_begin_with_the_run_and_add_what_they_need(made: Workspace) -> None:
    """All their figures are there, and testing them again makes nothing."""
    _claims_are_tested(made, QUICK)


#: A second round, as small as the first. So little training would pass no gate; one gate that nothing passes is there.
ROUNDS = ("rounds.count=2", "rounds.calls=90", "rounds.ranked=16", "rounds.episodes=32")
NO_GATE, HARD_GATE = "rounds.gates=[]", 'rounds.gates=[{figure="win_rate/released", at_least=1.5}]'


def database(space: Workspace) -> str:
    return f"sqlite:///{space.root / 'tutelage.db'}"


def run_rounds(made: Workspace, *more: str) -> Workspace:
    recipe = load(Recipe, find_recipe("village"), [*TINY, *ROUNDS, *more])
    space = Workspace(made.root, recipe)
    space.run(stages_of(recipe))
    return space


@pytest.fixture(scope="module")
def refused(made: Workspace) -> Workspace:
    """Run the second round, killed once while customers ask, up to a gate that it cannot pass."""
    settings = [*TINY, *ROUNDS, HARD_GATE]
    command = [sys.executable, "-m", "tests.pipeline.two_rounds", str(made.root), *settings]
    with subprocess.Popen(command) as process:
        while not any(len(path.read_bytes().splitlines()) > 9 for path in made.root.glob("traffic_2-*/answered.jsonl")):
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    deadline = time.monotonic() + 60
    while _serving(made.root):
        assert time.monotonic() < deadline, "the server outlived the run that was killed"
        time.sleep(0.02)
    return run_rounds(made, HARD_GATE)


def _serving(root: Path) -> list[str]:
    """List the processes that serve the database of a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().decode("utf-8", "replace"))
    return [line for line in found if f"{root}/tutelage.db" in line and "serve" in line]


def test_a_round_that_its_gates_refuse_changes_nothing_for_customers(refused: Workspace) -> None:
    told = refused.facts("release_2")
    assert (
        told["default"] == ""
        and "village-ppo_ptx@2 is not promoted. The gate win_rate/released fails" in told["refused"]
    )
    with Store.open(database(refused)) as store:
        assert str(registry.pointed(store)["default"]) == "village-ppo_ptx@1"
    assert "customers are still served village-ppo_ptx@1" in read_page(refused)


def read_page(space: Workspace) -> str:
    """Return the words of the page."""
    return re.sub("<[^>]+>", "", (space.directory("report_2") / "rounds.html").read_text())


@pytest.fixture(scope="module")
def second(refused: Workspace) -> Workspace:
    """Release the second round: nothing but its release and its page is made anew."""
    before = {path.parent.name for path in refused.root.glob("*/stage.json")}
    space = run_rounds(refused, NO_GATE)
    new = {path.parent.name for path in space.root.glob("*/stage.json")} - before
    assert {name.partition("-")[0] for name in new} == {"release_2", "report_2"}
    return space


def what_customers_sent(second: Workspace) -> list[Call]:
    with Store.open(database(second)) as store:
        heldout = [one.text for group in ("test", "validation") for one in chosen(second, store, group)]
    return make_calls(make_world(1), 1001, 90, heldout)


def test_every_call_was_answered_once_although_the_run_was_killed(second: Workspace) -> None:
    calls = what_customers_sent(second)
    rows = read_jsonl(second.directory("traffic_2") / "answered.jsonl")
    assert sorted(row["call"] for row in rows) == list(range(len(calls)))
    assert all(row["request"] for row in rows) and second.facts("traffic_2")["refused"] == 0
    with Store.open(database(second)) as store:
        logged = requests.answered_by(store, "village-ppo_ptx@1")
        assert {row["request"] for row in rows} <= {one.id for one in logged}
        agreed = {one.id for one in logged if one.data_use == "training"}
        assert all(not key.is_live(datetime.now(UTC)) for key in keys.of(store))
    assert {calls[row["call"]].caller.firm for row in rows if row["request"] in agreed} == {"Village bakery"}


def test_what_was_not_agreed_to_or_taken_back_is_in_no_file_or_table(second: Workspace) -> None:
    """Queues, exports and runs are files of the folder and tables of its database: no byte of them holds such texts."""
    calls = what_customers_sent(second)
    agreed = [one.text for one in calls if one.caller.firm == "Village bakery" and not one.caller.withdraws]
    silent = [one.text for one in calls if one.text not in agreed]
    with Store.open(database(second)) as store:
        known = [one.text for one in prompts.usable(store)]
        with store.read() as connection:
            kept = connection.execute(select(request_contents.c.reason, request_contents.c.prompts)).all()
    # One call in a hundred of a live application is kept apart for people who review, whatever was agreed to.
    reviewed = {said.removesuffix("\n") for row in kept if row.reason == "review" for said in row.prompts}
    logged = {said.removesuffix("\n") for row in kept if row.reason == "training" for said in row.prompts}
    assert {said for said in logged if "[" not in said} <= set(agreed)  # [email] stands for what is personal
    assert not set(silent) & set(known) - _of_village(second)
    others = "\x00".join([*agreed, *_of_village(second), *texts_of(second), *reviewed])
    # What is told apart from all others, and is written alike in every kind of file.
    canaries = [
        text.encode() for text in silent if len(text) > 30 and text not in others and not set(text) & {'"', "\n"}
    ]
    assert len(canaries) > 10
    held = {path: path.read_bytes() for path in second.root.rglob("*") if path.is_file()}
    shown = [text.encode() for text in agreed if len(text) > 30]
    where = {path.name for path, content in held.items() if any(text in content for text in shown)}
    assert {"tutelage.db", "rows.jsonl", "samples.jsonl"} <= where
    assert [path for path, content in held.items() if any(text in content for text in canaries)] == []


def _of_village(second: Workspace) -> set[str]:
    """Return the texts of the first round's customers, whatever intake made of them."""
    with Store.open(database(second)) as store, store.read() as connection:
        return set(connection.scalars(select(prompt_rows.c.text).where(prompt_rows.c.source == "village")))


def test_the_second_round_learns_from_both_and_names_its_parents(second: Workspace) -> None:
    came = second.facts("intake_2")
    assert came["kept"] > 10 and 0 < came["reward"] <= 16 and came["ppo"] >= came["reward"]
    exported = {place: [json.loads(line) for line in (second.directory("reward_2") / place / "rows.jsonl").read_text()
                        .splitlines()] for place in ("export", "export_2")}  # fmt: skip
    assert {row["source"] for row in exported["export"]} == {"village"}
    assert {row["source"] for row in exported["export_2"]} == {"customer"} and len(exported["export_2"]) == came[
        "reward"
    ]
    assert second.facts("reward_2")["rankings"] == sum(map(len, exported.values()))
    run = Run.open(second.directory("ppo_2") / "run")
    with Store.open(database(second)) as store:
        served, made = registry.get(store, "village-ppo_ptx@1"), registry.get(store, "default")
        reward = registry.get(store, "village-reward@2")
        assert (made.name, made.version) == ("village-ppo_ptx", 2)
        assert run.parents["policy"] == served.sha256 and run.parents["reward"] == reward.sha256
        assert run.parents["reference"] == sha256_of(model_of(second, "start")) != served.sha256
        assert run.outputs["ema"] == made.sha256
        learned = {row["label_id"] for rows in exported.values() for row in rows}
        assert learned <= registry.label_ids(store, reward) == registry.label_ids(store, made)
        new = {prompt.id for prompt in chosen(second, store, "ppo", "intake_2")}
        hashes = {prompts.text_hash(text) for text in (one.text for one in prompts.get(store, new).values())}
        assert hashes <= registry.prompt_hashes(store, made) and not hashes & registry.prompt_hashes(store, served)


def test_held_out_labelers_hold_both_rounds_against_each_other(second: Workspace) -> None:
    found = records.read(second.root / second.facts("evaluation_2")["evaluation"])
    assert [arm.model for arm in found.arms] == ["base", "prompted_base", "sft", "released", "ppo_ptx"]
    held = [one for one in found.rankings if one.group == "heldout"]
    assert len(held) == 40 * 3
    won = [
        (one.ranks["ppo_ptx"] < one.ranks["released"]) + (one.ranks["ppo_ptx"] == one.ranks["released"]) / 2
        for one in held
    ]
    [_, told] = json.loads((second.directory("report_2") / "rounds.json").read_text())
    assert told["win_rate"]["mean"] == pytest.approx(sum(won) / len(won)) and told["win_rate"]["n"] == 40 * 3
    assert told["win_rate"]["low"] < told["win_rate"]["mean"] < told["win_rate"]["high"]
    calls = what_customers_sent(second)
    assert told["prompts"]["sent by the customers of Village mill"] == sum(
        one.caller.firm == "Village mill" for one in calls
    )
    assert told["prompts"]["taken back by their senders"] == sum(one.caller.withdraws for one in calls) > 0
    page = read_page(second)
    assert "SIMULATED" in page and "village-ppo_ptx@2 was released in the place of village-ppo_ptx@1" in page


def test_what_is_taken_back_later_is_in_no_later_build(second: Workspace) -> None:
    """The models that learned from it are named."""
    tasks, now = second.facts("rankings_2")["tasks"], datetime.now(UTC)
    with Store.open(database(second)) as store:
        assert list(export.reward(store, kind="simulated", tasks=tasks))
        [bakery] = [one for one in applications.find(store) if one.data_use == "training"]
        gone = consent.withdraw_application(store, bakery.id, by="", now=now)
        assert {str(model) for model in gone.models} == {"village-reward@2", "village-ppo_ptx@2"}
        assert not list(export.reward(store, kind="simulated", tasks=tasks))
        assert {one.source for one in asked_of(second, store, 2)} == {"village"}


@pytest.mark.soak
def test_every_claim_can_be_tested(made: Workspace) -> None:
    """Those too whose models are trained side by side in processes of their own, and larger bases."""
    _claims_are_tested(made, tuple(claim.name for claim in named([]) if claim.name not in QUICK))
