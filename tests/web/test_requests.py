"""The layer that gives requests ids and tells what ended, around applications of a few lines."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.serve.scripted import ask
from tutelage.web.requests import Over, Requests

START = {"type": "http.response.start", "status": 500, "headers": []}


def answering(*messages: dict[str, Any], error: Exception | None = None) -> Any:
    """Return an application that sends messages, and raises the error when it has."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(dict(message))
        if error is not None:
            raise error

    return app


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.facts for record in caplog.records if record.getMessage() == "request"]


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        ("a-1.B", True), ("x" * 64, True), ("x" * 65, False), ("", False), ("-a", False), ("a b", False),
        ("a\u00e9", False), ("tut_01234567_abc", False), ("a\x1b[2J", False),
    ],
)  # fmt: skip
def test_an_id_is_taken_when_it_looks_like_one(given: str, is_taken: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tutelage")
    app = Requests(answering(START, {"type": "http.response.body", "body": b"x"}))
    answer = asyncio.run(ask(app, "/", headers={"x-request-id": given}))
    id = answer.headers["x-request-id"]
    assert (id == given) == is_taken and (is_taken or re.fullmatch("req-[0-9a-f]{24}", id))
    assert [line["request"] for line in lines(caplog)] == [id]


def test_two_ids_are_none(caplog: pytest.LogCaptureFixture) -> None:
    app = Requests(answering(START, {"type": "http.response.body", "body": b"x"}))
    answer = asyncio.run(ask(app, "/", headers=[(b"x-request-id", b"a"), (b"x-request-id", b"b")]))
    assert answer.headers["x-request-id"].startswith("req-")


def test_a_bug_is_answered_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tutelage")
    answer = asyncio.run(ask(Requests(answering(error=RuntimeError("words"))), "/secret/path"))
    assert (answer.status, answer.json["error"]["code"]) == (500, "internal_error")
    [line] = lines(caplog)
    assert (line["status"], line["route"]) == (500, "other") and "secret" not in repr(line)
    # Somebody inside has answered it already, with a page.
    page = answering(START, {"type": "http.response.body", "body": b"page"}, error=RuntimeError("words"))
    assert asyncio.run(ask(Requests(page), "/")).body == b"page" and len(lines(caplog)) == 2


def test_an_answer_that_breaks_is_not_taken_for_whole(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tutelage")
    part = answering(START, {"type": "http.response.body", "body": b"a", "more_body": True}, error=RuntimeError())
    with pytest.raises(RuntimeError):
        asyncio.run(ask(Requests(part), "/"))
    assert len(lines(caplog)) == 1


def test_counting_takes_no_answer_along(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tutelage")

    def fail(_: Over) -> Mapping[str, object]:
        raise KeyError("words")

    app = Requests(answering(START, {"type": "http.response.body", "body": b"x"}), fail)
    assert asyncio.run(ask(app, "/")).body == b"x"
    assert len(lines(caplog)) == 1 and "could not be counted" in caplog.text
