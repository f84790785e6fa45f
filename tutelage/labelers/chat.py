"""Ask a chat model over the OpenAI-compatible protocol, patiently, and count what it costs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import httpx2

from tutelage.errors import SettingsError, UnavailableError
from tutelage.labelers.protocol import NoJudgementError

#: Answers after which the same request is made again, and the longest pause before that, in seconds.
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
LONGEST_PAUSE = 30.0


class Message(NamedTuple):
    """One message of a conversation."""

    role: str
    content: str


class Connection(NamedTuple):
    """Where a model is asked: `key` is sent if it is not empty, `variable` is where it came from."""

    url: str
    key: str
    variable: str
    timeout_seconds: float
    attempts: int


class Usage(NamedTuple):
    """What was used: requests answered, tokens read and written, and answers that did not say how many."""

    requests: int
    input_tokens: int
    output_tokens: int
    untold: int


class RefusedError(NoJudgementError):
    """A request that the endpoint does not take, because it is too long for its model, say."""


class Endpoint:
    """A model behind an address; several threads may ask at once."""

    def __init__(self, connection: Connection, body: Mapping[str, Any]) -> None:
        self.connection, self._body = connection, dict(body)
        headers = {"authorization": f"Bearer {connection.key}"} if connection.key else {}
        # A redirect is not followed: it would carry key and texts to another place than the one that was named.
        self._client = httpx2.Client(headers=headers, timeout=connection.timeout_seconds, follow_redirects=False)
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._usage = Usage(0, 0, 0, 0)

    def close(self) -> None:
        """Close the connections; who waits for another attempt gives up."""
        self._stopped.set()
        self._client.close()

    @property
    def usage(self) -> Usage:
        """What was used so far."""
        with self._lock:
            return self._usage

    def ask(self, messages: Sequence[Message]) -> str:
        """Return the model's reply.

        UnavailableError when the endpoint stays silent, SettingsError when it refuses everything, RefusedError when it
        refuses this.
        """
        body = {**self._body, "messages": [message._asdict() for message in messages]}
        pause, said = 0.5, ""
        for attempt in range(self.connection.attempts):
            if attempt and self._stopped.wait(pause):
                break
            try:
                answer = self._client.post(f"{self.connection.url}/chat/completions", json=body)
            except httpx2.TimeoutException:
                said, pause = (
                    f"no answer within {self.connection.timeout_seconds:g} seconds",
                    min(pause * 2, LONGEST_PAUSE),
                )
                continue
            except httpx2.TransportError as error:
                said, pause = str(error) or type(error).__name__, min(pause * 2, LONGEST_PAUSE)
                continue
            if answer.status_code not in AGAIN:
                return self._reply(answer)
            said, pause = f"status {answer.status_code}", _pause(answer, pause)
        raise UnavailableError(
            f"The judge at {self.connection.url} could not be asked ({said}; {self.connection.attempts} attempts): see "
            "that it runs, then give the same command again; what was judged is kept."
        )

    def _reply(self, answer: httpx2.Response) -> str:
        if answer.status_code != 200:
            raise self._refusal(answer)
        try:
            found = answer.json()
            content = found["choices"][0]["message"]["content"]
            usage = found.get("usage")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise UnavailableError(
                f"{self.connection.url} does not answer as a chat endpoint does; name one that speaks the OpenAI "
                "protocol, up to /v1."
            ) from None
        self._count(usage)
        # A reply cut before its first word, or one that a filter took away, has no content: nothing that can be read.
        return content if isinstance(content, str) else ""

    def _count(self, usage: Any) -> None:
        told = usage if isinstance(usage, dict) else {}
        tokens = [told.get("prompt_tokens"), told.get("completion_tokens")]
        known = [one for one in tokens if type(one) is int and one >= 0]
        read, written = known if len(known) == 2 else (0, 0)
        with self._lock:
            before = self._usage
            self._usage = Usage(
                before.requests + 1,
                before.input_tokens + read,
                before.output_tokens + written,
                before.untold + (len(known) < 2),
            )

    def _refusal(self, answer: httpx2.Response) -> SettingsError | RefusedError:
        status, url, variable = answer.status_code, self.connection.url, self.connection.variable
        said = _said(answer)
        if status in (401, 403):
            has = "the key in" if self.connection.key else "a request without a key; set"
            return SettingsError(f"{url} refuses {has} {variable} (status {status}): {said}")
        if status == 404 or 300 <= status < 400:
            return SettingsError(f"{url} has no such model or address (status {status}): {said}; check url and model.")
        return RefusedError(f"{url} refuses a request (status {status}): {said}; check the model's settings.")


def _pause(answer: httpx2.Response, before: float) -> float:
    """Wait as long as the endpoint asks for, else twice as long as before."""
    try:
        asked = float(answer.headers.get("retry-after", ""))
    except ValueError:
        asked = before * 2
    return min(max(asked, 0.0), LONGEST_PAUSE)


def _said(answer: httpx2.Response) -> str:
    """Return the endpoint's own words, in short and in one line."""
    try:
        found = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        found = answer.text
    words = " ".join(str(found).split()).removesuffix(".")
    return (words if len(words) <= 200 else f"{words[:200]}...") or "it gives no reason"
