"""Passwords: argon2id with the parameters of RFC 9106 for machines with little memory (64 MiB, three passes)."""

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from tutelage.errors import DataError

SHORTEST, LONGEST = 12, 1024
_HASHER = PasswordHasher()
# Each hash takes 64 MiB; more at once than this would let strangers fill the memory.
_AT_ONCE = threading.BoundedSemaphore(4)


def hashed(password: str, *, name: str = "") -> str:
    """Return the hash of a new password; one that is too easy to guess is refused."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise DataError(f"The password has {len(password)} characters; use at least {SHORTEST}, a few words will do.")
    if len(set(password)) < 5 or password.casefold() == name.casefold():
        raise DataError("This password is easy to guess; use a few words that do not belong together.")
    with _AT_ONCE:
        return _HASHER.hash(password)


def is_right(password: str, known: str | None) -> bool:
    """Say whether a password has this hash; None stands for nobody and takes as long."""
    with _AT_ONCE:
        try:
            _HASHER.verify(known or _of_nobody(), password[: LONGEST + 1])
        except VerifyMismatchError:
            return False
    return known is not None


@cache
def _of_nobody() -> str:
    """Make what is compared with when nobody has the name: the answer takes as long as for a wrong password."""
    return _HASHER.hash("nobody has this password")
