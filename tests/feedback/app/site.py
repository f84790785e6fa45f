"""The labeling app on a real port, with people who come in by their links, for tests in a real browser."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import uvicorn
from playwright.sync_api import BrowserContext, Page

from tests.feedback.conftest import Desk
from tests.labeling import QUICK
from tutelage.feedback.app.app import Settings, create
from tutelage.records import Group
from tutelage.store import accounts
from tutelage.store.accounts import Offer, Role
from tutelage.web.entry import LINK
from tutelage.web.site import utc_now

PASSWORD = "four words do well here"


@dataclass
class Served:
    """An application that answers at `address`."""

    address: str
    desk: Desk

    def enter(
        self,
        context: BrowserContext,
        name: str = "Ida",
        group: Group | Literal[""] = "training",
        role: Role = "labeler",
    ) -> Page:
        """Come in by a one-time link, as a person does; return the home page."""
        token = accounts.invite(self.desk.store, Offer(role=role, group=group), by="", now=utc_now())
        page = context.new_page()
        page.goto(f"{self.address}{LINK}{token}")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        page.get_by_role("heading", name=f"Hello, {name}").wait_for()
        return page


@contextmanager
def serving(desk: Desk, now: Callable[[], datetime] = utc_now) -> Iterator[Served]:
    """Serve the app over a store until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        app = create(desk.store, Settings(now=now, passwords=QUICK))
        config = uvicorn.Config(app, log_level="warning", ws="none", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield Served(f"http://127.0.0.1:{bound.getsockname()[1]}", desk)
        finally:
            server.should_exit = True
            thread.join()
