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
from ipaddress import ip_address
from typing import Any

import anyio
import pytest
import trustme

from app.webhooks import sender
from app.webhooks.message import OutgoingRequest
from app.webhooks.schemas import ClientCredentials
from app.webhooks.sender import Sender
from app.webhooks.targets import BlockedTarget, Targets
from tests.api.calls import ok, pointers, refusal
from tests.waiting import PATIENCE
from tests.webhooks.conftest import HERE

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
    "１２７.0.0.1", "127。0。0。1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "16843009",
    "[2606:4700:4700::1111]",
    "[64:ff9b::101:101]",
    "[::ffff:1.1.1.1]",
]


def found(url: str, networks: str = "", answers: Sequence[str] | None = None) -> Any:
    async def look_up(host: str, port: int) -> list[Any]:
        del host
        return [(None, None, None, "", (address, port)) for address in answers or ()]

    targets = Targets(networks, look_up) if answers else Sender(networks, PATIENCE).targets
    return anyio.run(targets.find, url)


@pytest.mark.parametrize("host", PRIVATE)
def test_no_spelling_of_a_private_address_is_taken(host):
    with pytest.raises(BlockedTarget, match=r"not on the public internet|not found|not a URL"):
        found(f"http://{host}/hook")


@pytest.mark.parametrize("host", PUBLIC)
def test_public_addresses_are(host):
    assert str(found(f"https://{host}/hook").url).startswith("https://")


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
    before = ok(shut.get("/v1/webhooks"))
    refused = shut.post("/v1/webhooks", json={"url": url})
    assert refusal(refused) == (422, "invalid-request")
    assert pointers(refused) == ["/url"]
    assert why in refused.json()["errors"][0]["detail"]
    assert "meta-data" not in refused.text
    assert ok(shut.get("/v1/webhooks")) == before


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


class Rebinding:
    """Names whose address is another one at every look-up."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[Any]:
        self.asked.append(host)
        return [(None, None, None, "", (self.answers.pop(0), port))]


def sent(sender: Sender, url: str) -> Any:
    return anyio.run(sender.send, OutgoingRequest("POST", url, b"{}"))


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
