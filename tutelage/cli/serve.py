"""`tutelage serve`: the API."""

from pathlib import Path
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
    MetricsHost,
    MetricsPort,
    PrivateKey,
)


def register(app: typer.Typer) -> None:
    app.command("serve", epilog="Example: tutelage serve --model default --port 8000")(serve)


def serve(  # noqa: PLR0913 - one parameter per option
    database: DatabaseUrl = DEFAULT_DATABASE,
    models: Annotated[
        list[str],
        typer.Option("--model", metavar="NAME", help="An alias or name of the registry; may be given several times."),
    ] = ["default"],  # noqa: B006 - typer copies it
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes that answer; they share one engine for each model.")
    ] = 1,
    certificate: Certificate = "",
    private_key: PrivateKey = "",
    behind_proxy: BehindProxy = False,
    dtype: Annotated[str, typer.Option("--dtype", help="float32, or bfloat16 for large models.")] = "float32",
    threads: Annotated[int, typer.Option("--threads", min=0, help="Threads per engine; 0 takes torch's choice.")] = 0,
    vllm: Annotated[
        str,
        typer.Option("--vllm", metavar="PYTHON|URL", help="Let vLLM compute: the Python that has it, or its URL."),
    ] = "",
    max_batch: Annotated[int, typer.Option("--max-batch", min=1, help="Choices that an engine writes at once.")] = 128,
    max_waiting: Annotated[
        int, typer.Option("--max-waiting", min=0, help="Requests that may wait for an engine; more are refused.")
    ] = 256,
    max_waiting_tokens: Annotated[
        int, typer.Option("--max-waiting-tokens", min=0, help="Prompt tokens that they may have together.")
    ] = 1 << 18,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.001, max=800, help="Seconds that a call may take in all.")
    ] = 600.0,
    queue_timeout: Annotated[
        float, typer.Option("--queue-timeout", min=0.001, help="Seconds that a request may wait for its turn.")
    ] = 30.0,
    grace: Annotated[
        float, typer.Option("--grace", min=0, help="Seconds that running answers get to end when the server stops.")
    ] = 10.0,
    policy: Annotated[
        str,
        typer.Option("--filter", metavar="FILE", help="The content filter's policy; `tutelage config policy` has one."),
    ] = "",
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    pages: Annotated[
        bool, typer.Option("--pages/--no-pages", help="Show people pages: applications, keys, usage, the console.")
    ] = True,
    playground: Annotated[
        str,
        typer.Option(
            "--playground", metavar="FILE", help="Which arms people compare; `tutelage config playground` explains it."
        ),
    ] = "",
) -> None:
    """Serve models by the OpenAI API: /v1/models, /v1/completions and /v1/chat/completions, with streaming.

    The store is tutelage.db here, or without one that of the newest run in runs/, unless --database names another.

    Callers send the key of an application (`tutelage apps create`, `tutelage keys create`). While there is no
    application, this machine is answered without one.

    The content filter is the one that the policy names, or else the registry's alias content-filter, and rules.

    The log is on standard error: a line per request, without keys and without anything that anybody wrote.
    """
    from tutelage import logs, service
    from tutelage.errors import SettingsError
    from tutelage.generate.process import EngineOptions
    from tutelage.serve.admission.timeouts import Timeouts
    from tutelage.web.listening import Listening

    if dtype not in ("float32", "bfloat16"):
        raise SettingsError(f"--dtype is {dtype!r}; choose float32 or bfloat16.")
    logs.configure(logs.LogOptions(format=log_format, level=log_level))
    listening = Listening(
        host=host,
        port=port,
        certificate=certificate,
        private_key=private_key,
        is_behind_proxy=behind_proxy,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
    )
    engine = EngineOptions(
        dtype=dtype,
        max_batch=max_batch,
        threads=threads,
        max_waiting=max_waiting,
        max_waiting_tokens=max_waiting_tokens,
        vllm=vllm,
    )
    settings = service.Settings(
        policy=policy,
        timeouts=Timeouts(queue=queue_timeout, call=timeout, grace=grace),
        workers=workers,
        has_pages=pages,
        playground=playground,
    )
    service.serve(store_here(database), models, listening, engine, lambda line: print(line, flush=True), settings)


def store_here(database: str) -> str:
    """Return the default store, or where there is none the newest run's: what a recipe released is served at once."""
    if database != DEFAULT_DATABASE or Path("tutelage.db").exists():
        return database
    runs = sorted(Path("runs").glob("*/tutelage.db"), key=lambda path: path.stat().st_mtime)
    return f"sqlite:///{runs[-1]}" if runs else database
