"""
A plain HTTP route and a plain fan-out: the frameworks by themselves, without anything of realmconf.

The route is what somebody writes by hand to serve one configuration: Starlette on uvicorn, a body that was
made beforehand, an entity tag that is compared.  The fan-out is a loop over ready sockets.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from contextlib import suppress
from typing import Any

ETAG = '"5-0123456789ab"'
READ_BYTES = 65_536


class PlainRoute:
    """An actor that serves one body at ``/config``, with the same server and settings as ours."""

    def __init__(self, body: str) -> None:
        import uvicorn
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import Response
        from starlette.routing import Route

        content = body.encode()
        headers = {"etag": ETAG, "cache-control": "private, no-cache"}

        async def config(request: Request) -> Response:
            if request.headers.get("if-none-match") == ETAG:
                return Response(status_code=304, headers=headers)
            return Response(content, media_type="application/json", headers=headers)

        self._socket = socket.create_server(("127.0.0.1", 0))
        settings = uvicorn.Config(
            Starlette(routes=[Route("/config", config)]),
            http="httptools",
            loop="uvloop",
            lifespan="off",
            access_log=False,
            log_level="warning",
        )
        self._server = uvicorn.Server(settings)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()


class PlainFanOut:
    """An actor that sends one event to everybody who is connected, whenever ``send`` is called: sockets alone."""

    def __init__(self, event: str) -> None:
        self._event = event.encode()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2_048)
        self._listener.setblocking(False)
        self._clients: list[socket.socket] = []
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def send(self) -> None:
        os.write(self._wake_write, b"x")

    def connected(self) -> int:
        return len(self._clients)

    def _run(self) -> None:
        waiting = select.epoll()
        waiting.register(self._listener, select.EPOLLIN)
        waiting.register(self._wake_read, select.EPOLLIN)
        while True:
            for descriptor, _ in waiting.poll():
                if descriptor == self._listener.fileno():
                    self._accept()
                elif not os.read(self._wake_read, 64).startswith(b"x"):
                    return
                else:
                    for client in self._clients:
                        client.send(self._event)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._clients.append(client)

    def close(self) -> None:
        os.write(self._wake_write, b"-")
        self._thread.join()
        for client in self._clients:
            client.close()


def body_of(document: dict[str, Any]) -> str:
    """The envelope of *document* as our server sends it, for the plain route to send as well."""
    import json

    envelope = {
        "config": document,
        "generation": 1,
        "realm_id": "served",
        "instance_id": None,
        "backend": "embedded",
        "view": "own",
    }
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False)
