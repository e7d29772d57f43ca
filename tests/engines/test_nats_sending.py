"""What the NATS engine says of writes that a server takes late, in part, or without an answer: no server is needed."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from functools import partial

import pytest

from realmconf.errors import StoreReadOnly, StoreUnavailable
from realmconf.stores.engine.ledger import LostAnswerError
from realmconf.stores.nats import address
from realmconf.stores.nats.composing import Outgoing
from realmconf.stores.nats.history import Histories
from realmconf.stores.nats.layout import Subjects
from realmconf.stores.nats.link import GRACE_SECONDS, Link
from realmconf.stores.nats.reading import Reading
from realmconf.stores.nats.view import Minted
from realmconf.stores.nats.writing import Writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

INFO = b'INFO {"server_id":"x","version":"2.12.0","max_payload":8388608,"headers":true,"jetstream":true}\r\n'
BODY = b"x" * 600_000
"""More of these than a few fit into no buffer of the system's."""


class Mute:
    """A server that takes messages, and answers none: at once, or only once it is let."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(8)
        self.port = self._listener.getsockname()[1]
        self.reads = threading.Event()
        self.reads.set()
        self.resets_after = 0
        """That many messages it takes, and then ends the connection without a word; 0: it does not."""
        self.taken: list[str] = []
        """The subjects of the messages that came as a whole."""
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.sendall(INFO)
        read = connection.makefile("rb")
        with suppress(OSError, ValueError):
            while line := read.readline():
                if line.startswith(b"PING"):
                    connection.sendall(b"PONG\r\n")
                elif line.startswith((b"PUB", b"HPUB")):
                    self.reads.wait()
                    size = int(line.split()[-1]) + 2
                    if len(read.read(size)) < size:
                        return
                    self.taken.append(line.split()[1].decode())
                    if len(self.taken) == self.resets_after:
                        connection.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                        read.close()
                        connection.close()
                        return

    def wait_for(self, number: int) -> None:
        """Until so many messages have come."""
        until = time.monotonic() + 10
        while len(self.taken) < number:
            assert time.monotonic() < until, "the message did not come"
            time.sleep(0.005)

    def says(self, line: bytes) -> None:
        """Say something that nobody has asked for."""
        self._connections[-1].sendall(line)

    def close(self) -> None:
        self.reads.set()
        for one in (self._listener, *self._connections):
            one.close()


class Caller(threading.Thread):
    """Somebody who puts messages down, and what they were told."""

    def __init__(self, link: Link, messages: list[Outgoing], *, seconds: float) -> None:
        super().__init__(daemon=True)
        self._link = link
        self._messages = messages
        self._deadline = time.monotonic() + seconds
        subjects = Subjects("stream")
        reading = Reading(link, "stream", subjects, is_barred=False)
        self._writing = Writing(
            reading,
            Histories(reading),
            Minted(),
            body_bytes_max=8 << 20,
            document_bytes_max=8 << 20,
        )
        self.told: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._link.run(
                partial(self._writing.put, self._messages, self._deadline), deadline=self._deadline
            )
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is what they were told
            self.told = failure

    def answer(self) -> Exception | None:
        self.join(20)
        assert not self.is_alive()
        return self.told


def message(number: int = 1, body: bytes = b"{}") -> Outgoing:
    return Outgoing(f"s.{number}", body, {})


def blocked(link: Link, seconds: float) -> None:
    """Let the loop's thread be late by that much, as in a process that is stopped."""
    loop = link._loop
    assert loop is not None
    loop.call_soon_threadsafe(time.sleep, seconds)


def warm(link: Link) -> None:
    """Be connected."""

    async def connected() -> bool:
        return not (await link.wire(time.monotonic() + 5)).is_over

    assert link.run(connected, deadline=time.monotonic() + 5)


@pytest.fixture
def server() -> Iterator[Mute]:
    server = Mute()
    yield server
    server.close()


@pytest.fixture
def link(server: Mute) -> Iterator[Link]:
    link = Link(address.parse(f"127.0.0.1:{server.port}/stream", {}))
    warm(link)
    yield link
    link.close()


