"""Where a server may listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tutelage.errors import SettingsError, UnavailableError
from tutelage.web.listening import Listening, bind, check, is_loopback


@pytest.mark.parametrize(
    ("listening", "told"),
    [
        (Listening(host="0.0.0.0"), "0.0.0.0 can be reached .* --behind-proxy"),
        (Listening(host="::"), "--tls-certificate"),
        (Listening(host="example.org"), "--behind-proxy"),
        (Listening(certificate="c"), "both files"),
        (Listening(host="0.0.0.0", private_key="k", is_behind_proxy=True), "both files"),
    ],
)
def test_what_would_be_readable_on_the_way_is_refused(listening: Listening, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        check(listening)


@pytest.mark.parametrize(
    "listening",
    [
        Listening(),
        Listening(host="::1"),
        Listening(host="localhost"),
        Listening(host="0.0.0.0", is_behind_proxy=True),
        Listening(host="0.0.0.0", certificate="c", private_key="k"),
    ],
)
def test_this_machine_tls_and_a_proxy_are_allowed(listening: Listening) -> None:
    check(listening)


@pytest.mark.parametrize(("host", "is_ours"), [("127.8.0.1", True), ("[::1]", True), ("127.0.0.1.evil.example", False)])
def test_a_host_that_only_looks_like_this_machine_is_none(host: str, is_ours: bool) -> None:
    assert is_loopback(host) is is_ours


def test_the_address_is_one_to_open() -> None:
    assert Listening(host="::1").address(80) == "http://[::1]:80"
    assert Listening(certificate="c", private_key="k").address(443) == "https://127.0.0.1:443"


def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(UnavailableError, match="another program uses it; choose another"):
            bind(Listening(port=taken.getsockname()[1]))


def test_tls_files_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    files = [tmp_path / "chain.pem", tmp_path / "key.pem"]
    listening = Listening(port=0, certificate=str(files[0]), private_key=str(files[1]))
    with pytest.raises(SettingsError, match=r"chain.pem and .*key.pem cannot be used: No such file"):
        bind(listening)
    for file in files:
        file.write_text("no certificate")
    with pytest.raises(SettingsError, match="cannot be used: .*in PEM"):
        bind(listening)


def test_no_packet_waits_for_the_acknowledgement_of_the_one_before() -> None:
    with bind(Listening(port=0)) as bound, socket.create_connection(bound.getsockname()):
        accepted, _ = bound.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
