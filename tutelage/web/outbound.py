"""Requests to addresses that customers chose: they must not reach what only we can reach (SSRF).

https only; the name is looked up once, every address it has must be public, and the connection goes to one of exactly
these; no redirect is followed, no proxy of the environment is used, and little of the answer is read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx2

from tutelage.errors import DataError, UnavailableError

Address = IPv4Address | IPv6Address
#: Finds the addresses of a host name.
Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]

#: Seconds for the whole exchange, and bytes of an answer that are read.
SECONDS, MOST_BYTES = 10.0, 1 << 16
LONGEST_URL = 2000
#: IPv6 addresses that stand for an IPv4 address in their last four bytes (NAT64, RFC 6052 and 8215; IPv4-compatible).
_EMBEDDED = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))


def is_public(address: Address) -> bool:
    """Say whether an address belongs to the open internet, and so does the IPv4 address that it may stand for."""
    inner: Address | None = None
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and any(address in network for network in _EMBEDDED):
            inner = IPv4Address(address.packed[-4:])
    if inner is not None:
        return is_public(inner)
    # Site-local addresses (fec0::/10) were given up, and some networks still route them.
    is_site_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not address.is_multicast and not is_site_local


async def look_up(host: str, port: int) -> Sequence[Address]:
    """Return the addresses of a host name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A scope ("%eth0") is no part of the address.
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


class Outbound:
    """Sends such requests."""

    def __init__(
        self,
        *,
        resolve: Resolve = look_up,
        is_allowed: Callable[[Address], bool] = is_public,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._resolve, self._is_allowed = resolve, is_allowed
        self._verify = verify or ssl.create_default_context()

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> int:
        """Send `content` and return the status of the answer, whatever it is.

        Raises DataError for an address that may not be used, UnavailableError when nobody answers there.
        """
        target = checked(url)
        try:
            async with asyncio.timeout(SECONDS):
                return await self._post(target, content, headers)
        except (OSError, TimeoutError, httpx2.HTTPError) as error:
            raise UnavailableError(
                f"{target.host} does not answer ({type(error).__name__}); try again later."
            ) from error

    async def _post(self, target: httpx2.URL, content: bytes, headers: Mapping[str, str]) -> int:
        address = await self._address(target)
        pinned = target.copy_with(host=f"[{address}]" if address.version == 6 else str(address))
        # The certificate must be the name's, and the server must know for whom the request is.
        sent = httpx2.Request(
            "POST",
            pinned,
            headers={**headers, "Host": target.netloc.decode("ascii")},
            content=content,
            extensions={"sni_hostname": target.host},
        )
        # A step that ran out of time closes its connection; cancelled from outside, a handshake would leave it open.
        step = SECONDS / 2
        async with httpx2.AsyncClient(
            verify=self._verify, trust_env=False, follow_redirects=False, timeout=step
        ) as client:
            answer = await client.send(sent, stream=True)
            try:
                read = 0
                async for part in answer.aiter_raw():
                    read += len(part)
                    if read > MOST_BYTES:
                        break
            finally:
                await answer.aclose()
            return answer.status_code

    async def _address(self, target: httpx2.URL) -> Address:
        addresses = await self._resolve(target.host, target.port or 443)
        if not addresses or not all(map(self._is_allowed, addresses)):
            raise DataError(f"{target.host} is no address of the open internet; give one that is.")
        return addresses[0]


def checked(url: str) -> httpx2.URL:
    """Return an address that may be looked up; refuse every other with a sentence."""
    try:
        target = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise DataError("The address cannot be read; write https://HOST/PATH.") from error
    port = 443 if target.port is None else target.port
    is_plain = target.host and not target.userinfo and 0 < port < 1 << 16
    if target.scheme != "https" or not is_plain or len(url) > LONGEST_URL:
        raise DataError("The address must begin with https:// and a host, without a name or password; correct it.")
    return target
