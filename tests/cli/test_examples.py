"""The examples run as they stand and teach what they say, the page shows nothing else, and what is public is told."""

import importlib
import inspect
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

from tutelage.cli import api
from tutelage.runs import Run

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "guide" / "examples"
PAGE = (ROOT / "docs" / "guide" / "python.md").read_text(encoding="utf-8")
PUBLIC = [(module, name) for module, names in api.public().items() for name in names]


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Run the commands of the page, one after the other, and give what each printed."""
    root = tmp_path_factory.mktemp("examples")
    [block] = re.findall(r"```\ncd docs/guide/examples\n(.*?)```", PAGE, re.DOTALL)
    said = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.syspath_prepend(EXAMPLES)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        for line in block.splitlines():
            python, script, *arguments = line.split()
            assert python == "python"
            patch.setattr(sys, "argv", [script, *arguments])
            lines = said[script] = []
            runpy.run_path(str(EXAMPLES / script), {"print": lines.append}, "__main__")
        torch.set_num_threads(threads)
    sys.modules.pop("capitals")
    return root, said


def test_every_example_is_run(printed):
    _, said = printed
    assert set(said) | {"capitals.py"} == {path.name for path in EXAMPLES.glob("*.py")}
    assert all(said.values())


def test_the_supervised_model_learns_its_rows(printed):
    root, said = printed
    rows = Run.open(root / "runs" / "sft").read_metrics()
    assert rows[-1]["heldout/loss"] < rows[0]["loss"] / 2
    assert said["sft.py"][-1] == "Model: runs/sft/model"


def test_the_reward_model_prefers_the_truth(printed):
    _, said = printed
    good, bad = map(float, re.findall(r"-?\d+\.\d+", said["reward.py"][0]))
    assert good > bad


def test_the_policy_is_judged_and_what_the_judge_liked_most_is_kept(printed):
    root, said = printed
    assert set(Run.open(root / "runs" / "ppo").outputs) == {"model", "ema", "best", "best_judged"}
    assert [line.split(":")[0] for line in said["ppo.py"][:-1]] == ["step 4", "step 8", "step 12", "step 16"]


def test_ones_own_loop_begins_at_the_reference_and_answers_better_in_the_end(printed):
    _, said = printed
    scores, divergences, ratios, _ = zip(
        *[map(float, re.findall(r"(?<= )-?\d+\.\d+", line)) for line in said["own_loop.py"]], strict=True
    )
    assert divergences[0] == 0
    assert set(ratios) == {1.0}
    assert sum(scores[-5:]) > sum(scores[:5])


def test_the_page_shows_what_the_examples_do():
    shown = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    scripts = [path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py")]
    assert len(shown) == 7
    for block in shown:
        assert any(block in script for script in scripts), block


def test_the_reference_is_the_docstrings():
    """`make fix` writes it again; a public name that changes is seen here first, and belongs into the changelog."""
    assert (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8") == api.page()


@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=[f"{module}.{name}" for module, name in PUBLIC])
def test_a_public_name_says_what_it_does_in_which_shapes_and_when_it_raises(module, name):
    value = getattr(importlib.import_module(module), name)
    told = inspect.getdoc(value) or ""
    assert told
    if inspect.isroutine(value):
        source, takes = inspect.getsource(value), str(inspect.signature(value))
        assert "Tensor" not in takes or re.search(r"\[[^\]]*\]|scalar", told), "no shape"
        assert "raise ValueError" not in source or "ValueError" in told, "no error"


def test_the_page_names_what_is_public():
    for name in re.findall(r"`(\w+)`", PAGE[PAGE.index("| `tutelage.core`") :]):
        assert name in {public for _, public in PUBLIC}, name
