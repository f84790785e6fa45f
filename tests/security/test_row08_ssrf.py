"""Row 8: what is sent to an address that somebody chose reaches the open internet by https, or nothing at all."""

from __future__ import annotations

import ast
import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

import tutelage
from tests.security.listening import listening, nobody_knocked, silent
from tutelage.errors import DataError, UnavailableError
from tutelage.web import outbound
from tutelage.web.outbound import Address, Outbound, is_public

#: A certificate of the name hooks.example with its key, made for these tests and trusted by nobody else.
CERTIFICATE = Path(__file__).parent / "hooks.example.pem"

#: Written by hand from IANA's registries of special-purpose addresses.
CLOSED = (
    "0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.0.9", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::c0a8:1", "100::1", "2001:db8::1", "2002:7f00:1::", "2002:c0a8:101::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
)  # fmt: skip
OPEN = ("1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::1", "64:ff9b::101:101", "::ffff:8.8.8.8")

#: Addresses that are refused as they are written, before anything is looked up.
UNREAD = (
    "", "hooks.example/x", "//hooks.example/", "http://hooks.example/", "ftp://hooks.example/", "file:///etc/passwd",
    "gopher://hooks.example/", "HTTP://hooks.example/", "javascript:alert(1)", "https://", "https:///etc/passwd",
    "https://user:word@hooks.example/", "https://user@hooks.example/", "https://hooks.example:0/",
    "https://hooks.example:65536/", "https://hooks.example:x/", "https://[::1", "https://hooks.example/\r\nX: y",
    "https://hooks.example/" + "a" * 2000,
)  # fmt: skip
#: Ways to write this machine; the resolver of the system reads them all.
OURSELVES = (
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "localhost", "[::1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "169.254.169.254", "[fe80::1]",
)  # fmt: skip

#: Who speaks to other machines, and who chose to which. A new one that customers choose must go through Outbound.
SPEAKERS = {
    "cli/doctor.py": "the operator, to their own server",
    "feedback/calls.py": "a person's own program, to the address of a labeling app",
    "feedback/hub.py": "the operator, to a hub of data sets",
    "generate/vllm.py": "the gateway, to the engine that the operator started on this machine",
    "labelers/chat.py": "the operator, to the endpoint of a judge",
    "models/hub.py": "the operator, to a model hub",
    "safety/endpoint.py": "the operator, to a moderation endpoint",
    "serve/telemetry/spans.py": "the operator, to a collector of traces",
    "web/outbound.py": "the only one that goes where customers say",
}
CLIENTS = {
    "httpx", "httpx2", "requests", "urllib3", "urllib.request", "http.client", "aiohttp", "smtplib", "ftplib",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
}  # fmt: skip


@dataclass
class Server:
    """A server behind the name hooks.example: what it was asked, and what it says."""

    seen: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    status: int = 204
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    is_endless: bool = False
    sent: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        host = dict(scope["headers"]).get(b"host", b"").decode()
        self.seen.append((scope["method"], host, scope["path"], body))
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        while self.is_endless:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            self.sent += 65536
            gone = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            self.is_endless = not gone.done()
            gone.cancel()
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def port(server: Server) -> Iterator[int]:
    """Serve by TLS and give the port."""
    with listening(server, ssl_certfile=str(CERTIFICATE)) as address:
        yield int(address.rpartition(":")[2])


@dataclass
class Sender:
    """Sends as our code does, where the name service is the test's."""

    answers: Sequence[Sequence[str]] = (("127.0.0.1",),)
    is_allowed: Callable[[Address], bool] = lambda _: True
    verify: ssl.SSLContext = field(default_factory=lambda: ssl.create_default_context(cafile=CERTIFICATE))
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append((host, port))
        return [ip_address(one) for one in self.answers[len(self.asked) - 1]]

    def post(self, url: str) -> int:
        sender = Outbound(resolve=self.resolve, is_allowed=self.is_allowed, verify=self.verify)
        return asyncio.run(sender.post(url, b"told", {"Content-Type": "text/plain"}))


@pytest.mark.parametrize("address", CLOSED)
def test_no_address_of_ours_is_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_addresses_of_the_internet_are(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("url", UNREAD)
def test_what_is_no_https_address_is_refused_before_it_is_looked_up(url: str) -> None:
    sender = Sender()
    with pytest.raises(DataError, match="https://"):
        sender.post(url)
    assert sender.asked == []


@pytest.mark.parametrize("host", OURSELVES)
def test_this_machine_is_reached_under_no_name(host: str) -> None:
    with silent() as (port, bound):
        with pytest.raises(DataError):
            asyncio.run(Outbound().post(f"https://{host}:{port}/", b"", {}))
        assert nobody_knocked(bound)


@pytest.mark.parametrize("answers", [("10.0.0.1", "93.184.216.34"), ("93.184.216.34", "::1"), ()])
def test_a_name_with_one_address_of_ours_is_refused_whole(answers: Sequence[str]) -> None:
    with pytest.raises(DataError, match="no address of the open internet"):
        Sender(answers=(answers,), is_allowed=is_public).post("https://hooks.example/")


def test_the_address_that_was_looked_at_is_the_one_that_is_used(
    server: Server, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again, the name would lead into our network: it is not asked again, by anybody."""
    original = socket.getaddrinfo

    def only_numbers(host: Any, *rest: Any, **more: Any) -> Any:
        ip_address(host)
        return original(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", only_numbers)
    sender = Sender(answers=(("127.0.0.1",), ("10.0.0.1",)))
    assert sender.post(f"https://hooks.example:{port}/hook?a=1") == 204
    assert sender.asked == [("hooks.example", port)]
    assert server.seen == [("POST", f"hooks.example:{port}", "/hook", b"told")]


def test_the_certificate_must_be_the_names(server: Server, port: int) -> None:
    for sender, host in ((Sender(), "other.example"), (Sender(verify=ssl.create_default_context()), "hooks.example")):
        with pytest.raises(UnavailableError, match=f"{host} does not answer"):
            sender.post(f"https://{host}:{port}/")
    assert server.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server: Server, port: int, status: int) -> None:
    with silent() as (inside, bound):
        server.status, server.headers = status, [(b"location", f"https://127.0.0.1:{inside}/".encode())]
        assert Sender().post(f"https://hooks.example:{port}/") == status
        assert len(server.seen) == 1 and nobody_knocked(bound)


def test_no_proxy_of_the_environment_is_used(server: Server, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with silent() as (proxy, bound):
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        assert Sender().post(f"https://hooks.example:{port}/") == 204
        assert nobody_knocked(bound)


def test_little_of_an_endless_answer_is_read(server: Server, port: int) -> None:
    server.status, server.is_endless = 200, True
    assert Sender().post(f"https://hooks.example:{port}/") == 200


def test_who_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.2)
    with silent() as (port, _), pytest.raises(UnavailableError, match="does not answer"):
        Sender().post(f"https://hooks.example:{port}/")


def test_nobody_else_speaks_to_other_machines() -> None:
    package = Path(tutelage.__file__).parent
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
            if CLIENTS.intersection(names):
                found.add(path.relative_to(package).as_posix())
    assert found == set(SPEAKERS)
