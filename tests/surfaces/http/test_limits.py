"""What a connection may cost, and what becomes of requests that are none."""

from __future__ import annotations

import threading
import time

import pytest

from realmconf.surfaces.http.limits import BoundedProtocol

from .wire import PATIENCE_SECONDS, connected, read_answer, say

CONFIG = b"/v1/realms/team/config"


@pytest.fixture
def team(server):
    handle = server.client.realm("team")
    handle.set({"a": 1})
    return handle


def head(server, method=b"GET", path=CONFIG, *lines, role="admin"):
    token = server.tokens[role].encode()
    start = [
        method + b" " + path + b" HTTP/1.1",
        b"Host: localhost",
        b"Authorization: Bearer " + token,
    ]
    return b"\r\n".join([*start, *lines, b"", b""])


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / FTP/1.0\r\n\r\n",
        b"GET relative HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\nHost: localhost\nContent-Length: x\n\n",
        b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello",
        b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=repr,
)
def test_what_is_no_http(server, raw):
    """Whatever is no HTTP is a 4xx problem, and the server goes on."""
    answer = say(server.port, raw)
    assert 400 <= answer.status < 500
    assert answer.problem["code"]
    with server.http(None) as http:
        assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "header",
    [b"X: " + b"x" * 17_000, b"\r\n".join([b"X: y"] * 3_000), b"X" * 17_000 + b": y"],
    ids=["long", "many", "name"],
)
def test_large_headers(server, header):
    """Headers of more than 16 KiB are 431, however they come; up to that they are taken."""
    raw = head(server, b"GET", b"/healthz", header)
    answer = say(server.port, raw)
    assert (answer.status, answer.problem["code"], answer.closed) == (431, "limit_exceeded", True)
    pieces = [raw[start : start + 1000] for start in range(0, len(raw), 1000)]
    assert say(server.port, *pieces).status == 431
    assert (
        say(server.port, b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n").status
        == 431
    )
    fits = head(server, b"GET", b"/healthz", b"X: " + b"x" * 15_500)
    assert say(server.port, fits).status == 200


def test_headers_without_end(server):
    """Headers that do not end are given up when they are too large, not when memory is."""
    with connected(server.port) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        for _ in range(1_000):
            try:
                connection.sendall(b"X: " + b"x" * 100 + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                break
        assert read_answer(connection).status == 431


def test_large_bodies(server, team):
    """A body that is too large is 413 before it is read: by its stated length, or as soon as it exceeds."""
    stated = head(
        server,
        b"PUT",
        CONFIG,
        b"Content-Type: application/json",
        b"Content-Length: 4194305",
        b"Expect: 100-continue",
    )
    answer = say(server.port, stated)
    assert (answer.status, answer.problem["code"]) == (413, "limit_exceeded")
    chunked = head(
        server, b"PUT", CONFIG, b"Content-Type: application/json", b"Transfer-Encoding: chunked"
    )
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    answer = say(server.port, chunked, *[chunk] * 5)
    assert (answer.status, answer.problem["code"]) == (413, "limit_exceeded")
    assert team.get().generation == 1


def test_expectations(server, team):
    """Who waits to be told to go on is told, if the body is wanted."""
    body = b'{"config": {"a": 2}}'
    lines = (
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        b"Expect: 100-continue",
    )
    with connected(server.port) as connection:
        connection.sendall(head(server, b"PUT", CONFIG, *lines))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(body)
        assert read_answer(connection).status == 200


def test_chunked_bodies(server, team):
    """A body may come in chunks."""
    raw = head(
        server, b"PUT", CONFIG, b"Content-Type: application/json", b"Transfer-Encoding: chunked"
    )
    answer = say(server.port, raw, b'a\r\n{"config":\r\n', b'8\r\n{"a":2}}\r\n0\r\n\r\n')
    assert answer.status == 200
    assert team.get().document == {"a": 2}


def test_pipelined_requests(server, team):
    """Requests that come together are answered in their order."""
    raw = head(server)
    with connected(server.port) as connection:
        connection.sendall(raw * 3)
        received = b""
        while received.count(b'"config"') < 3:
            received += connection.recv(65_536)
        assert received.count(b"HTTP/1.1 200") == 3


def test_what_follows_a_request(server, team):
    """What is no HTTP does not spoil the answer to the request before it: a write that is done is answered as done."""
    body = b'{"config": {"a": 2}}'
    lines = (b"Content-Type: application/json", b"Content-Length: %d" % len(body))
    for after in (b"\x00\x00\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        answer = say(server.port, head(server, b"PUT", CONFIG, *lines) + body + after)
        assert (answer.status, answer.closed) == (200, True)
    assert team.get().document == {"a": 2}
    bad_chunk = head(
        server, b"PUT", CONFIG, b"Content-Type: application/json", b"Transfer-Encoding: chunked"
    )
    assert say(server.port, bad_chunk, b"2\r\n{}\r\nzz\r\n").status == 400


@pytest.fixture
def impatient(monkeypatch):
    """A server that waits only so long for a request as a test can."""
    monkeypatch.setattr(BoundedProtocol, "request_seconds", 1.0)


def test_slow_requests(impatient, start_server):
    """A request that does not come in time is 408, and a connection that says nothing is closed."""
    server = start_server(request_seconds=1.0)
    answer = say(server.port, b"GET /healthz HTTP/1.1\r\nHost: local")
    assert (answer.status, answer.problem["code"], answer.closed) == (408, "invalid_argument", True)
    assert say(server.port).status == 408
    unfinished = head(
        server, b"PUT", CONFIG, b"Content-Type: application/json", b"Content-Length: 10"
    )
    answer = say(server.port, unfinished, b"{")
    assert (answer.status, answer.closed) == (408, True)
    # What was refused before its body was there is not waited for either.
    refused = head(server, b"PUT", b"/nothing", b"Content-Length: 10")
    with connected(server.port) as connection:
        connection.sendall(refused)
        assert read_answer(connection).status == 404
        assert connection.recv(1) == b""


def test_a_slow_request_on_a_connection_in_use(impatient, start_server):
    """A connection that has had an answer is no better: its next request must come as a whole too."""
    server = start_server()
    with connected(server.port) as connection:
        connection.sendall(head(server, b"GET", b"/healthz"))
        assert read_answer(connection).status == 200
        connection.sendall(b"GET /heal")
        answer = read_answer(connection)
        assert (answer.status, answer.closed) == (408, True)


def test_slow_readers(start_server, monkeypatch, caplog):
    """Who asks much and reads nothing is given up: the server keeps no answers for them."""
    given_up = threading.Event()

    class Watched(BoundedProtocol):
        response_seconds = 0.3

        has_waited = False

        def pause_writing(self):
            super().pause_writing()
            self.has_waited = True

        def connection_lost(self, exc):
            super().connection_lost(exc)
            if self.has_waited:
                given_up.set()

    monkeypatch.setattr("realmconf.surfaces.http.serving.BoundedProtocol", Watched)
    server = start_server()
    server.client.realm("team").set({"a": "x" * 900_000})
    with connected(server.port) as connection:
        connection.sendall(head(server) * 30)
        assert given_up.wait(PATIENCE_SECONDS)
    with server.http(None) as http:
        assert http.get("/healthz").status_code == 200
    assert "Traceback" not in caplog.text


def test_half_open_connections(start_server, monkeypatch):
    """Five hundred connections that have not finished asking hold up nobody else."""
    # However long it takes to make so many.
    monkeypatch.setattr(BoundedProtocol, "request_seconds", PATIENCE_SECONDS)
    server = start_server()
    waiting = [connected(server.port) for _ in range(500)]
    try:
        for one in waiting:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
        with server.http(None) as http:
            for _ in range(20):
                assert http.get("/healthz").status_code == 200
        for one in waiting:
            one.sendall(b"y\r\n\r\n")
        assert {read_answer(one).status for one in waiting} == {200}
    finally:
        for one in waiting:
            one.close()


def test_too_many_connections(start_server, monkeypatch):
    """Beyond the most that a process takes a connection is told so, with 503, and others go on."""
    monkeypatch.setattr(BoundedProtocol, "connections_max", 3)
    server = start_server()
    with server.http(None) as http:
        assert http.get("/healthz").status_code == 200
        others = [connected(server.port) for _ in range(2)]
        answer = say(server.port)
        assert (answer.status, answer.headers["retry-after"], answer.closed) == (503, "1", True)
        assert http.get("/healthz").status_code == 200
        for one in others:
            one.close()


def test_hanging_up_while_waiting(server, team):
    """Who hangs up in the middle of a wait or a body leaves nothing behind."""
    for raw in (
        head(server, b"GET", CONFIG + b"?after=1&wait=60s"),
        head(server, b"PUT", CONFIG, b"Content-Type: application/json", b"Content-Length: 10")
        + b"{",
        head(server, b"GET", b"/v1/realms/team/watch"),
    ):
        with connected(server.port) as connection:
            connection.sendall(raw)
    with server.http() as http:
        assert http.get("/healthz").status_code == 200
    assert team.get().generation == 1


def test_stopping_ends_waits(start_server):
    """A server that ends lets nobody wait: a long poll is answered, a stream comes to its end."""
    server = start_server()
    server.client.realm("team").set({"a": 1})
    answered: dict[str, object] = {}
    started = threading.Barrier(3, timeout=PATIENCE_SECONDS)

    def stream():
        path = "/v1/realms/team/watch?after=0"
        with server.http() as http, http.stream("GET", path) as answer:
            chunks = answer.iter_bytes()
            next(chunks)
            started.wait()
            # To its end, which is not that of a connection that breaks.
            answered["stream"] = b"".join(chunks)

    def poll():
        with connected(server.port) as connection:
            connection.sendall(head(server, b"GET", CONFIG + b"?after=1&wait=60s"))
            started.wait()
            answered["poll"] = read_answer(connection).status

    threads = [threading.Thread(target=stream), threading.Thread(target=poll)]
    for one in threads:
        one.start()
    started.wait()
    # What was sent and not read is nobody's wait yet.
    while len(server.process.app.server.streams) < 2:
        time.sleep(0.001)
    server.process.should_exit = True
    for one in threads:
        one.join(PATIENCE_SECONDS)
    assert "stream" in answered
    assert answered["poll"] in (200, 304)
