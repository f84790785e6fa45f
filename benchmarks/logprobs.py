"""Memory and time of scoring tokens: in chunks against the whole [N, V] table of logits, forward and backward."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

from benchmarks.measure import Row, compare, turns

TOKENS, HIDDEN, VOCABULARY = 8192, 128, 8_000
CASE = "scoring 8,192 tokens of 8,000"


def rows() -> list[Row]:
    """Measure both ways, memory (of Linux) each in a process of its own."""
    seconds = turns({"ours": lambda: timed(True), "torch log_softmax": lambda: timed(False)})
    ours, theirs = (_peak(is_chunked) - _peak(None) for is_chunked in (True, False))
    ratio = theirs / ours
    return [
        compare(CASE, "tokens/s", TOKENS, seconds),
        Row(case=CASE, unit="MiB above start", ours=ours, peer="torch log_softmax", theirs=theirs,
            ratio=ratio, low=ratio, high=ratio),
    ]  # fmt: skip


def timed(is_chunked: bool) -> float:
    """Return the seconds of one scoring."""
    started = time.perf_counter()
    score(is_chunked)
    return time.perf_counter() - started


def score(is_chunked: bool) -> None:
    """Score random tokens and take the gradient."""
    import torch

    from tutelage.core.logprobs import chunked_logprobs

    torch.manual_seed(0)
    hidden = torch.randn(TOKENS, HIDDEN, requires_grad=True)
    weight = torch.randn(VOCABULARY, HIDDEN, requires_grad=True)
    ids = torch.randint(VOCABULARY, (TOKENS,))
    if is_chunked:
        chosen = chunked_logprobs(hidden, weight, ids).logprobs
    else:
        chosen = (hidden @ weight.T).log_softmax(-1).gather(-1, ids[:, None]).squeeze(-1)
    chosen.sum().backward()


def _peak(is_chunked: bool | None) -> float:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (is_chunked,))


def _measure(is_chunked: bool | None) -> float:
    import torch

    import tutelage.core.logprobs  # noqa: F401 - both sides pay for the import

    torch.ones(8, 8) @ torch.ones(8, 8)
    if is_chunked is not None:
        score(is_chunked)
    # Not `ru_maxrss`: a child process starts with its parent's peak in it.
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(peak.split()[1]) / 1024
