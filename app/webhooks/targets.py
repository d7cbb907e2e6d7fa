"""Decide which targets webhooks may reach.

The check is on the addresses that a socket connects to, never on the text of a URL: a host name or an unusual
spelling can hide a private address.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import anyio

Address = IPv4Address | IPv6Address
# Like `anyio.getaddrinfo`: takes a host and a port, and returns one tuple for each address.
Lookup = Callable[[str, int], Awaitable[Sequence[Any]]]
DEFAULT_PORTS = {"http": 80, "https": 443}
ALLOWED_PORTS = (80, 443, 8080, 8443)
MAX_PORT = 65535
LOOKUP_TIMEOUT_SECONDS = 5
# The networks that are not the public internet, whatever this version of Python knows of them: the
# special-purpose address registries of IANA, multicast, what is reserved, and the metadata services of
# clouds. A network inside another one is listed too if it has a purpose of its own.
SPECIAL_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network: RFC 791
            "0.0.0.0/32",  # this host: RFC 1122
            "10.0.0.0/8",  # private: RFC 1918
            "100.64.0.0/10",  # shared with a provider, and the metadata of Alibaba Cloud: RFC 6598
            "127.0.0.0/8",  # loopback: RFC 1122
            "168.63.129.16/32",  # the platform services of Azure; a public address by its number
            "169.254.0.0/16",  # link-local, and the metadata of most clouds: RFC 3927
            "172.16.0.0/12",  # private: RFC 1918
            "192.0.0.0/24",  # protocol assignments, and the metadata of Oracle Cloud: RFC 6890
            "192.0.0.0/29",  # DS-Lite: RFC 7335
            "192.0.0.8/32",  # dummy: RFC 7600
            "192.0.0.9/32",  # port control anycast: RFC 7723
            "192.0.0.10/32",  # TURN anycast: RFC 8155
            "192.0.0.170/31",  # discovery of NAT64: RFC 8880
            "192.0.2.0/24",  # documentation: RFC 5737
            "192.31.196.0/24",  # AS112, a local sink: RFC 7535
            "192.52.193.0/24",  # multicast tunnels: RFC 7450
            "192.88.99.0/24",  # relays of 6to4 and 6a44: RFC 7526, 6751
            "192.168.0.0/16",  # private: RFC 1918
            "192.175.48.0/24",  # AS112, a local sink: RFC 7534
            "198.18.0.0/15",  # benchmarks: RFC 2544
            "198.51.100.0/24",  # documentation: RFC 5737
            "203.0.113.0/24",  # documentation: RFC 5737
            "224.0.0.0/4",  # multicast: RFC 5771
            "240.0.0.0/4",  # reserved: RFC 1112
            "255.255.255.255/32",  # broadcast: RFC 919
            "::/3",  # outside of global unicast, 2000::/3: RFC 4291
            "::/128",  # unspecified: RFC 4291
            "::1/128",  # loopback: RFC 4291
            "100::/64",  # discard: RFC 6666
            "100:0:0:1::/64",  # dummy: RFC 9780
            "2001::/23",  # protocol assignments: RFC 2928
            "2001:1::/32",  # port control, TURN and service registration anycast: RFC 7723, 8155, 9665
            "2001:2::/48",  # benchmarks: RFC 5180
            "2001:3::/32",  # multicast tunnels: RFC 7450
            "2001:4:112::/48",  # AS112, a local sink: RFC 7535
            "2001:10::/28",  # ORCHID: RFC 4843
            "2001:20::/28",  # ORCHIDv2: RFC 7343
            "2001:30::/28",  # identities of drones: RFC 9374
            "2001:db8::/32",  # documentation: RFC 3849
            "2620:4f:8000::/48",  # AS112, a local sink: RFC 7534
            "3ffe::/16",  # 6bone, returned: RFC 3701
            "3fff::/20",  # documentation: RFC 9637
            "4000::/2",  # outside of global unicast: RFC 4291
            "5f00::/16",  # segment routing: RFC 9602
            "8000::/1",  # outside of global unicast: RFC 4291
            "fc00::/7",  # private, and the metadata of AWS (fd00:ec2::) and Google (fd20:ce::): RFC 4193
            "fe80::/10",  # link-local: RFC 4291
            "fec0::/10",  # site-local: RFC 3879
            "ff00::/8",  # multicast: RFC 4291
        ),
    )
)
# The networks whose addresses lead to an IPv4 address inside them, and after how many bits that begins. If
# the prefix of a translator can have several lengths, the address does not show which one it has.
EMBEDDING_NETWORKS: tuple[tuple[IPv6Network, tuple[int, ...]], ...] = (
    (IPv6Network("::/96"), (96,)),  # IPv4-compatible: RFC 4291
    (IPv6Network("::ffff:0:0/96"), (96,)),  # IPv4-mapped: RFC 4291
    (IPv6Network("::ffff:0:0:0/96"), (96,)),  # IPv4-translated: RFC 2765
    (IPv6Network("64:ff9b::/96"), (96,)),  # NAT64: RFC 6052
    (IPv6Network("64:ff9b:1::/48"), (48, 56, 64, 96)),  # NAT64 inside a network: RFC 8215
    (IPv6Network("2002::/16"), (16,)),  # 6to4: RFC 3056
)
THIS_NETWORK = IPv4Network("0.0.0.0/8")


class BlockedTarget(ValueError):
    """A URL that webhooks may not use. The message gives the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class WebUrl:
    """An absolute http or https URL, as it is sent.

    `host` has its ASCII form, which DNS and certificates use, and `port` is None if it is the default of the
    scheme. `path` includes the query. `host_header` is the host, with the port if there is one.
    """

    scheme: str
    host: str
    port: int | None
    path: bytes
    host_header: str


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, and the addresses of its host that may be reached."""

    url: WebUrl
    addresses: tuple[Address, ...]


class Targets:
    """Decides which targets may be reached: public addresses at the usual HTTP ports, and allowed networks.

    Args:
        networks: the networks that the operator allows at any port, separated by commas.
        lookup: resolves a host.
    """

    def __init__(self, networks: str, lookup: Lookup = anyio.getaddrinfo) -> None:
        self._networks = [ip_network(network.strip()) for network in networks.split(",") if network.strip()]
        self._lookup = lookup

    async def find(self, url: str, *, carries_credentials: bool = False) -> Target:
        """Resolve the host of a URL once, and return the target with the addresses that may be reached.

        Args:
            url: an absolute http or https URL.
            carries_credentials: whether the request contains a token or a client secret. Without TLS, these
                go to the networks of the operator only.

        Raises:
            BlockedTarget: if the URL is not valid, the host is not found, no address may be reached, or
                credentials would be sent unencrypted.
        """
        parsed = parse_url(url)
        host = parsed.host
        port = DEFAULT_PORTS[parsed.scheme] if parsed.port is None else parsed.port
        try:
            # This reads every spelling of an address in the same way as connecting does.
            with anyio.fail_after(LOOKUP_TIMEOUT_SECONDS):
                found = await self._lookup(host, port)
        except (OSError, UnicodeError):  # a time-out is an OSError too
            raise BlockedTarget(f"the host {host} is not found") from None
        addresses = [ip_address(str(socket_address[0]).partition("%")[0]) for *_, socket_address in found]
        if permitted := tuple(address for address in addresses if self._permits(address, port)):
            if carries_credentials and parsed.scheme == "http" and not all(map(self._is_listed, addresses)):
                raise BlockedTarget(
                    f"http:// would send credentials unencrypted to the host {host}: use https://, or ask "
                    "the operator to allow its network with the setting PROSPECT_FIT_WEBHOOK_NETWORKS"
                )
            return Target(parsed, permitted)
        if any(_is_public(address) for address in addresses):
            ports = ", ".join(map(str, ALLOWED_PORTS))
            raise BlockedTarget(f"port {port} is not allowed: use one of {ports}")
        raise BlockedTarget(
            f"the host {host} is not on the public internet: use another host, or ask the operator to allow "
            "its network with the setting PROSPECT_FIT_WEBHOOK_NETWORKS"
        )

    def _permits(self, address: Address, port: int) -> bool:
        return self._is_listed(address) or (_is_public(address) and port in ALLOWED_PORTS)

    def _is_listed(self, address: Address) -> bool:
        """Return whether the operator allows the network of an address, or of all that it leads to."""
        return self._is_in_networks(address) or all(map(self._is_in_networks, _destinations(address)))

    def _is_in_networks(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def authority_of(url: str) -> str:
    """Return the authority of a URL: what is between `//` and the path, the query or the fragment."""
    return re.split("[/?#]", url.partition("//")[2], maxsplit=1)[0]


def parse_url(text: str) -> WebUrl:
    """Parse an absolute http or https URL.

    Raises:
        BlockedTarget: if it is not such a URL, or if it has credentials or a fragment.
    """
    # It takes long to import, and a service that sends nothing does not need it.
    import httpx  # noqa: PLC0415

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
    host, authority = url.raw_host.decode("ascii"), url.netloc.decode()
    return WebUrl(url.scheme, host, url.port, url.raw_path, authority)


def embedded_address(address: IPv6Address, prefix_length: int) -> IPv4Address:
    """Return the IPv4 address that follows a prefix of this many bits in an IPv6 address (RFC 6052, 2.2).

    The octet of the bits 64 to 71 is not part of it.
    """
    octets = [
        octet for place, octet in enumerate(address.packed) if place >= prefix_length // 8 and place != 8
    ]
    return IPv4Address(bytes(octets[:4]))


def _destinations(address: Address) -> Sequence[Address]:
    """Return the addresses that an address may lead to: the IPv4 addresses inside it, or else itself."""
    if isinstance(address, IPv4Address):
        return [address]
    embedded = [
        embedded_address(address, length)
        for network, lengths in EMBEDDING_NETWORKS
        if address in network
        for length in lengths
    ]
    embedded += address.teredo or ()  # of the server and of the client: RFC 4380
    # At a length that the translator does not use, the fill of zeros gives 0.0.0.0/8. Nothing is sent there.
    return [one for one in embedded if one not in THIS_NETWORK] or embedded or [address]


def _is_public(address: Address) -> bool:
    # Python may know of a network that was registered after the table was written.
    return all(
        destination.is_global and not any(destination in network for network in SPECIAL_NETWORKS)
        for destination in _destinations(address)
    )
