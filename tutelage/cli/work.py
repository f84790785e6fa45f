"""`tutelage work`: what goes on in the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, Overrides, Threads
from tutelage.cli.terminal import print_table

if TYPE_CHECKING:
    from tutelage.store import Store

#: Jobs that are listed at most.
SHOWN = 50


def register(app: typer.Typer) -> None:
    app.command("work", epilog="Example: tutelage work plan.toml --set ranking.waiting=40")(work)


def work(  # noqa: PLR0913 - one parameter per option
    plan: Annotated[
        Path | None,
        typer.Argument(
            metavar="PLAN", help="TOML of what to do again and again; kept in the database for all workers."
        ),
    ] = None,
    database: DatabaseUrl = DEFAULT_DATABASE,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    once: Annotated[bool, typer.Option("--once", help="Stop when nothing is left to do.")] = False,
    show: Annotated[bool, typer.Option("--jobs", help="List the newest jobs and leave.")] = False,
    retry: Annotated[str, typer.Option("--retry", metavar="JOB", help="Try a failed job again.")] = "",
    threads: Threads = 0,
) -> None:
    """Do background jobs: draw outputs for labelers to rank, ask the reward model where it is unsure.

    Several workers may run. A job belongs to one of them, and to another when that one dies. On SIGTERM or Ctrl-C a
    worker gives its job back and ends. A PLAN says which models are drawn from and which prompts come next; it holds
    until another one is given. `tutelage config work` prints its settings.
    """
    from tutelage.store import Store, jobs
    from tutelage.web.site import utc_now

    if show:
        with Store.open(database, create=False) as store:
            print_jobs(store)
        return

    from tutelage import logs
    from tutelage.config import load
    from tutelage.pipeline import ranking
    from tutelage.sample import computing_with

    logs.follow()
    settings = load(ranking.WorkSettings, plan, overrides) if plan or overrides else None
    with Store.open(database, create=False) as store:
        if retry:
            jobs.retry(store, retry, now=utc_now())
        if settings is not None:
            ranking.stand(store, settings, now=utc_now())
        with computing_with(threads or None):
            run(store, once)


def run(store: Store, once: bool) -> None:
    """Work until told to stop; a second signal does not wait for the next step of the job."""
    import signal

    from tutelage.work import Worker, handlers

    worker = Worker(store, handlers(), lambda line: print(line, flush=True))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, _: object) -> None:
        signal.signal(number, before[signal.Signals(number)])
        worker.stop()

    for number in before:
        signal.signal(number, stop)
    try:
        print(f"Working as {worker.name}", flush=True)
        worker.run(once=once)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def print_jobs(store: Store) -> None:
    """Print what is to be done, is being done and was done, the newest first."""
    from tutelage.store import jobs

    rows = [
        (
            job.id,
            job.kind,
            "stands" if job.every else job.state,
            f"{job.done}/{job.total}" if job.total else "",
            job.attempts,
            job.changed.isoformat(timespec="seconds"),
            job.error or " ".join(f"{name}={value}" for name, value in (job.result or {}).items()),
        )
        for job in jobs.find(store, limit=SHOWN)
    ]
    print_table(("job", "kind", "state", "done", "attempts", "changed", "told"), rows)
