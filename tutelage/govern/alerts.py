"""Alerts: each new case is told to an address of the operator's, signed, without anything that a customer wrote."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os

from tutelage.errors import SettingsError, UnavailableError
from tutelage.store.cases import Case
from tutelage.web.outbound import Outbound

#: The environment variables with the address (https) and the secret that alerts are signed with.
URL, SECRET = "TUTELAGE_ALERT_URL", "TUTELAGE_ALERT_SECRET"
SIGNATURE = "X-Tutelage-Signature"
SHORTEST_SECRET = 16


def body(case: Case) -> bytes:
    """Return what is told of a case, as JSON."""
    told = {
        "case": case.number,
        "application": case.found.application_id,
        "signal": case.found.signal or case.found.kind,
        "summary": case.found.summary,
        "measure": case.found.measure,
        "is_grave": case.found.is_grave,
        "requests": len(case.found.requests),
        "created": case.created.isoformat(),
        "deadline": case.deadline.isoformat(),
    }
    return json.dumps(told, sort_keys=True).encode()


def signature(content: bytes, secret: str) -> str:
    """Return the signature of an alert: `sha256=` and the HMAC of its bytes under the secret, in hexadecimal."""
    return "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def send(case: Case, outbound: Outbound | None = None) -> None:
    """Post an alert; UnavailableError when it is not taken with a 2xx, so that the job is tried again."""
    url, secret = os.environ.get(URL, ""), os.environ.get(SECRET, "")
    if not url or len(secret) < SHORTEST_SECRET:
        raise SettingsError(
            f"Alerts need {URL} (https) and {SECRET} ({SHORTEST_SECRET} characters or more) in the environment."
        )
    content = body(case)
    headers = {"Content-Type": "application/json", SIGNATURE: signature(content, secret)}
    status = asyncio.run((outbound or Outbound()).post(url, content, headers))
    if not 200 <= status < 300:
        raise UnavailableError(f"The address for alerts answered {status}; it must answer 2xx.")
