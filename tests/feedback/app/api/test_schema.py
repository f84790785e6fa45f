"""The OpenAPI page: current, the same every time, with a sentence, an example and every refusal for each operation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.feedback.app.api.calling import Caller
from tutelage import __version__
from tutelage.feedback.app.api import app as api
from tutelage.feedback.app.api import schema

FILE = Path(__file__).parents[4] / "docs" / "reference" / "openapi.json"
PAGE = json.loads(FILE.read_text(encoding="utf-8"))
OPERATIONS = [(method, path, told) for path, methods in PAGE["paths"].items() for method, told in methods.items()]
ONLY_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
IDS = [f"{method} {path}" for method, path, _ in OPERATIONS]


def test_the_file_is_what_the_code_says() -> None:
    """`make fix` writes it again."""
    assert schema.text(api.create(None, calls_per_minute=1)) == FILE.read_text(encoding="utf-8")


@ONLY_SQLITE
def test_who_brings_a_token_reads_the_page(call: Callable[..., Caller]) -> None:
    caller = call("candidate")
    assert caller.get("/openapi.json") == PAGE
    assert caller.client.get("/api/v1/openapi.json").status_code == 401


def test_it_is_openapi_3_1_of_this_version_with_one_way_in() -> None:
    assert PAGE["openapi"].startswith("3.1") and PAGE["info"]["version"] == __version__
    assert PAGE["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert PAGE["servers"] == [{"url": "/api/v1"}]


@pytest.mark.parametrize(("method", "path", "told"), OPERATIONS, ids=IDS)
def test_every_operation_is_told(method: str, path: str, told: dict[str, Any]) -> None:
    is_open = path == "/enter/{link}"
    assert told.get("security") == (None if is_open else [{"token": []}])
    assert len(told["summary"].split()) > 3 and "\n" not in told["summary"]
    assert told["operationId"].isidentifier() and told["tags"]
    responses = told["responses"]
    assert ({"401", "429"} <= responses.keys()) != is_open
    assert "503" in responses and "422" not in responses and "500" not in responses
    assert ("413" in responses) == ("requestBody" in told)
    if "requestBody" in told or told.get("parameters"):
        assert "400" in responses
    for status, answer in responses.items():
        assert answer["description"].endswith(".")
        if status >= "400":
            media = answer["content"]["application/json"]
            assert media["schema"] == {"$ref": "#/components/schemas/Error"}
            assert set(media["example"]["error"]) == {"message", "type", "param", "code"}


def test_operations_have_different_names() -> None:
    names = [told["operationId"] for _, _, told in OPERATIONS]
    assert len(set(names)) == len(names)


def test_bodies_refuse_what_they_do_not_know_and_are_explained() -> None:
    for name, told in PAGE["components"]["schemas"].items():
        assert told.get("description") or name.startswith("Page_"), name
    for _, path, told in OPERATIONS:
        if "requestBody" in told:
            name = told["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert PAGE["components"]["schemas"][name]["additionalProperties"] is False, path
            assert PAGE["components"]["schemas"][name]["examples"], path
