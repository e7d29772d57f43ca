"""What a client makes of a server that answers late, without end, in another shape; and the way there."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time

import pytest

from realmconf.domain.names import LIMITS
from realmconf.domain.wire import COMPLETE
from realmconf.errors import InvalidArgument, OutcomeUnknown, StoreUnavailable
from realmconf.runtime.client import Client
from realmconf.stores.protocol import StoreInfo
from realmconf.stores.registry import open_store
from realmconf.stores.remote import connection as requests
from realmconf.stores.remote.address import Address
from realmconf.stores.remote.transport import Transport, proxy_of

PATIENCE_SECONDS = 30.0
MEMORY = open_store("memory://", limits=LIMITS)
INFO = {
    "info": {
        name: value
        for name, value in ((name, getattr(MEMORY.info, name)) for name in StoreInfo.__names__)
        if isinstance(value, (str, int, float, bool, list, type(None)))
    },
    "caller": {"name": "laptop", "roles": ["admin", "secrets"]},
    "request_key": None,
}


class Odd:
    """A server that answers each path as it is told to: with bytes, with what JSON is made of, or by a function."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                taken, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(taken,), daemon=True).start()

    def _talk(self, taken):
        with taken:
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    part = taken.recv(65_536)
                    if not part:
                        return
                    head += part
                head = head.partition(b"\r\n\r\n")[0]
                path = head.split(b" ")[1].decode()
                self.asked.append((path, head.decode().lower()))
                answer = self.answers.get(path, b"")
                if callable(answer):
                    answer(taken)
                    return
                taken.sendall(answer if isinstance(answer, bytes) else reply(json.dumps(answer)))
                taken.shutdown(socket.SHUT_WR)
                while taken.recv(65_536):
                    pass
            except OSError:
                return

    def drips(self, taken, start=b"", part=b"x"):
        """Say a little, again and again."""
        taken.sendall(start)
        while not self.ended.wait(0.01):
            taken.sendall(part)

    def says_nothing(self, taken):
        """Keep the connection, and nothing more."""
        self.ended.wait(PATIENCE_SECONDS)

    def close(self):
        self.ended.set()
        self._listening.close()


def reply(text, status="200 OK", more=""):
    body = text.encode() if isinstance(text, str) else text
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{more}\r\n"
    return head.encode() + body


@pytest.fixture
def odd():
    server = Odd()
    server.answers["/v1/store/info"] = INFO
    yield server
    server.close()


@pytest.fixture
def client(odd):
    client = Client(open_store(odd.url, limits=LIMITS, token_for=lambda _: "rc_x"))
    yield client
    client.close()


@pytest.fixture
def hasty(client, monkeypatch):
    """Everything that is waited for takes a moment at most, now that it is known whom one talks to."""
    assert client.store.info.name
    monkeypatch.setattr(requests, "READ_SECONDS", 0.3)
    monkeypatch.setattr(requests, "GRACE_SECONDS", 0.1)


# --- how long, and how much ------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"
BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"


@pytest.mark.parametrize("start", [b"", HEAD, BODY], ids=["status", "headers", "body"])
def test_a_server_that_drips_is_one_that_does_not_answer(odd, client, hasty, start):
    """The limits are for an answer as a whole: one that comes byte by byte is given up like one that does not come."""
    part = b"H" if not start else b"x: y\r\n" if start is HEAD else b"x"

    def drip(taken):
        odd.drips(taken, start, part)

    odd.answers["/v1/store/read"] = odd.answers["/v1/store/write"] = drip
    with pytest.raises(StoreUnavailable):
        client.realm("r").get()
    with pytest.raises(OutcomeUnknown):
        client.realm("r").set({"n": 1}, timeout=0.5)


def test_a_write_waits_no_longer_for_what_it_asks_before(odd, client):
    """The time-out of a write is one for the question who writes, too: the first of a process asks it."""
    odd.answers["/v1/store/info"] = odd.says_nothing
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        client.realm("r").set({"n": 1}, timeout=0.2)
    assert time.monotonic() - began < requests.READ_SECONDS


def test_an_answer_has_an_end(odd, client, monkeypatch):
    """An answer that is longer than any, and one that is packed, are given up: what is kept is what came."""
    monkeypatch.setattr(requests, "ANSWER_BYTES_MAX", 1_000)
    odd.answers["/v1/store/read"] = reply(b" " * 1_001)
    with pytest.raises(StoreUnavailable, match="longer"):
        client.realm("r").get()
    packed = gzip.compress(b" " * 1_000_000)
    odd.answers["/v1/store/read"] = reply(packed, more="content-encoding: gzip\r\n")
    with pytest.raises(StoreUnavailable, match="packs"):
        client.realm("r").get()
    assert all("accept-encoding: identity" in head for _, head in odd.asked)


def test_a_long_answer_may_take_longer(odd, client, hasty):
    """What comes at a good pace may go on beyond the limit: a long history over a slow line."""
    found = json.dumps({"position": 1, "answers": [], "more": "x" * 400_000}).encode()

    def slowly(taken):
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(found)}\r\n\r\n"
        taken.sendall(head.encode())
        for start in range(0, len(found), 100_000):
            taken.sendall(found[start : start + 100_000])
            odd.ended.wait(0.15)

    odd.answers["/v1/store/read"] = slowly
    with client.store.view() as view:
        assert view.last_position() == 1


# --- other shapes ------------------------------------------------------------------------------

