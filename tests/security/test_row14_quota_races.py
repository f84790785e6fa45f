"""Row 14: calls at once never spend more than the quota, on either database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.firms import NOW, Firm
from tutelage.store import Store, quotas
from tutelage.store.application_forms import Limits
from tutelage.store.quotas import Refused, Reservation, Used

PARALLEL, BUDGET = 200, 10
LARGE = 10**9
BUDGETS = [
    Limits(requests_per_minute=BUDGET, tokens_per_minute=LARGE, tokens_per_day=LARGE),
    Limits(requests_per_minute=LARGE, tokens_per_minute=LARGE, tokens_per_day=BUDGET),
]


@pytest.mark.parametrize("limits", BUDGETS, ids=["requests", "tokens"])
def test_of_200_calls_at_once_a_budget_of_10_lets_10_through(store: Store, limits: Limits) -> None:
    firm = Firm.of(store, state="live")
    together = threading.Barrier(PARALLEL)

    def call(_: int) -> Reservation | Refused:
        together.wait()
        return quotas.reserve(store, firm.id, tokens=1, limits=limits, now=NOW)

    with ThreadPoolExecutor(PARALLEL) as pool:
        found = list(pool.map(call, range(PARALLEL)))
    let_in = [one for one in found if isinstance(one, Reservation)]
    assert len(let_in) == BUDGET
    assert all(one.retry_after and one.retry_after > 0 for one in found if isinstance(one, Refused))
    assert quotas.used(store, firm.id, now=NOW) == Used(minute_requests=BUDGET, minute_tokens=BUDGET, day_tokens=BUDGET)
    with ThreadPoolExecutor(BUDGET) as pool:
        list(pool.map(lambda one: quotas.settle(store, one, tokens=0, now=NOW), let_in * 2))
    assert quotas.used(store, firm.id, now=NOW) == Used(minute_requests=BUDGET, minute_tokens=0, day_tokens=0)
