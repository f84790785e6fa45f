"""Write docs/reference/cli.md from the program's own help: `python -m tutelage.cli.reference FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from tutelage.cli import app
from tutelage.files import write_text

HEAD = """\
# Command line

Written by `make fix` from the program's own help; change it there. What `--set` knows is printed by `tutelage config`.
"""


def page() -> str:
    """Return the page: every command with its usage, its help, its options and an example."""
    return "\n".join([HEAD, *_lines(program(), "tutelage")]).rstrip() + "\n"


def program() -> Any:
    """Return the whole program as one command."""
    return typer.main.get_command(app)


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """List all commands below one by their full names, groups left out."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{path} {name}")
    if not hasattr(command, "commands"):
        yield path, command


def _lines(command: Any, path: str) -> Iterator[str]:
    if path != "tutelage":
        yield f"{'###' if path.count(' ') > 1 else '##'} {path}\n"
    for paragraph in (command.help or "").split("\n\n"):
        yield " ".join(paragraph.split()) + "\n"
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _lines(inner, f"{path} {name}")
        return
    context = typer.Context(command, info_name=path)
    arguments = [_typed(one) for one in command.params if one.param_type_name == "argument"]
    yield f"```\n{' '.join([path, *arguments, '[OPTIONS]'])}\n```\n"
    yield "| | |\n|---|---|"
    for parameter in command.params:
        name, meaning = parameter.get_help_record(context)
        yield f"| `{_cell(name)}` | {_cell(meaning)} |"
    yield f"\n{command.epilog.replace('Example: ', 'Example: `')}`\n"


def _typed(argument: Any) -> str:
    """Write an argument as it is typed: in brackets when it may be left out, with dots when it may be repeated."""
    name = f"{argument.metavar}{'...' if argument.nargs == -1 else ''}"
    return name if argument.required else f"[{name}]"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), page())
