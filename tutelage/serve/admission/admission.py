"""All that decides whether a call may run, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from tutelage.serve.admission.grants import Grants
from tutelage.serve.admission.ledger import Ledger
from tutelage.serve.admission.running import Running, Watch
from tutelage.serve.admission.timeouts import Timeouts
from tutelage.store import Store
from tutelage.web.site import utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What keys give, the account of calls, how long they may take, and those that run."""

    grants: Grants
    ledger: Ledger
    timeouts: Timeouts
    running: Running
    watch: Watch

    @classmethod
    def over(cls, store: Store, timeouts: Timeouts, *, now: Callable[[], datetime] = utc_now) -> Self:
        """Return the admission over a store."""
        grants, running = Grants(store, now), Running()
        return cls(
            grants=grants,
            ledger=Ledger(store, now),
            timeouts=timeouts,
            running=running,
            watch=Watch(grants, running),
        )

    async def start(self) -> None:
        """Begin to watch the database."""
        await self.watch.start()

    async def stop(self) -> None:
        """Watch no more, when every call is counted."""
        await self.watch.stop()
        await self.ledger.settled()
