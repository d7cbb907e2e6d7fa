"""Where a webhook may go: what is looked at is an address that a socket connects to, never a spelling."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import anyio
import httpcore
import httpx

Address = IPv4Address | IPv6Address
# As `anyio.getaddrinfo`: a host and a port in, one tuple for every address out.
Lookup = Callable[[str, int], Awaitable[Sequence[Any]]]
SCHEMES = {"http": 80, "https": 443}
PORTS = (80, 443, 8080, 8443)
LAST_PORT = 65535
LOOK_UP_SECONDS = 5
# They reach the IPv4 address in their last four bytes: RFC 6052, RFC 8215, RFC 4291.
IPV4_WITHIN = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0/96")))


class BlockedTarget(ValueError):
    """A target that nothing may be sent to; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place to send to: the URL as it was given, and the addresses of its host that may be reached."""

    url: httpx.URL
    addresses: tuple[Address, ...]

    @property
    def to_ask(self) -> httpcore.URL:
        """The URL for the connection: what its host leads to is looked up already."""
        return httpcore.URL(
            scheme=self.url.raw_scheme,
            host=self.url.raw_host,
            port=self.url.port,
            target=self.url.raw_path,
        )

    @property
    def host_header(self) -> str:
        """The host that the far end is asked for, with its port if that is not the scheme's own."""
        return self.url.netloc.decode()


class Targets:
    """Says what may be reached: public addresses at HTTP's ports, and the operator's own networks."""

    def __init__(self, networks: str, look_up: Lookup = anyio.getaddrinfo) -> None:
        self._networks = [ip_network(network.strip()) for network in networks.split(",") if network.strip()]
        self._look_up = look_up

    async def find(self, url: str) -> Target:
        """Look the host up, once; raises `Refused` where no address of it may be reached."""
        read = read_url(url)
        # A name in other letters in its ASCII form, as it is looked up and certified.
        host = read.raw_host.decode("ascii")
        port = SCHEMES[read.scheme] if read.port is None else read.port
        try:
            # Whatever spelling of an address it is, this reads it as connecting would.
            with anyio.fail_after(LOOK_UP_SECONDS):
                found = await self._look_up(host, port)
        except (OSError, UnicodeError):  # a time-out is an OSError too
            raise BlockedTarget(f"the host {host} is not found") from None
        addresses = [ip_address(str(socket_address[0]).partition("%")[0]) for *_, socket_address in found]
        if permitted := tuple(address for address in addresses if self._permits(address, port)):
            return Target(read, permitted)
        if any(_is_public(address) for address in addresses):
            ports = ", ".join(map(str, PORTS))
            raise BlockedTarget(f"port {port} is not one of HTTP's: use one of {ports}")
        raise BlockedTarget(
            f"the host {host} is not on the public internet: use another, or have the operator allow its "
            "network by the setting PROSPECT_FIT_WEBHOOK_NETWORKS"
        )

    def _permits(self, address: Address, port: int) -> bool:
        own = any(_innermost(address) in network or address in network for network in self._networks)
        return own or (_is_public(address) and port in PORTS)


def authority_of(url: str) -> str:
    """What stands between the scheme and the path, the query or the fragment."""
    return re.split("[/?#]", url.partition("//")[2], maxsplit=1)[0]


def read_url(text: str) -> httpx.URL:
    """An absolute http or https URL without credentials and fragment; raises `Refused`."""
    try:
        url = httpx.URL(text)
        # As people write it; decoding it may fail.
        is_absolute = url.scheme in SCHEMES and bool(url.host)
    except (httpx.InvalidURL, ValueError):
        raise BlockedTarget("that is not a URL: send https://HOST/PATH") from None
    if not is_absolute:
        raise BlockedTarget("send an absolute URL: https://HOST/PATH")
    if url.port is not None and not 1 <= url.port <= LAST_PORT:
        raise BlockedTarget(f"port {url.port} is none: ports are 1 to {LAST_PORT}")
    if url.userinfo or "@" in authority_of(text):
        raise BlockedTarget("a URL with credentials is not taken: the receiver checks the signature instead")
    if "#" in text:
        raise BlockedTarget("a fragment never reaches the receiver: leave out the '#' and what follows")
    return url


def _innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, where it is one of those."""
    if isinstance(address, IPv4Address):
        return address
    if address.sixtofour:
        return address.sixtofour
    if address.teredo:
        return address.teredo[1]
    # ::1 and :: are no IPv4 addresses, but not public either.
    if int(address) > 1 and any(address in network for network in IPV4_WITHIN):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    inner = _innermost(address)
    site_local = isinstance(inner, IPv6Address) and inner.is_site_local
    return inner.is_global and not (inner.is_multicast or inner.is_reserved or site_local)
