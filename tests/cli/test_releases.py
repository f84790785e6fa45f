"""`tutelage models promote` and `rollback`: what is told, what moves, and what a mistake leaves as it was."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.cli.conftest import table
from tests.release.versions import judge, register, write
from tutelage.store import Store, jobs
from tutelage.store.results import Figure

GATES = '[[gates]]\nfigure = "win_rate/sft"\nat_least = 0.5\n'


@pytest.fixture
def registry(tutelage, tmp_path):
    """A store with three versions in the command's folder, of which the third is worse than SFT."""
    Path("gates.toml").write_text(GATES)
    with Store.open("sqlite:///tutelage.db") as store:
        for number, low in enumerate((0.55, 0.52, 0.40), start=1):
            model = register(store, write(tmp_path / f"v{number}", number))
            judge(store, model, win_rate__sft=Figure(low + 0.05, low, low + 0.1, 500))
        yield store


def test_versions_are_promoted_tried_and_taken_back(registry, tutelage, refused):
    printed = tutelage("models", "promote", "m@1", "--gates", "gates.toml", "--reason", "the first")
    assert printed == (
        "The gate win_rate/sft passes: win_rate/sft is 0.600 [0.550, 0.650], n = 500.\ndefault names m@1.\n"
    )
    told = refused("models", "promote", "m@3")
    assert told == (
        "m@3 is not promoted. The gate win_rate/sft fails: win_rate/sft is 0.450 [0.400, 0.500], n = 500, and its "
        "whole interval must be at least 0.5; the interval is too wide to tell, so evaluate on more."
    )
    assert tutelage("models", "promote", "m@2", "--canary", "0.1").endswith(
        "m@2 answers 10.0% of the callers of default; the others stay at m@1.\n"
    )
    assert [row[2] for row in table(tutelage("models", "list"))[1:]] == ["default", "default (10.0%)", ""]
    assert tutelage("models", "rollback") == "m@2 is no canary of default any more.\n"
    kept = tutelage("models", "promote", "m@2", "--keep-until", "2100-01-31")
    assert kept.endswith("default names m@2 instead of m@1.\n")
    assert tutelage("models", "rollback", "--reason", "wrong language") == "default names m@1 again.\n"
    assert "nothing to go back to" in refused("models", "rollback")
    rows = [row[1:] for row in table(tutelage("models", "list", "--history"))[1:]]
    assert rows == [
        ["default", "promoted", "m@1", "", "1 gates", "the first"],
        ["default", "canary", "m@2", "10.0%", "1 gates", ""],
        ["default", "canary ended", "m@2", "", "", ""],
        ["default", "promoted", "m@2", "", "1 gates", ""],
        ["default", "rolled back", "m@1", "", "", "wrong language"],
    ]


def test_mistakes_are_told_and_move_nothing(registry, refused):
    for arguments, told in (
        (("m@1",), "Nothing was promoted to default through gates yet"),
        (("m@9", "--gates", "gates.toml"), "There is no model 'm@9'"),
        (("m@1", "--gates", "none.toml"), "There is no recipe none.toml"),
        (("m@1", "--without-gates"), "say why with --reason"),
        (("m@1", "--gates", "gates.toml", "--alias", "m"), "'m' is the name of a model"),
        (("m@1", "--gates", "gates.toml", "--canary", "0.1"), "default names nothing yet"),
        (("m@1", "--gates", "gates.toml", "--keep-until", "2020-01-01"), "2020-01-01 is past"),
        (("m@1", "--gates", "gates.toml", "--evaluation", "v1"), "v1 holds no evaluation"),
        (("m@1", "--shadow", "5", "--canary", "0.5"), "give --shadow alone"),
    ):
        assert told in refused("models", "promote", *arguments)
    assert "There is no alias 'default'" in refused("models", "rollback")
    assert jobs.find(registry) == []


def test_a_shadow_is_work_for_later(registry, tutelage):
    printed = tutelage("models", "promote", "m@2", "--shadow", "50")
    (job,) = jobs.find(registry)
    assert printed == f"The job {job.id} waits for `tutelage work`: m@2 answers 50 consented prompts, for nobody.\n"
    assert (job.kind, job.arguments["version"], job.arguments["rows"]) == ("shadow", "m@2", 50)
    assert table(tutelage("models", "list", "--history"))[1:] == []


def test_gates_are_explained(tutelage):
    assert "win_rate/sft" in tutelage("config", "gates")
    Path("mine.toml").write_text(GATES)
    (gate,) = tomllib.loads(tutelage("config", "gates", "mine.toml"))["gates"]
    assert (gate["figure"], gate["at_least"], gate["part"]) == ("win_rate/sft", 0.5, "whole")
