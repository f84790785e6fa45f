"""Settings: precedence, refusals in sentences, and templates that load back to the defaults."""

import math
import tomllib
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from tutelage.config import Settings, dotted_names, find_recipe, load, parse_override, template, to_toml
from tutelage.errors import DataError, MissingError, SettingsError


class Ppo(Settings):
    """Reinforcement learning."""

    beta: float = 0.02
    """KL coefficient (paper, C.4)."""
    steps: int = Field(default=500, ge=1, description="Iterations.")
    controller: Literal["fixed", "adaptive"] = "fixed"
    """How beta moves."""


class Recipe(Settings):
    """A whole recipe."""

    name: str = "small"
    """What the runs are called."""
    init: Path | None = None
    """Where to start; unset starts from nothing."""
    layers: tuple[int, ...] = (1, 2)
    """Widths, bottom first."""
    mix: dict[str, float] = {"web": 0.5}
    """Shares by source."""
    ppo: Ppo = Ppo()
    """Reinforcement learning with the pretraining mix."""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text('name = "mine"\n[ppo]\nbeta = 0.5\n', encoding="utf-8")
    return path


def test_defaults_are_overridden_by_the_file_and_that_by_set(recipe: Path) -> None:
    assert load(Recipe).ppo.beta == 0.02
    assert load(Recipe, recipe).ppo.beta == 0.5
    settings = load(Recipe, recipe, ["ppo.beta=0.7", "layers=[3]", "init=some/dir"])
    assert (settings.name, settings.ppo.beta, settings.layers, settings.init) == ("mine", 0.7, (3,), Path("some/dir"))


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load(Recipe).name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=1", 1),
        ("a.b=1e-5", 1e-5),
        ("a.b=true", True),
        ('a.b="1"', "1"),
        ("a.b=[1, 2]", [1, 2]),
        ("a.b=plain words", "plain words"),
        ("a.b=x=y", "x=y"),
        ("a.b=1\nc = 2", "1\nc = 2"),
        ("a.b=", ""),
    ],
)
def test_an_override_is_toml_or_else_a_string(text: str, value: object) -> None:
    assert parse_override(text) == ("a.b", value)


@pytest.mark.parametrize("text", ["novalue", "=3", "a..b=1", "a b=1"])
def test_an_override_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="section.name=value"):
        parse_override(text)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("ppo.betta=1", "--set ppo.betta=1: there is no setting ppo.betta; did you mean ppo.beta?"),
        ("beta=1", "there is no setting beta; did you mean ppo.beta?"),
        ("ppo.zzz=1", "there is no setting ppo.zzz; the section ppo knows beta, steps, controller."),
        ("ppo.beta=much", "ppo.beta should be a valid number, got 'much'"),
        ('ppo.steps="100"', "ppo.steps should be a valid integer, got '100'"),
        ("ppo.steps=0", "ppo.steps should be greater than or equal to 1, got 0"),
        ("ppo.beta=inf", "ppo.beta should be a finite number"),
        ("ppo.controller=none", "ppo.controller should be 'fixed' or 'adaptive', got 'none'"),
        ("ppo=3", "ppo is a section; set one of ppo.beta, ppo.steps, ppo.controller"),
        ("name.first=x", "--set name.first: name is a value and not a section"),
    ],
)
def test_a_wrong_override_is_told_in_a_sentence(recipe: Path, override: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(Recipe, recipe, [override])
    assert sentence in str(caught.value)


def test_a_wrong_value_in_the_file_names_file_and_setting(recipe: Path) -> None:
    recipe.write_text("[ppo]\nbeta = 'x'\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(Recipe, recipe, ["name=y"])
    assert str(caught.value) == f"{recipe}: ppo.beta should be a valid number, got 'x'."


def test_a_setting_without_default_must_be_given() -> None:
    class Needs(Settings):
        data: Path
        """Where the data are."""

    with pytest.raises(SettingsError, match=r"^data has no default and must be set\.$"):
        load(Needs)
    assert template(Needs) == "# Where the data are. Must be set.\n# data =\n"


def test_a_missing_recipe_is_answered_with_those_that_exist(recipe: Path) -> None:
    with pytest.raises(MissingError) as caught:
        load(Recipe, recipe.with_name("smal.toml"))
    assert f"Did you mean {recipe}? The recipes that exist: " in str(caught.value)
    with pytest.raises(MissingError, match="is a directory"):
        load(Recipe, recipe.parent)


def test_a_bare_name_that_is_not_shipped_stays_a_path() -> None:
    assert find_recipe("no-such-recipe") == Path("no-such-recipe")


def test_files_that_are_not_toml_or_not_utf8_are_told(recipe: Path) -> None:
    recipe.write_text("name = \n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"small\.toml is not valid TOML: .*line 1"):
        load(Recipe, recipe)
    recipe.write_bytes(b'name = "\xff"\n')
    with pytest.raises(DataError, match=r"not UTF-8 text \(byte 8\)"):
        load(Recipe, recipe)


def test_a_template_explains_every_setting_and_loads_back(tmp_path: Path) -> None:
    text = template(Recipe)
    for description in ("KL coefficient (paper, C.4).", "Iterations.", "How beta moves. One of: fixed, adaptive."):
        assert f"# {description}" in text
    assert "# init =" in text.splitlines()
    path = tmp_path / "written.toml"
    path.write_text(text, encoding="utf-8")
    assert load(Recipe, path) == Recipe()


def test_a_template_of_chosen_settings_loads_back(tmp_path: Path) -> None:
    chosen = load(Recipe, None, ["ppo.beta=0.1", 'name="a \\"b\\" c"', "mix={a=1.0}"])
    path = tmp_path / "written.toml"
    path.write_text(template(chosen), encoding="utf-8")
    assert load(Recipe, path) == chosen


@pytest.mark.parametrize("value", [1e-5, 1e16, -3, True, "a\u007f\n\"'\\ü😀", [1, [2.5]], {"a b": {"c": "d"}}, ""])
def test_toml_values_read_back(value: object) -> None:
    assert tomllib.loads(f"x = {to_toml(value)}")["x"] == value


def test_an_infinite_toml_value_reads_back() -> None:
    assert tomllib.loads(f"x = {to_toml(-math.inf)}")["x"] == -math.inf


def test_dotted_names_list_sections_and_their_settings() -> None:
    assert list(dotted_names(Recipe)) == [
        *("name", "init", "layers", "mix"),
        *("ppo", "ppo.beta", "ppo.steps", "ppo.controller"),
    ]


def test_settings_in_maps_and_lists_are_checked_where_they_are() -> None:
    class Many(Settings):
        arms: dict[str, Ppo] = {}
        """One per arm."""

    assert load(Many, None, ["arms.small.beta=1"]).arms["small"].beta == 1.0
    with pytest.raises(SettingsError, match=r"arms\.small\.betta; did you mean arms\.small\.beta\?"):
        load(Many, None, ["arms.small.betta=1"])
