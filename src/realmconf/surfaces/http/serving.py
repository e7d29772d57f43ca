"""
Processes that serve: uvicorn in this one, or in several that share a listening socket.

Decides how a server begins and ends: what streams or waits is ended first, then what is being answered is answered,
and a process that died is replaced.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import uvicorn

from realmconf.errors import StoreUnavailable
from realmconf.surfaces.http.app import App
from realmconf.surfaces.http.limits import BoundedProtocol
from realmconf.surfaces.http.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from multiprocessing.context import SpawnProcess

    from realmconf.runtime.client import Client
    from realmconf.surfaces.http.settings import Settings

BACKLOG = 2_048
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a server in its order: Ctrl-C, whoever manages it, and the end of its terminal."""
KEEP_ALIVE_SECONDS = 30
GRACE_SECONDS = 10
"""How long answers that have begun may take once the server is to end."""
GIVE_UP_SECONDS = 8.0
"""After which whoever waits for a write that is under way is told that its outcome is unknown."""
LOOK_SECONDS = 0.25
"""Between two looks at signals and processes."""
SHORT_LIFE_SECONDS = 2.0
SHORT_LIVES_MAX = 5
"""After so many processes in a row that lived no longer, no more are started."""


def listen(host: str, port: int) -> socket.socket:
    """
    A socket that listens; port 0 takes one that is free.

    Raises:
        OSError: It cannot be had.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


class Process(uvicorn.Server):
    """One process's server: ``run`` it; ``should_exit`` ends it."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.app = App(Server(client, settings))
        super().__init__(
            uvicorn.Config(
                self.app,
                http=BoundedProtocol,
                ws="none",
                lifespan="on",
                loop="auto",
                log_config=None,
                # What others send is no event; what is ours is logged by the application.
                log_level="error",
                access_log=False,
                # Whoever is in front may say anything; nothing here depends on whose address it is.
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                backlog=BACKLOG,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, then connections."""
        server = self.app.server
        await server.stop()
        giving_up = asyncio.get_running_loop().call_later(GIVE_UP_SECONDS, server.give_up)
        try:
            await super().shutdown(sockets)
        finally:
            giving_up.cancel()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Signals are for whoever runs this."""
        return nullcontext()


@contextmanager
def _noticed(*numbers: int) -> Iterator[list[int]]:
    """
    The signals that come, instead of what they do otherwise; in the main thread alone.

    One that whoever began the process had it ignore, as ``nohup`` does the end of the terminal, is ignored.
    """
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda one, _: came.append(one))
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve_here(client: Client, settings: Settings, listening: socket.socket) -> int:
    """Serve in this process until a signal comes, which is returned."""
    process = Process(client, settings)
    with _noticed(*ENDING) as came:
        asyncio_run(_until(process, listening, came), process)
    return came[0] if came else 0


def asyncio_run(work: object, process: Process) -> None:
    """Run *work* on a loop of the kind that uvicorn takes here."""
    with asyncio.Runner(loop_factory=process.config.get_loop_factory()) as runner:
        runner.run(work)  # type: ignore[arg-type]


async def _until(process: Process, listening: socket.socket, came: list[int]) -> None:
    watching = asyncio.create_task(_watch(process, came))
    try:
        await process.serve([listening])
    finally:
        watching.cancel()


async def _watch(process: Process, came: list[int]) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if came:
            process.should_exit = True
        if len(came) > 1 and came[-1] == signal.SIGINT:
            process.force_exit = True


# --- several processes -----------------------------------------------------------------------


def serve_with_workers(
    store: str, settings: Settings, listening: socket.socket, *, workers: int
) -> int:
    """
    Serve in so many processes until a signal comes, which is returned.

    Raises:
        StoreUnavailable: They end as soon as they begin.
    """
    import multiprocessing
    from multiprocessing.connection import wait
    from time import monotonic

    context = multiprocessing.get_context("spawn")

    def started() -> SpawnProcess:
        one = context.Process(target=work, args=(store, settings, listening), daemon=False)
        one.start()
        return one

    running: dict[SpawnProcess, float] = {}
    short_lives = 0
    with _noticed(*ENDING) as came:
        try:
            for _ in range(workers):
                running[started()] = monotonic()
            while not came:
                wait([one.sentinel for one in running], timeout=LOOK_SECONDS)
                for one in [one for one in running if not one.is_alive()]:
                    lived_seconds = monotonic() - running.pop(one)
                    _forget(settings, one.pid)
                    short_lives = short_lives + 1 if lived_seconds < SHORT_LIFE_SECONDS else 0
                    if short_lives > SHORT_LIVES_MAX:
                        raise StoreUnavailable("the processes of the server end as they begin")
                    if not came:
                        running[started()] = monotonic()
        finally:
            for one in running:
                one.terminate()
            for one in running:
                one.join(2 * GRACE_SECONDS)
                if one.is_alive():
                    one.kill()
                    one.join()
    return came[0] if came else 0


def _forget(settings: Settings, pid: int | None) -> None:
    if settings.metrics_folder is not None and pid is not None:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid, path=settings.metrics_folder)  # type: ignore[no-untyped-call]


def work(store: str, settings: Settings, listening: socket.socket) -> None:
    """What one of several processes does, until it is told to end or the one that began it has ended."""
    from multiprocessing import parent_process

    from realmconf.runtime.client import connect

    # The terminal's Ctrl-C, and its end, come to all processes at once; who began this one tells it to end.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with connect(store, surface="http", sees_secrets=False) as client:
        process = Process(client, settings)
        with _noticed(signal.SIGTERM) as came:
            parent = parent_process()

            async def serve() -> None:
                if parent is not None:
                    loop = asyncio.get_running_loop()

                    def orphaned() -> None:
                        loop.remove_reader(parent.sentinel)
                        came.append(signal.SIGTERM)

                    loop.add_reader(parent.sentinel, orphaned)
                await _until(process, listening, came)

            asyncio_run(serve(), process)
