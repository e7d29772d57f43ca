"""
M16, M17: what HTTP costs beside a route of the same framework, and a commit seen by a thousand streams.

The load comes from a process of its own that does nothing but send ready bytes and count what comes back.
"""

from __future__ import annotations

import re
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic_ns, sleep
from typing import Any

from bench import documents, ours
from bench.harness import Batch, compete, single
from bench.peers.plainhttp import body_of
from bench.processes import FOLDER, Actor
from bench.results import Figure, Workplace, at_least, at_most

REALM = "served"
CONNECTIONS = 16
REQUESTS = 4_000
STREAMS = 1_000
DELIVERIES = 12
PATIENCE_SECONDS = 20.0
SLICES = 4
TOKEN = re.compile(rb"http://127\.0\.0\.1:(\d+)/#token=(rc_[A-Za-z0-9_-]+)")


# --- the other side of each connection ---------------------------------------------------


class Load:
    """An actor that keeps *connections* busy with one request, and times how long *count* answers take."""

    def __init__(self, port: int, request: str, connections: int = CONNECTIONS) -> None:
        self._request = request.encode()
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        self._length = 0
        for one in self._sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._length = self._first(one)

    def _first(self, one: socket.socket) -> int:
        """Send one request, and how many bytes its answer has: every further one has as many."""
        one.sendall(self._request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += one.recv(65_536)
        head, _, body = received.partition(b"\r\n\r\n")
        self.status = head.split(b" ", 2)[1].decode()
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        expected = int(found[1]) if found and self.status == "200" else 0
        while len(body) < expected:
            body += one.recv(65_536)
        return len(head) + 4 + expected

    def answers(self) -> str:
        return self.status

    def run(self, count: int) -> float:
        """Microseconds for each of *count* answers, with all connections busy."""
        waiting = select.epoll()
        received = {}
        by_descriptor = {}
        for one in self._sockets:
            waiting.register(one, select.EPOLLIN)
            received[one.fileno()] = 0
            by_descriptor[one.fileno()] = one
        request, length = self._request, self._length
        sent, done = 0, 0
        begun = monotonic_ns()
        for one in self._sockets:
            one.send(request)
            sent += 1
        while done < count:
            for descriptor, _ in waiting.poll():
                one = by_descriptor[descriptor]
                received[descriptor] += len(one.recv(65_536))
                if received[descriptor] >= length:
                    received[descriptor] = 0
                    done += 1
                    if sent < count:
                        one.send(request)
                        sent += 1
        taken = monotonic_ns() - begun
        waiting.close()
        return taken / 1000 / count

    def close(self) -> None:
        for one in self._sockets:
            one.close()


class Listeners:
    """An actor with *count* open streams: when the last of them has had an event."""

    def __init__(self, port: int, request: str, marker: str, count: int = STREAMS) -> None:
        self._marker = marker.encode()
        self._waiting = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port))
            if request:
                one.sendall(request.encode())
                # The stream has begun when its first event is there.
                received = b""
                while b"\n\n" not in received.partition(b"\r\n\r\n")[2]:
                    received += one.recv(65_536)
            self._sockets[one.fileno()] = one
            one.setblocking(False)
            self._waiting.register(one, select.EPOLLIN)

    def last(self) -> int:
        """The moment, on the machine's monotonic clock, at which the last stream had the next event."""
        outstanding = set(self._sockets)
        while outstanding:
            ready = self._waiting.poll(PATIENCE_SECONDS)
            if not ready:
                raise TimeoutError(f"{len(outstanding)} streams had nothing")
            for descriptor, _ in ready:
                if self._marker in self._sockets[descriptor].recv(65_536):
                    outstanding.discard(descriptor)
        return monotonic_ns()

    def close(self) -> None:
        for one in self._sockets.values():
            one.close()


# --- the servers ----------------------------------------------------------------------------


