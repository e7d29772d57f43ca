"""
The route that is asked most, a realm's configuration: answered before any routing, with bytes that are at hand.

Decides only when that can be done; whatever is unusual about a request, or not proved by a look at memory, is left
to the ordinary way, which would answer the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realmconf.domain.names import RealmName
from realmconf.errors import RealmconfError
from realmconf.runtime.hub import awaiting_adoption
from realmconf.runtime.operations.results import View
from realmconf.surfaces.http.preconditions import Conditions
from realmconf.surfaces.http.replies import JSON
from realmconf.surfaces.http.views import conditional, representation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Message, Scope, Send

    from realmconf.runtime.lineages import Point
    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.runtime import ConfigRuntime
    from realmconf.surfaces.http.replies import Reply
    from realmconf.surfaces.http.server import Server

START = b"/v1/realms/"
END = b"/config"
ROUTE = "/v1/realms/{realm}/config"
BEARER = b"Bearer "
ACCEPTED = frozenset((b"*/*", b"application/json"))
SEATS_KEPT = 4_096
TOKEN_BYTES_MAX = 64

USUAL = frozenset((b"host", b"authorization", b"accept", b"if-none-match"))
"""Headers that are looked at here."""
UNUSUAL = frozenset(
    (
        b"content-encoding",
        b"content-length",
        b"cookie",
        b"expect",
        b"if-match",
        b"if-modified-since",
        b"if-range",
        b"if-unmodified-since",
        b"origin",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Headers that are left to the ordinary way."""


class Seat:
    """One caller's place at one realm: the handle, and the answer that was last given there."""

    __slots__ = ("body", "etag", "head", "point", "session", "start", "unchanged", "where")

    def __init__(self, session: Session, where: ConfigRuntime[Mapping[str, Any]]) -> None:
        self.session = session
        self.where = where
        self.point: Point | None = None
        self.etag = b""
        self.start: Message = {}
        self.body: Message = {}
        self.head: Message = {"type": "http.response.body", "body": b""}
        self.unchanged: Message = {}

    def fill(self, point: Point) -> None:
        """Make the answer for *point*."""
        snapshot = self.where.snapshot_of(point)
        found = View(snapshot=snapshot, view="own")
        reply, opaque = representation(self.session, found, at=None, media=JSON)
        not_modified: Reply = (
            conditional(reply, opaque, Conditions(none_match="*")) if reply.status == 200 else reply
        )
        self.start = reply.start()
        self.body = {"type": "http.response.body", "body": reply.body}
        self.unchanged = not_modified.start()
        self.etag = f'"{opaque}"'.encode() if reply.status == 200 else b""
        self.point = point


class Hot:
    """Answers to ``GET …/config``, for one server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tokens = server.tokens
        self._access = server.access
        self._lineages = server.client.lineages
        self._is_possible = server.reads_in_memory and not server.settings.origins
        self._hosts: frozenset[bytes] = frozenset()
        self._seats: dict[tuple[str, bytes], Seat] = {}
        self._counts: dict[tuple[str, int], Callable[[], None]] = {}

    async def answer(self, scope: Scope, send: Send) -> bool:
        """Answer, if that can be done at once; else False, and nothing was done."""
        method = scope["method"]
        if (method != "GET" and method != "HEAD") or scope["query_string"]:
            return False
        path: bytes | None = scope.get("raw_path")
        if path is None or not path.startswith(START) or not path.endswith(END):
            return False
        if not self._is_possible or self._server.stopping.is_set():
            return False
        return await self._answer(scope, send, method, path[len(START) : -len(END)])

    async def _answer(self, scope: Scope, send: Send, method: str, realm: bytes) -> bool:
        host = authorization = accept = none_match = None
        for name, value in scope["headers"]:
            if name in USUAL:
                if name == b"host":
                    if host is not None:
                        return False
                    host = value
                elif name == b"authorization":
                    if authorization is not None:
                        return False
                    authorization = value
                elif name == b"accept":
                    if accept is not None:
                        return False
                    accept = value
                else:
                    if none_match is not None:
                        return False
                    none_match = value
            elif name in UNUSUAL:
                return False
        if host not in self._hosts and not self._is_ours(scope, host):
            return False
        if authorization is None or not authorization.startswith(BEARER):
            return False
        if accept is not None and accept not in ACCEPTED:
            return False
        grant = self._tokens.grant_of(authorization[len(BEARER) :].decode("latin-1"))
        if grant is None:
            return False
        seat = self._seats.get((grant.id, realm))
        if seat is None or seat.session.grant is not grant:
            seat = self._seat(authorization, realm)
            if seat is None:
                return False
        point = self._lineages.peek(seat.where.realm_id)
        if point is None:
            point = self._lineages.point(seat.where.realm_id, adopt=False)
        if point is not seat.point:
            if awaiting_adoption(point):
                return False
            try:
                seat.fill(point)
            except RealmconfError:
                # The ordinary way says why.
                return False
        if none_match is None or not seat.etag:
            start, body = seat.start, seat.body if method == "GET" else seat.head
        elif none_match == seat.etag:
            start, body = seat.unchanged, seat.head
        else:
            return False
        self._count(method, start["status"])
        await send(start)
        await send(body)
        return True

    def _is_ours(self, scope: Scope, host: bytes | None) -> bool:
        """Whether *host* is one of our names, which is remembered; a name that depends on the connection is not."""
        from starlette.datastructures import Headers

        from realmconf.surfaces.http.problems import Problem

        if host is None:
            return False
        try:
            self._access.check_host({**scope, "server": None}, Headers(raw=[(b"host", host)]))
        except (Problem, RealmconfError):
            return False
        if len(self._hosts) < HOSTS_KEPT:
            self._hosts |= {host}
        return True

    def _seat(self, authorization: bytes, realm: bytes) -> Seat | None:
        try:
            name = RealmName(realm.decode("ascii"))
            session = self._access.session(authorization[len(BEARER) :].decode("latin-1"))
        except (UnicodeDecodeError, RealmconfError):
            return None
        if not session.grant.allows("read", name):
            return None
        if len(self._seats) >= SEATS_KEPT:
            self._seats.clear()
        seat = self._seats[session.grant.id, realm] = Seat(session, session.realm(name))
        return seat

    def _count(self, method: str, status: int) -> None:
        count = self._counts.get((method, status))
        if count is None:
            count = self._counts[method, status] = self._server.metrics.counting(
                ROUTE, method, status
            )
        count()


HOSTS_KEPT = 64
