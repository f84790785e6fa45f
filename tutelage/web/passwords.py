"""Passwords: argon2id with the parameters of RFC 9106 for machines with little memory (64 MiB, three passes)."""

import threading
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from tutelage.errors import DataError

SHORTEST, LONGEST = 12, 1024
HASHER = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


class Passwords:
    """Hashes passwords and knows them again, at the cost of its hasher."""

    def __init__(self, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        # Each hash takes 64 MiB; more at once than this would let strangers fill the memory.
        self._at_once = threading.BoundedSemaphore(4)

    def hashed(self, password: str, *, name: str = "") -> str:
        """Return the hash of a new password; one that is too easy to guess is refused."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise DataError(
                f"The password has {len(password)} characters; use at least {SHORTEST}, a few words will do."
            )
        if len(set(password)) < 5 or password.casefold() == name.casefold():
            raise DataError("This password is easy to guess; use a few words that do not belong together.")
        with self._at_once:
            return self._hasher.hash(password)

    def is_right(self, password: str, known: str | None) -> bool:
        """Say whether a password has this hash; None stands for nobody and takes as long."""
        with self._at_once:
            try:
                self._hasher.verify(known or self._of_nobody, password[: LONGEST + 1])
            except VerifyMismatchError:
                return False
        return known is not None

    @cached_property
    def _of_nobody(self) -> str:
        """Make what is compared with when nobody has the name: the answer takes as long as for a wrong password."""
        return self._hasher.hash("nobody has this password")
