"""The labeling app's API in the process, over a store with prompts, labelers and instructions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.databases import database, store
from tests.feedback.app.api.calling import Caller
from tests.feedback.conftest import Desk, desk
from tests.labeling import QUICK, Clock, clock, visit
from tutelage.feedback.app.app import Settings, create
from tutelage.store.accounts import Role

__all__ = ["call", "clock", "database", "desk", "store", "visit"]


@pytest.fixture
def call(desk: Desk, clock: Clock) -> Callable[..., Caller]:
    """Give a function that makes a caller of one app with a token of a new person."""
    app = create(desk.store, Settings(now=clock, passwords=QUICK))

    def make(role: Role = "labeler", name: str = "", group: str = "") -> Caller:
        return Caller.of(app, clock, role, name, group)

    return make
