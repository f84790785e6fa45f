"""The benchmark of the labeling app: a small one runs to its end and finds nothing unanswered."""

import pytest

from benchmarks import labeling
from benchmarks.labelers import Timing
from benchmarks.labeling import Load, Size


def test_two_labelers_are_measured():
    told = []
    labeling.report("sqlite", Size(2, 1, pieces=80, history=20, warm=0.1, seconds=2, full=1, pause=0.02), told.append)
    assert "2 labelers at work, 1 workers" in told[0]
    for what in ("sign in", "page", "save", "submit"):
        assert f"\n{what} " in told[1]
    assert "; 0 without an answer" in told[1]
    assert "statements a request" in told[5]
    assert " SELECT " in told[5]


def test_statements_stand_in_the_order_of_their_time():
    found = {"SELECT a": (10, 0.5), "UPDATE b": (5, 1.5)}
    assert labeling.statements(found, requests=5).splitlines() == [
        "3.0 statements a request, 400.00 ms",
        " 75.0 %       5 x 300.00 ms  UPDATE b",
        " 25.0 %      10 x  50.00 ms  SELECT a",
    ]


def test_shares_are_of_the_sorted_values():
    timings = [Timing("save", 0.0, seconds / 1000, 200) for seconds in range(100, 0, -1)]
    load = Load(timings=timings, seconds=10, server=1.0, database=0.5, client=0.25, unanswered=3)
    head, save, rest = labeling.table(load).splitlines()
    assert save.split() == ["save", "100", "50.0", "95.0", "99.0", "100.0"]
    assert rest == ("10 requests/s; processor ms a request: server 10.0, database 5.0, client 2.5; 3 without an answer")


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 2), (0.51, 3), (0.99, 4), (1.0, 4)])
def test_a_share_is_a_value_that_was_seen(share, wanted):
    assert labeling._share([1, 2, 3, 4], share) == wanted
