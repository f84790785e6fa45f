"""Requests to the labeling API: what may be sent again is, and refusals are sentences. No database, no torch."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, TypeAdapter

from tutelage.errors import DataError, UnavailableError, UserError

T = TypeVar("T")
#: Where the API stands below the pages.
PREFIX = "/api/v1"
#: The methods that mean the same when they are sent twice.
IDEMPOTENT = ("GET", "PUT", "DELETE")
#: Answers after which the same request may do better.
PASSING = (429, 502, 503, 504)
#: How often a request is sent at most, and how many seconds pass before the second time; the wait doubles.
ATTEMPTS, FIRST_WAIT, LONGEST_WAIT = 5, 0.5, 30.0


class ApiRefusal(UserError):
    """The server refused; `status` is its number, `code` its word for programs, `param` the field that it is about."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


class Calls:
    """Sends requests with an access token, for `Client`, which has a method for every operation."""

    def __init__(
        self, address: str, token: str, *, timeout: float = 60.0, transport: httpx2.BaseTransport | None = None
    ) -> None:
        """`address` is that of the labeling app, such as https://labels.example; `timeout` is in seconds."""
        known = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx2.Client(
            base_url=address.rstrip("/") + PREFIX,
            headers={**known, "accept": "application/json"},
            timeout=timeout,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def call(
        self, method: str, path: str, body: BaseModel | Mapping[str, Any] | None = None, *, query: Any = None
    ) -> Any:
        """Send a request to the API and return the JSON of the answer, None without any.

        Sent again, with growing waits, when it may be and the failure may pass.
        """
        content = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        for attempt in range(ATTEMPTS):
            is_last = attempt == ATTEMPTS - 1 or method not in IDEMPOTENT
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2**attempt)
            try:
                answer = self._http.request(method, path, json=content, params=query)
            except UnicodeEncodeError as error:
                raise DataError(
                    "A text holds half of a character, which is no text; decode it as UTF-8 first."
                ) from error
            except httpx2.TransportError as error:
                if is_last:
                    raise _unreachable(error) from error
            else:
                if answer.is_success:
                    return answer.json() if answer.content else None
                if is_last or answer.status_code not in PASSING:
                    raise _refusal(answer)
                wait = _asked_wait(answer, wait)
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def pages(self, record: type[T], path: str, query: Mapping[str, str]) -> Iterator[T]:
        """Yield the items of a list that comes in parts."""
        after: str | None = ""
        while after is not None:
            told = self.call("GET", path, query={**query, "after": after})
            yield from read(list[record], told["items"])  # type: ignore[valid-type]
            after = told["next"]

    def pieces(self, path: str, query: Mapping[str, str]) -> Iterator[bytes]:
        """Yield an answer as it comes in; it is asked for once."""
        try:
            with self._http.stream("GET", path, params=query) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise _refusal(answer)
                yield from answer.iter_bytes()
        except httpx2.TransportError as error:
            raise _unreachable(error) from error

    def lines(self, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the objects of an answer that has one on each line."""
        # Only line feeds end a row: texts hold other separators.
        rest = b""
        for piece in self.pieces(path, query):
            *lines, rest = (rest + piece).split(b"\n")
            yield from (json.loads(line) for line in lines)


def new_key() -> str:
    """Return a key for something new."""
    return str(uuid.uuid4())


def part(name: str) -> str:
    """Return a name as part of an address."""
    if not name:
        raise DataError("A name that is part of an address is empty; pass on the id that the server gave.")
    return quote(name, safe="")


def read(kind: type[T], told: Any) -> T:
    """Return JSON that was told as an object of its kind."""
    return TypeAdapter(kind).validate_python(told)


def _refusal(answer: httpx2.Response) -> ApiRefusal:
    try:
        problem = answer.json()["error"]
        return ApiRefusal(answer.status_code, problem["message"], code=problem["code"], param=problem["param"])
    except (ValueError, KeyError, TypeError):
        return ApiRefusal(
            answer.status_code, f"{answer.url} answered {answer.status_code} and is no labeling app; check the address."
        )


def _unreachable(error: httpx2.TransportError) -> UnavailableError:
    reason = str(error) or type(error).__name__
    return UnavailableError(f"The labeling app cannot be reached: {reason}; check the address and that it runs.")


def _asked_wait(answer: httpx2.Response, otherwise: float) -> float:
    asked = answer.headers.get("retry-after", "")
    return min(LONGEST_WAIT, float(asked)) if asked.isdecimal() else otherwise
