"""Decide which targets webhooks may reach.

The check is on the addresses that a socket connects to, never on the text of a URL: a host name or an unusual
spelling can hide a private address.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import anyio
import httpcore
import httpx

Address = IPv4Address | IPv6Address
# Like `anyio.getaddrinfo`: takes a host and a port, and returns one tuple for each address.
Lookup = Callable[[str, int], Awaitable[Sequence[Any]]]
DEFAULT_PORTS = {"http": 80, "https": 443}
ALLOWED_PORTS = (80, 443, 8080, 8443)
MAX_PORT = 65535
LOOKUP_TIMEOUT_SECONDS = 5
# Addresses in these networks lead to the IPv4 address in their last four bytes: RFC 6052, 8215 and 4291.
IPV4_EMBEDDING_NETWORKS = tuple(
    map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0/96"))
)


class BlockedTarget(ValueError):
    """A URL that webhooks may not use. The message gives the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, and the addresses of its host that may be reached."""

    url: httpx.URL
    addresses: tuple[Address, ...]

    @property
    def request_url(self) -> httpcore.URL:
        """The URL for httpcore."""
        return httpcore.URL(
            scheme=self.url.raw_scheme,
            host=self.url.raw_host,
            port=self.url.port,
            target=self.url.raw_path,
        )

    @property
    def host_header(self) -> str:
        """The value of the Host header: the host, with the port unless it is the default of the scheme."""
        return self.url.netloc.decode()


class Targets:
    """Decides which targets may be reached: public addresses at the usual HTTP ports, and allowed networks.

    Args:
        networks: the networks that the operator allows at any port, separated by commas.
        lookup: resolves a host.
    """

    def __init__(self, networks: str, lookup: Lookup = anyio.getaddrinfo) -> None:
        self._networks = [ip_network(network.strip()) for network in networks.split(",") if network.strip()]
        self._lookup = lookup

    async def find(self, url: str) -> Target:
        """Resolve the host of a URL once, and return the target with the addresses that may be reached.

        Raises:
            BlockedTarget: if the URL is not valid, the host is not found, or no address may be reached.
        """
        parsed = parse_url(url)
        # An international name in its ASCII form, which DNS and certificates use.
        host = parsed.raw_host.decode("ascii")
        port = DEFAULT_PORTS[parsed.scheme] if parsed.port is None else parsed.port
        try:
            # This reads every spelling of an address in the same way as connecting does.
            with anyio.fail_after(LOOKUP_TIMEOUT_SECONDS):
                found = await self._lookup(host, port)
        except (OSError, UnicodeError):  # a time-out is an OSError too
            raise BlockedTarget(f"the host {host} is not found") from None
        addresses = [ip_address(str(socket_address[0]).partition("%")[0]) for *_, socket_address in found]
        if permitted := tuple(address for address in addresses if self._permits(address, port)):
            return Target(parsed, permitted)
        if any(_is_public(address) for address in addresses):
            ports = ", ".join(map(str, ALLOWED_PORTS))
            raise BlockedTarget(f"port {port} is not allowed: use one of {ports}")
        raise BlockedTarget(
            f"the host {host} is not on the public internet: use another host, or ask the operator to allow "
            "its network with the setting PROSPECT_FIT_WEBHOOK_NETWORKS"
        )

    def _permits(self, address: Address, port: int) -> bool:
        allowed = any(
            _effective_address(address) in network or address in network for network in self._networks
        )
        return allowed or (_is_public(address) and port in ALLOWED_PORTS)


def authority_of(url: str) -> str:
    """Return the authority of a URL: what is between `//` and the path, the query or the fragment."""
    return re.split("[/?#]", url.partition("//")[2], maxsplit=1)[0]


def parse_url(text: str) -> httpx.URL:
    """Parse an absolute http or https URL.

    Raises:
        BlockedTarget: if it is not such a URL, or if it has credentials or a fragment.
    """
    try:
        url = httpx.URL(text)
        # Reading the host decodes it, which can fail: it stays inside the try block.
        is_absolute = url.scheme in DEFAULT_PORTS and bool(url.host)
    except (httpx.InvalidURL, ValueError):
        raise BlockedTarget("this is not a URL: send https://HOST/PATH") from None
    if not is_absolute:
        raise BlockedTarget("send an absolute URL: https://HOST/PATH")
    if url.port is not None and not 1 <= url.port <= MAX_PORT:
        raise BlockedTarget(f"port {url.port} does not exist: use a port from 1 to {MAX_PORT}")
    if url.userinfo or "@" in authority_of(text):
        raise BlockedTarget(
            "the URL must not contain credentials: remove them, and let the receiver check the signature"
        )
    if "#" in text:
        raise BlockedTarget("the URL must not have a fragment: remove the '#' and what follows it")
    return url


def _effective_address(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address leads to, or the address itself if there is none."""
    if isinstance(address, IPv4Address):
        return address
    if address.sixtofour:
        return address.sixtofour
    if address.teredo:
        return address.teredo[1]
    # ::1 and :: contain no IPv4 address. They are not public either.
    if int(address) > 1 and any(address in network for network in IPV4_EMBEDDING_NETWORKS):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    effective = _effective_address(address)
    site_local = isinstance(effective, IPv6Address) and effective.is_site_local
    return effective.is_global and not (effective.is_multicast or effective.is_reserved or site_local)
