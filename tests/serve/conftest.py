"""One server for all tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.server import make_store, serving


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder that holds the store and the models."""
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="session")
def store_url(folder: Path) -> str:
    """Give the address of a store with two models."""
    return make_store(folder)


@pytest.fixture(scope="session")
def server(store_url: str) -> Iterator[str]:
    """Give the address of a running server without a key."""
    with serving("--database", store_url, "--model", "default", "--model", "chatty") as address:
        yield address
