"""The words of the pages, and what an operator may set about them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tutelage.errors import SettingsError
from tutelage.serve.pages.part import FOLDER
from tutelage.serve.pages.settings import PageSettings
from tutelage.serve.pages.words import WORDS
from tutelage.store.votes import REASONS


def test_every_word_of_the_pages_exists_and_every_word_is_used() -> None:
    """A name is written whole, or its last part stands in quotes: what a template or a script joins to the first."""
    sources = [path for path in FOLDER.rglob("*") if path.suffix in (".html", ".py", ".js") and path.stem != "words"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    named = set(re.findall(r"""(?:\bt|[wW]ords|WORDS)[(\[]\s*["'`]([\w./]+)["'`]""", text))
    assert {name for name in named if name not in WORDS and not name.endswith(".")} == set()
    last = {name: name.rpartition(".")[2] for name in WORDS if f'"{name}"' not in text}
    parts = {*re.findall(r"""["'`](\w+)["'`]""", text), *re.findall(r"\b[012]\b", text), *REASONS, "cut", "length"}
    assert {name for name, part in last.items() if part not in parts} == set()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"compare": {"arms": {"a": {"model": "x"}}}}, "arms has 1"),
        ({"compare": {"arms": {"a": {"model": "x"}, "b": {"model": "x"}}}}, "two arms are the same model"),
        ({"compare": {"arms": {"a": {"model": "x"}, "b": {"model": "x", "frame": "Q:"}}}}, "does not hold {prompt}"),
        ({"compare": {"arms": {"a": {"model": "x"}, "b": {"model": "y", "stop": [""]}}}}, "not empty"),
        ({"notice_days": 0}, "greater than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        PageSettings.model_validate(wrong)


def test_an_arm_that_is_not_served_is_told_with_the_remedy() -> None:
    arms = {"a": {"model": "x"}, "b": {"model": "y"}}
    settings = PageSettings.model_validate({"compare": {"arms": arms}})
    assert settings.check_served(("x", "y")) is settings
    with pytest.raises(SettingsError, match="the model 'y', which is not served; add --model y"):
        settings.check_served(("x",))
