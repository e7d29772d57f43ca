"""
A server of nothing but event streams, in a process of its own, and readers of them.

    python -m tests.surfaces.http.streaming URL '{"slow_seconds": 1}'

``GET /v1/realms/{realm}/watch`` as the real one; ``GET /stats`` tells what is held.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import uvicorn

from realmconf.errors import RealmconfError, Unauthenticated
from realmconf.runtime.client import connect
from realmconf.runtime.operations.kinds import from_text
from realmconf.runtime.operations.rows import OPERATIONS
from realmconf.runtime.operations.session import Session
from realmconf.runtime.operations.table import call
from realmconf.runtime.tokens import Tokens
from realmconf.surfaces.envelope import answer_to, error_object
from realmconf.surfaces.http.stream_connection import Protocol
from realmconf.surfaces.http.stream_limits import StreamLimits
from realmconf.surfaces.http.streams import Streams

WATCH = next(one for one in OPERATIONS if one.name == "config/watch")
ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 30.0
NUMBERS = count(1)


# --- the server ---------------------------------------------------------------------------


class App:
    """The routes."""

    def __init__(self, client: Any, limits: StreamLimits) -> None:
        self.client = client
        self.tokens = Tokens(client)
        self.limits = limits
        self.streams: Streams | None = None
        self.sessions: dict[str, Session] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.streams is None:
            self.streams = Streams(self.client, self.tokens, limits=self.limits)
        if scope["path"] == "/stats":
            await answer(send, 200, stats(self))
            return
        try:
            session = self.session_of(scope)
            query = dict(parse_qsl(scope["query_string"].decode()))
            arguments = {
                name: from_text(WATCH.parameter(name), text) for name, text in query.items()
            }
            arguments["realm"] = scope["path"].split("/")[3]
            watching = call(WATCH, session, arguments)
            await self.streams.watch(scope, receive, send, session=session, watching=watching)
        except RealmconfError as failure:
            await answer(send, answer_to(failure).status or 500, error_object(failure))

    def session_of(self, scope: Any) -> Session:
        given = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
        query = dict(parse_qsl(scope["query_string"].decode()))
        text = given or query.pop("token", "")
        scope["query_string"] = "&".join(f"{name}={text}" for name, text in query.items()).encode()
        grant = self.tokens.grant_of(text)
        if grant is None:
            raise Unauthenticated
        return self.sessions.setdefault(grant.id, Session(self.client, grant, surface="http"))


def stats(app: App) -> dict[str, Any]:
    gc.collect()
    streams = app.streams
    assert streams is not None
    return {
        "streams": len(streams),
        "views": len(streams._steps),
        "by_token": len(streams._by_token),
        "tasks": len(asyncio.all_tasks()),
        "hub": sum(len(one) for _, one in streams._hub._waiting.values()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "objects": len(gc.get_objects()),
        "resident_kilobytes": resident_kilobytes(),
    }


def resident_kilobytes() -> int:
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("the system does not tell a process's memory")


async def answer(send: Any, status: int, body: Any) -> None:
    text = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(text)).encode()),
        (b"access-control-allow-origin", b"*"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


class Server(uvicorn.Server):
    """Ends its streams before it waits for its connections, as whoever serves them must."""

    async def shutdown(self, sockets: Any = None) -> None:
        app: App = self.config.app  # type: ignore[assignment]
        if app.streams is not None:
            await app.streams.close()
        await super().shutdown(sockets)


def serve(url: str, limits: StreamLimits) -> None:
    with connect(url, surface="http") as client:
        app = App(client, limits)
        config = uvicorn.Config(
            app,
            log_level="warning",
            lifespan="off",
            access_log=False,
            http=Protocol,
            loop="uvloop",
            ws="none",
        )
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        print(listener.getsockname()[1], flush=True)
        Server(config).run([listener])


# --- from outside ---------------------------------------------------------------------------


class Process:
    """Such a server, started; ``stop`` gives what it said on its standard error."""

    def __init__(self, url: str, **limits: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.surfaces.http.streaming", url, json.dumps(limits)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin_stop(self) -> None:
        self._process.terminate()

    def wait(self) -> None:
        """Return when it has ended by itself."""
        assert self._process.wait(PATIENCE_SECONDS) in (0, -signal.SIGTERM)

    def stop(self) -> str:
        self._process.terminate()
        try:
            _, said = self._process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        return said

    def get(self, path: str) -> tuple[int, dict[str, str], Any]:
        with Connection(self.port) as one:
            one.ask(path)
            status, headers = one.head()
            return status, headers, json.loads(one.exactly(int(headers["content-length"])))

    def stats(self) -> dict[str, Any]:
        return self.get("/stats")[2]


class Event(NamedTuple):
    """What an EventSource makes of one block of lines."""

    event: str
    id: str
    data: Any


class Connection:
    """One HTTP connection, read by hand."""

    def __init__(self, port: int, *, receive_bytes: int | None = None) -> None:
        self._socket = socket.socket()
        if receive_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.settimeout(PATIENCE_SECONDS)
        self._socket.connect(("127.0.0.1", port))
        self._received = b""
        self._body = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def ask(self, path: str, *, method: str = "GET", **headers: str) -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            self._more()
        found, self._received = self._received[:count], self._received[count:]
        return found

    def until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            self._more()
        found, self._received = self._received.split(mark, 1)
        return found

    def _more(self) -> None:
        part = self._socket.recv(262_144)
        if not part:
            raise EOFError
        self._received += part

    def head(self) -> tuple[int, dict[str, str]]:
        first, *lines = self.until(b"\r\n\r\n").decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        return int(first.split()[1]), {name.lower(): text for name, text in pairs}

    def chunk(self) -> bytes:
        """The next part of the body; empty at its end."""
        return self.exactly(int(self.until(b"\r\n"), 16) + 2)[:-2]

    def block(self) -> bytes:
        """The next lines of the stream up to an empty one."""
        while b"\n\n" not in self._body:
            more = self.chunk()
            if not more:
                raise EOFError
            self._body += more
        found, self._body = self._body.split(b"\n\n", 1)
        return found

    def event(self) -> Event:
        """The next event; what is none is passed over."""
        while True:
            fields = dict(line.split(b": ", 1) for line in self.block().split(b"\n"))
            if b"event" in fields:
                return Event(
                    fields[b"event"].decode(), fields[b"id"].decode(), json.loads(fields[b"data"])
                )

    def change(self) -> Event:
        """The next event that is no bookmark."""
        while (found := self.event()).event == "bookmark":
            pass
        return found

    def to_the_end(self) -> list[Event]:
        """All events until the body is over."""
        found = []
        with contextlib.suppress(EOFError):
            while True:
                found.append(self.event())
        return found


def opened(port: int, token: str, realm: str, query: str = "", **headers: str) -> Connection:
    """A stream that has begun: its first bookmark, or event, is still to be read."""
    one = Connection(port)
    one.ask(f"/v1/realms/{realm}/watch{query}", authorization=f"Bearer {token}", **headers)
    status, _ = one.head()
    assert status == 200, status
    return one


@dataclass
class Scene:
    """A store of the test's own, a server of its streams, and tokens for them."""

    client: Any
    server: Process
    name: str = "team"

    @property
    def realm(self) -> Any:
        """The realm that the test is about."""
        return self.client.realm(self.name)

    def other(self, name: str) -> Any:
        """Another realm of this test's own."""
        return self.client.realm(f"{self.name}-{name}")

    def fresh(self) -> Scene:
        """The same server, and a realm of which no other test knows."""
        found = replace(self, name=f"team-{next(NUMBERS)}")
        found.realm.set({"value": 0})
        return found

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.client)

    def token(self, *roles: str, realms: str = "*", **options: Any) -> Any:
        return self.tokens.create(
            realms=[realms], roles=roles or ("read",), author="test", surface="sdk", **options
        )

    def revoke(self, token: Any) -> None:
        self.tokens.revoke(token.token.id, author="test", surface="sdk")

    def open(self, query: str = "", *, token: Any = None, **headers: str) -> Connection:
        """A stream of the realm that has begun."""
        text = (token or self.token()).text
        return opened(self.server.port, text, self.name, query, **headers)

    def refused(self, query: str = "", *, token: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and problem of a stream that does not begin."""
        text = (token or self.token()).text
        with Connection(self.server.port) as one:
            one.ask(
                f"/v1/realms/{self.name}/watch{query}", authorization=f"Bearer {text}", **headers
            )
            status, found = one.head()
            return status, json.loads(one.exactly(int(found["content-length"])))


@contextlib.contextmanager
def staged(store: str, **limits: Any) -> Iterator[Scene]:
    """A scene on *store*; the server is stopped in the end, and must have had nothing to complain of."""
    with connect(store) as client:
        client.realm("team").set({"value": 0})
        server = Process(store, **limits)
        try:
            yield Scene(client, server)
        finally:
            said = server.stop()
        assert not said, said


def eventually(holds: Any, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something that another process is about to do."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


if __name__ == "__main__":
    serve(sys.argv[1], StreamLimits(**json.loads(sys.argv[2])))
