"""`tutelage train`: one training by itself, from JSON lines or from the store."""

# ruff: noqa: PLR0913 - one parameter per option

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutelage.cli.groups import Concerns, Groups
from tutelage.cli.options import (
    DEFAULT_DATABASE,
    DatabaseUrl,
    DataFile,
    HeldoutFile,
    Init,
    LabelColumns,
    LabelerKind,
    Overrides,
    Processes,
    RecipeSection,
    RunDirectory,
    TextsFile,
    Threads,
)
from tutelage.cli.processes import start_processes
from tutelage.cli.terminal import warn
from tutelage.records import Stage

if TYPE_CHECKING:
    from tutelage.pipeline.seen import Seen

Watch = Callable[[int, int, Mapping[str, float]], None]

group = typer.Typer(
    help="Train one model by itself. Given again, a command that was stopped goes on.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="train")


@group.command("pretrain", epilog="Example: tutelage train pretrain runs/base --texts texts.jsonl --recipe village")
def pretrain(
    run: RunDirectory,
    texts: Annotated[Path, typer.Option("--texts", metavar="FILE", help='{"text": ...} per line.', show_default=False)],
    heldout: HeldoutFile = None,
    init: Init = "",
    recipe: RecipeSection = "",
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    database: DatabaseUrl = DEFAULT_DATABASE,
    threads: Threads = 0,
    nproc: Processes = 1,
) -> None:
    """Train a base model on text, or continue one with --init. Settings: `tutelage config pretrain`."""
    start_processes(nproc)
    from tutelage.pipeline import sources
    from tutelage.pipeline.recipe import BaseSettings, read_section
    from tutelage.pipeline.training import first_model
    from tutelage.train.pretrain import Texts, train_pretrain

    settings: BaseSettings = read_section("pretrain", recipe, overrides)
    sources.check_run(run, "pretrain")
    documents = sources.texts(texts)
    start = init or settings.model
    model = sources.find_model(start, database) if start else first_model(settings, documents, run)
    data = Texts(documents, sources.texts(heldout))
    _train("Pretraining", run, threads, lambda watch: train_pretrain(run, settings.pretrain, data, model, watch))


@group.command("sft", epilog="Example: tutelage train sft runs/sft --init runs/base/model --data demonstrations.jsonl")
def sft(
    run: RunDirectory,
    init: Init,
    data: DataFile = None,
    heldout: HeldoutFile = None,
    texts: TextsFile = None,
    start: Annotated[bool, typer.Option("--start", help="Take the settings of the start of PPO instead.")] = False,
    recipe: RecipeSection = "",
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    database: DatabaseUrl = DEFAULT_DATABASE,
    kind: LabelerKind = "human",
    threads: Threads = 0,
    nproc: Processes = 1,
) -> None:
    """Fine-tune a model on demonstrations, {"prompt": ..., "completion": ...} per line.

    Settings: `tutelage config sft`, and `tutelage config start` with --start, which mixes in pretraining text.
    """
    start_processes(nproc)
    from tutelage.pipeline.recipe import read_section
    from tutelage.pipeline.sources import Sources, find_model, with_heldout
    from tutelage.pipeline.sources import texts as read_texts
    from tutelage.train.sft import SFTData, SFTSettings, train_sft

    settings: SFTSettings = read_section("start" if start else "sft", recipe, overrides)
    source = Sources(run, "sft", database, kind)
    model = find_model(init, database)
    rows = SFTData(*with_heldout(source.examples, data, heldout), read_texts(texts))
    _train(
        "Supervised fine-tuning", run, threads, lambda watch: train_sft(run, settings, rows, model, watch), source.seen
    )


@group.command("reward", epilog="Example: tutelage train reward runs/reward --init runs/sft/model --kind human")
def reward(
    run: RunDirectory,
    init: Init,
    data: DataFile = None,
    heldout: HeldoutFile = None,
    demonstrations: Annotated[
        Path | None,
        typer.Option(
            "--demonstrations", metavar="FILE", help="Demonstrations that score 0 on average.", show_default=False
        ),
    ] = None,
    groups: Groups = None,
    rule: Annotated[
        str,
        typer.Option(
            "--rule", help="With --groups: balanced, conditioned, own:GROUP, or weighted:TIMES with --concerns."
        ),
    ] = "pooled",
    concerns: Concerns = None,
    recipe: RecipeSection = "",
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    database: DatabaseUrl = DEFAULT_DATABASE,
    kind: LabelerKind = "human",
    threads: Threads = 0,
    nproc: Processes = 1,
) -> None:
    """Train a reward model on rankings, {"prompt": ..., "completions": [...], "ranks": [...]} per line, 0 is best.

    With --groups one learns for groups of labelers who want different things. Settings: `tutelage config reward`.
    """
    start_processes(nproc)
    from tutelage.pipeline.recipe import read_section
    from tutelage.pipeline.sources import Sources, find_model, with_heldout
    from tutelage.pipeline.tastes import taught
    from tutelage.train.reward import RewardData, RewardSettings, train_reward

    settings: RewardSettings = read_section("reward", recipe, overrides)
    source = Sources(run, "reward", database, kind)
    model = find_model(init, database)
    train, measured = with_heldout(source.groups, data, heldout)
    learned, heldout_rows = (taught(part, rule, groups, concerns) if part else [] for part in (train, measured))
    rows = RewardData(learned, heldout_rows, source.examples(demonstrations))
    _train("Reward model", run, threads, lambda watch: train_reward(run, settings, rows, model, watch), source.seen)


@group.command(
    "ppo", epilog="Example: tutelage train ppo runs/ppo --init sft --reward runs/reward/model --texts texts.jsonl"
)
def ppo(
    run: RunDirectory,
    init: Init,
    reward: Annotated[
        str,
        typer.Option("--reward", metavar="MODEL", help="The reward model: a directory, or a name.", show_default=False),
    ],
    reference: Annotated[
        str,
        typer.Option(
            "--reference",
            metavar="MODEL",
            help="The model that the policy is held to; by default the one that it begins with.",
            show_default=False,
        ),
    ] = "",
    data: DataFile = None,
    heldout: HeldoutFile = None,
    gold: Annotated[
        str,
        typer.Option(
            "--gold",
            metavar="MODEL",
            help="Another reward model, which judges answers to held-out prompts on the way.",
            show_default=False,
        ),
    ] = "",
    texts: TextsFile = None,
    stage: Annotated[Stage, typer.Option("--stage", help="Of the store's prompts: those set aside for this.")] = "ppo",
    groups: Groups = None,
    recipe: RecipeSection = "",
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    database: DatabaseUrl = DEFAULT_DATABASE,
    threads: Threads = 0,
    nproc: Processes = 1,
) -> None:
    """Train a policy against a reward model on prompts without answers, {"prompt": ...} per line.

    With pretraining text it is PPO-ptx; without, set ptx_coef=0. A policy that goes on from an earlier one (--init) is
    held to what that one was held to with --reference. With --groups the policy writes for each group by
    turns, against a reward model that was trained with --rule conditioned. What --gold says is drawn over the KL on the
    run's page (`tutelage runs show RUN --page FILE`), and the weights that it liked most are kept as `best_judged`.
    Settings: `tutelage config ppo`.
    """
    start_processes(nproc)
    from tutelage.pipeline.gold import gold_judge
    from tutelage.pipeline.recipe import read_section
    from tutelage.pipeline.sources import Sources, find_model, with_heldout
    from tutelage.pipeline.sources import texts as read_texts
    from tutelage.pipeline.tastes import asked_for
    from tutelage.train.four import Parents
    from tutelage.train.ppo import PPOData, PPOSettings, train_ppo

    settings: PPOSettings = read_section("ppo", recipe, overrides)
    source = Sources(run, "ppo", database, stage=stage)
    held_to = find_model(reference, database) if reference else None
    parents = Parents(find_model(init, database), find_model(reward, database), held_to)
    prompts, watched = with_heldout(source.prompts, data, heldout)
    rows = PPOData(asked_for(prompts, groups), read_texts(texts), asked_for(watched, groups))
    judge = gold_judge(find_model(gold, database), settings.template, rows.validation) if gold else None
    _train(
        "PPO",
        run,
        threads,
        lambda watch: train_ppo(run, settings, rows, parents, watch, judge),
        source.seen,
        settings.minibatch,
    )


@group.command(
    "filter",
    epilog="Example: tutelage train filter runs/filter --init smollm2 --data texts.jsonl --label hate=n_hate/n_raters",
)
def filter_command(
    run: RunDirectory,
    init: Init,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FILE", help="Texts that people labelled; else labelers' flags.", show_default=False
        ),
    ] = None,
    label: LabelColumns = [],  # noqa: B006 - typer copies it
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    database: DatabaseUrl = DEFAULT_DATABASE,
    kind: LabelerKind = "human",
    threads: Threads = 0,
) -> None:
    """Train a content filter on the flags that labelers raised, or on a file, {"text": ..., "labels": {...}} per line.

    Of a file one text in ten is kept for `tutelage evaluate filter` and one in ten for calibration; equal texts stay
    together. Labels are yes, no or the share of people who said yes. Settings: `tutelage config filter`.
    """
    from tutelage.config import load
    from tutelage.errors import SettingsError
    from tutelage.pipeline import labelled
    from tutelage.pipeline.sources import Sources, find_model
    from tutelage.train.content_filter import FilterData, FilterSettings, train_filter

    settings = load(FilterSettings, None, overrides)
    source = Sources(run, "filter", database, kind)
    model = find_model(init, database)
    if data is None:
        if label:
            raise SettingsError("--label names columns of a file; give it with --data, or leave --label out.")
        rows = FilterData(labelled.flagged(source.ratings()), labelled.flagged(source.ratings("validation")))
    else:
        parts = labelled.parted(labelled.read(data, [labelled.column(one) for one in label]))
        if parts.alike:
            warn(f"{parts.alike} training texts are nearly equal to held-out ones and are left out.")
        rows = FilterData(parts.train, parts.calibration)
    _train("Content filter", run, threads, lambda watch: train_filter(run, settings, rows, model, watch), source.seen)


def _train(
    title: str,
    run: Path,
    threads: int,
    train: Callable[[Watch], Path],
    seen: Seen | None = None,
    episodes: int = 0,
) -> None:
    """Train under the eyes of the terminal, and say where the model is and how good it looks."""
    import torch

    from tutelage.cli.live import steps
    from tutelage.cli.terminal import print_table
    from tutelage.runs import Run
    from tutelage.train.ranks import is_first

    torch.set_num_threads(threads or torch.get_num_threads())
    if not is_first():
        train(lambda *_: None)
        return
    with steps(title, episodes) as watch:
        model = train(watch)
    if seen is not None:
        seen.write(run)
    last: dict[str, float] = {}
    for row in Run.open(run).read_metrics():
        last |= row
    print_table(("last metric", "value"), sorted(last.items()))
    print(f"Model: {model}")
