"""Where a webhook may not go: this machine and its network, in every spelling, at any time."""

import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from uuid import UUID

import anyio
import pytest
import trustme

from app.db import open_database
from app.webhooks import sender
from app.webhooks.queries import find_webhook
from app.webhooks.record_updates.message import OutgoingRequest
from app.webhooks.record_updates.schemas import ClientCredentials, RecordUpdateIn, StoredRecordUpdate
from app.webhooks.sender import Sender
from app.webhooks.targets import BlockedTarget, Targets, embedded_address
from tests.api.calls import ok, pointers, refusal
from tests.waiting import PATIENCE
from tests.webhooks.conftest import HERE


@pytest.fixture(autouse=True)
def without_authorities(monkeypatch):
    """Only `authority` is trusted. To read the certificates of all others takes 15 ms for each sender."""
    monkeypatch.setitem(os.environ, "SSL_CERT_FILE", "")
    monkeypatch.setitem(os.environ, "SSL_CERT_DIR", os.devnull)


# Everything that leads to this machine, its neighbours or nobody. What each stands for is in RFC 6890,
# 4291, 3056, 4380, 6052 and in the many ways that inet_aton reads.
PRIVATE = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "0", "0.0.0.0", "localhost", "LOCALHOST", "localhost.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]", "[2001:0:0:0:0:0:80ff:fffe]",
    "10.0.0.1", "10.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "192.168.257", "3232235777",
    "100.64.0.1", "169.254.169.254", "0xa9fea9fe", "[::ffff:169.254.169.254]", "[fe80::1]", "[fd00::1]",
    "[fc00::1]", "[fec0::1]", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.1.1.1", "240.0.0.1", "255.255.255.255", "[ff02::1]", "[2001:db8::1]", "[100::1]",
    "１２７.0.0.1", "127。0。0。1", "168.63.129.16", "2822734096", "[::ffff:168.63.129.16]", "192.0.0.192",
    "[fd00:ec2::254]", "[fd20:ce::254]", "100.100.100.200", "[::ffff:0:169.254.169.254]",
    "[64:ff9b::a83f:8110]", "[64:ff9b:1:a9fe:a9:fe00::]", "[2001:0:a9fe:a9fe::fefe:fefe]",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "16843009",
    "[2606:4700:4700::1111]",
    "[64:ff9b::101:101]",
    "[::ffff:1.1.1.1]",
]


def found(url: str, networks: str = "", answers: Sequence[str] | None = None, **how: Any) -> Any:
    async def look_up(host: str, port: int) -> list[Any]:
        del host
        return [(None, None, None, "", (address, port)) for address in answers or ()]

    targets = Targets(networks, look_up) if answers else Sender(networks, PATIENCE).targets
    return anyio.run(partial(targets.find, url, **how))


# What the registries of IANA for special purposes have as not globally reachable, or only by exception, and
# what else nobody's service is at.
SPECIAL = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/32",
    "192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
    "192.88.99.2/32", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32", "168.63.129.16/32",
    "::/128", "::1/128", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:1::1/128", "2001:1::2/128",
    "2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28", "2001:20::/28",
    "2001:30::/28", "2001:db8::/32", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20", "5f00::/16",
    "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "4000::/3", "6000::/3", "8000::/3", "a000::/3",
    "c000::/3", "e000::/4", "f000::/5", "f800::/6", "fe00::/9", "64:ff9b:2::/48", "200::/7", "400::/6",
]  # fmt: skip
# RFC 6052, 2.4: 192.0.2.33 below a prefix of every length.
EMBEDDED = {
    32: "2001:db8:c000:221::",
    40: "2001:db8:1c0:2:21::",
    48: "2001:db8:122:c000:2:2100::",
    56: "2001:db8:122:3c0:0:221::",
    64: "2001:db8:122:344:c0:2:2100::",
    96: "2001:db8:122:344::192.0.2.33",
}


