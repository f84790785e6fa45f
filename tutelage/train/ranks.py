"""The processes that torchrun started for one training, its ranks: who does what, and how they stay together.

All ranks draw the same batches and cut them into the same micro-batches, as one process would; each computes its part,
and the sums are those of one process up to rounding. Only the first rank writes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from tutelage.errors import SettingsError, UnavailableError
from tutelage.files import atomic_directory
from tutelage.models.distributed import number, size
from tutelage.runs import Ledger, Run, differences
from tutelage.train.optimizers import Adam

T = TypeVar("T")
R = TypeVar("R")
#: What torchrun's launcher keeps for all ranks; it outlives them.
_store: Any = None


def join() -> None:
    """Become a rank of the training that torchrun started this process for; only the first one warns."""
    global _store
    _store, rank, count = next(iter(rendezvous("env://")))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if local_number() < torch.cuda.device_count():
        torch.cuda.set_device(local_number())
    own = distributed.PrefixStore("ranks", _store)  # type: ignore[attr-defined]
    distributed.init_process_group(backend, store=own, rank=rank, world_size=count)
    if rank > 0:
        logging.disable(logging.WARNING)


def leave() -> None:
    """Part from the other ranks when all is done."""
    distributed.destroy_process_group()


def fails_first() -> bool:
    """Say whether no other rank has failed before; those that follow only notice that one is gone."""
    assert _store is not None, "only a rank can fail before others"
    try:
        return bool(_store.add("failed", 1) == 1)
    except distributed.DistError:
        return True


def is_lost(error: BaseException) -> bool:
    """Say whether an error means that another rank cannot be reached any more."""
    return isinstance(error, distributed.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def local_number() -> int:
    """Give the number of this process on its machine, from 0; on CUDA it has the GPU of that number."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_first() -> bool:
    """Say whether this is the process that writes."""
    return number() == 0


def wait() -> None:
    """Wait until all ranks are here."""
    if size() > 1:
        distributed.barrier()


@contextmanager
def in_turn() -> Iterator[None]:
    """Let the first rank do something before the others, which then find it done."""
    if not is_first():
        wait()
    yield
    if is_first():
        wait()


@contextmanager
def directory(path: Path) -> Iterator[Path]:
    """Let the first rank fill a directory that is there whole or not at all; the others only help to fill it."""
    if is_first():
        with atomic_directory(path) as part:
            yield part
    else:
        yield path


def agreed(value: T) -> T:
    """Give all ranks what the first one says."""
    if size() == 1:
        return value
    said = [value]
    distributed.broadcast_object_list(said, src=0)
    return said[0]


def check_same(value: Mapping[str, Any]) -> None:
    """Refuse to train where ranks were given different things: their batches would not belong together."""
    changed = differences(agreed(value), value)
    if changed:
        name = changed[0].name
        raise SettingsError(
            f"Process {number()} was given another {name} than the first; start all with the same command and files."
        )


def gather(mine: T) -> list[T]:
    """Give all ranks what each of them has, in their order."""
    if size() == 1:
        return [mine]
    found: list[Any] = [None] * size()
    distributed.all_gather_object(found, mine)
    return found


def part(items: Sequence[T]) -> Sequence[T]:
    """Give this rank's part of some items."""
    return items[number() :: size()]


def together(mine: Sequence[T]) -> list[T]:
    """Give all ranks the results of all parts, in the order of the items."""
    parts = gather(mine)
    return [parts[at % size()][at // size()] for at in range(sum(map(len, parts)))]


def each(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do a piece of work for every item, divided among the ranks, and give all of them all results in order.

    The ranks do equally many, for each piece may gather weights: a short one does a first piece again.
    """
    mine = part(items)
    rounds = -(-len(items) // size())
    return together([work(item) for item in [*mine, *items[: rounds - len(mine)]]])[: len(items)]


def share(micros: Sequence[Any]) -> Sequence[Any]:
    """Give this rank's part of a step's micro-batches; short ranks also run one `weightless()`, which adds 0 to all.

    The longest part is agreed on by all: gathering weights is done together, and a rank that stops early would leave
    the others waiting.
    """
    if size() == 1:
        return micros
    mine = list(part(micros))
    longest = torch.tensor(len(mine))
    distributed.all_reduce(longest, distributed.ReduceOp.MAX)
    return mine + [micros[0].weightless()] * (int(longest) - len(mine))


def total(metrics: Mapping[str, float]) -> dict[str, float]:
    """Add the ranks' weighted sums."""
    if size() == 1 or not metrics:
        return dict(metrics)
    names = sorted(metrics)
    sums = torch.tensor([metrics[name] for name in names], dtype=torch.float64)
    distributed.all_reduce(sums)
    return dict(zip(names, sums.tolist(), strict=True))


def check_enough(micros: int) -> None:
    """Refuse more ranks than there is work for."""
    if micros < size():
        raise SettingsError(
            f"{size()} processes are more than a step's micro-batches ({micros}); start fewer, or lower "
            "loop.micro_tokens."
        )


def check_tested(processes: int, adams: Sequence[Adam]) -> None:
    """Refuse what several ranks were not seen to do as one process does."""
    if size() > 1 and processes > 1:
        raise SettingsError(f"loop.processes is for a training without torchrun; set it to 1 with {size()} ranks.")
    if size() > 1 and any(adam.muon_lr > 0 for adam in adams):
        raise SettingsError("Muon is not exact on weights that are cut; set muon_lr = 0 with several ranks.")


def check_gpus(here: int, gpus: int) -> None:
    """Refuse a process without a GPU of its own; `here` is its number on this machine, which has `gpus` of them."""
    if here >= gpus:
        raise SettingsError(f"Process {here + 1} of this machine finds {gpus} GPUs; start one process for each.")


def seed_step(seed: int, step: int) -> None:
    """Set the random state of a rank at the beginning of a step; one process alone has a state that goes on."""
    if size() > 1:
        torch.manual_seed(((seed * size() + number()) << 32) + step)


class Launched:
    """Whoever started this process; a rank that outlives its launcher must not go on writing."""

    def __init__(self) -> None:
        self._parent = os.getppid()

    def check(self) -> None:
        """Stop when the launcher is gone."""
        if size() > 1 and os.getppid() != self._parent:
            raise UnavailableError("The launcher of this training ended; give the command again, and it goes on.")


class Onlooker(Run):
    """The run of a rank that is not the first: it reads and never writes."""

    def __init__(self, directory: Any, record: dict[str, Any]) -> None:
        super().__init__(directory, record)
        self.ledger = _Closed(directory / "ledger.jsonl")

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Leave it to the first rank."""

    def samples(self, step: int, rows: Any) -> None:
        """Leave it to the first rank."""

    def truncate_metrics(self, step: int) -> None:
        """Leave it to the first rank."""

    def finish(self, outputs: Any) -> None:
        """Leave it to the first rank."""


class _Closed(Ledger):
    def add(self, role: str, *, flops: float = 0.0, seconds: float = 0.0, tokens: int = 0) -> None:
        """Leave it to the first rank."""
