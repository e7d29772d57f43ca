"""
Processes that serve: uvicorn in this one, or several that share a listening socket.

Decides how a server begins and ends: what streams or waits is ended first, then what is being answered is answered.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn

from realmconf.surfaces.http.app import App
from realmconf.surfaces.http.limits import BoundedProtocol
from realmconf.surfaces.http.server import Server

if TYPE_CHECKING:
    from collections.abc import Generator

    from realmconf.runtime.client import Client
    from realmconf.surfaces.http.settings import Settings

BACKLOG = 2_048
KEEP_ALIVE_SECONDS = 30
GRACE_SECONDS = 10


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
    """One process's server: ``run`` or ``serve`` it; ``should_exit`` ends it."""

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
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                backlog=BACKLOG,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, then connections."""
        await self.app.server.stop()
        await super().shutdown(sockets)

    def capture_signals(self) -> Generator[None, None, None]:  # type: ignore[override]
        """Signals are for whoever runs this."""
        return _nothing()


def _nothing() -> Generator[None, None, None]:
    from contextlib import nullcontext

    return nullcontext()  # type: ignore[return-value]
