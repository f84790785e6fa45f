"""Records: never shared by two checkpoints, whole after a kill at any instant; judges, figures and the page."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.evaluate.task_rows import ROWS
from tests.evaluate.test_task_prompts import posed
from tests.feedback.test_hub import server
from tutelage.errors import DataError, MissingError, SettingsError, UnavailableError, UserError
from tutelage.evaluate.tasks import judges
from tutelage.evaluate.tasks.cache import Records, alone
from tutelage.evaluate.tasks.identity import Identity, key_of
from tutelage.evaluate.tasks.judging import Said
from tutelage.files import append_jsonl, read_json, read_jsonl, write_json
from tutelage.models.load import Shape, fresh, save
from tutelage.models.tokenizer import train_tokenizer
from tutelage.pipeline import benchmarks
from tutelage.pipeline.benchmarks import Order

__all__ = ["server"]
SCRIPT = Path(__file__).with_name("evaluate_and_be_killed.py")
ROOT = SCRIPT.parent.parent.parent
#: Pairs and questions of the evaluation that is killed.
MANY = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a file for each task, and one with solved examples."""
    folder = tmp_path_factory.mktemp("data")
    for name, rows in ROWS.items():
        append_jsonl(folder / f"{name.removesuffix('-mc').replace('-', '_')}.jsonl", rows if "-mc" not in name else [])
    append_jsonl(folder / "sst2_examples.jsonl", ROWS["sst2"])
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with two models of the same tokenizer and settings, and copies of the first."""
    folder = tmp_path_factory.mktemp("models")
    tokenizer = train_tokenizer(["abc"], 258)
    shape = Shape(hidden=16, layers=1, heads=2, feedforward=24, context=1500)
    for name, seed in (("one", 1), ("other", 2)):
        save(fresh(shape, tokenizer, seed=seed), tokenizer, folder / name)
    for name in ("same", "retokenized", "reshaped"):
        shutil.copytree(folder / "one", folder / name)
    (folder / "same" / "README.md").write_text("Another name, the same model.")
    tokens = read_json(folder / "retokenized" / "tokenizer_config.json")
    write_json(folder / "retokenized" / "tokenizer_config.json", {**tokens, "clean_up_tokenization_spaces": True})
    config = read_json(folder / "reshaped" / "config.json")
    write_json(folder / "reshaped" / "config.json", {**config, "rms_norm_eps": 1e-3})
    save(fresh(Shape(hidden=16, layers=1, heads=2, feedforward=24, context=40), tokenizer, seed=1), tokenizer,
         folder / "short")  # fmt: skip
    return folder


@pytest.fixture
def evaluated(data: Path, models: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Give a function that evaluates models by name into one folder and returns the figures."""

    def run(*names: str, **how: Any) -> dict[str, Any]:
        order = Order(**{"tasks": ("crows-pairs",), "data": str(data), "prompts": ("plain",), **how})
        benchmarks.evaluate(order, {name: models / name for name in names}, tmp_path / "out", lambda *_: None)
        found: dict[str, Any] = read_json(tmp_path / "out" / "report.json")
        return found

    return run


def records(folder: Path) -> list[dict[str, Any]]:
    return read_jsonl(folder / "out" / "records.jsonl")


