"""`tutelage plan`: what a recipe will take, before anything is run."""

# ruff: noqa: PLR0913 - one parameter per option

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tutelage.cli.options import Overrides
from tutelage.cli.terminal import print_table

if TYPE_CHECKING:
    from tutelage.pipeline.recipe import Recipe
    from tutelage.train.operations import Machine
    from tutelage.train.plan import StagePlan

GB, TERA = 1e9, 1e12
#: What each GPU holds, in the order of the columns: first what lasts through a stage, then what a moment adds.
LASTING, PASSING = ("weights", "optimizer", "average"), ("gradients", "copies", "activations", "logits", "cache")


def register(app: typer.Typer) -> None:
    app.command("plan", epilog="Example: tutelage plan paper-6b --gpus 64 --gpu-memory 80")(plan)


def plan(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped one.")],
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    gpus: Annotated[int, typer.Option("--gpus", help="GPUs that every model is cut over.")] = 8,
    memory: Annotated[float, typer.Option("--gpu-memory", metavar="GB", help="Memory of one GPU in GB.")] = 80.0,
    tflops: Annotated[
        float, typer.Option("--tflops", help="Peak of one GPU for the recipe's precision, in TFLOP/s.")
    ] = 989.0,
    bandwidth: Annotated[
        float, typer.Option("--bandwidth", metavar="GB/S", help="Bandwidth of one GPU's memory in GB/s.")
    ] = 3350.0,
    interconnect: Annotated[
        float, typer.Option("--interconnect", metavar="GB/S", help="Between one GPU and the others, in GB/s.")
    ] = 50.0,
    utilisation: Annotated[
        float, typer.Option("--utilisation", help="Share of the peak that training reaches, above 0 up to 1.")
    ] = 0.4,
    overhead: Annotated[
        float, typer.Option("--overhead", metavar="MS", help="Time to start a layer's computation, in milliseconds.")
    ] = 0.3,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Print the memory, operations and time of a recipe's trainings on some GPUs, from first principles.

    The speeds are those of an H100 with one 400 Gbit/s port; name your own. Status 2 if the GPUs have too little
    memory: the last sentence says how many would do.
    """
    from tutelage.errors import UserError
    from tutelage.pipeline.planning import fits, planned
    from tutelage.pipeline.recipe import read_recipe
    from tutelage.train.operations import Machine

    machine = Machine(
        gpus=gpus,
        memory=memory * GB,
        flops=tflops * TERA,
        bandwidth=bandwidth * GB,
        interconnect=interconnect * GB,
        utilisation=utilisation,
        overhead=overhead / 1e3,
    )
    settings = read_recipe(recipe, overrides)
    stages = planned(settings, machine)
    if as_json:
        typer.echo(json.dumps(_figures(settings, stages, machine), indent=2))
    else:
        unit = "GB" if max(stage.memory for stage in stages) >= GB else "MB"
        print_table((f"{unit} on each GPU", *LASTING, *PASSING, "total"), _memory(stages, unit), "Memory")
        print_table(
            ("stage", "steps", "tokens", "PF-days", "at full context", "reported", "busy GPUs", "time"),
            map(_time, stages),
            "Compute and time",
        )
        typer.echo(_assumptions(settings, machine))
    if not fits(stages, machine):
        raise UserError(_too_little(settings, stages, machine))


def _memory(stages: list[StagePlan], unit: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for stage in stages:
        if not stage.held:
            continue
        rows.append((stage.title, *[""] * (len(LASTING) + len(PASSING)), _amount(stage.memory, unit)))
        for one in stage.held:
            kept = [_amount(getattr(one, name), unit) for name in LASTING]
            rows.append((f"- {one.role}", *kept, *[""] * len(PASSING), _amount(one.total, unit)))
        for moment in stage.moments:
            added = [_amount(getattr(moment, name), unit) for name in PASSING]
            rows.append((f"+ {moment.name}", *[""] * len(LASTING), *added, _amount(moment.total, unit)))
    return rows


def _time(stage: StagePlan) -> tuple[object, ...]:
    from tutelage.train.operations import PETAFLOP_DAY

    is_run = bool(stage.held)
    return (
        stage.title,
        f"{stage.steps:,}",
        _short(stage.tokens),
        f"{stage.petaflop_days:.3g}",
        f"{stage.padded / PETAFLOP_DAY:.4g}",
        f"{stage.reported:g}" if stage.reported else "",
        stage.busy if is_run else "",
        _duration(stage.seconds) if is_run else "not run here",
    )


def _figures(recipe: Recipe, stages: list[StagePlan], machine: Machine) -> dict[str, Any]:
    from tutelage.pipeline.planning import fewest, fits, sizes_of
    from tutelage.train.operations import PETAFLOP_DAY

    return {
        "recipe": recipe.name,
        "machine": asdict(machine),
        "models": asdict(sizes_of(recipe)),
        "stages": [
            {
                **asdict(stage),
                "memory": stage.memory,
                "petaflop_days": stage.petaflop_days,
                "petaflop_days_at_full_context": stage.padded / PETAFLOP_DAY,
            }
            for stage in stages
        ],
        "fits": fits(stages, machine),
        "fewest_gpus": fewest(recipe, machine),
    }


def _assumptions(recipe: Recipe, machine: Machine) -> str:
    from tutelage.pipeline.planning import sizes_of
    from tutelage.train.plan import SPARE

    sizes = sizes_of(recipe)
    return (
        "A stage takes what lasts (-) and the largest of its moments (+). "
        f"Policy {_short(sizes.policy.weights)} weights, reward and value model {_short(sizes.reward.trunk)}. Reckoned "
        f"with {_gpus(machine.gpus)} of {machine.memory / GB:g} GB, {100 * SPARE:g} % of it kept free, "
        f"{machine.flops / TERA:g} TFLOP/s at {100 * machine.utilisation:g} %, {machine.bandwidth / GB:g} GB/s of "
        f"memory, {machine.interconnect / GB:g} GB/s between GPUs and {1e3 * machine.overhead:g} ms to start a layer; "
        "weights, gradients, optimizer and average are cut over all GPUs (FSDP2), to sample each holds a whole policy."
    )


def _too_little(recipe: Recipe, stages: list[StagePlan], machine: Machine) -> str:
    from dataclasses import replace

    from tutelage.pipeline.planning import fewest, most_gpus, planned
    from tutelage.train.plan import SPARE

    free = (1 - SPARE) * machine.memory
    worst = max(stages, key=lambda stage: stage.memory)
    told = (
        f"{worst.title} needs {_amount(worst.memory)} GB on each of {_gpus(machine.gpus)}, and of "
        f"{machine.memory / GB:g} GB only {_amount(free)} are free"
    )
    enough = fewest(recipe, machine)
    if enough is not None:
        return f"{told}; {_gpus(enough)} of this kind would do."
    most = most_gpus(recipe)
    left = max(planned(recipe, replace(machine, gpus=most)), key=lambda stage: stage.memory)
    largest = max(left.moments, key=lambda moment: moment.total)
    part = max(PASSING, key=lambda name: float(getattr(largest, name)))
    reason = "Models that do not lie separate are trained on one GPU"
    if most > 1:
        needed = f"{left.title} needs {_amount(left.memory)} GB on each however many there are"
        reason = f"No number of such GPUs would do: {needed}"
    return (
        f"{told}. {reason}; {_amount(getattr(largest, part))} GB are the {part} of the moment {largest.name}. Take "
        "larger GPUs or a smaller policy, lower loop.micro_tokens or set loop.gradient_checkpointing."
    )


def _amount(bytes_: float, unit: str = "GB") -> str:
    """Write bytes in a unit; nothing for none."""
    number = bytes_ / {"GB": GB, "MB": 1e6}[unit]
    return "" if not bytes_ else f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _gpus(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


def _duration(seconds: float) -> str:
    """Write a duration in the unit that suits it."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2g} s"


def _short(count: float) -> str:
    """Write a count as 174.6B, 31.2M or 640."""
    for factor, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{count / factor:.4g}{letter}"
    return f"{count:.3g}"
