"""Fingerprints of texts in which near-duplicates differ in few bits (Charikar 2002, "Similarity estimation
techniques from rounding algorithms").
"""

import unicodedata
from hashlib import blake2b

import numpy as np

BITS = 64
#: Characters of a feature; short enough that a changed word leaves most features alone.
SHINGLE = 4
#: Characters that are looked at: the time for one text is bounded.
LONGEST = 4096


def simhash(text: str) -> str:
    """Return 64 bits as 16 hexadecimal digits; "" for a text without a letter.

    Bit b is 1 where more than half of the text's features have 1 in bit b of their hashes. Features are the runs of
    four characters of the text without case, accents, white space and punctuation.
    """
    letters = _letters(text[:LONGEST])
    if not letters:
        return ""
    features = {letters[start : start + SHINGLE] for start in range(max(len(letters) - SHINGLE + 1, 1))}
    hashes = b"".join(blake2b(feature.encode(), digest_size=BITS // 8).digest() for feature in sorted(features))
    bits = np.unpackbits(np.frombuffer(hashes, np.uint8).reshape(-1, BITS // 8), axis=1)
    return np.packbits(2 * bits.sum(axis=0) > len(features)).tobytes().hex()


def distance(a: str, b: str) -> int:
    """Return the number of bits in which two fingerprints differ, 0 to 64; near-duplicates have few."""
    return (int(a, 16) ^ int(b, 16)).bit_count()


def _letters(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", text).casefold() if one.isalnum())
