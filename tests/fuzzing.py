"""Requests by chance from a page of OpenAPI, by schemathesis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import schemathesis


def load(file: Path, **phases: bool) -> Any:
    """Read a page. Tokens and keys are brought by the test itself, so nothing about them is made up."""
    page = json.loads(file.read_text(encoding="utf-8"))
    for operations in page["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
    config = {"phases": {name: {"enabled": enabled} for name, enabled in phases.items()}}
    return schemathesis.openapi.from_dict(page, config=schemathesis.Config.from_dict(config))
