"""The OpenAPI page of the API: `python -m tutelage.feedback.app.api.schema FILE` writes it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tutelage.feedback.wire.parts import Error
from tutelage.files import write_text

#: What each refusal means, with the word that programs tell it by.
MEANINGS = {
    400: ("The request cannot be used as it is; the sentence says why.", None),
    401: ("The access token is missing, wrong, over or revoked.", "invalid_token"),
    403: ("The person behind the token may not do this.", "wrong_role"),
    404: ("There is nothing of this name, or it is not one's own.", None),
    409: ("It was right for another state: something changed meanwhile.", "conflict"),
    413: ("The body is too long.", None),
    429: ("The token asks too often; `Retry-After` says when to try again.", "too_often"),
    503: ("The database cannot be reached; try again.", None),
}
#: Refusals that every operation can answer with, and those that every one with a token can.
ALWAYS, WITH_TOKEN = (503,), (401, 429)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of these refusals for a route."""
    return {status: _refusal(status) for status in statuses}


def page(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI page of the application; the same code gives the same page."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        servers=[{"url": app.root_path or "/api/v1"}],
        tags=app.openapi_tags,
    )
    for operation in _operations(made):
        _tell(operation)
    made["components"]["schemas"].pop("HTTPValidationError", None)
    made["components"]["schemas"].pop("ValidationError", None)
    return made


def text(app: FastAPI) -> str:
    """Return the page as the file in docs/reference holds it."""
    return json.dumps(page(app), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _operations(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in made["paths"].values():
        yield from path.values()


def _tell(operation: dict[str, Any]) -> None:
    """Complete an operation: its summary is the first sentence, and every refusal is listed."""
    first, _, rest = operation["description"].partition("\n")
    operation["summary"], operation["description"] = first.rstrip("."), rest.strip() or first
    responses = operation["responses"]
    # The framework calls parameters that do not fit 422; they are 400 here, like all that cannot be used.
    listed = [400] if responses.pop("422", None) else []
    if "requestBody" in operation:
        listed.append(413)
    for told in responses.values():
        told["description"] = told["description"].replace("Successful Response", "Done.")
    # Those of the route are made anew as well: the framework leaves the nulls of an example out.
    always = (*ALWAYS, *WITH_TOKEN) if "security" in operation else ALWAYS
    for status in {*always, *listed, *(int(known) for known in responses if known >= "400")}:
        described = _refusal(status)
        described.pop("model")
        described["content"]["application/json"]["schema"] = {"$ref": "#/components/schemas/Error"}
        responses[str(status)] = described
    operation["responses"] = dict(sorted(responses.items()))


def _refusal(status: int) -> dict[str, Any]:
    sentence, word = MEANINGS[status]
    kind = "server_error" if status >= 500 else "invalid_request_error"
    example = {"error": {"message": sentence, "type": kind, "param": None, "code": word}}
    return {"model": Error, "description": sentence, "content": {"application/json": {"example": example}}}


if __name__ == "__main__":
    from tutelage.feedback.app.api.app import create

    write_text(Path(sys.argv[1]), text(create(None, calls_per_minute=1)))
