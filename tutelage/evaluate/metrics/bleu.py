"""BLEU (Papineni et al. 2002) over a corpus, from sums that add up over rows, so that rows can be drawn again.

The package sacrebleu counts; its tokenizer `13a`, its exponential smoothing and its closest reference length are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tutelage.core.clusters import Floats
from tutelage.errors import MissingError

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

ORDER = 4
#: Sums of a row: length of the output, length of the closest reference, matches and n-grams of each order.
WIDTH = 2 + 2 * ORDER


def counter() -> BLEU:
    """Make what counts n-grams. MissingError where sacrebleu is not installed."""
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise MissingError(
            "BLEU is counted by sacrebleu, which is not installed: pip install 'tutelage[evaluation]'."
        ) from None
    return BLEU(effective_order=True)


def sums(metric: BLEU, output: str, references: Sequence[str]) -> Floats:
    """Count one row [WIDTH]."""
    found = metric.sentence_score(output, references)
    return np.array([found.sys_len, found.ref_len, *found.counts, *found.totals], dtype=np.float64)


def bleu(totals: Floats) -> Floats:
    """Give BLEU from 0 to 100 of summed rows [..., WIDTH]: min(1, exp(1 - r / c)) * geometric mean of the precisions.

    The k-th order without a match has the precision 1 / (2^k n-grams) (NIST's smoothing); without any match at all, or
    with an order that has no n-gram, BLEU is 0.
    """
    length, reference = totals[..., 0], totals[..., 1]
    matches, ngrams = totals[..., 2 : 2 + ORDER], totals[..., 2 + ORDER :]
    missed = matches == 0
    counted = np.where(missed, 0.5 ** np.cumsum(missed, axis=-1), matches)
    defined = (ngrams > 0).all(axis=-1) & ~missed.all(axis=-1)
    # Where it is not defined, ones stand in so that no logarithm is of 0.
    shares = np.where(defined[..., None], counted / np.maximum(ngrams, 1), 1.0)
    penalty = np.minimum(0.0, 1 - reference / np.maximum(length, 1))
    score: Floats = np.where(defined, 100 * np.exp(penalty + np.log(shares).mean(axis=-1)), 0.0)
    return score
