"""Stages are made once, made again when what they depend on changes, and go on after an interruption."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tutelage.config import Settings
from tutelage.errors import InvariantError
from tutelage.files import read_json, write_json
from tutelage.pipeline.stages import MARKER, Stage, Workspace
from tutelage.train import memory


class Empty(Settings):
    """No settings."""


class Counting:
    """Stages that note how often they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def stage(self, name: str, setting: int, needs: tuple[str, ...] = ()) -> Stage:
        def run(space: Workspace, out: Path) -> dict[str, object]:
            self.ran.append(name)
            (out / "made").write_text(name)
            return {"saw": [space.facts(need)["value"] for need in needs], "value": setting}

        return Stage(name, name.title(), run, {"setting": setting}, needs)


def test_a_stage_that_is_made_is_skipped(tmp_path: Path) -> None:
    counting = Counting()
    stages = [counting.stage("first", 1), counting.stage("second", 2, ("first",))]
    Workspace(tmp_path, Empty()).run(stages)
    Workspace(tmp_path, Empty()).run(stages)
    assert counting.ran == ["first", "second"]


def test_a_changed_setting_runs_the_stage_and_what_needs_it_and_keeps_the_old_outputs(tmp_path: Path) -> None:
    counting = Counting()
    Workspace(tmp_path, Empty()).run([counting.stage("first", 1), counting.stage("second", 2, ("first",))])
    space = Workspace(tmp_path, Empty())
    space.run([counting.stage("first", 7), counting.stage("second", 2, ("first",))])
    assert counting.ran == ["first", "second", "first", "second"]
    assert space.facts("second")["saw"] == [7]
    assert len(list(tmp_path.glob("first-*"))) == 2
    Workspace(tmp_path, Empty()).run([counting.stage("first", 1), counting.stage("second", 2, ("first",))])
    assert len(counting.ran) == 4


def test_a_stage_that_fails_is_run_again_and_its_seconds_add_up(tmp_path: Path) -> None:
    attempts = []

    def run(_: Workspace, out: Path) -> dict[str, object]:
        attempts.append(sorted(path.name for path in out.iterdir()))
        (out / "part").touch()
        if len(attempts) == 1:
            raise RuntimeError("killed")
        return {}

    stage = Stage("only", "Only", run, {})
    with pytest.raises(RuntimeError, match="killed"):
        Workspace(tmp_path, Empty()).run([stage])
    space = Workspace(tmp_path, Empty())
    space.run([stage])
    assert attempts == [[], ["part", "seconds.json"]]
    assert space.seconds()["only"] > 0


@pytest.mark.skipif(not os.access(memory.CLEAR, os.W_OK), reason="the most that a process held is kept for ever here")
def test_each_stage_tells_the_most_memory_that_it_held_itself(tmp_path: Path) -> None:
    def hold(size: int) -> Callable[[Workspace, Path], dict[str, object]]:
        return lambda *_: {"size": len(b"x" * size)}

    stages = [Stage("large", "Large", hold(400 << 20), {}), Stage("small", "Small", hold(1 << 20), {})]
    space = Workspace(tmp_path, Empty())
    space.run(stages)
    found = space.peaks()
    assert found["large"] - found["small"] > 300 << 20
    marker = next(tmp_path.glob("small-*")) / MARKER
    write_json(marker, {key: value for key, value in read_json(marker).items() if key != "peak"})
    again = Workspace(tmp_path, Empty())
    again.run(stages)  # made by a version that did not note it
    assert again.peaks() == {"large": found["large"]}


def test_reading_a_stage_that_is_not_needed_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvariantError, match="list it among the needs"):
        Workspace(tmp_path, Empty()).directory("other")
