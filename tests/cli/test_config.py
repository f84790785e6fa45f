"""`tutelage config`: what it prints loads back, and mistakes are told."""

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tutelage.cli import app
from tutelage.errors import SettingsError


def config(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["config", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


@pytest.mark.parametrize("stage", ["pretrain", "sft", "reward", "ppo"])
def test_the_settings_of_a_stage_are_toml_and_load_back(tmp_path: Path, stage: str) -> None:
    text = config(stage)
    assert tomllib.loads(text)
    assert "# " in text
    path = tmp_path / "stage.toml"
    path.write_text(text, encoding="utf-8")
    assert config(stage, path) == text


def test_an_override_is_shown_and_an_unknown_name_refused() -> None:
    assert tomllib.loads(config("sft", "--set", "seed=41"))["seed"] == 41
    with pytest.raises(SettingsError, match="did you mean seed"):
        config("sft", "--set", "sed=41")
