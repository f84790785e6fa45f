"""`tutelage config`: settings as TOML, each explained, defaults included."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutelage.cli.options import Overrides

if TYPE_CHECKING:
    from tutelage.config import Settings


class Subject(StrEnum):
    """Whose settings to print."""

    PRETRAIN = "pretrain"
    SFT = "sft"
    REWARD = "reward"
    PPO = "ppo"


def register(app: typer.Typer) -> None:
    app.command("config")(config)


def config(
    subject: Annotated[Subject, typer.Argument(help="The stage whose settings to print.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A TOML file that overrides defaults.", show_default=False)
    ] = None,
    overrides: Overrides = [],  # noqa: B006 - typer reads the default and never changes it
) -> None:
    """Print a stage's settings as TOML: every name with its meaning, its source and the value it would have."""
    from tutelage.config import load, template

    kind = _settings(subject)
    # Without overrides the class itself, so that settings that must be given are shown as such and not asked for.
    print(template(load(kind, file, overrides) if file or overrides else kind), end="")


def _settings(subject: Subject) -> type[Settings]:
    if subject is Subject.PRETRAIN:
        from tutelage.train.pretrain import PretrainSettings

        return PretrainSettings
    if subject is Subject.SFT:
        from tutelage.train.sft import SFTSettings

        return SFTSettings
    if subject is Subject.REWARD:
        from tutelage.train.reward import RewardSettings

        return RewardSettings
    from tutelage.train.ppo import PPOSettings

    return PPOSettings
