"""`tutelage config`: settings as TOML, each explained, defaults included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

import typer

from tutelage.cli.options import Overrides

if TYPE_CHECKING:
    from tutelage.config import Settings

#: A whole recipe, or what one command's --set overrides.
Subject = Literal[
    "recipe", "intake", "sampling", "shares", "pretrain", "start", "sft", "reward", "ppo", "people", "work", "judge",
    "folds", "groups", "gates", "filter", "policy", "playground",
]  # fmt: skip
#: What commands read from --set alone, and what they read from files of their own.
Alone = Literal["intake", "sampling", "shares", "folds", "groups", "filter"]
OfAFile = Literal["people", "work", "judge", "gates", "policy", "playground"]


def register(app: typer.Typer) -> None:
    app.command("config", epilog="Example: tutelage config recipe village --set ppo.kl.beta=0.05")(config)


def config(
    subject: Annotated[
        Subject,
        typer.Argument(
            metavar="SUBJECT",
            help="recipe, pretrain, start, sft, reward, ppo, intake, shares, sampling, folds, groups, people, work, "
            "judge, gates, filter, policy or playground.",
            show_default=False,
        ),
    ],
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe whose values to show; else the defaults.")
    ] = "",
    overrides: Overrides = [],  # noqa: B006 - typer reads the default and never changes it
) -> None:
    """Print settings as TOML: every name with its meaning, its source and the value it would have.

    `recipe` is a whole recipe for `tutelage run`; pretrain, start, sft, reward and ppo are what `tutelage train` takes,
    intake what `tutelage prompts import`, shares what `tutelage labels import`, sampling what `tutelage sample`,
    folds what `tutelage evaluate reward`, groups what `tutelage evaluate groups`, people what `tutelage evaluate
    people`, work what `tutelage work`, judge what `tutelage labels judge`, gates what `tutelage models promote`, filter
    what `tutelage train filter`, and policy and playground what `tutelage serve --filter` and `--playground` take.
    """
    from tutelage.config import template

    print(template(_settings(subject, recipe, overrides)), end="")


def _settings(subject: Subject, recipe: str, overrides: list[str]) -> Settings | type[Settings]:
    if subject in get_args(Alone):
        return _alone(cast(Alone, subject), recipe, overrides)
    if subject in get_args(OfAFile):
        return _of_a_file(cast(OfAFile, subject), recipe, overrides)
    from tutelage.pipeline.recipe import Section, read_recipe, read_section

    if subject == "recipe":
        return read_recipe(recipe, overrides)
    section: Settings = read_section(cast(Section, subject), recipe, overrides)
    return section


def _of_a_file(subject: OfAFile, file: str, overrides: list[str]) -> Settings | type[Settings]:
    """Return settings that commands read from a file of their own; without any they are explained as they are."""
    from tutelage.config import load
    from tutelage.labelers.endpoint import ModelJudgeSettings
    from tutelage.pipeline.asking import PeopleRecipe
    from tutelage.pipeline.ranking import WorkSettings
    from tutelage.release.gates import Gates
    from tutelage.safety.policy import PolicySettings
    from tutelage.serve.pages.settings import PageSettings

    kinds: dict[str, type[Settings]] = {"people": PeopleRecipe, "work": WorkSettings, "judge": ModelJudgeSettings}
    kinds |= {"gates": Gates, "policy": PolicySettings, "playground": PageSettings}
    kind = kinds[subject]
    return load(kind, file or None, overrides) if file or overrides else kind


def _alone(subject: Alone, recipe: str, overrides: list[str]) -> Settings:
    """Return settings that commands read from --set alone."""
    from tutelage.config import load
    from tutelage.errors import SettingsError
    from tutelage.pipeline.tastes import GroupSettings
    from tutelage.prompts.intake import IntakeSettings, Shares
    from tutelage.sample import SamplingSettings
    from tutelage.train.content_filter import FilterSettings
    from tutelage.train.folds import FoldSettings

    if recipe:
        raise SettingsError(f"The settings of {subject} are taken from --set alone; leave out {recipe}.")
    kinds: dict[str, type[Settings]] = {
        "intake": IntakeSettings, "sampling": SamplingSettings, "shares": Shares, "folds": FoldSettings,
        "groups": GroupSettings, "filter": FilterSettings,
    }  # fmt: skip
    return load(kinds[subject], None, overrides)
