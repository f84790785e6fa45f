"""Where a web server listens, what stands between it and the world, and taking the address."""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass
from ipaddress import ip_address

from tutelage.errors import SettingsError, UnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the server listens, and what stands between it and the world.

    Metrics are read on a port of their own, without a key; `metrics_port` None tells none, 0 takes a free one.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    certificate: str = ""
    private_key: str = ""
    is_behind_proxy: bool = False
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None

    @property
    def is_encrypted(self) -> bool:
        """Say whether there are TLS files."""
        return bool(self.certificate and self.private_key)

    @property
    def is_private(self) -> bool:
        """Say whether only this machine can reach the server."""
        return is_loopback(self.host) and not self.is_behind_proxy

    def address(self, port: int) -> str:
        """Return the address to open in a browser; `port` is the one that was taken."""
        host = f"[{self.host.strip('[]')}]" if ":" in self.host else self.host
        return f"{'https' if self.is_encrypted else 'http'}://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Say whether a host name or address only reaches this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check(listening: Listening) -> None:
    """Refuse with a sentence to let secrets and texts cross a network readable."""
    if bool(listening.certificate) != bool(listening.private_key):
        raise SettingsError("TLS needs both files; give --tls-certificate and --tls-key.")
    if not (listening.is_private or listening.is_encrypted or listening.is_behind_proxy):
        raise SettingsError(
            f"{listening.host} can be reached from other machines, and secrets and texts would cross the network "
            "readable; give --tls-certificate and --tls-key, or --behind-proxy when a proxy encrypts, or use 127.0.0.1."
        )


def bind(listening: Listening) -> socket.socket:
    """Take the address, or say why it cannot be taken or the TLS files not be used."""
    _check_files(listening)
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    try:
        bound = socket.create_server((listening.host.strip("[]"), listening.port), family=family)
        # Connections inherit it. Without it, the second packet of an answer, and each token of a stream, waits for the
        # acknowledgement of the one before, up to 40 ms; asyncio sets it on sockets alone that it made itself.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bound
    except OSError as error:
        reason = "another program uses it" if error.errno == errno.EADDRINUSE else str(error.strerror).lower()
        raise UnavailableError(
            f"Cannot listen on {listening.host} port {listening.port}: {reason}; choose another with --port or --host."
        ) from error


def _check_files(listening: Listening) -> None:
    if not listening.is_encrypted:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(listening.certificate, listening.private_key)
    except OSError as error:  # what ssl raises too
        raise SettingsError(
            f"The TLS files {listening.certificate} and {listening.private_key} cannot be used: "
            f"{error.strerror or error}; give a certificate chain and its private key in PEM."
        ) from error