ODDITIES = [
    {},
    [],
    None,
    7,
    "x",
    {"position": "1", "answers": []},
    {"position": 1, "answers": [{}]},
    {"position": 1, "answers": [{"value": None}]},
    {"position": 1, "answers": [{"value": {}}]},
    {"position": 1, "answers": [{"value": {"heads": {}, "schemas": {}}}]},
    {"position": 1, "answers": [{"value": {"heads": {"r": {"tag": 1}}, "schemas": {}}}]},
    {"position": 1, "answers": [{"value": {"heads": {"//": None}, "schemas": {}}}]},
    {"position": 1, "answers": [{"value": {"heads": {"r": None}, "schemas": {}}}]},
    {"decided": []},
    {"decided": [{}]},
    {"decided": [{"generation": "1", "known": True}]},
    reply("<html>"),
    reply(b"\xff\xfe"),
    reply("[" * 100_000),
    reply("502", "502 Bad Gateway"),
    reply('{"code": 7}', "500 Oops"),
    reply("{}", "503 Later"),
]


@pytest.mark.parametrize("answer", ODDITIES, ids=lambda answer: str(answer)[:40])
def test_an_answer_of_another_shape(odd, client, answer):
    """A question that is answered with what nobody understands has no answer; a write has an unknown outcome (G6)."""
    odd.answers["/v1/store/read"] = odd.answers["/v1/store/write"] = answer
    realm = client.realm("r")
    for ask in (
        realm.get,
        lambda: list(realm.history()),
        client.realms,
        lambda: client.descendants("r"),
        lambda: realm.at(1),
    ):
        with pytest.raises(StoreUnavailable):
            ask()
    for write in (lambda: realm.set({"n": 1}, timeout=0.2), lambda: realm.delete(timeout=0.2)):
        with pytest.raises(OutcomeUnknown):
            write()
    with pytest.raises(StoreUnavailable):
        realm.set({"n": 1}, dry_run=True, timeout=0.2)
    for path in ("apply", "void", "compact", "purge"):
        odd.answers[f"/v1/store/{path}"] = answer
    with pytest.raises(OutcomeUnknown):
        client.store.compact(realm.realm_id, floor=1, deadline=time.monotonic() + 5)
    with pytest.raises(OutcomeUnknown):
        client.store.void(realm.realm_id, "w", deadline=time.monotonic() + 5)


@pytest.mark.parametrize("about", [{}, [], {"info": {}}, {**INFO, "caller": None}, 7])
def test_a_server_that_does_not_say_what_it_is(odd, client, about):
    """What is no server's description of itself is no server's."""
    odd.answers["/v1/store/info"] = about
    with pytest.raises(StoreUnavailable):
        client.realm("r").set({"n": 1})


@pytest.mark.parametrize("status", ["502 Bad Gateway", "504 Gateway Timeout"])
def test_what_a_proxy_says_of_what_was_sent(odd, client, status):
    """When whoever stands between gives up, nobody has said what came of what was sent; a question is asked again."""
    odd.answers["/v1/x"] = reply("<html>", status)
    for method in ("POST", "DELETE"):
        with pytest.raises(OutcomeUnknown):
            client.store.operate(method, "/v1/x", {})
    with pytest.raises(StoreUnavailable):
        client.store.operate("GET", "/v1/x", {})


def test_a_backup_is_waited_for(odd, client, tmp_path, monkeypatch):
    """A server may take its time to copy; once the copy has begun to come, it goes on or is given up."""
    monkeypatch.setattr(requests, "TRANSFER_SECONDS", 0.2)
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (4 + len(COMPLETE))

    def copies(taken):
        odd.ended.wait(0.5)
        taken.sendall(head + b"copy" + COMPLETE)

    odd.answers["/v1/store/backup"] = copies
    client.backup(str(tmp_path / "one"))
    assert (tmp_path / "one").read_bytes() == b"copy"

    def stops(taken):
        taken.sendall(head + b"co")
        odd.ended.wait(PATIENCE_SECONDS)

    odd.answers["/v1/store/backup"] = stops
    with pytest.raises(StoreUnavailable):
        client.backup(str(tmp_path / "two"))
    assert not (tmp_path / "two").exists()


# --- the way there ---------------------------------------------------------------------------------

AWAY = Address.parse("https", "conf.example.org:7411", {})


@pytest.fixture
def nothing_set(monkeypatch):
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://me:CANARY@127.0.0.1:1"),
        ("HTTPS_PROXY", "ftp://CANARY"),
        ("HTTPS_PROXY", "http://[CANARY"),
        ("https_proxy", "http://CANARY:port"),
        ("SSL_CERT_FILE", "/nowhere"),
        ("SSL_CERT_FILE", "/dev/null"),
        ("SSL_CERT_DIR", "/nowhere"),
    ],
)
def test_a_variable_that_cannot_be_used(nothing_set, monkeypatch, name, value):
    """What the environment says of the way to a server and cannot be meant is named, and not quoted."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidArgument, match=name) as refused:
        Client(open_store(AWAY.origin, limits=LIMITS, token_for=lambda _: "x")).realm("r").get()
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    ("stated", "reached"),
    [
        ("", "http://proxy:1"),
        ("other.org", "http://proxy:1"),
        ("mple.org", "http://proxy:1"),
        ("example.org", None),
        (" .example.org, x", None),
        ("conf.example.org:7411", None),
        ("conf.example.org:1", "http://proxy:1"),
        ("*", None),
    ],
)
def test_a_proxy_and_who_is_reached_without(nothing_set, monkeypatch, stated, reached):
    """A server is reached through the proxy that the environment names, unless that names the server too."""
    monkeypatch.setenv("HTTPS_PROXY", "proxy:1")
    monkeypatch.setenv("NO_PROXY", stated)
    found = proxy_of(AWAY)
    assert (None if found is None else found[1]) == reached
    assert proxy_of(Address.parse("https", "localhost:1", {})) is None
    Transport(AWAY).close()