@contextmanager
def our_server(root: Path) -> Iterator[tuple[int, str]]:
    """``realmconf serve`` on *root*: its port, and the token that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "realmconf", "--store", str(root), "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=FOLDER,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            found = TOKEN.search(line)
            if found:
                yield int(found[1]), found[2].decode()
                break
        else:
            raise RuntimeError("the server printed no link")
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()


def get(path: str, *, port: int, token: str = "", **headers: str) -> str:
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines) + "\r\n\r\n"


# --- M16 ---------------------------------------------------------------------------------------


def measure_requests(workplace: Workplace) -> list[Figure]:
    """What a read over HTTP costs, and one that finds nothing new."""
    root = workplace.path("m16")
    with ours.connect(root) as client:
        client.realm(REALM).set(documents.AGENT)
    count = workplace.effort.count(REQUESTS, least=400)
    path = f"/v1/realms/{REALM}/config"
    with ExitStack() as stack:
        port, token = stack.enter_context(our_server(root))
        etag = _etag(path, port=port, token=token)
        plain = stack.enter_context(Actor("bench.peers.plainhttp:PlainRoute", body=_sample()))
        plain_port = plain.call("port")
        requests = {
            "ours": (port, get(path, port=port, token=token)),
            "plain": (plain_port, get("/config", port=plain_port)),
            "ours, 304": (port, get(path, port=port, token=token, if_none_match=etag)),
            "plain, 304": (
                plain_port,
                get("/config", port=plain_port, if_none_match='"5-0123456789ab"'),
            ),
        }
        loads = {
            name: stack.enter_context(Actor("bench.serving:Load", port=where, request=request))
            for name, (where, request) in requests.items()
        }
        for name, load in loads.items():
            expected = "304" if name.endswith("304") else "200"
            answered = load.call("answers")
            assert answered == expected, (name, answered)
        rounds = compete(
            {name: partial(_batch, load, count // SLICES) for name, load in loads.items()},
            rounds=workplace.effort.rounds,
            slices=SLICES,
        )
    return [
        _rate(rounds, "ours", "plain", "requests/s of a 2 KB configuration"),
        _rate(rounds, "ours, 304", "plain, 304", "requests/s that find nothing new (304)"),
    ]


def _etag(path: str, *, port: int, token: str) -> str:
    """The entity tag of what this token is shown there."""
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    etag = connection.getresponse().headers["etag"]
    connection.close()
    return str(etag)


def _sample() -> str:
    return body_of(documents.AGENT)


def _batch(load: Actor, count: int) -> Batch:
    return single(load.call("run", count=count))


def _rate(rounds: Any, name: str, reference: str, what: str) -> Figure:
    ours_rate, plain_rate = (1e6 / rounds.cost(one) for one in (name, reference))
    return Figure(
        "M16",
        f"{what}, against a plain Starlette and uvicorn route",
        # As many times the requests in a second as its answers take less time.
        rounds.ratio(reference, name),
        limit=at_least(0.9),
        detail=f"{ours_rate:,.0f} against {plain_rate:,.0f} a second",
    )


# --- M17 ---------------------------------------------------------------------------------------


def measure_streams(workplace: Workplace) -> list[Figure]:
    """From a commit in another process to the last of a thousand streams."""
    root = workplace.path("m17")
    streams = workplace.effort.count(STREAMS, least=100)
    with ExitStack() as stack:
        client = stack.enter_context(ours.connect(root))
        realm = client.realm(REALM)
        realm.set(documents.AGENT)
        port, _ = stack.enter_context(our_server(root))
        tokens = [_reader(client, number) for number in range(-(-streams // 60))]
        listeners = []
        for number, one in enumerate(tokens):
            share = min(60, streams - 60 * number)
            request = get(
                f"/v1/realms/{REALM}/watch", port=port, token=one, accept="text/event-stream"
            )
            listeners.append((request, share))
        crowd = stack.enter_context(
            Actor("bench.serving:Crowd", port=port, shares=listeners, marker="event: change")
        )
        event = "id: 12-0123456789ab\nevent: change\ndata: " + "x" * 300 + "\n\n"
        fan_out = stack.enter_context(Actor("bench.peers.plainhttp:PlainFanOut", event=event))
        bare = stack.enter_context(
            Actor(
                "bench.serving:Listeners",
                port=fan_out.call("port"),
                request="",
                marker="event: change",
                count=streams,
            )
        )
        while fan_out.call("connected") < streams:
            sleep(0.01)
        number = 0

        def ours_once() -> Batch:
            nonlocal number
            number += 1
            crowd.start("last")
            sleep(0.02)
            realm.patch({"agent": {"max_tokens_per_turn": number}})
            committed = monotonic_ns()
            return single(max(0.0, (crowd.finish() - committed) / 1000))

        def bare_once() -> Batch:
            bare.start("last")
            sleep(0.02)
            begun = monotonic_ns()
            fan_out.call("send")
            return single((bare.finish() - begun) / 1000)

        rounds = compete(
            {"ours": ours_once, "bare": bare_once},
            rounds=workplace.effort.rounds,
            slices=workplace.effort.count(DELIVERIES, least=3),
        )
    return [
        Figure(
            "M17",
            f"a commit seen by the last of {streams:,} streams, against a loop over {streams:,} sockets",
            rounds.ratio("ours", "bare"),
            limit=at_most(3.0),
            detail=f"{rounds.cost('ours') / 1000:.1f} ms against {rounds.cost('bare') / 1000:.1f} ms",
        )
    ]


class Crowd(Listeners):
    """Listeners that show several tokens: each may have so many streams."""

    def __init__(self, port: int, shares: list[tuple[str, int]], marker: str) -> None:
        super().__init__(port, "", marker, 0)
        for request, count in shares:
            some = Listeners(port, request, marker, count)
            for descriptor, one in some._sockets.items():
                self._sockets[descriptor] = one
                self._waiting.register(one, select.EPOLLIN)


def _reader(client: Any, number: int) -> str:
    from realmconf.runtime.tokens import Tokens

    made = Tokens(client).create(
        realms=[REALM], roles=["read"], name=f"listener-{number}", author="bench", surface="sdk"
    )
    return made.text
