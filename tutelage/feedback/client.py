"""A client of the labeling app: `with Client(address, token) as client: ...`. It imports no database and no torch.

What may be repeated is repeated when the connection breaks or the server asks to wait: reading, and writing under a
key. Anything else is sent once. A refusal is an `ApiRefusal` with the server's sentence.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, TypeAdapter

from tutelage.errors import DataError, UnavailableError, UserError
from tutelage.feedback.wire import guidance, parts, staff, tasks, work

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


class Client:
    """One person's access to a labeling app, by an access token; what it does is that person's doing."""

    def __init__(
        self, address: str, token: str, *, timeout: float = 60.0, transport: httpx2.BaseTransport | None = None
    ) -> None:
        """`address` is that of the labeling app, such as https://labels.example; `timeout` is in seconds."""
        self._http = httpx2.Client(
            base_url=address.rstrip("/") + PREFIX,
            headers={"authorization": f"Bearer {token}", "accept": "application/json"},
            timeout=timeout,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def me(self) -> parts.Me:
        """Return who one is."""
        return _read(parts.Me, self.call("GET", "/me"))

    # Work.

    def desk(self) -> work.Desks:
        """Return one's own work: what waits, what is begun, what was handed in last."""
        return _read(work.Desks, self.call("GET", "/work"))

    def take(self, kind: str) -> work.Work | None:
        """Return work of a kind, None when none waits; unread instructions are refused (`instructions_unread`)."""
        found = self.call("POST", "/work", {"kind": kind})
        return None if found is None else _read(work.Work, found)

    def read(self, name: str) -> work.Work:
        """Return a piece of one's own work."""
        return _read(work.Work, self.call("GET", f"/work/{_part(name)}"))

    def save(self, name: str, content: str, *, base: int) -> work.Saved:
        """Save a draft over the version `base`, and hold the lease."""
        return _read(work.Saved, self.call("PUT", f"/work/{_part(name)}/draft", {"base": base, "content": content}))

    def hold(self, name: str) -> work.Lease:
        """Say that one is still at work."""
        return _read(work.Lease, self.call("PUT", f"/work/{_part(name)}/lease"))

    def release(self, name: str) -> None:
        """Give work back without a reason."""
        self.call("DELETE", f"/work/{_part(name)}/lease")

    def skip(self, name: str, reason: str, note: str = "") -> None:
        """Give work back with a reason: pii, unclear, unsafe, language or other."""
        self.call("POST", f"/work/{_part(name)}/skip", {"reason": reason, "note": note})

    def hand_in(self, name: str, content: work.HandedIn, *, key: str = "") -> work.Revision:
        """Hand work in. With a `key` of one's own, calling again after a crash counts once."""
        there = f"/work/{_part(name)}/submissions/{_part(key or new_key())}"
        return _read(work.Revision, self.call("PUT", there, content))

    def revisions(self, name: str) -> list[work.Revision]:
        """Return what one handed in for a piece of work, oldest first."""
        return _read(list[work.Revision], self.call("GET", f"/work/{_part(name)}/submissions"))

    # Instructions and conversations.

    def instructions(self, version: str) -> guidance.InstructionText:
        """Return a version of instructions."""
        return _read(guidance.InstructionText, self.call("GET", f"/instructions/{_part(version)}"))

    def acknowledge(self, version: str) -> None:
        """Say that one has read a version of instructions."""
        self.call("PUT", f"/instructions/{_part(version)}/read")

    def threads(self) -> list[guidance.Thread]:
        """Return one's own conversations, or all of them for those who answer."""
        return _read(list[guidance.Thread], self.call("GET", "/threads"))

    def ask(self, text: str, *, about: str = "", output: str = "", key: str = "") -> guidance.Thread:
        """Open a conversation, perhaps about one's own work `about` and one of its outputs."""
        body = {"text": text, "work": about, "output": output}
        return _read(guidance.Thread, self.call("PUT", f"/threads/{_part(key or new_key())}", body))

    def messages(self, thread: str) -> list[guidance.Message]:
        """Return what was said in a conversation."""
        return _read(list[guidance.Message], self.call("GET", f"/threads/{_part(thread)}/messages"))

    def reply(self, thread: str, text: str, *, key: str = "") -> None:
        """Add a message to a conversation."""
        self.call("PUT", f"/threads/{_part(thread)}/messages/{_part(key or new_key())}", {"text": text})

    # For leads and researchers.

    def invite(self, role: str, group: str = "", note: str = "") -> staff.Link:
        """Make a one-time link for somebody new."""
        return _read(staff.Link, self.call("POST", "/invitations", {"role": role, "group": group, "note": note}))

    def prompts(self, *, split: str = "", stage: str = "") -> Iterator[tasks.Prompt]:
        """Yield the prompts that may be shown, by id."""
        return self._pages(tasks.Prompt, "/prompts", {"split": split, "stage": stage})

    def file_tasks(self, new: Sequence[tasks.Task]) -> int:
        """File tasks, in parts of what may be filed at once; each part is filed whole or not at all."""
        for start in range(0, len(new), tasks.MOST_TASKS):
            self.call("PUT", "/tasks", tasks.Tasks(tasks=list(new[start : start + tasks.MOST_TASKS])))
        return len(new)

    def progress(self) -> list[tasks.Count]:
        """Return how far the tasks are, by kind, purpose and group."""
        return _read(list[tasks.Count], self.call("GET", "/progress"))

    def submissions(self, **which: str) -> Iterator[work.Submission]:
        """Yield what was handed in, in that order; `which` are labeler, task_id, kind, purpose and group."""
        return self._pages(work.Submission, "/submissions", which)

    def export(self, what: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of an export; `query` are kind, split, stage, purpose and group."""
        try:
            with self._http.stream("GET", f"/exports/{_part(what)}", params=query) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise _refusal(answer)
                # Only line feeds end a row: texts hold other separators.
                rest = b""
                for piece in answer.iter_bytes():
                    *lines, rest = (rest + piece).split(b"\n")
                    yield from (json.loads(line) for line in lines)
        except httpx2.TransportError as error:
            raise _unreachable(error) from error

    def manifest(self, what: str, **query: str) -> dict[str, Any]:
        """Return where an export's rows come from."""
        return _read(dict[str, Any], self.call("GET", f"/exports/{_part(what)}/manifest", query=query))

    # All else.

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

    def _pages(self, record: type[T], path: str, query: Mapping[str, str]) -> Iterator[T]:
        after: str | None = ""
        while after is not None:
            part = self.call("GET", path, query={**query, "after": after})
            yield from _read(list[record], part["items"])  # type: ignore[valid-type]
            after = part["next"]


def new_key() -> str:
    """Return a key for something new."""
    return str(uuid.uuid4())


def _part(name: str) -> str:
    if not name:
        raise DataError("A name that is part of an address is empty; pass on the id that the server gave.")
    return quote(name, safe="")


def _read(kind: type[T], told: Any) -> T:
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
