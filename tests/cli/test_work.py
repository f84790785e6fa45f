"""`tutelage work`: new prompts become outputs of several policies in the ranking queue, chosen by rule, once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from math import exp
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import invoke, table
from tests.generate.tiny import make_directory
from tests.train.conftest import World
from tutelage.config import load
from tutelage.feedback import people, work
from tutelage.files import sha256_of
from tutelage.models.scoring import Answer, Scorer
from tutelage.pipeline import ranking
from tutelage.pipeline.ranking import WorkSettings
from tutelage.records import Labeler, RegisteredModel
from tutelage.store import Store, choices, completions, jobs, prompts, registry, users

NOW = datetime(2026, 11, 2, tzinfo=UTC)
USE_CASES = ("generation", "chat", "extract")
PLAN = """
[ranking]
models = ["quartz", "basalt@1"]
waiting = 6
batch = 4
random = 0.5
uncertain = 0.25
pool = 2
reward = "reward"
overlap = 2

[ranking.sampling]
per_prompt = 2
max_tokens = 6

[ranking.shares]
generation = 3.0
chat = 1.0
"""


def row(number: int) -> dict[str, Any]:
    return {
        "id": f"p{number}",
        "text": f"Write {number} words about it.",
        "source": "customer",
        "user": f"u{number}",
        "consent": "v1",
        "stage": "reward",
        "use_case": USE_CASES[number % 3],
    }


Import = Callable[[range], None]
ROOT = Path(__file__).parents[2]
TRAIN = ("--set", "shares.train=1.0", "--set", "shares.validation=0.0", "--set", "shares.test=0.0")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    """Make once a database with 18 prompts, two policies, a reward model and two labelers."""
    folder = tmp_path_factory.mktemp("template")
    database = f"sqlite:///{folder / 'tutelage.db'}"
    (folder / "sent.jsonl").write_text("".join(json.dumps(row(n)) + "\n" for n in range(18)))
    invoke("prompts", "import", folder / "sent.jsonl", "--database", database, *TRAIN)
    invoke("models", "add", world.reward, "--name", "reward", "--models", folder / "models", "--database", database)
    with Store.open(database) as store:
        for seed, name in ((1, "quartz"), (2, "basalt")):
            path = make_directory(folder / name, seed)
            new = RegisteredModel(name=name, version=0, path=str(path), sha256=sha256_of(path), run="")
            registry.register(store, new, prompt_hashes=(), now=NOW)
        people.register(store, [Labeler(id=name, group="training", kind="human") for name in ("ann", "ben")], now=NOW)
        assert registry.get(store, "reward").role == "reward"
    return folder


@pytest.fixture
def store(tutelage: Callable[..., str], template: Path) -> Iterator[Store]:
    """Open a copy of that database, in an empty folder with a plan."""
    shutil.copy(template / "tutelage.db", "tutelage.db")
    Path("plan.toml").write_text(PLAN)
    with Store.open("sqlite:///tutelage.db", create=False) as opened:
        yield opened


@pytest.fixture
def bring(tutelage: Callable[..., str], written: Callable[..., Path]) -> Import:
    """Give a function that imports prompts."""
    return lambda numbers: tutelage("prompts", "import", written("new.jsonl", [row(n) for n in numbers]), *TRAIN)


def test_prompts_become_ranking_tasks_of_several_policies_and_the_queue_is_kept_full(
    tutelage: Callable[..., str], store: Store, bring: Import
) -> None:
    printed = tutelage("work", "plan.toml", "--once", "--threads", "1")
    assert "plan ranking: chosen 6, to score 3" in printed
    chosen = choices.reasons(store)
    assert len(chosen) == 6 and set(chosen.values()) == {"random", "quota"}
    held = work.lease(store, "ann", now=NOW, limit=99)
    assert {one.task_id for one in held} == set(chosen)
    for one in held:
        assert (one.kind, one.purpose, one.instruction_version) == ("rank", "train", "comparison-1")
        assert not any(name in f"{one.id} {one.outputs}" for name in ("quartz", "basalt"))
    drawn = completions.of_prompts(store, [one.prompt_id for one in held])
    for one in held:
        policies = Counter(completion.policy for completion in drawn[one.prompt_id])
        assert policies == {"quartz@1": 2, "basalt@1": 2}
        texts = {completion.text for completion in drawn[one.prompt_id]}
        assert {output.text for output in one.outputs} == texts and len(one.outputs) == len(texts)
    assert "chosen" not in tutelage("work", "plan.toml", "--once")
    assert len(choices.reasons(store)) == 6

    # Two labelers finish four tasks; four new ones come, now also such that the reward model is unsure of.
    for labeler in ("ann", "ben"):
        for one in held[:4] if labeler == "ann" else work.lease(store, labeler, now=NOW, limit=4):
            groups = [[output.id for output in one.outputs]]
            made = work.Submission(id=one.id, assignment_id=one.id, labeler=labeler, groups=groups)
            work.submit(store, [made], now=NOW)
    bring(range(18, 24))
    tutelage("work", "plan.toml", "--once")
    assert len(choices.reasons(store)) == 10
    assert choices.waiting(store, purpose="train", group="training", now=datetime.now(UTC)) == 6
    unsure = [count for count in choices.counts(store) if count.reason == "uncertain"]
    assert sum(count.chosen for count in unsure) >= 2
    header, *rows = table(tutelage("labels", "chosen"))
    assert header == ["rule", "use case", "chosen", "tasks", "done"]
    assert sum(int(line[2]) for line in rows) == 10 and sum(int(line[4]) for line in rows) == 4
    header, *listed = table(tutelage("work", "--jobs"))
    assert header == ["job", "kind", "state", "done", "attempts", "changed", "told"]
    assert {line[2] for line in listed if line[1] == "rank"} == {"done"}
    assert [line[2] for line in listed if line[1] == "plan"] == ["stands"]


def test_the_uncertain_prompts_are_those_with_the_smallest_margins(tutelage: Callable[..., str], store: Store) -> None:
    """The margins are computed anew from the stored outputs, one at a time."""
    tutelage("work", "plan.toml", "--once", "--set", "ranking.pool=9", "--set", "ranking.random=0.1")
    ((key,),) = {(job.arguments["key"],) for job in jobs.find(store) if job.kind == "uncertainty"}
    kept = choices.uncertainties_of(store, "reward@1", key)
    assert len(kept) >= 5
    scorer = Scorer(registry.get(store, "reward").path)
    asked = prompts.get(store, kept)
    for prompt, value in kept.items():
        outputs = {one.text: one.finish_reason for one in completions.of_prompts(store, [prompt])[prompt]}
        scores = sorted(
            scorer.score([Answer(asked[prompt].text, text, reason == "stop")])[0] for text, reason in outputs.items()
        )
        assert value == pytest.approx(2 * exp(scores[-2]) / (exp(scores[-1]) + exp(scores[-2])), abs=1e-4)


#: A worker as `tutelage work` runs it, whose leases are short enough for a test.
WORKER = """
import sys
from tutelage.store import Store
from tutelage.work import Worker, handlers

