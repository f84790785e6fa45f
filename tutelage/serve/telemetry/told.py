"""What is told of a request that has ended: a line of the log, figures, and spans."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tutelage.serve.admission.grants import Grant
from tutelage.serve.api.record import CLIENT_GONE, Note
from tutelage.serve.telemetry.meters import Meters
from tutelage.web.requests import Over

#: Makes spans of a request.
Trace = Callable[[Over, Note | None], None]


def teller(meters: Meters, trace: Trace | None = None) -> Callable[[Over], Mapping[str, object]]:
    """Return what counts a request that has ended and says what its line of the log holds."""

    def tell(over: Over) -> Mapping[str, object]:
        note, grant = over.state.get("note"), over.state.get("grant")
        code = _code(over, note)
        status = status_of(over, note)
        meters.request(over.route, note.model if note else "", status, over.seconds)
        if note is not None:
            meters.call(note)
        if code:
            meters.refusal(code)
        if trace is not None:
            trace(over, note)
        return {"status": status, **_customer(grant), **({} if note is None else _call(note)), **_said("code", code)}

    return tell


def status_of(over: Over, note: Note | None) -> int:
    """Return the status of a request; a stream that its client left began with 200."""
    if note is not None and note.status == CLIENT_GONE:
        return CLIENT_GONE
    return over.status or CLIENT_GONE


def _code(over: Over, note: Note | None) -> str:
    """Return the code of the error that ended a request, "" without one."""
    if note is not None and note.error is not None:
        return note.error.code or ""
    found: str = over.state.get("code") or ""
    return found


def _customer(grant: Grant | None) -> dict[str, object]:
    return {} if grant is None or grant.is_local else {"application": grant.application_id}


def _call(note: Note) -> dict[str, object]:
    first = None if note.first_token is None else round((note.first_token - note.started) * 1000, 1)
    return {
        "call": note.id,
        "model": note.model,
        "action": note.action,
        "first_token_ms": first,
        "prompt_tokens": note.prompt_tokens,
        "completion_tokens": note.completion_tokens,
    }


def _said(name: str, value: str) -> dict[str, object]:
    return {name: value} if value else {}
