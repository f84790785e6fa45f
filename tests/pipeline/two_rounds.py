"""Run a recipe in a folder, in a process of its own that a test may kill: `python -m tests.pipeline.two_rounds`."""

import sys
from pathlib import Path

from tutelage.config import find_recipe, load
from tutelage.pipeline.loop import stages_of
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.stages import Workspace

if __name__ == "__main__":
    chosen = load(Recipe, find_recipe("village"), sys.argv[2:])
    Workspace(Path(sys.argv[1]), chosen).run(stages_of(chosen))
