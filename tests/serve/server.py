"""A real server process with tiny random models in a temporary store."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.generate.tiny import make_directory
from tutelage.files import sha256_of
from tutelage.records import RegisteredModel
from tutelage.store import Store, registry

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def register(url: str, name: str, directory: Path, alias: str = "") -> RegisteredModel:
    """Put a model directory into the registry, and an alias on it."""
    with Store.open(url) as store:
        new = RegisteredModel(name=name, version=0, path=str(directory), sha256=sha256_of(directory), run="test")
        model = registry.register(store, new, prompt_hashes=(), now=NOW)
        if alias:
            registry.point(store, alias, model, now=NOW)
    return model


def make_store(folder: Path) -> str:
    """Make a store with the alias `default` on a plain model, and a chat model."""
    url = f"sqlite:///{folder / 'store.db'}"
    register(url, "tiny", make_directory(folder / "tiny"), "default")
    register(url, "chatty", make_directory(folder / "chatty", seed=1, chat=True))
    return url


@contextlib.contextmanager
def serving(*options: str) -> Iterator[str]:
    """Run `tutelage serve` on a free port and yield its address."""
    command = [sys.executable, "-m", "tutelage.cli", "serve", "--port", "0", "--threads", "1", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            found = re.search(r"at (http://\S+)/v1", line)
            assert found, line
            yield found[1]
        finally:
            process.terminate()
