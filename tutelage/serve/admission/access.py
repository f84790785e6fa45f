"""The API key, and where a server may listen. Decision 010 says why it is so little."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import ip_address

from fastapi import Request

from tutelage.errors import SettingsError
from tutelage.web.errors import ApiError

#: The environment variable that holds the key.
KEY_VARIABLE = "TUTELAGE_API_KEY"
SHORTEST_KEY = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the server listens, and what stands between it and the world."""

    host: str = "127.0.0.1"
    port: int = 8000
    certificate: str = ""
    private_key: str = ""
    is_behind_proxy: bool = False

    @property
    def is_encrypted(self) -> bool:
        """Say whether there are TLS files."""
        return bool(self.certificate and self.private_key)


def is_loopback(host: str) -> bool:
    """Say whether a host name or address only reaches this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check(listening: Listening, key: str) -> None:
    """Refuse with a sentence to serve unprotected."""
    if bool(listening.certificate) != bool(listening.private_key):
        raise SettingsError("TLS needs both files; give --tls-certificate and --tls-key.")
    if key and len(key) < SHORTEST_KEY:
        raise SettingsError(f"{KEY_VARIABLE} has {len(key)} characters; use at least {SHORTEST_KEY} random ones.")
    if is_loopback(listening.host) and not listening.is_behind_proxy:
        return
    if not (listening.is_encrypted or listening.is_behind_proxy):
        raise SettingsError(
            f"{listening.host} can be reached from other machines, and keys and texts would cross the network readable;"
            " give --tls-certificate and --tls-key, or --behind-proxy when a proxy encrypts, or use 127.0.0.1."
        )
    if not key:
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