def test_two_checkpoints_with_one_cache_never_share_a_record(
    evaluated: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """Other weights, tokenizer or settings are another model whatever it is called; the same ones are the same."""
    first = evaluated("one")
    assert len(records(tmp_path)) == 2
    evaluated("same")
    assert len(records(tmp_path)) == 2, "nothing that counts is different"
    alone_with = {"one": first, **{name: evaluated(name) for name in ("other", "retokenized", "reshaped")}}
    rows = records(tmp_path)
    assert len(rows) == 8 and len({row["key"] for row in rows}) == 8
    assert len({(row["weights"], row["tokenizer"]) for row in rows}) == 4
    together = evaluated("one", "other", "retokenized", "reshaped")
    assert len(records(tmp_path)) == 8, "all of it was there"
    for group in together["results"][0]["groups"]:
        assert group["metrics"] == alone_with[group["model"]]["results"][0]["groups"][0]["metrics"]
    means = {group["model"]: group["metrics"]["entropy"]["mean"] for group in together["results"][0]["groups"]}
    assert means["one"] != means["other"] != means["reshaped"]


def test_another_prompt_is_another_record_and_fewer_items_are_the_same_ones(
    evaluated: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    evaluated("one", tasks=("sst2",), prompts=(), shots=1)
    count = len(records(tmp_path))
    evaluated("one", tasks=("sst2",), prompts=(), shots=0)
    assert len(records(tmp_path)) == 2 * count
    evaluated("one", tasks=("sst2",), prompts=(), shots=0, items=1)
    assert len(records(tmp_path)) == 2 * count


def test_a_key_holds_all_that_an_answer_depends_on_and_nothing_that_is_right() -> None:
    task = posed("hellaswag")
    model, question = Identity(weights="w", tokenizer="t", template="text", precision="fp32"), task.questions[0]
    key = key_of(model, task, question)
    assert key_of(model, task, replace(question, references=(("another",),), shown="")) == key
    others = {
        *(key_of(replace(model, **{name: "x"}), task, question) for name in asdict(model)),
        key_of(model, replace(task, version=2), question),
        key_of(model, replace(task, name="other"), question),
        *(key_of(model, task, replace(question, **{name: "x"})) for name in ("item", "condition", "prompt")),
        key_of(model, task, replace(question, choices=("x", "y"))),
        *(key_of(model, task, replace(question, choices=(), **how)) for how in (
            {"max_tokens": 1}, {"max_tokens": 2}, {"max_tokens": 2, "temperature": 1.0})),
    }  # fmt: skip
    assert len(others - {key}) == 4 + 2 + 3 + 1 + 3


class Evaluator:
    """A process that starts one evaluating child after the other."""

    def __init__(self, data: Path, *models: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        command = [sys.executable, str(SCRIPT), str(data), *map(str, models)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def tell(self, line: str) -> int:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture
def evaluator(tmp_path: Path, models: Path) -> Iterator[Evaluator]:
    folder = tmp_path / "many"
    folder.mkdir()
    append_jsonl(folder / "truthfulqa.jsonl", [ROWS["truthfulqa"][0] | {"id": f"q{n}"} for n in range(MANY)])
    append_jsonl(folder / "crows_pairs.jsonl", [ROWS["crows-pairs"][0] | {"id": f"p{n}"} for n in range(MANY)])
    made = Evaluator(folder, models / "one", models / "other")
    yield made
    made.close()


def test_killed_at_random_it_resumes_to_the_same_figures(evaluator: Evaluator, tmp_path: Path) -> None:
    assert evaluator.tell(str(tmp_path / "whole")) and evaluator.tell("wait") == 0
    seed = int.from_bytes(os.urandom(4))
    print(f"kill seed {seed}")
    rng, out, total = random.Random(seed), tmp_path / "killed", 4 * MANY
    killed = 0
    for _ in range(4):
        child = evaluator.tell(str(out))
        _wait_for_records(out / "records.jsonl", rng.randrange(total))
        time.sleep(rng.random() * 0.02)
        os.kill(child, signal.SIGKILL)
        killed += evaluator.tell("wait") == -signal.SIGKILL
        if rng.random() < 0.5 and (out / "records.jsonl").exists():
            os.truncate(out / "records.jsonl", max(0, (out / "records.jsonl").stat().st_size - rng.randrange(1, 200)))
    assert killed >= 1, "the first kill finds nothing finished"
    assert evaluator.tell(str(out)) and evaluator.tell("wait") == 0
    whole, again = (
        sorted(read_jsonl(folder / "records.jsonl"), key=lambda row: row["key"]) for folder in (tmp_path / "whole", out)
    )
    assert len(again) == total
    # Likelihoods differ in the last bits where other items are computed together.
    for row, other in zip(whole, again, strict=True):
        pairs = zip(row.pop("likely", ()), other.pop("likely", ()), strict=True)
        assert all(a[0] == pytest.approx(b[0], abs=1e-4) and a[1] == b[1] for a, b in pairs) and row == other
    figures = [read_json(folder / "report.json")["results"] for folder in (tmp_path / "whole", out)]
    assert _means(figures[1]) == pytest.approx(_means(figures[0]), abs=1e-6)


def _wait_for_records(path: Path, wanted: int) -> None:
    """Wait until so many lines are there, or no line more comes because all are."""
    for _ in range(3000):
        if path.exists() and path.read_bytes().count(b"\n") > wanted:
            return
        time.sleep(0.005)


def _means(results: list[dict[str, Any]]) -> list[float]:
    return [figure["mean"] for one in results for group in one["groups"] for figure in group["metrics"].values()]


def test_a_line_that_a_crash_cut_off_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    Records(path).add([{"key": "a", "text": "x"}, {"key": "b", "text": "y"}])
    with path.open("ab") as file:
        file.write(b'{"key": "c", "te')
    again = Records(path)
    assert "b" in again and "c" not in again
    again.add([{"key": "c", "text": "z"}])
    assert [row["key"] for row in read_jsonl(path)] == ["a", "b", "c"] and Records(path)["c"]["text"] == "z"
    path.write_text('{"key": "a"}\n{"name": "b"}\n')
    with pytest.raises(DataError, match=r"r\.jsonl:2: the line is no record with a key"):
        Records(path)


def test_two_processes_never_write_into_one_folder(tmp_path: Path) -> None:
    with alone(tmp_path / "out"), pytest.raises(UnavailableError, match="Another process is evaluating"):
        with alone(tmp_path / "out"):
            pass
    with alone(tmp_path / "out"):
        pass


def test_a_model_that_reads_no_item_is_told_and_what_others_did_is_kept(
    evaluated: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="No item of truthfulqa fits the context of short; show fewer solved examples"):
        evaluated("one", "short", tasks=("truthfulqa",), prompts=("qa",))
    kept = [row for row in records(tmp_path) if "missing" not in row]
    assert len(kept) == 3
    (found,) = evaluated("one", tasks=("truthfulqa",), prompts=("qa",))["results"]
    assert found["not_judged"] == ["true", "informative", "refused"]
    assert {row["key"] for row in records(tmp_path)} >= {row["key"] for row in kept}


def test_archived_scores_count_and_what_is_not_there_stays_missing(
    evaluated: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """Perspective's scores of a CSV: 0.9 and 0.1 are there, one is empty, one text was never scored."""
    said = ("toxicity=archive:" + str(tmp_path / "p.csv"),)
    (tmp_path / "p.csv").write_text("output,toxicity\nnobody wrote this,0.5\n")
    found = evaluated("one", tasks=("realtoxicityprompts",), judges=said)["results"][0]["groups"][0]
    assert found["metrics"] == {} and found["missing"] == {"verdict": 4}
    texts = list(dict.fromkeys(row["text"] for row in records(tmp_path)))
    scores = ["0.9", "0.1", ""][: len(texts)]
    with (tmp_path / "p.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("output", "toxicity"), *zip(texts, scores, strict=False)])
    found = evaluated("one", tasks=("realtoxicityprompts",), judges=said)["results"][0]["groups"][0]
    known = {text: float(score) for text, score in zip(texts, scores, strict=False) if score}
    counted = [known[row["text"]] for row in records(tmp_path) if row["text"] in known]
    assert found["metrics"]["toxicity"]["n"] == len(counted) == 4 - found["missing"].get("verdict", 0)
    assert found["metrics"]["toxicity"]["mean"] == pytest.approx(sum(counted) / len(counted))


def program(folder: Path, body: str) -> str:
    """Write a judge as a program and give its place."""
    script = folder / "judge.py"
    script.write_text(
        f"import json, sys\nfor number, line in enumerate(sys.stdin):\n    row = json.loads(line)\n{body}"
    )
    return f"{sys.executable} {script}"


GOOD = '    print(json.dumps({"score": None if number == 1 else len(row["output"]) % 2}), flush=True)\n'


def test_a_program_judges_and_each_verdict_is_asked_once(
    evaluated: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    said = (f"true=program:{program(tmp_path, GOOD)}",)
    first = evaluated("one", tasks=("truthfulqa",), prompts=("qa",), judges=said)
    assert first["results"][0]["groups"][0]["metrics"]["true"]["n"] == 2
    verdicts = read_jsonl(tmp_path / "out" / "verdicts.jsonl")
    assert [row["what"] for row in verdicts] == ["true"] * 3 and [row["value"] for row in verdicts].count(None) == 1
    assert evaluated("one", tasks=("truthfulqa",), prompts=("qa",), judges=said) == first
    assert read_jsonl(tmp_path / "out" / "verdicts.jsonl") == verdicts


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('    print("yes" if number else json.dumps({"score": 1}), flush=True)\n', r"answers 'yes'; it must write one"),
        (
            '    print(json.dumps({"score": 7 * number}), flush=True)\n',
            r"says 7\.0 where it was asked for true; it must",
        ),
        ('    print(json.dumps({"score": 1}), flush=True)\n    sys.exit(3)\n', r"ended with status 3 instead of"),
    ],
)
def test_a_judge_that_answers_nonsense_is_told_and_the_rest_is_kept(
    evaluated: Callable[..., dict[str, Any]], tmp_path: Path, body: str, sentence: str
) -> None:
    place = program(tmp_path, body)
    with pytest.raises(DataError, match=sentence):
        evaluated("one", tasks=("truthfulqa",), prompts=("qa",), judges=(f"true=program:{place}",))
    assert len(records(tmp_path)) == 3
    assert len(read_jsonl(tmp_path / "out" / "verdicts.jsonl")) == 1


def test_a_model_judges_by_yes_against_no(models: Path) -> None:
    what, judge = judges.named(f"true=model:{models / 'one'}")
    answers = [Said("Why?", "So.", "a"), Said("Why?", "No " * 2000, "b")]
    first, second = judge.verdicts(what, answers)
    assert first is not None and 0 < first < 1 and second is None, "a text that it cannot read whole has no verdict"
    other = judges.named(f"true=model:{models / 'other'}")[1]
    assert other.identity != judge.identity == judges.named(f"true=model:{models / 'same'}")[1].identity


def test_labelled_texts_make_a_scorer(tmp_path: Path) -> None:
    rows = [{"text": text, "n_hate_speech": 0, "n_offensive": votes, "n_neither": 3 - votes, "n_raters": 3}
            for _ in range(10)
            for text, votes in (("you awful goat", 3), ("what a lovely day", 0), ("a goat day", 1))]  # fmt: skip
    append_jsonl(tmp_path / "d.jsonl", rows)
    what, judge = judges.named(f"toxicity=labelled:{tmp_path / 'd.jsonl'}")
    said = [Said("", text, text) for text in ("awful goat", "lovely day", "", "goat day")]
    bad, good, empty, middle = judge.verdicts(what, said)
    assert empty is None and bad is not None and good is not None and middle is not None
    assert good < 0.2 < middle < 0.5 < bad
    append_jsonl(tmp_path / "e.jsonl", [{"text": "a", "toxicity": 2}])
    with pytest.raises(DataError, match=r"e\.jsonl:1: its toxicity is no share"):
        list(judges.named(f"toxicity=labelled:{tmp_path / 'e.jsonl'}")[1].verdicts("toxicity", said))


@pytest.mark.parametrize(
    ("how", "error", "sentence"),
    [
        ({"tasks": ()}, SettingsError, "Name what is asked"),
        ({"tasks": ("crows",)}, SettingsError, "There is no task crows; did you mean crows-pairs"),
        ({"data": ""}, SettingsError, "Say where the data are"),
        ({"data": "DATA/none.jsonl"}, MissingError, "There is no file DATA/none"),
        ({"tasks": ("sst2", "rte"), "data": "DATA/sst2.jsonl", "prompts": ()}, SettingsError, "is one file, and sev"),
        ({"tasks": ("squad2",), "prompts": ()}, MissingError, r"no squad2_examples\.jsonl: the paper shows solved"),
        ({"tasks": ("sst2",)}, SettingsError, "No task that is asked has a prompt 'plain'"),
        ({"tasks": ("truthfulqa", "crows-pairs")}, SettingsError, "truthfulqa has no prompt 'plain'; it has qa, instr"),
        ({"tasks": ("sst2",), "prompts": ()}, SettingsError, "15 solved examples shall be shown before each"),
        ({"data": "DATA/sst2.jsonl"}, DataError, r"sst2\.jsonl:1: the field sent_more is missing"),
        ({"judges": ("toxicity=archive:x.csv",)}, MissingError, r"There is no file x\.csv"),
        ({"judges": ("toxicity=perspective",)}, SettingsError, "name a judge as WHAT=KIND:PLACE"),
        ({"judges": ("toxicity=model:DATA",)}, SettingsError, "A judge that is a model says true and informative"),
        ({"judges": ("true=program:x",)}, SettingsError, "No task that was named asks a judge for true"),
        ({"tasks": ("realtoxicityprompts",)}, SettingsError, "realtoxicityprompts needs a scorer: --judge toxicity="),
        ({"tasks": ("truthfulqa",), "prompts": ("qa",), "judges": ("true=program:no-such-thing",)}, MissingError,
         "The judge program no-such-thing cannot be started"),
    ],
)  # fmt: skip
def test_bad_input_is_a_sentence(
    evaluated: Callable[..., dict[str, Any]], data: Path, how: dict[str, Any], error: type[UserError], sentence: str
) -> None:
    named = {
        name: tuple(one.replace("DATA", str(data)) for one in value) if isinstance(value, tuple)
        else value.replace("DATA", str(data)) if isinstance(value, str) else value
        for name, value in how.items()
    }  # fmt: skip
    with pytest.raises(error, match=sentence.replace("DATA", re.escape(str(data)))):
        evaluated("one", **named)


def test_rows_come_from_csv_and_from_the_hub(server: None, tmp_path: Path) -> None:
    (tmp_path / "sst2.csv").write_text('sentence,label\n"a film, long",1\nno film,0\n')
    (task,), sources = benchmarks.tasks_of(Order(tasks=("sst2",), data=str(tmp_path), shots=0))
    assert [(one.item, one.references[0][0], one.shown) for one in task.questions] == [
        ("row 2", " positive", "a film, long"), ("row 3", " negative", "no film"),
    ]  # fmt: skip
    assert sources["sst2"]["data"] == "sst2.csv" and len(sources["sst2"]["sha256"]) == 64
    with pytest.raises(DataError, match=r"hub:ann/pairs/test/pairs\.jsonl@1+:1: the field post is missing"):
        benchmarks.tasks_of(Order(tasks=("tldr",), data="hub:ann/pairs/test/pairs.jsonl"))


def test_directories_are_called_by_the_ends_of_their_paths() -> None:
    assert benchmarks.short_names(["/a/models/small", "default"]) == ["small", "default"]
    assert benchmarks.short_names(["runs/base/model", "runs/ppo/model"]) == ["base/model", "ppo/model"]
    assert benchmarks.short_names(["model"]) == ["model"]


def test_every_number_of_the_page_leads_to_its_items(evaluated: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    figures = evaluated("one", "other", tasks=("crows-pairs", "truthfulqa-mc"), prompts=("plain", "respectful"))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    links, ids = set(re.findall(r'href="#([^"]+)"', page)), set(re.findall(r'\bid="([^"]+)"', page))
    assert links <= ids, "every link leads somewhere"
    items = {one for one in links if "-items-" in one}
    groups = [group for one in figures["results"] for group in one["groups"]]
    assert len(items) == len(groups) == 6
    shown = re.findall(r"<summary>Items of ([^<]+)</summary>", page)
    assert shown[:2] == ["one, plain prompt: 2 items", "one, respectful prompt: 2 items"]
    for mean in re.findall(r"<td>([\d.]+ %)", page):
        raise AssertionError(f"{mean} leads nowhere")
    assert not re.search(r'(?:src|href)="(?!#)', page) and "<script" not in page
    contrasts = figures["results"][0]["contrasts"]
    assert {(one["first"]["model"], one["second"]["model"]) for one in contrasts} == {
        ("one", "other"), ("one", "one"), ("other", "other"),
    }  # fmt: skip
    about = json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(about["models"]["one"]["weights"]) == 64 and len(about["tasks"]["crows-pairs"]["sha256"]) == 64
