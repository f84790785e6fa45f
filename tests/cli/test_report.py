"""`tutelage report`: a page for people, JSON for programs, and mistakes told in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tutelage.cli import app
from tutelage.errors import MissingError
from tutelage.evaluate.records import Arm, ArmRanking, Evaluation, Facts, JudgedPrompt, Output, OutputVerdicts, write


@pytest.fixture
def run(tmp_path: Path) -> Path:
    prompts = tuple(JudgedPrompt(seed=1, prompt_id=f"p{n}", text=f"Question {n}?") for n in range(4))
    evaluation = Evaluation(
        arms=(Arm(model="sft", name="SFT"), Arm(model="ppo_ptx", name="PPO-ptx")),
        facts=Facts(seed=1, seconds={"PPO": 12.5}),
        prompts=prompts,
        rankings=tuple(
            ArmRanking(
                seed=1, prompt_id=p.prompt_id, labeler=f"l{n % 2}", group="heldout", ranks={"sft": 1, "ppo_ptx": n // 3}
            )
            for n, p in enumerate(prompts)
        ),
        verdicts=tuple(
            OutputVerdicts(seed=1, prompt_id=p.prompt_id, model=m, verdicts={"passed": m == "ppo_ptx"})
            for p in prompts
            for m in ("sft", "ppo_ptx")
        ),
        completions=tuple(
            Output(seed=1, prompt_id=p.prompt_id, model=m, text="Yes.", finish_reason="stop")
            for p in prompts
            for m in ("sft", "ppo_ptx")
        ),
    )
    write(tmp_path / "runs" / "one" / "evaluation", evaluation)
    return tmp_path / "runs" / "one"


def report(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["report", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_json_is_all_that_is_printed(run: Path) -> None:
    """Three wins and a tie are 87.5 %."""
    figures = json.loads(report(run, "--json"))
    assert figures["win_rate"]["ppo_ptx"]["sft"]["mean"] == 0.875
    assert figures["rates"]["passed"]["sft"] | {"low": 0, "high": 1} == {"mean": 0.0, "low": 0, "high": 1, "n": 4}
    assert (figures["tasks"], figures["seconds"]) == ({}, {"PPO": 12.5})
    assert not (run / "report").exists()


def test_the_page_is_written_and_named(run: Path) -> None:
    printed = report(run)
    page = run / "report" / "report.html"
    assert f"Report: {page}" in printed
    assert "PPO-ptx preferred to SFT" in printed
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads((run / "report" / "report.json").read_bytes())["win_rate"]


def test_without_a_run_all_evaluated_runs_are_pooled(run: Path, tmp_path: Path) -> None:
    assert f"Report: {tmp_path / 'out' / 'report.html'}" in report("--root", run.parent, "--out", tmp_path / "out")


def test_a_folder_without_evaluations_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="No run under"):
        report("--root", tmp_path)


def test_a_recipes_run_is_read_where_it_says_its_evaluation_is_now(run: Path) -> None:
    """Settings that changed leave the older evaluation behind; it must be neither read nor pooled."""
    place = run / "evaluation"
    place.rename(run / "evaluation-new-moved")
    for name in ("evaluation-old", "evaluation-new"):
        (run / name).mkdir()
    (run / "evaluation-new-moved").rename(run / "evaluation-new" / "evaluation")
    (run / "evaluation-old" / "evaluation").mkdir()
    (run / "evaluation-old" / "evaluation" / "models.json").write_text("broken")
    (run / "stages.json").write_text(json.dumps({"base": "base-1", "evaluation": "evaluation-new"}))
    for arguments in ((run,), ("--root", run.parent)):
        assert json.loads(report(*arguments, "--json"))["win_rate"]["ppo_ptx"]["sft"]["mean"] == 0.875


def test_a_run_that_is_not_evaluated_yet_is_told(run: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "stages.json").write_text('{"base": "base-1"}')
    with pytest.raises(MissingError, match="it goes on where it stopped"):
        report(tmp_path / "other")
