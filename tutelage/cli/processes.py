"""One training in several processes: start them on this machine, and be one of those that torchrun started."""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Callable, Sequence

import typer

from tutelage.errors import SettingsError, UnavailableError

#: What torchrun tells the processes that it starts.
RUN_ID, COUNT = "TORCHELASTIC_RUN_ID", "WORLD_SIZE"
#: Seconds between two looks whether all processes still run.
LOOK = 0.1
FAILED, INTERRUPTED = 2, 130
LOST = "Another process of this training ended without a word; give the command again, and it goes on."


def is_rank() -> bool:
    """Say whether torchrun started this process."""
    return RUN_ID in os.environ


def run_as_rank(arguments: Sequence[str], work: Callable[[], None]) -> None:
    """Work together with the other processes; of those that fail, the first one says why."""
    if arguments[:1] != ["train"]:
        raise SettingsError("torchrun can start `tutelage train` only; give other commands without it.")
    from tutelage.train import ranks

    ranks.join()
    try:
        work()
    except BaseException as error:
        status = error.code if isinstance(error, SystemExit) else FAILED
        if status:
            # Whoever started the processes is interrupted as well, and says so.
            if status == INTERRUPTED or isinstance(error, KeyboardInterrupt) or not ranks.fails_first():
                raise SystemExit(FAILED) from None
            if ranks.is_lost(error):
                raise UnavailableError(LOST) from error
            raise
    ranks.leave()


def start_processes(count: int) -> None:
    """Start the command in several processes, where more than one is asked for, and leave with their status."""
    if is_rank():
        if count not in (1, int(os.environ[COUNT])):
            raise SettingsError(f"torchrun started {os.environ[COUNT]} processes; leave --nproc {count} away.")
        return
    if count > 1:
        raise typer.Exit(_launch(count))


def _launch(count: int) -> int:
    """Run torchrun's launcher on this machine; the processes themselves say what is to be said."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=LOOK,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "tutelage.cli", *sys.argv[1:])
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode >= 0:
            return int(failure.exitcode)
        raise UnavailableError(
            f"Process {rank} of {count} was ended by {signal.Signals(-failure.exitcode).name}, so all were; "
            "give the command again, and it goes on."
        ) from error
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from error
        raise
    return 0
