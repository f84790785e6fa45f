"""The monitor's part of `tutelage work`: a standing look at what was sent, and alerts about what it found."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tutelage.govern import alerts, monitor
from tutelage.govern.monitor import Monitoring
from tutelage.store import Store, applications, cases, jobs
from tutelage.store.jobs import NewJob

#: The kinds of jobs, and seconds between two looks.
MONITOR, ALERT = "monitor", "alert"
EVERY = 60


def stand(store: Store, *, now: datetime) -> None:
    """Let workers look at traffic every minute, and end conditions that ran out."""
    jobs.stand(store, NewJob(id=MONITOR, kind=MONITOR, arguments={}), every=EVERY, now=now)


def look(store: Store, arguments: Mapping[str, Any], progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Look at what was sent since the last time; alerts are jobs of their own, which are tried again."""
    now = datetime.now(UTC)
    expired = applications.expire(store, now=now)
    done = monitor.look(store, Monitoring(), progress, now=now)
    if os.environ.get(alerts.URL):
        jobs.enqueue(store, [NewJob(kind=ALERT, arguments={"case": number}) for number in done.cases], now=now)
    counts = {"cases": len(done.cases), "measures": done.measures, "spot_checks": done.spot_checks}
    return {**counts, "expired": len(expired)}


def alert(store: Store, arguments: Mapping[str, Any], progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Tell the operator's address of a case."""
    alerts.send(cases.get(store, int(arguments["case"])))
    return {"sent": 1}
