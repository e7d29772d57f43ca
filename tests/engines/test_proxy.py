"""The relay that the engines are tested through loses exactly what it says."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from tests.engines.proxy import HOLD_REQUEST, LOSE_ANSWER, LOSE_REQUEST, Proxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Server:
    """Answers every line with ``+`` and the line, and keeps what it has heard."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._answer, args=[connection], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb", buffering=0) as lines:
            try:
                while line := lines.readline():
                    with self.changed:
                        self.heard.append(line.strip())
                        self.changed.notify_all()
                    lines.write(b"+" + line)
                    while line == b"tell me\n":
                        lines.write(b"news\n")
                        time.sleep(0.01)
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Caller:
    """One connection that asks line by line."""

    def __init__(self, proxy: Proxy) -> None:
        self.socket = socket.create_connection((proxy.host, proxy.port), timeout=10)
        self.close = self.socket.close

    def send(self, line: bytes) -> None:
        self.socket.sendall(line + b"\n")

    def receive(self) -> bytes:
        """The next line; empty where the connection is over."""
        found = b""
        try:
            while not found.endswith(b"\n"):
                data = self.socket.recv(4096)
                if not data:
                    return b""
                found += data
        except ConnectionError:
            return b""
        return found.strip()

    def ask(self, line: bytes) -> bytes:
        try:
            self.send(line)
        except ConnectionError:
            return b""
        return self.receive()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", server.port) as proxy:
        yield proxy


@pytest.fixture
def callers(proxy: Proxy) -> Iterator[list[Caller]]:
    callers = [Caller(proxy) for _ in range(2)]
    for caller in callers:
        assert caller.ask(b"hello") == b"+hello"
    yield callers
    for caller in callers:
        caller.close()


def test_a_lost_request_never_arrives(server: Server, proxy: Proxy, callers: list[Caller]) -> None:
    """The connection is over and the server has heard nothing; other connections go on."""
    proxy.plan(LOSE_REQUEST, matching=b"this")
    assert callers[0].ask(b"that") == b"+that"
    assert callers[0].ask(b"this") == b""
    proxy.wait_until_it_happened()
    assert callers[1].ask(b"this") == b"+this"
    assert server.heard.count(b"this") == 1


def test_a_lost_answer_was_given(server: Server, proxy: Proxy, callers: list[Caller]) -> None:
    """The server has heard the request before the connection is over."""
    proxy.plan(LOSE_ANSWER)
    assert callers[0].ask(b"this") == b""
    proxy.wait_until_it_happened()
    assert server.heard.count(b"this") == 1


def test_a_held_request_arrives_later(server: Server, proxy: Proxy, callers: list[Caller]) -> None:
    """Its sender is cut off at once; the server hears it when it is released, and not before."""
    proxy.plan(HOLD_REQUEST, matching=b"this")
    assert callers[0].ask(b"this") == b""
    assert callers[1].ask(b"that") == b"+that"
    assert b"this" not in server.heard
    proxy.release()
    assert server.heard[-1] == b"this"


def test_a_server_that_goes_on_telling_holds_nothing_up(
    proxy: Proxy, callers: list[Caller]
) -> None:
    """What was held back counts as answered after a while, though there is always more to hear."""
    caller = callers[0]
    proxy.plan(HOLD_REQUEST, matching=b"tell")
    caller.send(b"tell me")
    proxy.wait_until_it_happened()
    proxy.release()
    assert proxy.connections == 1


def test_what_is_stalled_arrives_when_it_passes(
    server: Server, proxy: Proxy, callers: list[Caller]
) -> None:
    """Nothing moves, and nothing is lost."""
    proxy.stall()
    callers[0].send(b"this")
    assert proxy.connections == 2
    assert b"this" not in server.heard
    proxy.passes()
    assert callers[0].receive() == b"+this"


def test_cuts(proxy: Proxy, callers: list[Caller]) -> None:
    """All connections are over, and a new one is as good as any."""
    assert proxy.cut() == 2
    assert callers[0].receive() == b""
    callers.append(Caller(proxy))
    assert callers[-1].ask(b"again") == b"+again"


def test_refuses(proxy: Proxy, callers: list[Caller]) -> None:
    """There is no getting through until it passes again."""
    proxy.refuse()
    assert callers[0].receive() == b""
    callers.append(Caller(proxy))
    assert callers[-1].ask(b"again") == b""
    proxy.passes()
    callers.append(Caller(proxy))
    assert callers[-1].ask(b"again") == b"+again"


def test_what_was_planned_and_did_not_happen_is_told(proxy: Proxy, callers: list[Caller]) -> None:
    """A test that planned a fault which nothing met is no test."""
    proxy.plan(LOSE_ANSWER, matching=b"this")
    with pytest.raises(TimeoutError):
        proxy.wait_until_it_happened(0.01)
