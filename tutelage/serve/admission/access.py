"""The API key. Decision 010 says why it is so little."""

from __future__ import annotations

import hmac

from fastapi import Request

from tutelage.errors import SettingsError
from tutelage.web import listening
from tutelage.web.errors import ApiError
from tutelage.web.listening import Listening, is_loopback

#: The environment variable that holds the key.
KEY_VARIABLE = "TUTELAGE_API_KEY"
SHORTEST_KEY = 16


def check(where: Listening, key: str) -> None:
    """Refuse with a sentence to serve unprotected."""
    listening.check(where)
    if key and len(key) < SHORTEST_KEY:
        raise SettingsError(f"{KEY_VARIABLE} has {len(key)} characters; use at least {SHORTEST_KEY} random ones.")
    if not (key or where.is_private):
        raise SettingsError(f"Others can reach this server; set the environment variable {KEY_VARIABLE} to a long key.")


class Gate:
    """Let requests with the key pass; without a key, those that were sent to this machine by name."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def __call__(self, request: Request) -> None:
        """Raise ApiError unless the request may pass."""
        if not self._key:
            # A page elsewhere can make a browser call us under its own name; it cannot choose ours.
            if not is_loopback(request.url.hostname or ""):
                raise ApiError(403, "This server without a key answers only as localhost or 127.0.0.1.")
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._key)
        if scheme.lower() != "bearer" or not is_right:
            raise ApiError(
                401,
                "The API key is missing or wrong; send it as `Authorization: Bearer KEY`.",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )
