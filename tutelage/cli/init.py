"""`tutelage init`: a project directory with a recipe to change."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command("init", epilog="Example: tutelage init my-project --recipe village")(init)


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The project's directory; made when missing.")],
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME|FILE", help="The recipe to start from: a shipped name or a file.")
    ] = "village",
) -> None:
    """Start a project: a directory with a recipe, every number in it explained, for you to change."""
    from tutelage.config import find_recipe, read_toml
    from tutelage.errors import UserError
    from tutelage.files import write_text

    source = find_recipe(recipe)
    read_toml(source)
    target = directory / "recipe.toml"
    if target.exists():
        raise UserError(f"{target} exists already and is left as it is; choose another directory.")
    write_text(target, source.read_text(encoding="utf-8"))
    if not (directory / ".gitignore").exists():
        write_text(directory / ".gitignore", "# Made by runs, large, and made again from the recipe.\nruns/\n*.db\n")
    print(
        f"{target} is a copy of the recipe {source.stem}. Change it, then: cd {directory} && tutelage run recipe.toml"
    )
