"""The one shape of every HTTP error: {"error": {"message", "type", "param", "code"}}, as OpenAI's clients read it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from tutelage.errors import (
    ConflictError,
    DatabaseAwayError,
    DataError,
    MissingError,
    RefusedError,
    UnavailableError,
    UserError,
)
from tutelage.web.headers import HEADERS

logger = logging.getLogger(__name__)

#: What a caller is told by a number when a rule of ours refuses; other errors that a user can mend are the operator's.
STATUSES: Mapping[type[UserError], int] = {
    DataError: 400,
    RefusedError: 403,
    MissingError: 404,
    ConflictError: 409,
    UnavailableError: 503,
}


#: Characters of a name of the caller's that are said back.
_LONGEST_NAME = 100

#: When a caller may try again where something is away.
LATER: Mapping[str, str] = {"retry-after": "10"}


class ApiError(Exception):
    """An answer other than success; `message` is one sentence for the caller."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Return the JSON that the caller reads."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def install(app: FastAPI) -> None:
    """Give every error of an application the one shape, those of the framework too."""
    app.add_exception_handler(ApiError, _answer)
    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(Exception, _answer)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    found = told(request, error)
    request.state.code = found.code
    return as_json(found)


async def refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with an error before any route is asked."""
    scope.setdefault("state", {})["code"] = error.code
    await as_json(error)(scope, receive, send)


def as_json(error: ApiError) -> JSONResponse:
    """Return the answer that says an error."""
    # The answer for a bug is made outside the middleware that adds these.
    return JSONResponse(error.body(), status_code=error.status, headers={**HEADERS, **error.headers})


def told(request: Request, error: Exception) -> ApiError:
    """Return what the caller is told about any exception; of a bug, nothing but that it was one."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, DatabaseAwayError):
        # Where it is, and why it does not answer, is for the operator.
        logger.error("%s", error)
        return ApiError(503, "The database is away at the moment; try again in a minute.", headers=LATER)
    if isinstance(error, UserError):
        known = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
        return ApiError(known, str(error), code=error.code, param=error.param)
    if isinstance(error, HTTPException):
        sentences = {
            404: f"There is nothing at {request.url.path}; see /v1/models, /v1/completions and /v1/chat/completions.",
            400: "The body of this request cannot be read; send JSON in UTF-8.",
            405: f"{request.method} is not possible at {request.url.path}.",
            413: "The body of this request is too long; send less at once.",
        }
        message = sentences.get(error.status_code, f"{HTTPStatus(error.status_code).phrase}.")
        return ApiError(error.status_code, message, headers=error.headers)
    if isinstance(error, RequestValidationError):
        problem = error.errors()[0]
        # The first part of the place says where in the request it is: path, query or body.
        return invalid({**problem, "loc": problem["loc"][1:]})
    return ApiError(500, "Something went wrong here; it has been logged. Try again.", code="internal_error")


def invalid(problem: Mapping[str, Any]) -> ApiError:
    """Return the error for what a pydantic model found wrong first."""
    # Union members add their own names to the place; the first part is the field that the caller wrote.
    field = str(problem["loc"][0])[:_LONGEST_NAME] if problem["loc"] else None
    if problem["type"] == "json_invalid":
        return ApiError(400, "The body of this request is no JSON; send JSON in UTF-8.")
    if problem["type"] == "extra_forbidden":
        return ApiError(400, f"{field!r} is not a parameter of this endpoint; leave it out.", param=field)
    message = str(problem["msg"]).removeprefix("Value error, ")
    text = message[:1].lower() + message[1:] if field else message
    return ApiError(400, f"{field}: {text}." if field else f"{text.rstrip('.')}.", param=field)
