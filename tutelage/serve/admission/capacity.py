"""How many completions are wanted at once; beyond it, callers are asked to come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tutelage.web.errors import ApiError

RETRY_SECONDS = 2


class Capacity:
    """A bound on the choices that wait or run. Used in one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    @contextmanager
    def take(self, choices: int) -> Iterator[None]:
        """Hold room for so many choices, or raise 503."""
        if self.taken + choices > self.most:
            raise ApiError(
                503,
                f"The server is answering as many completions as it can; try again in {RETRY_SECONDS} seconds.",
                code="overloaded",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        self.taken += choices
        try:
            yield
        finally:
            self.taken -= choices
