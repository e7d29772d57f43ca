"""
The ASGI application: the hot route first, then names, origins and tokens, then the routes of the table.

Decides the order in which a request is looked at, and that every failure is answered with a problem.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.routing import Route, Router

from realmconf.errors import InvalidArgument, OutcomeUnknown, RealmconfError, Unauthenticated
from realmconf.runtime.operations.session import GRANT_IN_SCOPE
from realmconf.runtime.placeless import error_afar
from realmconf.surfaces.defects import PLEA, places
from realmconf.surfaces.http import bodies, dispatch, meerkat, ordinary
from realmconf.surfaces.http.access import READING_METHODS
from realmconf.surfaces.http.bodies import ClientGoneError
from realmconf.surfaces.http.hot import Hot
from realmconf.surfaces.http.incoming import Incoming
from realmconf.surfaces.http.metrics import NO_ROUTE
from realmconf.surfaces.http.problems import DEFECT, Problem, problem_of
from realmconf.surfaces.http.replies import Reply, send_reply
from realmconf.surfaces.http.work import ASKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Message, Receive, Scope, Send

    from realmconf.surfaces.http.server import Server
    from realmconf.surfaces.http.settings import Mount

    Work = Any

STORE = "/v1/store/"
METHODS_ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
HEADERS_ALLOWED = (
    "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID"
)
HEADERS_EXPOSED = "ETag, Link, Retry-After"
PREFLIGHT_SECONDS = 600

log = logging.getLogger("realmconf.http")


class App:
    """What a server of HTTP calls for each request."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._hot = Hot(server)
        self._router = Router(
            routes=[
                Route(path, endpoint=Resource(self, path, methods, is_open=is_open))
                for path, methods, is_open in _resources(server)
            ],
            redirect_slashes=False,
            default=_no_route,
        )
        self._mounts = server.settings.mounts

    @property
    def server(self) -> Server:
        """What its requests share."""
        return self._server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            found = await self._hot.find(scope)
            if found is None:
                await self._answer(scope, receive, send)
            else:
                await send(found[0])
                await send(found[1])
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                # Both belong to the loop that is running now.
                _ = self._server.stopping, self._server.hub
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._server.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _told(self, error: RealmconfError) -> RealmconfError:
        if self._server.settings.exposes_paths:
            return error
        return error_afar(error, self._server.client)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        counted = Sending(send)
        incoming = Incoming(scope, receive, counted)
        began = perf_counter()
        try:
            await self._answer_or_refuse(incoming, counted)
        except ClientGoneError:
            return
        except Problem as problem:
            await self._refuse(incoming, counted, problem.reply())
        except RealmconfError as error:
            await self._refuse(incoming, counted, problem_of(self._told(error)))
        except asyncio.CancelledError:
            # The server ends and waits no longer for this.
            await self._refuse(incoming, counted, _cut_off(incoming.method))
        except Exception as defect:  # noqa: BLE001 - the one place that turns a defect into an answer
            log.error("a defect: %s", places(defect))
            found = Problem(DEFECT, PLEA)
            await self._refuse(incoming, counted, found.reply())
        finally:
            metrics, route = self._server.metrics, incoming.route or NO_ROUTE
            metrics.answered(route, _method(incoming.method), counted.status)
            if not incoming.is_long:
                metrics.took(route, perf_counter() - began)

    async def _answer_or_refuse(self, incoming: Incoming, counted: Sending) -> None:
        access = self._server.access
        host = access.check_host(incoming.scope, incoming.headers)
        origin = access.check_origin(incoming.headers, host)
        if self._server.settings.origins:
            counted.add(_cross_origin(origin))
        if (
            origin is not None
            and incoming.method == "OPTIONS"
            and "access-control-request-method" in incoming.headers
        ):
            await send_reply(counted, _preflight(), method="OPTIONS")
            return
        if incoming.scope["path"] == "*":
            if incoming.method != "OPTIONS":
                raise InvalidArgument("a path begins with /")
            # Asked of the server as a whole (RFC 9110, 9.3.7).
            allow = (b"allow", METHODS_ALLOWED.encode())
            await send_reply(counted, Reply(status=204, headers=(allow,)), method="OPTIONS")
            return
        path = incoming.scope.get("raw_path") or incoming.scope["path"].encode()
        # Undecoded, so that what is quoted in a segment does not become another segment.
        text = path.partition(b"?")[0].decode("latin-1")
        mount = self._mount_of(text)
        if mount is not None:
            await self._mounted_answer(mount, incoming)
        elif text.startswith(STORE) and text != STORE:
            await self._store_answer(incoming)
        else:
            scope = {**incoming.scope, "path": text, "root_path": "", "incoming": incoming}
            await self._router(scope, incoming.receive, counted)

    async def identify(self, incoming: Incoming) -> None:
        """
        Find out who asks.

        Raises:
            Unauthenticated: Nobody can tell.
        """
        server = self._server
        if server.reads_in_memory:
            incoming.caller = server.access.caller(incoming.headers, method=incoming.method)
        else:
            incoming.caller = await server.reading(
                lambda: server.access.caller(incoming.headers, method=incoming.method)
            )
        ASKING.set(incoming.caller.session.grant.id)

    # --- what others answer ------------------------------------------------------------------

    def _mount_of(self, path: str) -> Mount | None:
        for mount in self._mounts:
            if path == mount.path or path.startswith(mount.path + "/"):
                return mount
        return None

    async def _mounted_answer(self, mount: Mount, incoming: Incoming) -> None:
        incoming.route = mount.path
        await self.identify(incoming)
        assert incoming.caller is not None
        if incoming.caller.by_cookie:
            raise Unauthenticated("the cookie is good for reading only")
        incoming.is_long = True
        mounted = self._server.mounted(mount)
        body = await bodies.read(
            incoming.receive,
            incoming.headers,
            bytes_max=mounted.body_bytes_max,
            seconds=self._server.settings.request_seconds,
        )
        scope = {**incoming.scope, GRANT_IN_SCOPE: incoming.caller.session.grant}
        await mounted(scope, _replaying(body, incoming.receive), incoming.send)

    async def _store_answer(self, incoming: Incoming) -> None:
        from realmconf.surfaces.http.store_routes import store

        incoming.route = STORE
        incoming.is_long = True
        await self.identify(incoming)
        assert incoming.caller is not None
        await store(
            incoming.scope,
            incoming.receive,
            incoming.send,
            session=incoming.caller.session,
            server=self._server,
        )

    async def _refuse(self, incoming: Incoming, counted: Sending, reply: Reply) -> None:
        if not counted.status:
            await send_reply(counted, reply, method=incoming.method)
        # Else the answer has begun; that it ends early, for which the server sees, is all that can be told.


