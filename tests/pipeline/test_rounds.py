"""What a later round begins with, and rounds that cannot be. That rounds run is tested in test_village_loop.py."""

from pathlib import Path

import pytest

from tutelage.config import find_recipe, load
from tutelage.errors import RefusedError, SettingsError
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.rounds import in_force
from tutelage.pipeline.stages import Stage, Workspace


def test_a_round_begins_with_what_customers_are_served(tmp_path: Path) -> None:
    def released(name: str, default: str, model: str) -> Stage:
        return Stage(
            name, name, lambda *_: {"default": default, "model": model, "refused": "The gate x fails."}, {"is": default}
        )

    space = Workspace(tmp_path, load(Recipe, find_recipe("village"), ["rounds.count=3", "rounds.episodes=0"]))
    space.run([released("release", "", "village-ppo_ptx@1")])
    with pytest.raises(RefusedError, match=r"Round 2 begins .* and none was released. The gate x fails"):
        in_force(space, 2)
    space.run(
        [released("release", "village-ppo_ptx", "village-ppo_ptx@1"), released("release_2", "", "village-ppo_ptx@2")]
    )
    assert in_force(space, 3) == "village-ppo_ptx@1"


@pytest.mark.parametrize(
    ("recipe", "settings", "told"),
    [
        ("imported", ["rounds.count=2"], "only the village has customers"),
        ("village", ["rounds.count=2", "rounds.episodes=100"], "rounds.episodes = 100 must be a multiple of ppo.batch"),
        ("village", ["rounds.count=2", "ppo.layout.kind=adapters"], "needs ppo.layout.kind = separate"),
    ],
)  # fmt: skip
def test_rounds_that_cannot_be_are_refused(recipe: str, settings: list[str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load(Recipe, find_recipe(recipe), settings)
