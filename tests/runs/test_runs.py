"""Run directories: what they say of themselves, how they are resumed, and where they come from."""

import json
import math
import subprocess
from pathlib import Path

import pytest

import tutelage
from tutelage.config import Settings
from tutelage.errors import DataError, MissingError, UserError
from tutelage.files import sha256_of
from tutelage.runs import Run, code_version, differences, find_runs, lineage, list_runs, settings_hash


class Sft(Settings):
    """Settings of a small stage."""

    rate: float = 0.1
    """Learning rate."""
    widths: tuple[int, ...] = (1, 2)
    """Widths."""


def make(root: Path, name: str, parents: dict[str, str] | None = None, text: str = "") -> Run:
    run = Run.create(root / name, stage="sft", settings=Sft(), parents=parents)
    (run.directory / "model").write_text(text or name, encoding="utf-8")
    run.finish({"model": "model"})
    return run


def test_a_run_says_what_it_was_made_from_and_what_it_made(tmp_path: Path) -> None:
    run = Run.create(
        tmp_path / "a",
        stage="sft",
        settings=Sft(),
        parents={"base": "00ff"},
        seeds={"data": 7},
        platform={"threads": 1},
    )
    (run.directory / "model").write_text("weights", encoding="utf-8")
    assert not run.is_finished
    run.finish({"model": run.directory / "model"})
    read = Run.open(tmp_path / "a")
    assert (read.stage, read.settings, read.parents) == ("sft", {"rate": 0.1, "widths": [1, 2]}, {"base": "00ff"})
    assert (read.record["seeds"], read.record["platform"]) == ({"data": 7}, {"threads": 1})
    assert read.record["code"]["version"] == tutelage.__version__
    assert read.is_finished
    assert read.outputs == {"model": sha256_of(tmp_path / "a" / "model")}
    assert read.output("model") == tmp_path / "a" / "model"
    with pytest.raises(MissingError, match="has no output ema; it made model"):
        read.output("ema")


def test_a_second_run_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "a")
    with pytest.raises(UserError, match="is a run already"):
        Run.create(tmp_path / "a", stage="sft", settings=Sft())


def test_a_resumed_run_has_every_step_once(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "a", stage="sft", settings=Sft())
    for step in range(1, 6):
        run.metrics(step, {"loss": 1.0 / step})
        run.samples(step, [{"text": f"sample {step}"}])
    run.ledger.add("policy", flops=5.0, seconds=1.0, tokens=10)
    run = Run.begin(tmp_path / "a", stage="sft", settings=Sft())
    run.truncate_metrics(3)
    for step in range(4, 6):
        run.metrics(step, {"loss": 2.0 / step})
    run.ledger.add("policy", flops=2.0, seconds=0.5, tokens=4)
    run.ledger.add("rollout", tokens=1)
    assert [(row["step"], row["loss"]) for row in run.read_metrics()] == [
        (1, 1.0),
        (2, 0.5),
        (3, 1 / 3),
        (4, 0.5),
        (5, 0.4),
    ]
    assert [row["text"] for row in run.read_samples()] == ["sample 1", "sample 2", "sample 3"]
    assert run.ledger.totals() == {"policy": (7.0, 1.5, 14), "rollout": (0.0, 0.0, 1)}