def _replaying(body: bytes | None, receive: Receive) -> Receive:
    """``receive`` of a request whose *body* was read already; None: it has none, and nothing was read."""
    rest: list[Message] = []
    if body is not None:
        rest.append({"type": "http.request", "body": body, "more_body": False})

    async def replay() -> Message:
        return rest.pop() if rest else await receive()

    return replay


class Sending:
    """``send``, which remembers the status and adds headers."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._more: tuple[tuple[bytes, bytes], ...] = ()
        self.status = 0

    def add(self, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        """Headers that the answer is to have, whatever it is."""
        self._more = headers

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._more:
                message = {**message, "headers": [*message["headers"], *self._more]}
        await self._send(message)


class Resource:
    """What one path has: an ASGI application."""

    def __init__(self, app: App, path: str, methods: Mapping[str, Work], *, is_open: bool) -> None:
        self._app = app
        self._path = path
        self._methods = methods
        self._is_open = is_open
        reading = methods.get("GET")
        # Asking may settle something: a method that changes nothing cannot stand for that.
        self._has_head = reading is not None and not (
            isinstance(reading, tuple) and any(one.role == "write" for one in reading)
        )
        allowed = [*methods, *(["HEAD"] if self._has_head else []), "OPTIONS"]
        self._allow = (b"allow", ", ".join(allowed).encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming: Incoming = scope["incoming"]
        incoming.scope = scope
        incoming.route = self._path
        method = incoming.method
        if not self._is_open and (self._path, method) not in ordinary.UNGUARDED:
            await self._app.identify(incoming)
        if method == "OPTIONS":
            await send_reply(send, Reply(status=204, headers=(self._allow,)), method=method)
            return
        work = self._methods.get("GET" if method == "HEAD" and self._has_head else method)
        if work is None:
            allow = self._allow[1].decode()
            raise Problem("method_not_allowed", f"this path takes {allow}", headers=(self._allow,))
        server = self._app.server
        if isinstance(work, tuple):
            await dispatch.answer(server, incoming, work)
        else:
            await send_reply(send, await work(server, incoming), method=method)


def _resources(server: Server) -> list[tuple[str, Mapping[str, Work], bool]]:
    found: list[tuple[str, Mapping[str, Work], bool]] = [
        *((path, methods, True) for path, methods in ordinary.OPEN.items()),
        *((path, methods, False) for path, methods in ordinary.GUARDED.items()),
        *((path, methods, False) for path, methods in dispatch.operations_by_path().items()),
    ]
    if server.settings.meerkat_realm is not None:
        found.append((meerkat.PATH, meerkat.METHODS, False))
    return found


async def _no_route(scope: Scope, receive: Receive, send: Send) -> None:
    raise Problem("unknown_path", "there is no such path; /openapi.json lists those that there are")


def _method(method: str) -> str:
    """As a label: whatever a caller may invent is one."""
    return method if method in METHODS_ALLOWED.split(", ") else "other"


def _cut_off(method: str) -> Reply:
    if method in READING_METHODS:
        return Problem("stopping", "the server is about to end").reply()
    return problem_of(OutcomeUnknown(None, reason="the server is about to end"))


def _cross_origin(origin: str | None) -> tuple[tuple[bytes, bytes], ...]:
    varies = ((b"vary", b"Origin"),)
    if origin is None:
        return varies
    return (
        *varies,
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", HEADERS_EXPOSED.encode()),
    )


def _preflight() -> Reply:
    return Reply(
        status=204,
        headers=(
            (b"access-control-allow-methods", METHODS_ALLOWED.encode()),
            (b"access-control-allow-headers", HEADERS_ALLOWED.encode()),
            (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
        ),
    )