def test_a_write_that_a_server_takes_late_is_no_refusal(server: Mute, link: Link) -> None:
    """
    A server that stands still takes writes from the socket after their deadlines: each of them was told that its answer
    was lost, none that nothing was changed; and what had not left this process by then never does (G6).
    """
    server.reads.clear()
    callers = [Caller(link, [message(number, BODY)], seconds=0.5) for number in range(30)]
    told = [caller.answer() for caller in callers]
    assert {type(one) for one in told} == {LostAnswerError}
    server.reads.set()
    server.wait_for(1)
    time.sleep(0.3)
    assert len(server.taken) < len(callers)


@pytest.mark.parametrize("is_late", ["before", "after"])
def test_a_thread_that_was_held_still(server: Mute, link: Link, is_late: str) -> None:
    """
    Where the thread that sends was held still past the deadline, whoever left before anything went is told so, and
    nothing goes any more; whoever left later is told that the answer was lost (G6).
    """
    if is_late == "before":
        blocked(link, 0.2 + GRACE_SECONDS + 0.5)
    caller = Caller(link, [message()], seconds=0.2)
    if is_late == "after":
        server.wait_for(1)
        blocked(link, 0.2 + GRACE_SECONDS + 0.5)
    told = caller.answer()
    if is_late == "after":
        assert isinstance(told, LostAnswerError)
        return
    assert isinstance(told, StoreUnavailable)
    # The loop goes on, and says what is next.
    assert isinstance(Caller(link, [message(2)], seconds=2).answer(), LostAnswerError)
    assert server.taken == ["s.2"]


def test_a_client_that_is_closed_while_it_writes(server: Mute, link: Link) -> None:
    """Closing a client wakes a writer whose message has gone with a lost answer, and a reader with a refusal (G6)."""
    writer = Caller(link, [message()], seconds=10)
    server.wait_for(1)

    told: list[Exception] = []

    async def ask() -> object:
        wire = await link.wire(time.monotonic() + 5)
        return await wire.ask("question", deadline=time.monotonic() + 5)

    def read() -> None:
        try:
            link.run(ask, deadline=time.monotonic() + 5)
        except StoreUnavailable as failure:
            told.append(failure)

    reader = threading.Thread(target=read)
    reader.start()
    server.wait_for(2)
    link.close()
    assert isinstance(writer.answer(), LostAnswerError)
    reader.join(10)
    assert [str(one) for one in told] == ["this client is closed"]


def test_what_a_server_took_whole_is_sent_once(server: Mute, link: Link) -> None:
    """A connection that is reset after the server has the whole message is a lost answer; nothing goes twice (G6)."""
    server.resets_after = 3
    server.reads.clear()
    callers = [Caller(link, [message(number, BODY)], seconds=10) for number in range(8)]
    time.sleep(0.3)
    server.reads.set()
    assert {type(caller.answer()) for caller in callers} == {LostAnswerError}
    assert len(server.taken) == 3


def test_a_batch_without_its_last_message_is_a_refusal(server: Mute, link: Link) -> None:
    """Messages that stand together, the last of which has not gone at the deadline, change nothing, and say so (G6)."""
    server.reads.clear()
    batch = [message(number, BODY) for number in range(20)]
    told = Caller(link, batch, seconds=0.5).answer()
    assert isinstance(told, StoreUnavailable)
    assert "nothing was changed" in str(told)
    server.reads.set()
    time.sleep(0.3)
    assert "s.19" not in server.taken


def test_the_last_message_of_a_batch_counts(server: Mute, link: Link) -> None:
    """Several messages that stand together are a lost answer once the last has gone."""
    caller = Caller(link, [message(number) for number in range(5)], seconds=0.5)
    server.wait_for(5)
    assert isinstance(caller.answer(), LostAnswerError)
    assert server.taken == [f"s.{number}" for number in range(5)]


def test_a_denied_answer_is_no_denied_write(server: Mute, link: Link) -> None:
    """Where a server takes a write and does not let the writer hear of it any more, the answer is lost (G6)."""
    caller = Caller(link, [message()], seconds=10)
    server.wait_for(1)
    server.says(b"-ERR 'Permissions Violation for Subscription to \"_INBOX.x.*\"'\r\n")
    assert isinstance(caller.answer(), LostAnswerError)
    denied = Caller(link, [message(2)], seconds=10)
    server.wait_for(2)
    server.says(b"-ERR 'Permissions Violation for Publish to \"s.2\"'\r\n")
    assert isinstance(denied.answer(), StoreReadOnly)
