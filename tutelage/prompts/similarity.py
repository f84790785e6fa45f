"""How much of a held-out set is nearly in the training set: MinHash proposes neighbours, exact Jaccard decides."""

from collections.abc import Mapping
from dataclasses import dataclass

from rensa import RMinHash, RMinHashLSH

from tutelage.errors import DataError
from tutelage.store.prompts import normalise

#: Characters in a shingle; short prompts differ in few words, and words would make too few shingles.
SHINGLE = 5
PERMUTATIONS = 128
#: Bands of two rows: a pair at Jaccard 0.8 is proposed but for (1 - 0.8^2)^64 = 4e-29.
BANDS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """`near` names each held-out text with a training neighbour, the neighbour and their Jaccard similarity."""

    heldout: int
    training: int
    threshold: float
    near: tuple[tuple[str, str, float], ...]

    @property
    def share(self) -> float:
        """Return the share of held-out texts that have a training neighbour."""
        return len(self.near) / self.heldout


def overlap(heldout: Mapping[str, str], training: Mapping[str, str], *, threshold: float = 0.8) -> Overlap:
    """Find held-out texts (by id) whose Jaccard similarity to a training text is at least the threshold.

    Jaccard(a, b) = |a and b| / |a or b| over the sets of 5-character shingles of the normalised, case-folded texts.
    """
    if not heldout:
        raise DataError("There are no held-out prompts to compare; name a split that has some.")
    ids = list(training)
    known = [shingles(text) for text in training.values()]
    index = RMinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, num_bands=BANDS)
    for number, one in enumerate(known):
        index.insert(number, _minhash(one))
    near = []
    for name, text in heldout.items():
        mine = shingles(text)
        candidates = sorted(index.query(_minhash(mine)))
        best = max(((jaccard(mine, known[number]), -number) for number in candidates), default=(0.0, 0))
        if best[0] >= threshold:
            near.append((name, ids[-best[1]], best[0]))
    return Overlap(heldout=len(heldout), training=len(training), threshold=threshold, near=tuple(near))


def shingles(text: str) -> frozenset[str]:
    """Return the set of all runs of five characters; a shorter text is one shingle."""
    text = normalise(text).casefold()
    return frozenset(text[start : start + SHINGLE] for start in range(max(len(text) - SHINGLE + 1, 1)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Return |a and b| / |a or b|."""
    return len(a & b) / len(a | b)


def _minhash(one: frozenset[str]) -> RMinHash:
    made = RMinHash(num_perm=PERMUTATIONS, seed=1)
    made.update(sorted(one))
    return made
