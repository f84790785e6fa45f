"""Memory and time of scoring tokens: in chunks against the whole [N, V] table of logits, forward and backward."""

from __future__ import annotations

import multiprocessing
import resource
import sys

from benchmarks.measure import Row, seconds

TOKENS, HIDDEN, VOCABULARY = 2048, 256, 32_000
#: `ru_maxrss` counts kibibytes on Linux and bytes on macOS.
MEBIBYTE = (1 << 20) if sys.platform == "darwin" else (1 << 10)


def rows() -> list[Row]:
    """Measure both ways, memory each in a process of its own."""
    ours, peer = seconds(lambda: score(True), lambda: score(False))
    memory = [_peak(is_chunked) - _peak(None) for is_chunked in (True, False)]
    name = "torch log_softmax"
    return [
        Row("scoring 2,048 tokens of 32,000", "s", ours, peer, name),
        Row("scoring 2,048 tokens of 32,000", "MiB above start", memory[0], memory[1], name),
    ]


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
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBIBYTE
