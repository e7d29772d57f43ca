"""
What stands behind a connection: a server of HTTP, one of JSON-RPC and one of MCP, each a process of its own.

Each input is answered at once or hung up on; afterwards the process is there, has not grown, and its store holds
what it held.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.fuzz.parsers import AGENT, Parser
from tests.surfaces.http.serving import served
from tests.surfaces.http.wire import connected, is_complete

from realmconf.errors import InvalidArgument
from realmconf.runtime.client import connect
from realmconf.runtime.tokens import Tokens
from realmconf.surfaces.envelope import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_SECONDS = 20.0
GROWTH_BYTES_MAX = 256 * 1_048_576
CODES = frozenset(error.code for error in ANSWERS)
SILENCE_SECONDS = 0.01
"""After which a server may be waiting for more of a request; one that was only slow is asked in vain."""
ENOUGH_BYTES = 8 * 1_048_576


@contextmanager
def _store() -> Iterator[str]:
    """A store with one realm, which holds the same afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        with connect(folder, author="ada") as client:
            client.realm("team").set(AGENT)
        yield folder
        with connect(folder) as client:
            assert {one.realm: one.generation for one in client.realms()} == {"team": 1}
            assert client.realm("team").get().config == AGENT
            client.realm("team").verify()


def _resident_bytes(process: int) -> int:
    with open(f"/proc/{process}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _unharmed(process: subprocess.Popen[Any]) -> Iterator[None]:
    before = _resident_bytes(process.pid)
    yield
    assert process.poll() is None, "the server has ended"
    grown = _resident_bytes(process.pid) - before
    assert grown < GROWTH_BYTES_MAX, f"the server has grown by {grown:,} bytes"


# ------------------------------------------------------------------------ HTTP


@contextmanager
def http() -> Iterator[Callable[[bytes], None]]:
    """A server whose caller may read."""
    with _store() as folder:
        with connect(folder) as client:
            made = Tokens(client).create(realms=["*"], roles=("read",), author="ada", surface="sdk")
            token = made.text.encode()
        with served(folder) as server, _unharmed(server.process):
            yield lambda raw: _ask(server.port, raw.replace(b"TOKEN", token))


def _ask(port: int, raw: bytes) -> None:
    with connected(port) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        try:
            connection.sendall(raw.replace(b"/watch", b"/blame"))
            answer = _answer(connection)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    if not answer:
        raise InvalidArgument("hung up")
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    assert status < 500, (status, body[:300])
    if status >= 400:
        if body and b"application/problem+json" in head:
            assert json.JSONDecoder().raw_decode(body.decode())[0]["code"] in CODES
        raise InvalidArgument(f"{status}")


def _answer(connection: socket.socket) -> bytes:
    """What comes back first; who waits for more of the request is told that none comes."""
    received = b""
    if not select.select([connection], [], [], SILENCE_SECONDS)[0]:
        connection.shutdown(socket.SHUT_WR)
    while len(received) < ENOUGH_BYTES and not is_complete(received, has_body=True):
        piece = connection.recv(65_536)
        if not piece:
            break
        received += piece
    return received


# ----------------------------------------------------------------- lines of JSON


@contextmanager
def _process(folder: str, *words: str) -> Iterator[Conversation]:
    process = subprocess.Popen(
        [sys.executable, "-m", "realmconf", "--store", folder, "--realm", "team", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Conversation(process)
    finally:
        process.kill()
        process.communicate()


class Conversation:
    """Lines to a process, and lines back."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._count = 0
        self._received = b""

    def say(self, frame: bytes, *, question: dict[str, Any]) -> list[Any]:
        """Send *frame*, then *question*, and return what comes up to its answer."""
        self._count += 1
        number = f"fuzz-{self._count}"
        asked = json.dumps({"jsonrpc": "2.0", "id": number, **question}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(frame.replace(b"\n", b" ") + b"\n" + asked + b"\n")
        self.process.stdin.flush()
        answers = []
        for line in self._lines():
            answers.append(json.loads(line))
            if isinstance(answers[-1], dict) and answers[-1].get("id") == number:
                assert "result" in answers[-1], answers[-1]
                return answers
        raise AssertionError("the process has ended")

    def _lines(self) -> Iterator[bytes]:
        assert self.process.stdout is not None
        output = self.process.stdout.fileno()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            while b"\n" in self._received:
                line, _, self._received = self._received.partition(b"\n")
                yield line
            ready, _, _ = select.select([output], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "no answer in time"
            piece = os.read(output, 1 << 20)
            if not piece:
                return
            self._received += piece


@contextmanager
def rpc() -> Iterator[Callable[[bytes], None]]:
    """JSON-RPC, over standard input and output; nothing that is said asks for a write."""
    with _store() as folder, _process(folder, "rpc") as talk, _unharmed(talk.process):
        yield lambda frame: _refused(
            talk.say(frame, question={"method": "store/info", "params": {}})
        )


@contextmanager
def mcp() -> Iterator[Callable[[bytes], None]]:
    """MCP, over standard input and output; the agent may read."""
    with _store() as folder, _process(folder, "mcp") as talk:
        hello = {
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "raw", "version": "1"},
            },
        }
        talk.say(b"", question=hello)
        with _unharmed(talk.process):
            yield lambda frame: _refused(talk.say(frame, question={"method": "ping"}))


def _refused(answers: list[Any]) -> None:
    if any(isinstance(answer, dict) and "error" in answer for answer in answers):
        raise InvalidArgument("an error")


_HEADERS = b"Host: localhost\r\nAccept: application/json\r\nAuthorization: Bearer TOKEN\r\n"
_WORDS = (
    b"\r\n", b"\r\n\r\n", b" ", b"\x00", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n", b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"HTTP/2.0", b"HTTP/0.9", b"%00",
    b"%2e%2e/", b"//",
    b"?at=9999999999999999999",
    b"?wait=1", b'If-Match: "', b"If-None-Match: *\r\n", b"Range: bytes=0-\r\n",
    b"Accept-Encoding: gzip\r\n", b"X: " + b"y" * 9_000 + b"\r\n", b"a: b\r\n" * 150, b"\xff", b"OPTIONS * ",
    b"CONNECT a:1 ", b"fffffffffffffff1\r\n", b"0\r\n\r\n",
)  # fmt: skip
_FRAMES = (
    b'{"jsonrpc": "2.0", "id": 1, "method": "config/get", "params": {"realm": "team", "path": "/agent"}}',
    b'{"jsonrpc": "2.0", "id": "a", "method": "config/history", "params": {"realm": "team", "limit": 2}}',
    b'[{"jsonrpc": "2.0", "id": 1, "method": "realm/list"}, {"jsonrpc": "2.0", "method": "store/info"}]',
)
_CALLS = (
    (
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":'
        b' {"name": "config_get", "arguments": {"path": "/agent"}}}'
    ),
    b'{"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}',
    b'{"jsonrpc": "2.0", "id": 3, "method": "resources/read", "params": {"uri": "realmconf://team"}}',
    b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}',
)
_FRAME_WORDS = (
    b'"id":null',
    b'"method":',
    b'"params":[]',
    b'"jsonrpc":"1.0"',
    b"[]",
    b"{}",
    b"null",
    b"\xff",
    b"\\u0000",
)

SERVED: dict[str, Parser] = {
    "http": Parser(
        opens=http,
        seeds=(
            b"GET /v1/realms/team/config?view=own HTTP/1.1\r\n" + _HEADERS + b"\r\n",
            b"PATCH /v1/realms/team/config HTTP/1.1\r\n" + _HEADERS + b'Content-Length: 10\r\n\r\n{"agent":1',
            b"POST /v1/store/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + _HEADERS + b"\r\n5\r\nabcde\r\n0\r\n\r\n",
            b"GET /v1/realms HTTP/1.1\r\n" + _HEADERS + b'If-None-Match: "1-abcdefabcdef"\r\n\r\n',
        ),
        words=_WORDS,
    ),
    "json_rpc": Parser(opens=rpc, seeds=_FRAMES, words=_FRAME_WORDS),
    "mcp": Parser(opens=mcp, seeds=_CALLS, words=_FRAME_WORDS),
}  # fmt: skip
