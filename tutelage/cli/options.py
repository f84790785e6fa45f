"""Options that several commands share, so that they read the same everywhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tutelage.records import Kind

#: `--set ppo.kl.beta=0.05`, any number of times.
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Override one setting. May be given several times; `tutelage config` prints the names.",
        show_default=False,
    ),
]
RunsRoot = Annotated[Path, typer.Option("--root", metavar="DIR", help="The folder that holds the runs.")]
DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="TUTELAGE_DATABASE",
        help="Where the store is: sqlite:///FILE or postgresql://USER@HOST/NAME.",
    ),
]
Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Certificate = Annotated[str, typer.Option("--tls-certificate", metavar="FILE", help="TLS certificate chain.")]
PrivateKey = Annotated[str, typer.Option("--tls-key", metavar="FILE", help="TLS private key.")]
BehindProxy = Annotated[bool, typer.Option("--behind-proxy", help="A proxy in front encrypts and is the only way in.")]
LogFormat = Annotated[
    str,
    typer.Option("--log-format", metavar="text|json", envvar="TUTELAGE_LOG_FORMAT", help="How lines of the log look."),
]
LogLevel = Annotated[
    str,
    typer.Option(
        "--log-level",
        metavar="LEVEL",
        envvar="TUTELAGE_LOG_LEVEL",
        help="What is logged: debug, info (a line per request), warning or error.",
    ),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        min=0,
        max=65535,
        help="Answer /metrics for Prometheus on this port; 0 takes a free one. Without it there are none.",
        show_default=False,
    ),
]
MetricsHost = Annotated[
    str, typer.Option("--metrics-host", help="The address for /metrics, which asks for no key: keep it inside.")
]
#: The store of a project directory.
DEFAULT_DATABASE = "sqlite:///tutelage.db"

LabelerKind = Annotated[Kind, typer.Option("--kind", help="Whose labels: reports and exports never mix kinds.")]
RecipeSection = Annotated[
    str,
    typer.Option(
        "--recipe", metavar="NAME|FILE", help="Take this training's settings from a recipe.", show_default=False
    ),
]
LabelColumns = Annotated[
    list[str],
    typer.Option(
        "--label",
        metavar="CATEGORY=FIELD",
        help="A column of FILE that is a category: FIELD, COUNT/TOTAL or FIELD:VALUE. May be given several times.",
        show_default=False,
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Threads; 0 takes torch's choice.")]
Processes = Annotated[
    int, typer.Option("--nproc", min=1, help="Processes on this machine that hold a share of the model each (FSDP2).")
]
RunDirectory = Annotated[
    Path, typer.Argument(metavar="RUN", help="The run's directory; one that was stopped goes on.", show_default=False)
]
Init = Annotated[
    str,
    typer.Option("--init", metavar="MODEL", help="What to start from: a directory, or a registered name."),
]
DataFile = Annotated[
    Path | None,
    typer.Option("--data", metavar="FILE", help="JSON lines to train on; without it the store.", show_default=False),
]
HeldoutFile = Annotated[
    Path | None,
    typer.Option("--heldout", metavar="FILE", help="JSON lines of the same kind to measure on.", show_default=False),
]
TextsFile = Annotated[
    Path | None,
    typer.Option("--texts", metavar="FILE", help='Pretraining text: {"text": ...} per line.', show_default=False),
]

Word = TypeVar("Word", bound=str)


def chosen(option: str, given: Sequence[str], known: Sequence[Word]) -> tuple[Word, ...]:
    """Return the words that an option was given, each once, in the order of the known ones; any other is refused."""
    from tutelage.errors import SettingsError

    if unknown := set(given) - set(known):
        raise SettingsError(f"{option} {min(unknown)}: choose from {', '.join(known)}.")
    return tuple(word for word in known if word in given)
