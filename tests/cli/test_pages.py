"""The pages say the truth: every command on them parses, every setting exists, and the reference is the help."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tutelage.cli import reference
from tutelage.config import dotted_names
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.tastes import GroupSettings
from tutelage.prompts.intake import IntakeSettings, Shares
from tutelage.safety.policy import PolicySettings
from tutelage.sample import SamplingSettings
from tutelage.serve.pages.settings import PageSettings
from tutelage.train.content_filter import FilterSettings
from tutelage.train.folds import FoldSettings

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("docs/guide/*.md"), ROOT / "README.md", ROOT / "recipes" / "README.md", ROOT / "CONTRIBUTING.md"]
)
#: A command in a code block, or between backticks in a sentence.
BLOCK, INLINE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL), re.compile(r"`(tutelage [^`]+)`")
PROGRAM = reference.program()
COMMANDS = dict(reference.commands(PROGRAM, "tutelage"))


def shown(page: Path) -> Iterator[str]:
    """Find the commands of a page; a line that ends in a backslash goes on."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
            if line.startswith("tutelage "):
                yield line
    for found in INLINE.findall(BLOCK.sub("", text)):
        yield " ".join(found.split())


def parse(line: str) -> None:
    """Parse a command without running it; what the program would refuse raises."""
    words = shlex.split(line, comments=True)[1:]
    command: Any = PROGRAM
    path = ["tutelage"]
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command {' '.join([*path, words[0]])}"
        path.append(words[0])
        command = command.commands[words.pop(0)]
    # The name of a command in a sentence ("`tutelage prompts import` takes in ...") shows no arguments to check.
    if not words:
        return
    try:
        command.make_context(" ".join(path), list(words), resilient_parsing=False)
    except typer.Exit as ended:
        assert ended.exit_code == 0


#: Settings of commands that are no part of a recipe.
ALONE = {
    name
    for settings in (
        SamplingSettings,
        IntakeSettings,
        Shares,
        FoldSettings,
        GroupSettings,
        FilterSettings,
        PolicySettings,
        PageSettings,
    )
    for name in dotted_names(settings)
}
LINES = [(page, line) for page in PAGES for line in shown(page)]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page.stem}: {line}" for page, line in LINES])
def test_every_command_on_a_page_parses(page: Path, line: str) -> None:
    parse(line)


#: What the program tells people to type: between backticks, or printed at the end of a run.
TOLD = re.compile(r"(`|: +)tutelage ([a-z]+(?: [^`\"\n]*)?)")


def test_every_command_that_the_program_names_exists() -> None:
    """Sentences in the code name commands and options; what stands in braces is filled in when they are printed."""
    told = {
        (source.name, words)
        for source in (ROOT / "tutelage").rglob("*.py")
        for _, words in TOLD.findall(source.read_text(encoding="utf-8"))
    }
    assert len(told) > 20
    for name, words in told:
        first, *others = words.split()
        assert first in PROGRAM.commands, f"{name}: tutelage {words}"
        command = PROGRAM.commands[first]
        if others and others[0] in getattr(command, "commands", {}):
            command = command.commands[others[0]]
        options = {option for parameter in command.params for option in parameter.opts}
        named = {word.rstrip(".,;:)") for word in others if word.startswith("--")}
        assert named <= options, f"{name}: tutelage {words}"


def test_every_page_of_the_guide_shows_commands() -> None:
    found = {page.stem for page, _ in LINES}
    assert found >= {"engineer", "operator", "researcher", "lead"}


@pytest.mark.parametrize("line", ["tutelage runz list", "tutelage runs lst x", "tutelage prompts list --splitt train"])
def test_what_is_not_true_is_found(line: str) -> None:
    with pytest.raises(Exception, match="no command|[Nn]o such"):
        parse(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name + " " + page.stem)
def test_every_setting_on_a_page_exists(page: Path) -> None:
    """Settings of `tutelage run` and of one training alike: a section's names are the ends of the recipe's."""
    names = set(dotted_names(Recipe))
    ends = {name[at + 1 :] for name in names for at, letter in enumerate(name) if letter == "."}
    setting = re.compile(r"--set[ =]([\w.]+)=")
    assert set(setting.findall(page.read_text(encoding="utf-8"))) <= names | ends | ALONE
    for line in shown(page):
        if line.startswith("tutelage run "):
            assert set(setting.findall(line)) <= names, line


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_teaches_by_an_example_that_parses(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert all(parameter.help for parameter in command.params if parameter.name != "help")
    example = command.epilog.removeprefix("Example: ")
    assert example.startswith(name)
    parse(example)


def test_the_reference_is_the_help() -> None:
    """`make fix` writes it again."""
    assert (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8") == reference.page()
