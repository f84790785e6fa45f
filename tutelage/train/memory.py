"""Memory that training frees stays with the process until the training is over; and how much a process held."""

from __future__ import annotations

import contextlib
import ctypes
import re
import resource
from pathlib import Path

#: Where Linux says what a process holds, and where it is told to begin anew with the most that it held.
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

#: Parameters of glibc's `mallopt`: the most blocks that are maps of their own, and how much free memory is too much.
MMAP_MAX, TRIM_THRESHOLD = -4, -1


def keep_freed_memory() -> None:
    """Let the C library reuse what was freed instead of giving it back to the kernel.

    Training frees and takes the same large tensors at every step, and a page that the kernel hands out anew costs a
    fault: logits, gradients of embeddings and the like took up to ten times as long. Libraries other than glibc have
    no such switch; there memory stays as it is. The price is room between what is in use: 0.3 to 0.9 GB at 135 million
    weights.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


def return_freed_memory() -> None:
    """Give what was freed back to the kernel, once, whatever the C library was told to keep.

    Between the stages of a pipeline: what one training kept lies in pieces of other sizes than the next one takes, and
    the loop on a model of 135 million weights grew to 11 GB, where no training takes more than 5. Libraries other than
    glibc have no such call and give back by themselves.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def forget_peak() -> None:
    """Begin anew to note the most memory that this process holds; where Linux cannot, `peak` is of its whole life."""
    with contextlib.suppress(OSError):
        CLEAR.write_text("5", encoding="ascii")


def peak() -> float:
    """Return the most memory that this process held since `forget_peak`, in bytes."""
    with contextlib.suppress(OSError):
        if found := re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(encoding="ascii"), re.MULTILINE):
            return float(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
