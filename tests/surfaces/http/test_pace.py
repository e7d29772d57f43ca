"""How fast a body has to come: by a clock of the test's own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from starlette.datastructures import Headers
from uvicorn.server import ServerState

from realmconf.errors import StoreUnavailable
from realmconf.surfaces.http import bodies, store_files
from realmconf.surfaces.http.limits import BODY_SECONDS_MAX, BoundedProtocol
from realmconf.surfaces.http.pace import PACE_BYTES
from realmconf.surfaces.http.problems import Problem
from realmconf.surfaces.http.settings import BODY_BYTES_MAX, REQUEST_SECONDS


class Loop(asyncio.SelectorEventLoop):
    """A loop whose clock the test turns on."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def run(work):
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(work)


def sender(*parts: tuple[float, int]):
    """``receive`` of a body that comes in parts: so many seconds after the one before, so many bytes."""
    left = list(parts)

    async def receive():
        seconds, size = left.pop(0)
        loop: Any = asyncio.get_running_loop()
        loop.ahead += seconds
        # A timer that is over by now is seen before the part.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x" * size, "more_body": bool(left)}

    return receive


async def read(receive):
    headers = Headers({"transfer-encoding": "chunked"})
    return await bodies.read(receive, headers, bytes_max=BODY_BYTES_MAX, seconds=REQUEST_SECONDS)


def test_a_slow_body_is_waited_for_as_long_as_it_goes_on():
    """A body of 1.6 MiB may take three minutes: each 80 KiB of it has ten seconds."""
    body = run(read(sender(*[(9.0, PACE_BYTES)] * 20, (9.0, 100))))
    assert len(body) == 20 * PACE_BYTES + 100


@pytest.mark.parametrize(
    "parts",
    [
        [(11.0, 10)],
        [(1.0, 1)] * 30,
        [(9.0, PACE_BYTES), (11.0, 10)],
        [(9.0, PACE_BYTES), *[(1.0, 1_000)] * 30],
    ],
    ids=["silent", "by bytes", "stalls", "stalls by pieces"],
)
def test_a_body_that_comes_too_slowly_is_refused(parts):
    """Less than 80 KiB within ten seconds, and not the rest either: 408, whatever came before."""
    with pytest.raises(Problem, match="too slowly") as refused:
        run(read(sender(*parts, (1.0, 10))))
    assert refused.value.kind.status == 408


class Server:
    """What an upload needs of the server."""

    async def reading(self, work, *arguments):
        return work(*arguments)


def test_a_backup_that_is_sent_slowly_arrives(tmp_path):
    """A backup is taken as long as each 80 KiB of it come within a minute, however long that is."""
    server: Any = Server()
    slow = sender(*[(55.0, PACE_BYTES)] * 10, (1.0, 1))
    path = tmp_path / "slow"
    run(store_files._receive(slow, str(path), server))
    assert path.stat().st_size == 10 * PACE_BYTES + 1
    trickle = sender((55.0, PACE_BYTES), *[(10.0, 1)] * 10)
    with pytest.raises(StoreUnavailable):
        run(store_files._receive(trickle, str(tmp_path / "trickle"), server))


# --- the connection ---------------------------------------------------------------------


class Clock:
    """A loop of which the test is the clock; nothing of the application runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Any]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Any, *given: Any) -> Any:
        timer = Timer(self.now + seconds, call, given)
        self.timers.append((timer.at, timer))
        return timer

    def create_task(self, work: Any, **_: Any) -> Any:
        work.close()
        return Task()

    def pass_to(self, moment: float) -> None:
        while True:
            due = [timer for at, timer in self.timers if at <= moment and not timer.cancelled]
            if not due:
                break
            first = min(due, key=lambda timer: timer.at)
            self.timers.remove((first.at, first))
            self.now = max(self.now, first.at)
            first.call(*first.given)
        self.now = moment


class Timer:
    def __init__(self, at: float, call: Any, given: Any) -> None:
        self.at, self.call, self.given, self.cancelled = at, call, given, False

    def cancel(self) -> None:
        self.cancelled = True


class Task:
    def add_done_callback(self, _: Any) -> None:
        pass


class Transport:
    def __init__(self) -> None:
        self.written = b""
        self.ended = ""

    def get_extra_info(self, _: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return bool(self.ended)

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@pytest.fixture
def connection():
    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        pass

    config = uvicorn.Config(nothing, log_config=None, log_level="error", access_log=False)
    config.load()
    clock: Any = Clock()
    protocol = BoundedProtocol(config, ServerState(), {}, _loop=clock)
    transport: Any = Transport()
    protocol.connection_made(transport)
    return clock, protocol, transport


HEAD = b"POST /v1/store/contents HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"


def test_a_head_must_be_there_in_its_time(connection):
    """A request's headers have ten seconds, at whatever pace they come."""
    clock, protocol, transport = connection
    for second in range(9):
        clock.pass_to(float(second))
        protocol.data_received(HEAD[second : second + 1])
    clock.pass_to(REQUEST_SECONDS)
    assert transport.written.startswith(b"HTTP/1.1 408 ")
    assert transport.ended == "closed"


def test_a_connection_is_kept_while_its_body_goes_on(connection):
    """A body that goes on coming is not cut, and one that does no more is, a minute later."""
    clock, protocol, transport = connection
    protocol.data_received(HEAD)
    for minute in range(1, 11):
        clock.pass_to(60.0 * minute)
        assert not transport.ended
        protocol.data_received(b"x" * PACE_BYTES)
    clock.pass_to(600.0 + BODY_SECONDS_MAX)
    assert not transport.ended
    for second in range(12):
        protocol.data_received(b"x")
        clock.pass_to(600.0 + BODY_SECONDS_MAX + second)
    assert transport.ended == "aborted"
