"""`tutelage config`: what it prints loads back, and mistakes are told."""

import tomllib
from pathlib import Path

import pytest

from tutelage.config import load, shipped_recipes
from tutelage.pipeline.recipe import Recipe

PEOPLE = 'name = "n"\nbaseline = "a"\n[arms]\na = { model = "m" }\nb = { model = "n" }\n[prompts]\ncount = 7\n'


@pytest.mark.parametrize("subject", ["pretrain", "start", "sft", "reward", "ppo", "intake", "sampling", "shares"])
def test_the_settings_of_a_command_are_toml_with_comments(tutelage, subject):
    text = tutelage("config", subject)
    assert tomllib.loads(text)
    assert "# " in text


@pytest.mark.parametrize("subject", ["people", "work"])
def test_what_is_read_from_a_file_of_its_own_is_explained_and_shown(tutelage, subject):
    assert tomllib.loads(tutelage("config", subject))
    Path("mine.toml").write_text({"people": PEOPLE, "work": "[ranking]\nwaiting = 7\n"}[subject])
    shown = tomllib.loads(tutelage("config", subject, "mine.toml"))
    assert (shown["prompts"]["count"] if subject == "people" else shown["ranking"]["waiting"]) == 7


def test_a_whole_recipe_is_printed_and_loads_back(tutelage):
    village = shipped_recipes() / "village.toml"
    for arguments in ((), (village,), ("village",)):
        Path("mine.toml").write_text(tutelage("config", "recipe", *arguments), encoding="utf-8")
        assert load(Recipe, "mine.toml") == (
            load(Recipe, village) if arguments else load(Recipe, None, ["village.ppo=4000"])
        )
    assert tomllib.loads(village.read_text())["seed"] == 1
    assert (
        tomllib.loads(tutelage("config", "recipe", "village", "--set", "ppo.kl.beta=0.25"))["ppo"]["kl"]["beta"] == 0.25
    )


def test_a_section_is_printed_with_what_the_recipe_shares(tutelage):
    Path("r.toml").write_text("seed = 5\n[village]\n[sft]\nepochs = 3.0\n[sample]\nmax_tokens = 21\n")
    sft = tomllib.loads(tutelage("config", "sft", "r.toml", "--set", "batch=8"))
    assert (sft["seed"], sft["epochs"], sft["batch"]) == (5, 3.0, 8)
    ppo = tomllib.loads(tutelage("config", "ppo", "r.toml"))
    assert (ppo["seed"], ppo["ptx_seed"], ppo["max_tokens"]) == (5, 5, 21)
    assert tomllib.loads(tutelage("config", "pretrain", "r.toml"))["pretrain"]["seed"] == 5


def test_mistakes_are_told(refused):
    assert "did you mean seed?" in refused("config", "sft", "--set", "sed=41")
    assert "did you mean ppo.kl.beta?" in refused("config", "recipe", "--set", "ppo.beta=0.05")
    assert "did you mean pretrain.tokens?" in refused("config", "pretrain", "--set", "tokens=5")
    assert "There is no recipe vilage.toml." in refused("config", "recipe", "vilage.toml")
    assert "leave out village" in refused("config", "intake", "village")
    assert "'reward', 'ppo'" in refused("config", "rewards")
    Path("two.toml").write_text("[village]\n[imported]\n")
    assert "exactly one source" in refused("config", "recipe", "two.toml")
    Path("latin.toml").write_bytes(b"name = '\xe9'")
    assert "latin.toml is not UTF-8 text" in refused("config", "recipe", "latin.toml")
    Path("broken.toml").write_text("seed = ")
    assert "broken.toml is not valid TOML" in refused("config", "recipe", "broken.toml")
    assert "broken.toml is not valid TOML" in refused("run", "broken.toml")
    assert "There is no recipe nowhere.toml." in refused("run", "nowhere.toml")
    assert "did you mean ppo.kl.beta?" in refused("run", "village", "--set", "ppo.kl.beat=1")