def test_a_run_without_metrics_can_be_cut_back(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a", stage="sft", settings=Sft())
    run.truncate_metrics(0)
    assert run.read_metrics() == []


def test_numbers_that_are_not_finite_are_kept_and_the_file_stays_json(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a", stage="sft", settings=Sft())
    run.metrics(1, {"loss": math.nan, "high": math.inf, "low": -math.inf, "count": 3})
    (row,) = run.read_metrics()
    assert math.isnan(row["loss"])
    assert (row["high"], row["low"], row["count"]) == (math.inf, -math.inf, 3)
    text = (run.directory / "metrics.jsonl").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["high"] == "Infinity"


def test_other_settings_or_parents_are_refused(tmp_path: Path) -> None:
    Run.begin(tmp_path / "a", stage="sft", settings=Sft(), parents={"base": "1"})
    with pytest.raises(UserError, match=r"settings\.rate was 0\.1 and is now 0\.2"):
        Run.begin(tmp_path / "a", stage="sft", settings=Sft(rate=0.2), parents={"base": "1"})
    with pytest.raises(UserError, match=r"parents\.base was '1' and is now '2'"):
        Run.begin(tmp_path / "a", stage="sft", settings=Sft(), parents={"base": "2"})
    with pytest.raises(UserError, match="stage was 'sft' and is now 'ppo'"):
        Run.begin(tmp_path / "a", stage="ppo", settings=Sft(), parents={"base": "1"})


def test_a_changed_platform_goes_on_and_is_told(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "a", stage="sft", settings=Sft(), platform={"threads": 1})
    assert Run.begin(tmp_path / "a", stage="sft", settings=Sft(), platform={"threads": 1}).changes == []
    run = Run.begin(tmp_path / "a", stage="sft", settings=Sft(), platform={"threads": 2})
    assert run.changes == ["platform.threads was 1 and is now 2"]
    assert len(Run.open(tmp_path / "a").record["resumed"]) == 2


def test_a_finished_run_is_returned_as_it_is(tmp_path: Path) -> None:
    made = make(tmp_path, "a")
    before = (made.directory / "run.json").read_bytes()
    assert Run.begin(tmp_path / "a", stage="sft", settings=Sft(), platform={"threads": 2}).is_finished
    assert (made.directory / "run.json").read_bytes() == before


def test_directories_that_are_no_runs_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="is not a run directory"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="is not the record of a run"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 1, "stage": "sft"}', encoding="utf-8")
    with pytest.raises(DataError, match=r"run\.json lacks code, created, "):
        Run.open(tmp_path)


def test_a_run_of_another_format_is_refused_with_the_version_that_made_it(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 2, "code": {"version": "9.1"}}', encoding="utf-8")
    with pytest.raises(UserError, match=r"has run format 2 and this program .* reads format 1; .* \(9\.1\)"):
        Run.open(tmp_path)


def test_lineage_walks_to_the_first_parents(tmp_path: Path) -> None:
    base = make(tmp_path, "base", {"corpus": "c0"})
    sft = make(tmp_path, "sft", {"base": base.outputs["model"], "dataset": "d0"})
    ppo = make(tmp_path, "deep/ppo", {"policy": sft.outputs["model"], "pretraining": "c0"})
    walked = [
        (depth, name, made.directory.name if made else None)
        for depth, name, _, made in lineage(ppo, list_runs(tmp_path))
    ]
    assert walked == [
        (1, "policy", "sft"),
        (2, "base", "base"),
        (3, "corpus", None),
        (2, "dataset", None),
        (1, "pretraining", None),
    ]


def test_lineage_ends_where_a_run_made_what_it_was_given(tmp_path: Path) -> None:
    first = make(tmp_path, "first", text="same")
    same = make(tmp_path, "second", {"base": first.outputs["model"]}, text="same")
    assert len(list(lineage(same, list_runs(tmp_path)))) <= 2


def test_runs_are_found_at_any_depth_and_a_missing_folder_is_told(tmp_path: Path) -> None:
    make(tmp_path, "b/c")
    make(tmp_path, "a")
    assert find_runs(tmp_path) == [tmp_path / "a", tmp_path / "b" / "c"]
    with pytest.raises(MissingError, match="There is no folder"):
        find_runs(tmp_path / "nowhere")


def test_differences_name_the_leaves() -> None:
    old = {"a": {"x": 1, "y": 2}, "b": 3, "c": 4}
    new = {"a": {"x": 1, "y": 5}, "b": 3, "d": {"z": 6}}
    assert differences(old, new) == [("a.y", 2, 5), ("c", 4, None), ("d.z", None, 6)]


def test_the_commit_is_that_of_the_checkout() -> None:
    root = Path(tutelage.__file__).parent.parent
    head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    assert code_version()["commit"].removesuffix("+changes") == (head.stdout.strip() if head.returncode == 0 else "")


def test_equal_settings_have_equal_hashes() -> None:
    assert settings_hash(Sft()) == settings_hash({"widths": [1, 2], "rate": 0.1})
    assert settings_hash(Sft()) != settings_hash(Sft(rate=0.2))
