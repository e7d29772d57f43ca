"""
A TCP relay on loopback that loses, delays and holds back what passes through it, on demand.

Decides what becomes of connections and of bytes; which engine is spoken through it, it does not know: a request is
whatever comes from the client's side, perhaps one with certain bytes in it, and an answer is whatever comes back.

It runs in a process of its own, so that a program that forks, or is stopped, has no part of it::

    with Proxy("127.0.0.1", server_port) as proxy:
        store = open_store(f"postgresql://…@127.0.0.1:{proxy.port}/…")
        proxy.plan(LOSE_ANSWER, matching=b"COMMIT")   # the next such request is carried out, and nobody hears of it
        write(store)
        proxy.wait_until_it_happened()
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType
    from typing import Any, Self

LOSE_REQUEST = "lose_request"
"""The connection is cut before anything of the request has arrived."""
LOSE_ANSWER = "lose_answer"
"""The request arrives, is answered, and the connection is cut before anything of the answer has come back."""
HOLD_REQUEST = "hold_request"
"""The client's connection is cut; the request arrives later, with ``release``, on a connection that is still open."""

PASS = "pass"
STALL = "stall"
"""Connections are there and nothing moves on them; what was sent arrives when they pass again."""
REFUSE = "refuse"
"""No connections at all: those that there are were cut, and new ones are."""

ANSWERED_SECONDS = 0.05
"""How long nothing more has come back when an answer is taken for whole."""
ANSWER_SECONDS_MAX = 5.0
CHUNK_BYTES = 1 << 16


class Proxy:
    """The relay to one server, as whoever tests with it steers it.  Thread-safe."""

    def __init__(self, host: str, port: int, *, listens_on: str = "127.0.0.1") -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, host, str(port), listens_on],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._guard = threading.Lock()
        self.port: int = self._answer()["port"]
        self.host = listens_on

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- how it goes from now on -------------------------------------------------------------

    def passes(self) -> None:
        """Let everything through; what was stalled arrives now."""
        self._do("mode", mode=PASS)

    def stall(self) -> None:
        """See ``STALL``."""
        self._do("mode", mode=STALL)

    def refuse(self) -> None:
        """See ``REFUSE``."""
        self._do("mode", mode=REFUSE)

    def delay(self, seconds: float) -> None:
        """Let everything arrive that much later, each way; 0: at once."""
        self._do("delay", seconds=seconds)

    # --- once --------------------------------------------------------------------------------

    def cut(self) -> int:
        """Reset all connections that there are, wherever they are in what they do; how many there were."""
        found: int = self._do("cut")["connections"]
        return found

    def plan(self, what: str, *, matching: bytes = b"") -> None:
        """
        Let the next request that has *matching* in it meet this fate; whatever follows passes.

        It is looked for in what is read from the socket at once: good for short marks in a plain protocol.
        """
        self._do("plan", what=what, matching=matching.hex())

    def wait_until_it_happened(self, timeout_seconds: float = 10.0) -> None:
        """
        Until what was planned has happened.

        Raises:
            TimeoutError: No such request came.
        """
        if not self._do("await", seconds=timeout_seconds)["happened"]:
            raise TimeoutError("what was planned did not happen: no such request came")

    def release(self) -> None:
        """Let what was held back arrive; returns when the server has answered it, or ended the connection."""
        self._do("release")

    # --- looking at it -----------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """How many there are."""
        found: int = self._do("count")["connections"]
        return found

    # --- its process -------------------------------------------------------------------------

    def close(self) -> None:
        """End it, and with it every connection. Idempotent."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _do(self, do: str, **arguments: Any) -> Any:
        with self._guard:
            assert self._process.stdin is not None
            line = json.dumps({"do": do, **arguments}) + "\n"
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the proxy has ended")
        return json.loads(line)


# --- the process itself --------------------------------------------------------------------------


class _Relay:
    """All connections to one server."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._links: set[_Link] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._refuses = False
        self.delay_seconds = 0.0
        self._planned: tuple[str, bytes] | None = None
        self.happened = asyncio.Event()
        self._held: list[_Link] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody has connected."""
        if self._refuses:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection(*self._server)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, (reader, writer), there)
        self._links.add(link)
        self._start(link.to_server())
        self._start(link.to_client())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def left(self, link: _Link) -> None:
        """That connection is over."""
        self._links.discard(link)

    async def may_pass(self) -> None:
        """Until it is time for something to go on."""
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        await self._passing.wait()

    def fate_of(self, request: bytes) -> str | None:
        """What was planned for *request*, which it is taken for now."""
        if self._planned is None or self._planned[1] not in request:
            return None
        what = self._planned[0]
        self._planned = None
        return what

    def hold(self, link: _Link) -> None:
        """*link* has something that is to arrive later."""
        self._held.append(link)

    async def steer(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do what the other process asks for; what it is answered."""
        match order["do"]:
            case "mode":
                self._refuses = order["mode"] == REFUSE
                if order["mode"] == STALL:
                    self._passing.clear()
                else:
                    self._passing.set()
                if self._refuses:
                    self._cut()
            case "delay":
                self.delay_seconds = order["seconds"]
            case "cut":
                return {"connections": self._cut()}
            case "count":
                return {"connections": len(self._links)}
            case "plan":
                self.happened.clear()
                self._planned = (order["what"], bytes.fromhex(order["matching"]))
            case "await":
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.happened.wait(), order["seconds"])
                return {"happened": self.happened.is_set()}
            case "release":
                held, self._held = self._held, []
                for link in held:
                    await link.release()
        return {}

    def _cut(self) -> int:
        links = list(self._links)
        for link in links:
            link.abort()
        return len(links)