with Store.open("sqlite:///tutelage.db", create=False) as store:
    worker = Worker(store, handlers(), lambda line: None, lease_seconds=1, look_seconds=0.05)
    print("ready", flush=True)
    worker.run(once=True)
"""


def test_a_worker_that_is_killed_while_it_draws_loses_and_doubles_nothing(store: Store) -> None:
    """SIGKILL from another process at random times; what is there in the end is what an unbroken worker makes."""
    plan = load(WorkSettings, "plan.toml", ["ranking.waiting=18", "ranking.batch=3"])
    ranking.stand(store, plan, now=datetime.now(UTC))
    seed = int.from_bytes(os.urandom(4))
    print(f"kill seed {seed}")
    rng = random.Random(seed)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    for kill in (True, False):
        command = [sys.executable, "-c", WORKER]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout and process.stdout.readline() == "ready\n"
            if kill:
                while not choices.reasons(store):
                    time.sleep(0.01)
                time.sleep(rng.uniform(0, 1.5))
                process.kill()
            assert process.wait(100) == (-signal.SIGKILL if kill else 0)
    reasons = choices.reasons(store)
    assert len(reasons) == 18
    held = work.lease(store, "ann", now=NOW, limit=99)
    assert sorted(one.task_id for one in held) == sorted(reasons)
    for prompt, drawn in completions.of_prompts(store, [one.prompt_id for one in held]).items():
        assert Counter(one.policy for one in drawn) == {"quartz@1": 2, "basalt@1": 2}, prompt
    assert {job.state for job in jobs.find(store)} <= {"done", "queued"}
    assert {job.kind for job in jobs.find(store, states=("queued",))} == {"plan", "retention"}


def test_a_prompt_that_was_withdrawn_or_is_too_long_gets_no_task(
    tutelage: Callable[..., str], store: Store, written: Callable[..., Path]
) -> None:
    long = written("long.jsonl", [row(99) | {"text": "word " * 200}])
    tutelage("prompts", "import", long, *TRAIN)
    tutelage("work", "plan.toml", "--once", "--set", "ranking.waiting=99", "--set", "ranking.random=1.0",
             "--set", "ranking.uncertain=0.0")  # fmt: skip
    assert len(choices.reasons(store)) == 19
    assert sum(count.tasks for count in choices.counts(store)) == 18
    results = [job.result for job in jobs.find(store) if job.kind == "rank" and job.result]
    assert sum(result["too_long"] for result in results) == 1
    arguments = next(job.arguments for job in jobs.find(store) if job.kind == "rank")
    (user,) = {prompt.user for prompt in prompts.get(store, ["p1"]).values()}
    users.withdraw(store, [user], by="", now=NOW)
    jobs.enqueue(store, [jobs.NewJob(kind="rank", arguments={**arguments, "prompts": ["p1"], "key": "k"})], now=NOW)
    tutelage("work", "--once")
    newest = jobs.find(store)[0]
    nothing = dict.fromkeys(("tasks", "asked_already", "completions", "too_long", "all_alike"), 0)
    assert newest.result == {**nothing, "no_longer_usable": 1}


def test_outputs_that_are_all_alike_are_no_task(tutelage: Callable[..., str], store: Store, template: Path) -> None:
    copy = Path(shutil.copytree(template / "quartz", "copy")).resolve()
    (copy / "note.txt").write_text("Other files, the same weights.")
    new = RegisteredModel(name="copy", version=0, path=str(copy), sha256=sha256_of(copy), run="")
    registry.register(store, new, prompt_hashes=(), now=NOW)
    greedy = ("--set", "ranking.sampling.temperature=0.0", "--set", 'ranking.models=["quartz", "copy"]')
    tutelage("work", "plan.toml", "--once", *greedy, "--set", "ranking.reward=''")
    results = [job.result for job in jobs.find(store) if job.kind == "rank" and job.result]
    assert sum(result["all_alike"] for result in results) == 6 and sum(result["tasks"] for result in results) == 0
    assert {count.tasks for count in choices.counts(store)} == {0}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("ranking.sampling.per_prompt=1",), "2 models with sampling.per_prompt = 1 give 2 outputs to rank"),
        (("ranking.sampling.per_prompt=5",), "give 10 outputs to rank; labelers rank 4 to 9 together"),
        (('ranking.models=["quartz", "granite"]',), "There is no model 'granite' in the registry"),
        (('ranking.models=["quartz", "quartz"]',), "models names the same model twice"),
        (('ranking.models=["quartz", "reward"]', "ranking.reward=''"), "The model 'reward' is a reward model"),
        (("ranking.reward=basalt",), "The model 'basalt' is no reward model"),
        (("ranking.random=0.0",), "ranking.random should be greater than 0"),
        (("ranking.random=0.7", "ranking.uncertain=0.5"), "random + uncertain is 1.2; it must be at most 1"),
        (("ranking.shares={ chat = -1.0 }",), "shares must be 0 or more"),
        (("ranking.shares={ chats = 1.0 }",), "chats"),
        (("ranking.split=test",), "should be 'train' or 'validation'"),
        (("ranking.instructions=evaluation-1",), "are for evaluation; rankings need some for comparison"),
        (("ranking.instructions=house-1",), "There are no instructions 'house-1'"),
        (("ranking.wating=3",), "did you mean ranking.waiting?"),
    ],
)
def test_a_plan_that_cannot_be_done_is_refused_before_it_stands(
    refused: Callable[..., str], store: Store, settings: tuple[str, ...], told: str
) -> None:
    options = [word for setting in settings for word in ("--set", setting)]
    assert told in refused("work", "plan.toml", "--once", *options)
    assert jobs.find(store) == []


def test_what_work_refuses_else(
    tutelage: Callable[..., str], refused: Callable[..., str], store: Store, template: Path
) -> None:
    assert "There is no job 'x'" in refused("work", "--once", "--retry", "x")
    assert "There is no recipe nowhere.toml" in refused("work", "nowhere.toml", "--once")
    gone = RegisteredModel(name="gone", version=0, path=str(template / "gone"), sha256="aa", run="")
    registry.register(store, gone, prompt_hashes=(), now=NOW)
    assert "is not at" in refused("work", "plan.toml", "--once", "--set", 'ranking.models=["gone", "quartz"]')
    Path("empty.toml").write_text("")
    tutelage("work", "plan.toml", "--once")
    tutelage("work", "empty.toml", "--once")
    assert [job.kind for job in jobs.find(store) if job.every] == ["retention"]


def test_work_needs_a_database(refused: Callable[..., str]) -> None:
    assert "There is no database tutelage.db" in refused("work", "--jobs")
