"""What is shown while a model trains: the figures that matter, the bar and the time left."""

import io

import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tutelage.cli.live import Block, Lines, chosen, shown, steps
from tutelage.pipeline.stages import Stage

STAGE = Stage("PPO", "PPO", run=lambda space, out: {}, settings=None)
METRICS = {
    "gradient/ptx": 0.5, "objective/kl": 3.25, "objective/score": 0.5, "ppo/policy/entropy": 0.875,
    "tokens/completion_mean": 24.0, "ppo/policy/clipfrac": 0.015625, "ppo/val/var_explained": 0.5, "policy/lr": 1e-5,
}  # fmt: skip


def test_the_figures_that_matter_have_names_and_an_order():
    assert shown(METRICS) == "reward 0.5  KL 3.25  entropy 0.875  length 24  clipped 0.0156  explained variance 0.5"
    assert list(chosen(METRICS | {"episodes/s": 2.0})) == [
        "reward", "KL", "entropy", "length", "clipped", "explained variance", "episodes/s",
    ]  # fmt: skip
    # The figures of several trainings side by side have names of their own.
    assert chosen({"ppo reward": 1.0, "ppo_ptx reward": 2.0}) == {"ppo reward": 1.0, "ppo_ptx reward": 2.0}


@pytest.mark.parametrize("width", [48, 120])
def test_the_block_shows_bar_time_and_every_figure_at_any_width(width):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    block = Block(Progress(TextColumn("{task.description}"), BarColumn(bar_width=8), TimeRemainingColumn()), console)
    block.begin(STAGE, 1, 1)
    block.advance(10, 40, METRICS)
    console.print(block)
    written = console.file.getvalue()
    assert "PPO" in written
    assert "1/1" not in written
    for name, value in chosen(METRICS).items():
        assert f"{name} {value:.3g}" in " ".join(written.split())
    block.end(STAGE, 12.4, skipped=False)
    assert "PPO: 12 s" in console.file.getvalue()


def test_lines_tell_figures_and_the_time_left(capsys, monkeypatch):
    monkeypatch.setattr("tutelage.cli.live.EVERY", 0.0)
    lines = Lines()
    lines.begin(STAGE, 1, 1)
    lines.advance(10, 40, METRICS)
    told = capsys.readouterr().err
    assert "25 %" in told
    assert "s left  reward 0.5  KL 3.25" in told


def test_episodes_a_second_count_from_where_a_run_goes_on(capsys, monkeypatch):
    monkeypatch.setattr("tutelage.cli.live.EVERY", 0.0)
    with steps("PPO", 64) as watch:
        watch(101, 200, {"objective/score": 1.0})
    told = capsys.readouterr().err
    assert "episodes/s" in told
    # 64 episodes and not 101 times as many: a step at least took some microseconds.
    rate = float(told.split("episodes/s ")[1].split()[0])
    assert rate < 64 / 1e-6
