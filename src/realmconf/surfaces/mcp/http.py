"""
MCP over streamable HTTP, for mounting below a server that has checked host, origin and token.

Decides that every request stands for itself, so that any worker process can answer it, and that streams end with the
server and with the rights of their callers.  Without a grant that whoever mounts it has put into the scope nothing is
answered.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import ClientDisconnect

from realmconf.errors import Unauthenticated
from realmconf.runtime.operations.session import GRANT_IN_SCOPE
from realmconf.runtime.tokens import Tokens
from realmconf.surfaces.envelope import answer_to, error_object
from realmconf.surfaces.mcp.rights import allowance, narrowed
from realmconf.surfaces.mcp.server import UNNAMED, Host
from realmconf.surfaces.mcp.tools import text_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
    from typing import Any

    from realmconf.runtime.access import Grant
    from realmconf.runtime.client import Client
    from realmconf.surfaces.mcp.rights import Allowance

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

GRANT = GRANT_IN_SCOPE
REQUEST_BYTES_MAX = 262_144


def asgi_app(
    client: Client,
    *,
    allow_write: bool = False,
    allow_path: Iterable[str] = (),
    allow_realm: Iterable[str] = (),
    grant_of_request: Callable[[Scope], Grant | None] | None = None,
    is_current: Callable[[Grant], bool] | None = None,
    hosts: Sequence[str] | None = None,
    origins: Sequence[str] = (),
    expose_paths: bool = False,
) -> HttpApp:
    """
    An ASGI application that answers MCP at whatever path it is mounted.

    Callers write what *allow_write*, *allow_path* and *allow_realm* (without: any) let them, and their own rights too.
    *grant_of_request* finds those (else the scope's ``realmconf.grant``); *is_current* tells whether they are still
    good (else the store's tokens).  *expose_paths* tells callers where files are on this machine.  With *hosts*
    (``name:port``, ``name:*``) and *origins* the headers are checked here too.

    Raises:
        InvalidArgument, InvalidPointer: The options contradict each other, or allow what is never allowed.
    """
    return HttpApp(
        client,
        allowed=allowance(allow_write=allow_write, paths=allow_path, realms=allow_realm),
        grant_of_request=grant_of_request or (lambda scope: scope.get(GRANT)),
        is_current=is_current or _by_tokens(client),
        security=TransportSecuritySettings(
            enable_dns_rebinding_protection=hosts is not None,
            allowed_hosts=list(hosts or ()),
            allowed_origins=list(origins),
        ),
        exposes_paths=expose_paths,
    )


def _by_tokens(client: Client) -> Callable[[Grant], bool]:
    tokens = Tokens(client)
    # Whoever has the store in hand has no token that could end.
    return lambda grant: not grant.id or tokens.is_good(grant.id)


class HttpApp:
    """The application.  ``close_streams`` when the server begins to end, ``close`` when it ends; both on its loop."""

    body_bytes_max = REQUEST_BYTES_MAX
    """What whoever mounts it need not read more of."""

    def __init__(
        self,
        client: Client,
        *,
        allowed: Allowance,
        grant_of_request: Callable[[Scope], Grant | None],
        is_current: Callable[[Grant], bool],
        security: TransportSecuritySettings,
        exposes_paths: bool = False,
    ) -> None:
        self._allowed = allowed
        self._grant_of_request = grant_of_request
        self._host = Host(
            client,
            grant_of=self._grant_of,
            is_current=is_current,
            gone=_gone,
            keeps_connections=False,
            shows_paths=exposes_paths,
        )
        logging.getLogger("mcp.server.streamable_http").addFilter(_is_not_of_who_left)
        self._manager = StreamableHTTPSessionManager(
            self._host.server,
            json_response=True,
            stateless=True,
            security_settings=security,
            max_request_body_size=REQUEST_BYTES_MAX,
        )
        self._running: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] | None = None
        self._ending = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._grant_of_request(scope) is None:
            refusal = Unauthenticated()
            status = answer_to(refusal).status or 401
            headers = [(b"www-authenticate", b"Bearer")]
            await _say(send, status, text_of(error_object(refusal)), headers)
        elif scope["method"] != "POST":
            # There is nothing to wait for on a stream of its own, and no session to end.
            await _say(send, 405, "", [(b"allow", b"POST")])
        elif self._ending.is_set():
            await _say(send, 503, "", [(b"retry-after", b"1")])
        else:
            await self._start()
            # Whoever left in the middle of a request is answered nothing.
            with suppress(ClientDisconnect):
                await self._manager.handle_request(scope, receive, send)

    def _grant_of(self, context: Any, name: str | None) -> Grant:
        grant = self._grant_of_request(context.request.scope)
        if grant is None:
            raise Unauthenticated
        # What a client calls itself is its own word, the token's name is not: a history has both.  Only the
        # handshake tells the former in the older protocol, and here nobody remembers it.
        known = [one for one in (name, grant.name and _plain_token_name(grant.name)) if one]
        author = f"mcp:{'@'.join(known) or UNNAMED}"
        return narrowed(grant, self._allowed, caller=grant.id, author=author)

    # --- its life

    async def _start(self) -> None:
        """Have the SDK's task group run: a mounted application is not told when the server starts."""
        if self._started is None:
            self._started = asyncio.get_running_loop().create_future()
            self._running = asyncio.create_task(self._run(self._started))
        await asyncio.shield(self._started)

    async def _run(self, started: asyncio.Future[None]) -> None:
        async with self._manager.run():
            started.set_result(None)
            await self._ending.wait()

    def close_streams(self) -> None:
        """Let every stream come to its end, which it tells its reader, and answer nothing new. Idempotent."""
        self._host.close()

    async def close(self) -> None:
        """End; what is still answered is cut off. Idempotent."""
        self.close_streams()
        self._ending.set()
        if self._running is not None:
            await asyncio.wait([self._running])

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _plain_token_name(told: str) -> str:
    """A token's name as in any history, but without the sign that parts it from its client's; never cut short."""
    return re.sub(r"[^A-Za-z0-9._/+() -]+", "-", told).strip(" -")


async def _gone(context: Any) -> None:
    while (await context.request.receive())["type"] != "http.disconnect":
        pass


def _is_not_of_who_left(record: logging.LogRecord) -> bool:
    """Whether what the SDK logs is more than that a client hung up."""
    return not (record.exc_info and isinstance(record.exc_info[1], ClientDisconnect))


async def _say(send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]]) -> None:
    body = text.encode()
    about = [(b"content-type", b"application/problem+json")] if body else []
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, *about, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})
