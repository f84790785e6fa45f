"""`tutelage runs` and `tutelage init`."""

import math
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tutelage.cli import app
from tutelage.errors import MissingError, UserError
from tutelage.runs import Run


def tutelage(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Make a finished base run and an unfinished run made from it."""
    base = Run.create(tmp_path / "base", stage="pretrain", settings={"rate": 0.1, "width": 8}, seeds={"init": 1})
    base.metrics(1, {"loss": 2.5})
    base.metrics(2, {"loss": 1.25, "grad": math.inf})
    base.ledger.add("policy", flops=1e9, seconds=2.0, tokens=100)
    (base.directory / "model").write_text("weights", encoding="utf-8")
    base.finish({"model": "model"})
    sft = Run.create(
        tmp_path / "sft",
        stage="sft",
        settings={"rate": 0.2, "width": 8},
        seeds={"init": 1},
        parents={"base": base.outputs["model"], "data": "ab" * 32},
    )
    sft.metrics(7, {"loss": 0.5})
    return tmp_path


def rows(result: Result) -> list[list[str]]:
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_list_gives_one_line_per_run(runs: Path) -> None:
    header, *listed = rows(tutelage("runs", "list", "--root", runs))
    assert header == ["run", "stage", "status", "last step", "created"]
    assert [row[:4] for row in listed] == [
        [str(runs / "base"), "pretrain", "finished", "2"],
        [str(runs / "sft"), "sft", "unfinished", "7"],
    ]


def test_list_tells_of_runs_it_cannot_read_and_goes_on(runs: Path) -> None:
    (runs / "future").mkdir()
    (runs / "future" / "run.json").write_text('{"format": 99}', encoding="utf-8")
    result = tutelage("runs", "list", "--root", runs)
    assert len(rows(result)) == 3
    assert "future has run format 99" in result.stderr


def test_list_of_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="There is no folder"):
        tutelage("runs", "list", "--root", tmp_path / "nowhere")


def test_show_tells_origin_cost_and_result(runs: Path) -> None:
    shown = rows(tutelage("runs", "show", runs / "sft", "--root", runs))
    assert ["stage", "sft"] in shown
    assert ["rate", "0.2"] in shown
    assert [row for row in shown if row[0] == "base"][0][2] == str(runs / "base")
    assert ["data", "abababababab", "from outside"] in shown
    shown = rows(tutelage("runs", "show", runs / "base", "--root", runs))
    assert ["policy", "1e+09", "2", "100"] in shown
    assert ["loss", "1.25"] in shown
    assert ["grad", "inf"] in shown
    assert "kept" not in [row[0] for row in shown]


def test_show_tells_which_step_was_kept_for_its_score(runs: Path) -> None:
    run = Run.open(runs / "sft")
    for step, judged in ((8, 0.5), (9, 0.75), (10, 0.25)):
        run.metrics(step, {"validation/policy/judged": judged})
    (runs / "sft" / "best_judged").mkdir()
    shown = rows(tutelage("runs", "show", runs / "sft", "--root", runs))
    at = shown.index(["kept", "of step", "for the highest", "value"])
    assert shown[at + 1] == ["best_judged", "9", "validation/policy/judged", "0.75"]


def test_compare_shows_only_what_differs_and_the_last_metrics(runs: Path) -> None:
    shown = rows(tutelage("runs", "compare", runs / "base", runs / "sft"))
    names = [row[0] for row in shown]
    assert names[0] == "differs"
    assert ["settings.rate", "0.1", "0.2"] in shown
    assert "settings.width" not in names
    assert "seeds.init" not in names
    assert ["loss", "1.25", "0.5"] in shown


def test_compare_needs_two(runs: Path) -> None:
    with pytest.raises(UserError, match="at least two"):
        tutelage("runs", "compare", runs / "base")


def test_init_copies_a_recipe_with_its_comments(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text("# Why.\nname = 'x'\n", encoding="utf-8")
    result = tutelage("init", tmp_path / "project", "--recipe", recipe)
    assert (tmp_path / "project" / "recipe.toml").read_text(encoding="utf-8") == "# Why.\nname = 'x'\n"
    assert "runs/" in (tmp_path / "project" / ".gitignore").read_text(encoding="utf-8")
    assert f"cd {tmp_path / 'project'} && tutelage run recipe.toml" in result.stdout


def test_init_leaves_what_is_there(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("name = 'mine'\n", encoding="utf-8")
    with pytest.raises(UserError, match="exists already and is left as it is"):
        tutelage("init", tmp_path, "--recipe", recipe)
    with pytest.raises(MissingError, match="There is no recipe"):
        tutelage("init", tmp_path / "new", "--recipe", "no-such-recipe.toml")
    assert not (tmp_path / "new").exists()


def test_a_page_of_one_run_and_of_two_is_written_on_request(runs: Path) -> None:
    one, two = runs / "one.html", runs / "two.html"
    assert tutelage("runs", "show", runs / "base", "--page", one).stdout == f"Page: {one}\n"
    assert "Loss went from 2.5 to 1.25" in one.read_text(encoding="utf-8")
    tutelage("runs", "compare", runs / "base", runs / "sft", "--page", two)
    assert "Training of base and sft" in two.read_text(encoding="utf-8")
    with pytest.raises(UserError, match="at least two"):
        tutelage("runs", "compare", runs / "base", "--page", two)


def test_event_files_for_tensorboard_are_written_on_request(runs: Path) -> None:
    told = tutelage("runs", "tensorboard", runs / "base", runs / "events").stdout
    assert told == f"Wrote 2 rows of metrics: tensorboard --logdir {runs / 'events'}\n"
    assert [path.name.split(".")[0] for path in (runs / "events").iterdir()] == ["events"]