@pytest.fixture
def gullible(monkeypatch):
    """A Python that takes every address for one of the public internet."""
    for kind in (IPv4Address, IPv6Address):
        monkeypatch.setattr(kind, "is_global", property(lambda _: True))


@pytest.mark.usefixtures("gullible")
def test_no_network_for_a_special_purpose_is_public_whatever_python_says_of_it():
    taken = []
    for network in map(ip_network, SPECIAL):
        for address in {network[0], network[network.num_addresses // 2], network[-1]}:
            with suppress(BlockedTarget):
                found("https://hooks.example.com/", answers=[str(address)])
                taken.append((str(network), str(address)))
    assert taken == []


@pytest.mark.usefixtures("gullible")
def test_their_neighbours_are_public():
    neighbours = [
        *("9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "168.63.129.15", "168.63.129.17"),
        *("192.0.1.0", "192.88.98.255", "192.88.100.0", "223.255.255.255", "2001:200::", "2001:db7::1"),
        *("2001:db9::", "2620:4f:7fff::1", "3fff:1000::", "2a00::1"),
    ]
    for address in neighbours:
        assert found("https://hooks.example.com/", answers=[address]).addresses


@pytest.mark.parametrize(("length", "address"), EMBEDDED.items())
def test_an_ipv4_address_is_found_below_a_prefix_of_every_length(length, address):
    assert embedded_address(IPv6Address(address), length) == IPv4Address("192.0.2.33")


def below_local_nat64(address: str, length: int, suffix: int = 0) -> str:
    """An IPv4 address in 64:ff9b:1::/48, below a prefix of a length, before some other bytes."""
    octets = list(IPv4Address(address).packed)
    whole = [*IPv6Address("64:ff9b:1::").packed[: length // 8], *octets]
    if length < 96:
        whole.insert(8, 0)
    return str(IPv6Address(bytes([*whole, *[suffix] * 16][:16])))


@pytest.mark.parametrize("suffix", [0, 1, 8])
@pytest.mark.parametrize("length", [48, 56, 64, 96])
@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "127.0.0.1", "168.63.129.16"])
@pytest.mark.usefixtures("gullible")
def test_a_private_address_behind_a_local_nat64_is_private_at_every_length(address, length, suffix):
    with pytest.raises(BlockedTarget, match="not on the public internet"):
        found("https://hooks.example.com/", answers=[below_local_nat64(address, length, suffix)])


@pytest.mark.parametrize("length", [48, 56, 64, 96])
def test_a_public_address_behind_a_local_nat64_is_public(length):
    assert found("https://hooks.example.com/", answers=[below_local_nat64("1.1.1.1", length)]).addresses


def test_both_addresses_in_one_of_teredo_are_looked_at():
    public = "2001:0:101:101::fefe:fefe"
    assert IPv6Address(public).teredo == (IPv4Address("1.1.1.1"), IPv4Address("1.1.1.1"))
    assert found("https://hooks.example.com/", answers=[public]).addresses
    for private in ("2001:0:a00:1::fefe:fefe", "2001:0:101:101::f5ff:fffe"):
        with pytest.raises(BlockedTarget):
            found("https://hooks.example.com/", answers=[private])


def test_a_special_network_that_the_operator_names_may_be_reached():
    for network, address in {
        "168.63.129.16/32": "168.63.129.16",
        "192.0.0.0/24": "192.0.0.9",
        "3fff::/20": "3fff::1",
        "64:ff9b:1::/48": "64:ff9b:1::a00:1",
        "10.0.0.0/8": "64:ff9b:1::a00:1",
    }.items():
        assert found("http://crm.internal/", network, [address]).addresses


@pytest.mark.parametrize("host", PRIVATE)
def test_no_spelling_of_a_private_address_is_taken(host):
    with pytest.raises(BlockedTarget, match=r"not on the public internet|not found|not a URL"):
        found(f"http://{host}/hook")


@pytest.mark.parametrize("host", PUBLIC)
def test_public_addresses_are(host):
    assert found(f"https://{host}/hook").url.scheme == "https"


@pytest.mark.parametrize("answers", [["10.0.0.7"], ["fd00::1", "127.0.0.1"], ["::ffff:10.0.0.7"]])
def test_a_name_is_what_it_leads_to(answers):
    with pytest.raises(BlockedTarget, match="PROSPECT_FIT_WEBHOOK_NETWORKS"):
        found("https://hooks.example.com/", answers=answers)


def test_of_several_addresses_one_that_may_be_reached_is_taken():
    assert str(found("https://hooks.example.com/", answers=["10.0.0.7", "1.1.1.1"]).addresses[0]) == "1.1.1.1"


def test_the_operators_own_networks_may_be_reached_at_any_port():
    networks = "10.0.0.0/8, fd00::/8"
    assert str(found("http://crm.internal:8069/x", networks, ["10.1.2.3"]).addresses[0]) == "10.1.2.3"
    assert str(found("http://crm.internal:8069/x", networks, ["fd00::7"]).addresses[0]) == "fd00::7"
    mapped = found("http://crm.internal/x", networks, ["::ffff:10.1.2.3"]).addresses[0]
    assert mapped == ip_address("::ffff:10.1.2.3")
    for other in ("192.168.1.1", "127.0.0.1", "169.254.169.254"):
        with pytest.raises(BlockedTarget):
            found("http://crm.internal/", networks, [other])


BAD = {
    "ftp://example.com/": "absolute",
    "example.com/hook": "absolute",
    "/hook": "absolute",
    "https://": "absolute",
    "https:///hook": "absolute",
    "https://ana:secret@1.1.1.1/": "credentials",
    "https://ana@1.1.1.1/": "credentials",
    "https://@1.1.1.1/": "credentials",
    "https://ana:secret@1.1.1.1?x": "credentials",
    "https://1.1.1.1/#top": "fragment",
    "https://1.1.1.1/#": "fragment",
    "https://1.1.1.1:22/": "port 22",
    "http://1.1.1.1:25/": "port 25",
    "http://1.1.1.1:6379/": "port 6379",
    "http://1.1.1.1:0/": "port 0",
    "http://1.1.1.1:99999/": "port 99999",
    "http://1.1.1.1:http/": "not a URL",
    "http://1.1.1.1:99999999999999999999999/": "a port from 1 to 65535",
    "https://nobody.invalid/": "not found",
    "https://1.1.1.1/\nhook": "not a URL",
    "https://exa mple.com/": "not found",
    "https://[::1/": "not a URL",
    "https://xn--/": "not a URL",
    "https://a..b/": "not found",
    "http://127.0.0.1:8000/v1/keys": "not on the public internet",
    "http://169.254.169.254/latest/meta-data/": "not on the public internet",
}


@pytest.fixture(scope="module")
def shut(service):
    """A service whose webhooks may go to the public internet only."""
    return service.client


@pytest.mark.parametrize(
    "url", ["https://1.1.1.1?email=a@b.example", "https://1.1.1.1/a@b", "https://1.1.1.1?"]
)
def test_what_only_looks_like_credentials_is_taken(shut, url):
    made = ok(shut.post("/v1/webhooks", json={"url": url}), 201)
    assert made["url"] == url
    assert shut.delete(f"/v1/webhooks/{made['id']}").status_code == 204


def test_a_place_may_stand_in_a_query_without_a_path(shut):
    update = {"source": "crm", "fields": {"/score": "score"}, "token": {"token": "t"}}
    sent = {"url": "https://1.1.1.1?id={external_id}", "record_update": update}
    made = ok(shut.post("/v1/webhooks", json=sent), 201)
    assert shut.delete(f"/v1/webhooks/{made['id']}").status_code == 204


@pytest.mark.parametrize(("url", "why"), BAD.items())
def test_a_bad_address_is_told_with_its_remedy(shut, url, why):
    def ids():
        return {hook["id"] for hook in ok(shut.get("/v1/webhooks"))["items"]}

    before = ids()
    refused = shut.post("/v1/webhooks", json={"url": url})
    assert refusal(refused) == (422, "invalid-request")
    assert pointers(refused) == ["/url"]
    assert why in refused.json()["errors"][0]["detail"]
    assert "meta-data" not in refused.text
    assert ids() == before


def test_an_address_is_looked_at_when_it_changes_too(shut):
    hook = ok(shut.post("/v1/webhooks", json={"url": "https://1.1.1.1/"}), 201)
    refused = shut.patch(f"/v1/webhooks/{hook['id']}", json={"url": "http://127.0.0.1/"})
    assert pointers(refused) == ["/url"]
    asked = {"token_url": "http://10.0.0.1/token", "client_id": "a", "client_secret": "b"}
    update = {"fields": {"/a": "score"}, "client_credentials": asked}
    record = {"url": "https://1.1.1.1/{deal}", "record_update": update}
    refused = shut.post("/v1/webhooks", json=record)
    assert pointers(refused) == ["/record_update/client_credentials/token_url"]
    shut.delete(f"/v1/webhooks/{hook['id']}")


def test_a_name_in_other_letters_is_looked_up_as_browsers_do():
    """IDNA 2008 has ß as a letter of its own; the older standard made ss of it, another's name."""
    names = Rebinding("1.1.1.1")
    anyio.run(Targets("", names).find, "https://straße.example/hook")
    assert names.asked == ["xn--strae-oqa.example"]


TOKEN_URL = "/record_update/client_credentials/token_url"
RECORD = {"fields": {"/score": "score"}, "token": {"token": "t"}}


def by_credentials(token_url: str) -> dict[str, Any]:
    asked = {"token_url": token_url, "client_id": "a", "client_secret": "b"}
    return {"fields": {"/score": "score"}, "client_credentials": asked}


def why(refused: Any) -> tuple[list[str], str]:
    assert refusal(refused) == (422, "invalid-request")
    return pointers(refused), refused.json()["errors"][0]["detail"]


UNENCRYPTED = "http:// would send credentials unencrypted to the host 1.1.1.1: use https://"


@pytest.mark.parametrize(
    ("url", "update", "pointer"),
    [
        ("http://1.1.1.1/{deal}", RECORD, "/url"),
        ("HTTP://1.1.1.1:8080/{deal}", RECORD, "/url"),
        ("http://1.1.1.1/{deal}", by_credentials("https://1.1.1.1/token"), "/url"),
        ("https://1.1.1.1/{deal}", by_credentials("http://1.1.1.1/token"), TOKEN_URL),
    ],
)
def test_credentials_go_to_the_public_internet_by_https_only(shut, url, update, pointer):
    at, detail = why(shut.post("/v1/webhooks", json={"url": url, "record_update": update}))
    assert (at, detail.partition(",")[0]) == ([pointer], UNENCRYPTED)
    assert "PROSPECT_FIT_WEBHOOK_NETWORKS" in detail
    hook = ok(shut.post("/v1/webhooks", json={"url": "https://1.1.1.1/{deal}", "record_update": RECORD}), 201)
    address = f"/v1/webhooks/{hook['id']}"
    changes = [{"url": url, "record_update": update}]
    changes.append({"url": url} if pointer == "/url" else {"record_update": update})
    for change in changes:
        at, detail = why(shut.patch(address, json=change))
        assert (at, detail.partition(",")[0]) == ([pointer], UNENCRYPTED)
    assert ok(shut.get(address))["revision"] == 1
    assert shut.delete(address).status_code == 204


def test_the_addresses_that_a_change_leaves_are_looked_at_too(service):
    """They may be from before this was refused."""
    client = service.client
    made = {"url": "https://1.1.1.1/{deal}", "record_update": by_credentials("https://1.1.1.1/token")}
    hook = ok(client.post("/v1/webhooks", json=made), 201)
    address, database = f"/v1/webhooks/{hook['id']}", open_database(service.settings)

    def store(**values):
        def write(tx):
            webhook = find_webhook(tx, UUID(hook["id"]), lock=True)
            for name, value in values.items():
                setattr(webhook, name, value)
            tx.db.add(webhook)

        database.write_sync(write)

    store(url="http://1.1.1.1/{deal}")
    at, detail = why(client.patch(address, json={"record_update": RECORD}))
    assert (at, detail.partition(",")[0]) == (["/url"], UNENCRYPTED)
    update = RecordUpdateIn(**by_credentials("http://1.1.1.1/token"))
    store(record_update=StoredRecordUpdate.of(update).model_dump())
    at, detail = why(client.patch(address, json={"url": "https://1.1.1.1/deals/{deal}"}))
    assert (at, detail.partition(",")[0]) == ([TOKEN_URL], UNENCRYPTED)
    ok(client.patch(address, json={"url": "https://1.1.1.1/{deal}", "record_update": RECORD}))
    database.close()
    assert client.delete(address).status_code == 204


def test_signed_messages_go_by_http_too(shut):
    hook = ok(shut.post("/v1/webhooks", json={"url": "http://1.1.1.1/"}), 201)
    assert ok(shut.patch(f"/v1/webhooks/{hook['id']}", json={"url": "http://1.1.1.1/x"}))["revision"] == 2
    assert shut.delete(f"/v1/webhooks/{hook['id']}").status_code == 204


@pytest.mark.parametrize(
    ("networks", "answers", "reached"),
    [
        ("10.0.0.0/8", ["10.0.0.7"], True),
        ("10.0.0.0/8", ["10.0.0.7", "::ffff:10.0.0.8"], True),
        ("10.0.0.0/8", ["10.0.0.7", "1.1.1.1"], False),
        ("10.0.0.0/8", ["10.0.0.7", "192.168.0.1"], False),
        ("", ["1.1.1.1"], False),
        ("1.1.1.1/32", ["1.1.1.1"], True),
    ],
)
def test_credentials_go_by_http_only_if_every_address_is_in_a_network_of_the_setting(
    networks, answers, reached
):
    for scheme in ("http", "https"):
        if reached or scheme == "https":
            assert found(f"{scheme}://crm.example.com/", networks, answers, carries_credentials=True)
        else:
            with pytest.raises(BlockedTarget, match=r"unencrypted to the host crm\.example\.com"):
                found("http://crm.example.com/", networks, answers, carries_credentials=True)


def test_credentials_are_not_sent_by_http_once_a_name_leads_out_of_the_networks(place):
    """When the webhook was made it led inside."""
    end = place()
    names = Rebinding("127.0.0.1", "1.1.1.1", "1.1.1.1")
    sender = Sender(HERE, PATIENCE, names)
    url = f"http://crm.example.com:{end.port}/x"
    assert sent(sender, url, token="t").status == 204
    assert "port" in sent(sender, url, token="t").error
    assert (
        "credentials unencrypted to the host crm.example.com"
        in sent(sender, "http://crm.example.com/x", token="t").error
    )
    assert len(end.received) == 1


def test_no_client_secret_is_sent_by_http_either(place):
    names = Rebinding("1.1.1.1")
    asked = ClientCredentials(token_url="http://login.example.com/", client_id="a", client_secret="b")
    result = sent(Sender(HERE, PATIENCE, names), place().url, client_credentials=asked)
    assert "credentials unencrypted to the host login.example.com" in result.error
    assert (result.status, names.asked) == (None, ["login.example.com"])


def test_an_error_quotes_nothing_that_the_other_side_said():
    with spoken(b"SSH-2.0-OpenSSH_9.6 inside\r\n\r\n") as port:
        result = sent(Sender(HERE, PATIENCE), f"http://127.0.0.1:{port}/")
    assert (result.status, result.error) == (None, "RemoteProtocolError: illegal status line")


class Rebinding:
    """Names whose address is another one at every look-up."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[Any]:
        self.asked.append(host)
        return [(None, None, None, "", (self.answers.pop(0), port))]


def sent(sender: Sender, url: str, **how: Any) -> Any:
    return anyio.run(partial(sender.send, OutgoingRequest("POST", url, b"{}", **how)))


def test_what_was_looked_at_is_what_is_connected_to(place):
    """A name that leads elsewhere by the time of connecting is not asked again."""
    inside = place("127.0.0.1")
    outside = place("127.0.0.2", inside.port)
    names = Rebinding("127.0.0.2", "127.0.0.1")
    # 127.0.0.2 stands for the public internet here.
    result = sent(Sender("127.0.0.2/32", PATIENCE, names), f"http://hooks.example.com:{inside.port}/hook")
    assert (result.status, result.error) == (204, None)
    assert (len(outside.received), len(inside.received)) == (1, 0)
    assert names.asked == ["hooks.example.com"]
    assert outside.received[0].headers["host"] == f"hooks.example.com:{inside.port}"


def test_a_name_that_has_moved_inside_is_refused_when_it_is_sent_to(place):
    inside = place("127.0.0.1")
    names = Rebinding("1.1.1.1", "127.0.0.1")
    sender = Sender("", PATIENCE, names)
    url = f"http://hooks.example.com:{8080}/hook"
    assert str(anyio.run(sender.targets.find, url).addresses[0]) == "1.1.1.1"
    assert "not on the public internet" in sent(sender, url).error
    assert inside.received == []


@pytest.fixture
def authority(monkeypatch, tmp_path):
    """A certificate authority that this process trusts."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setitem(os.environ, "SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


@pytest.mark.parametrize(
    ("certified", "arrives"), [("hooks.example.com", True), ("other.example.com", False)]
)
def test_the_certificate_is_that_of_the_name(authority, place, certified, arrives):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(certified).configure_cert(context)
    asked = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    end = place(context=context)
    result = sent(
        Sender(HERE, PATIENCE, Rebinding("127.0.0.1")), f"https://hooks.example.com:{end.port}/hook"
    )
    assert asked == ["hooks.example.com"]
    assert len(end.received) == arrives
    assert result.status == (204 if arrives else None)
    if not arrives:
        assert "CERTIFICATE_VERIFY_FAILED" in result.error


def test_an_answer_without_an_end_is_read_no_further(place):
    end = place()
    end.answer = lambda _: (500, {}, "x" * 5_000_000)
    result = sent(Sender(HERE, PATIENCE), end.url)
    assert (result.status, len(result.answer)) == (500, 20_000)


def test_an_address_that_cannot_be_connected_to_is_not_the_end(place):
    end = place("127.0.0.3")

    async def look_up(host, port):
        del host
        return [(None, None, None, "", (address, port)) for address in ("127.0.0.2", "127.0.0.3")]

    result = sent(Sender(HERE, PATIENCE, look_up), f"http://hooks.example.com:{end.port}/hook")
    assert (result.status, len(end.received)) == (204, 1)


@contextmanager
def spoken(*said, context=None, pause=0):
    """A far end that says so, bytes or strings of raw bytes below TLS, with pauses, and then hangs."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as aside:

        def serve():
            caller, _ = server.accept()
            with socket.socket(fileno=os.dup(caller.fileno())) as below:
                stream = context.wrap_socket(caller, server_side=True) if context else caller
                with stream, suppress(OSError):
                    stream.recv(65536)
                    for one in said:
                        time.sleep(pause)
                        below.sendall(one.encode()) if isinstance(one, str) else stream.sendall(one)
                    over.wait(PATIENCE)

        aside.submit(serve)
        try:
            yield server.getsockname()[1]
        finally:
            over.set()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nok"
# An encrypted record that nobody has the key to.
BAD_RECORD = "\x17\x03\x03\x00\x05hello"


@pytest.mark.parametrize(
    ("said", "status", "error"),
    [((BAD_RECORD,), None, "ReadError: TLS: "), ((HEAD, BAD_RECORD), 200, None)],
)
def test_tls_that_breaks_after_the_handshake_is_told(authority, said, status, error):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example.com").configure_cert(context)
    with spoken(*said, context=context) as port:
        result = sent(
            Sender(HERE, PATIENCE, Rebinding("127.0.0.1")), f"https://hooks.example.com:{port}/hook"
        )
    assert result.status == status
    assert (result.error or "").startswith(error or "")
    assert bool(result.error) == bool(error)


def test_a_connection_that_is_broken_off_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as aside:

        def hang_up():
            server.accept()[0].close()

        aside.submit(hang_up)
        result = sent(Sender(HERE, PATIENCE), f"http://127.0.0.1:{server.getsockname()[1]}/")
    assert result.status is None
    assert re.fullmatch(r"\w+Error: .{10,}", result.error), result.error


def test_a_status_that_came_just_in_time_is_not_lost_while_the_rest_is_waited_for(monkeypatch):
    """By then more time is over than there was for all."""
    monkeypatch.setattr(sender, "BODY_READ_SECONDS", 3)
    with spoken(HEAD, pause=0.2) as port:
        result = sent(Sender(HERE, 3), f"http://127.0.0.1:{port}/")
    assert (result.status, result.answer, result.error) == (200, "ok", None)


def test_a_token_is_waited_for_to_its_end(place):
    end = place()
    token = b'{"access_token": "late", "expires_in": 3600}'
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(token)}\r\n\r\n".encode()
    with spoken(head, token, pause=1.2) as port:
        asked = ClientCredentials(token_url=f"http://127.0.0.1:{port}/", client_id="a", client_secret="b")
        outgoing = OutgoingRequest("POST", end.url, b"{}", client_credentials=asked)
        result = anyio.run(Sender(HERE, PATIENCE).send, outgoing)
    assert (result.status, result.error) == (204, None)
    assert end.received[0].headers["authorization"] == "Bearer late"


def test_interim_answers_without_end_are_read_no_further():
    """A far end can say `102 Processing` faster than anybody reads it."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as aside:

        def flood():
            caller, _ = server.accept()
            with caller, suppress(OSError):
                while True:
                    caller.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)

        flooding = aside.submit(flood)
        result = sent(Sender(HERE, PATIENCE), f"http://127.0.0.1:{server.getsockname()[1]}/")
        assert (result.status, result.error) == (None, "RemoteProtocolError: the response is too long")
        assert flooding.result() is None


@pytest.mark.parametrize("answer", [b"HTTP/1.1 100 Continue\r\n\r\n" * 3, b""])
def test_an_answer_after_some_interim_ones_is_read(answer):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server, ThreadPoolExecutor() as aside:

        def serve():
            caller, _ = server.accept()
            with caller:
                asked = caller.recv(65536)
                caller.sendall(
                    answer + b"HTTP/1.1 429 Later\r\nRETRY-AFTER: 7\r\nContent-Length: 2\r\n\r\nno"
                )
                return asked

        serving = aside.submit(serve)
        port = server.getsockname()[1]
        result = sent(Sender("::1/128", PATIENCE), f"http://[::1]:{port}/a%20b?c=d%26")
        assert (result.status, result.answer, result.retry_after) == (429, "no", "7")
        asked = serving.result()
        assert asked.startswith(b"POST /a%20b?c=d%26 HTTP/1.1\r\n")
        assert f"Host: [::1]:{port}\r\n".encode() in asked
        assert asked.count(b"Content-Length: 2\r\n") == 1
