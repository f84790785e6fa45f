"""The command line: one file per stage, each a few lines that import their stage when it is called.

A stage's file has a function `register(app)` that adds its commands. A mistake that the user can mend (UserError) ends
as one sentence and status 2; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import sys

import typer

from tutelage.cli import (
    apps,
    cases,
    claims,
    config,
    db,
    doctor,
    evaluate,
    export,
    init,
    keys,
    label,
    labels,
    models,
    plan,
    processes,
    prompts,
    report,
    run,
    runs,
    sample,
    serve,
    train,
    work,
)
from tutelage.errors import UserError

INTERRUPTED = 130

app = typer.Typer(
    name="tutelage",
    help="Align a language model with the people who use it: prompts, demonstrations, rankings, a reward model, PPO, "
    "evaluation with people, and an API. A command that was stopped goes on when it is given again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
# In the order in which a project needs them.
STAGES = (
    init,
    config,
    plan,
    run,
    runs,
    prompts,
    label,
    labels,
    export,
    sample,
    work,
    train,
    evaluate,
    report,
    claims,
    models,
    serve,
    apps,
    cases,
    keys,
    db,
    doctor,
)
for stage in STAGES:
    stage.register(app)


def main() -> None:
    """Run the command line and leave the process with its status."""
    try:
        if processes.is_rank():
            processes.run_as_rank(sys.argv[1:], app)
        else:
            app()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _leave_interrupted()
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:
            _leave_interrupted()
        raise


def _leave_interrupted() -> None:
    print("Stopped. Nothing is lost: give the same command again and it goes on where it was.", file=sys.stderr)
    sys.exit(INTERRUPTED)
