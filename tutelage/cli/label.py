"""`tutelage label`: the pages on which people label."""

from typing import Annotated

import typer

from tutelage.cli.options import (
    DEFAULT_DATABASE,
    BehindProxy,
    Certificate,
    DatabaseUrl,
    Host,
    LogFormat,
    LogLevel,
    PrivateKey,
)


def register(app: typer.Typer) -> None:
    app.command("label", epilog="Example: tutelage label --port 8100")(label)


def label(  # noqa: PLR0913 - one parameter per option
    database: DatabaseUrl = DEFAULT_DATABASE,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8100,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that answer.")] = 1,
    certificate: Certificate = "",
    private_key: PrivateKey = "",
    behind_proxy: BehindProxy = False,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
) -> None:
    """Open the labeling app in the browser: people write demonstrations, rate and rank, and leads see how it goes.

    While nobody is an administrator, every start prints a one-time link for the first one; all others are invited on
    the page People. Stopped by Ctrl-C or SIGTERM, it first answers what is on its way.
    """
    from tutelage import logs
    from tutelage.feedback.app import server
    from tutelage.web.listening import Listening

    where = Listening(
        host=host, port=port, certificate=certificate, private_key=private_key, is_behind_proxy=behind_proxy
    )
    logs.configure(logs.LogOptions(format=log_format, level=log_level))
    server.serve(database, where, workers, lambda line: print(line, flush=True))
