"""The OpenAPI page of the model API: `python -m tutelage.serve.api.openapi FILE` writes it.

Parameters are those of `schema`, answers those of `shapes`. The page lists every status that an operation answers with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tutelage import __version__
from tutelage.files import write_text
from tutelage.serve.admission import timeouts
from tutelage.serve.api import repeats, shapes
from tutelage.serve.api.feedback import FeedbackParameters
from tutelage.serve.api.moderations import ModerationParameters
from tutelage.serve.api.record import HEADER
from tutelage.serve.api.schema import ChatParameters, CompletionParameters, Sampling

DESCRIPTION = """\
Every request brings the key of an application (`Authorization: Bearer KEY`). Without any application, a server that
only its own machine reaches answers without one. Fields that are not named here are refused by name. Errors have one
shape."""
#: What each refusal means.
MEANINGS = {
    400: "The request cannot be used as it is, or the content filter does not let it pass; the sentence says why.",
    401: "The API key is missing or wrong.",
    403: "The key, its application or its organisation may not do this.",
    404: "There is nothing of this name that the key may use.",
    408: "The body did not come in time.",
    409: "The same name stands for something else already, or the call with this key is being answered.",
    413: "The body is too long.",
    415: "The body is not JSON.",
    429: "The application's quota is used up; `Retry-After` says when to try again.",
    503: "The server has too much to do, or a part of it is away; `Retry-After` says when to try again.",
    504: "The call took all the time that it had.",
}
LATER = (429, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be asked: by which body, answered how, refused how."""

    method: str
    path: str
    name: str
    summary: str
    answer: type[BaseModel]
    refusals: tuple[int, ...]
    body: type[BaseModel] | None = None
    event: type[BaseModel] | None = None
    is_open: bool = False


_SENT = (400, 401, 403, 408, 413, 415, 429, 503)
_CALLED = (*_SENT, 404, 409, 504)
OPERATIONS = (
    Operation(
        method="get",
        path="/v1/models",
        name="models",
        summary="List the names that the key may use",
        answer=shapes.Models,
        refusals=(401, 403, 503),
    ),
    Operation(
        method="get",
        path="/v1/models/{name}",
        name="model",
        summary="Tell which version a name stands for",
        answer=shapes.Model,
        refusals=(401, 403, 404, 503),
    ),
    Operation(
        method="post",
        path="/v1/completions",
        name="complete",
        summary="Continue texts as they are",
        answer=shapes.Completion,
        refusals=_CALLED,
        body=CompletionParameters,
        event=shapes.Completion,
    ),
    Operation(
        method="post",
        path="/v1/chat/completions",
        name="chat",
        summary="Answer a conversation as the model was trained to read one",
        answer=shapes.Chat,
        refusals=_CALLED,
        body=ChatParameters,
        event=shapes.ChatChunk,
    ),
    Operation(
        method="post",
        path="/v1/moderations",
        name="moderate",
        summary="Say what the content filter finds in texts",
        answer=shapes.Moderations,
        refusals=_SENT,
        body=ModerationParameters,
    ),
    Operation(
        method="post",
        path="/v1/feedback",
        name="feedback",
        summary="Say what is to be said of an answer",
        answer=shapes.Kept,
        refusals=(*_SENT, 404, 409),
        body=FeedbackParameters,
    ),
    Operation(
        method="get",
        path="/healthz",
        name="lives",
        summary="Say that the server lives",
        answer=shapes.Health,
        refusals=(),
        is_open=True,
    ),
    Operation(
        method="get",
        path="/readyz",
        name="ready",
        summary="Say whether engine and filter are ready",
        answer=shapes.Health,
        refusals=(503,),
        is_open=True,
    ),
)


def page() -> dict[str, Any]:
    """Return the OpenAPI page; the same code gives the same page."""
    paths: dict[str, Any] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tutelage", "version": __version__, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def text() -> str:
    """Return the page as the file in docs/reference holds it."""
    return json.dumps(page(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _operation(one: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {"operationId": one.name, "summary": one.summary, "responses": _responses(one)}
    if not one.is_open:
        made["security"] = [{"key": []}]
    if "{name}" in one.path:
        named = {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}
        made["parameters"] = [{"name": "name", "in": "path", "required": True, "schema": named}]
    if one.body is not None:
        made["requestBody"] = {"required": True, "content": _json(one.body)}
    if one.event is not None or one.body is FeedbackParameters:
        use = {"type": "string", "enum": ["none", "training"]}
        told = "What the request may be used for; it can only narrow what the application agreed to."
        made["parameters"] = [_header(HEADER, told, use)]
    if one.event is not None:
        key = {"type": "string", "minLength": 1, "maxLength": repeats.LONGEST_KEY, "pattern": "^[ -~]+$"}
        told = "A word of the caller's for this call: sent again with it, the call is answered once."
        seconds = {"type": "number", "minimum": 1}
        made["parameters"] += [
            _header(repeats.HEADER, told, key),
            _header(timeouts.HEADER, "After how many seconds an answer is of no use any more.", seconds),
        ]
    return made


def _header(name: str, told: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": told, "schema": schema}


def _responses(one: Operation) -> dict[str, Any]:
    content = _json(one.answer)
    if one.event is not None:
        told = {"type": "string", "description": f"Events, each a {one.event.__name__} or an Error, and [DONE]."}
        content |= {"text/event-stream": {"schema": told}}
    later = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}}
    refused = {
        str(status): {
            "description": MEANINGS[status],
            "content": _json(shapes.Error),
            **({"headers": later} if status in LATER else {}),
        }
        for status in sorted(one.refusals)
    }
    return {"200": {"description": "Done.", "content": content}, **refused}


def _json(kind: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}


def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = {}
    bodies = [one.body for one in OPERATIONS if one.body is not None]
    for kind in (*bodies, *shapes.ANSWERS):
        made = shapes.schema_of(kind)
        found |= made.pop("$defs", {})
        found[kind.__name__] = _with_nulls(made) if issubclass(kind, Sampling) else made
    return {name: _untitled(told) for name, told in sorted(found.items())}


def _with_nulls(told: dict[str, Any]) -> dict[str, Any]:
    """Let every field that may be left out be null too, which is the same."""
    for name, field in told["properties"].items():
        kinds = field.get("anyOf", [])
        if name not in told.get("required", ()) and {"type": "null"} not in kinds:
            default = {key: field.pop(key) for key in ("default", "description") if key in field}
            told["properties"][name] = {"anyOf": [field, {"type": "null"}], **default}
    return told


def _untitled(told: Any) -> Any:
    """Leave out the titles that are nothing but names spelled again."""
    return (
        dict(_fields(told)) if isinstance(told, dict) else [*map(_untitled, told)] if isinstance(told, list) else told
    )


def _fields(told: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in told.items():
        if name != "title" or not isinstance(value, str):
            yield name, _untitled(value)


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), text())