class _Link:
    """One connection, of two halves."""

    def __init__(
        self,
        relay: _Relay,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._relay = relay
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._swallows = False
        self._holds = False
        self._came_back = asyncio.Event()
        self._held = b""
        for writer in (self._to_client, self._to_server):
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def to_server(self) -> None:
        """Pass requests on until one meets its fate."""
        while data := await _read(self._from_client):
            await self._relay.may_pass()
            fate = self._relay.fate_of(data)
            if fate == LOSE_REQUEST:
                self.abort()
                self._relay.happened.set()
                return
            if fate == HOLD_REQUEST:
                self._held, self._holds = data, True
                self._relay.hold(self)
                self._relay.left(self)
                self._to_client.transport.abort()
                self._relay.happened.set()
                return
            if fate == LOSE_ANSWER:
                self._swallows = True
                self._came_back.clear()
            self._to_server.write(data)
            await _drain(self._to_server)
            if fate == LOSE_ANSWER:
                await self._answered()
                self.abort()
                self._relay.happened.set()
                return
        if not self._holds:
            self.abort()

    async def to_client(self) -> None:
        """Pass answers on."""
        while data := await _read(self._from_server):
            self._came_back.set()
            if self._swallows or self._holds:
                continue
            await self._relay.may_pass()
            if not self._swallows:
                self._to_client.write(data)
                await _drain(self._to_client)
        self._swallows = False
        self._came_back.set()
        self.abort()

    async def _answered(self) -> None:
        """
        Until something has come back, and then nothing more for a while.

        Not every request is answered, and some servers go on telling of other things for ever.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await self._came_back.wait()
                while self._came_back.is_set() and self._swallows:
                    self._came_back.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._came_back.wait(), ANSWERED_SECONDS)

    async def release(self) -> None:
        """Let what is held arrive, and wait until it is answered."""
        self._swallows = True
        self._came_back.clear()
        self._to_server.write(self._held)
        await _drain(self._to_server)
        await self._answered()
        self.abort()

    def abort(self) -> None:
        """Reset both halves."""
        for writer in (self._to_client, self._to_server):
            raw = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                # With this a close is a reset: what was not read yet is gone, as with a cable.
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()
        self._came_back.set()
        self._relay.left(self)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(CHUNK_BYTES)
    except OSError:
        return b""


async def _drain(writer: asyncio.StreamWriter) -> None:
    # Whoever reads there no more is noticed where it is read from.
    with contextlib.suppress(OSError):
        await writer.drain()


async def _serve(host: str, port: int, listens_on: str) -> None:
    relay = _Relay(host, port)
    server = await asyncio.start_server(relay.arrived, listens_on, 0)
    _tell({"port": server.sockets[0].getsockname()[1]})
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    while line := await orders.readline():
        _tell(await relay.steer(json.loads(line)))


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _die_with_parent() -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


if __name__ == "__main__":
    _die_with_parent()
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
