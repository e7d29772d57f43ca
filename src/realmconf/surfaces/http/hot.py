"""
The route that is asked most, a realm's configuration: answered before any routing, with bytes that are at hand.

Decides only when that can be done; whatever is unusual about a request, or not proved by a look at memory, is left
to the ordinary way, which would answer the same.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import starlette.datastructures

from realmconf.domain.names import RealmName
from realmconf.errors import RealmconfError
from realmconf.runtime.hub import awaiting_adoption
from realmconf.runtime.operations.results import View
from realmconf.surfaces.http.etags import quoted
from realmconf.surfaces.http.problems import Problem
from realmconf.surfaces.http.replies import JSON
from realmconf.surfaces.http.views import representation, unchanged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Message, Scope, Send

    from realmconf.runtime.lineages import Point
    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.runtime import ConfigRuntime
    from realmconf.surfaces.http.replies import Headers
    from realmconf.surfaces.http.server import Server

START = b"/v1/realms/"
END = b"/config"
ROUTE = "/v1/realms/{realm}/config"
BEARER = b"Bearer "
ACCEPTED = frozenset((b"*/*", b"application/json"))
SEATS_KEPT = 4_096
HOSTS_KEPT = 64
NEVER_NANOSECONDS = 2**63
BODILESS: Message = {"type": "http.response.body", "body": b""}
VARIES: Headers = ((b"vary", b"Origin"),)
"""What an answer has that is another one for pages that are let in, who are answered in the ordinary way."""

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


class Ready:
    """The answer for one point, as bytes; never changed, but for the proof that it is still the newest."""

    __slots__ = ("body", "etag", "point", "proof", "start", "unchanged")

    def __init__(
        self, session: Session, where: ConfigRuntime[Mapping[str, Any]], point: Point, more: Headers
    ) -> None:
        found = View(snapshot=where.snapshot_of(point), view="own")
        reply, opaque = representation(session, found, at=None, media=JSON)
        self.point = point
        self.start = reply.with_headers(*more).start()
        self.body: Message = {"type": "http.response.body", "body": reply.body}
        self.unchanged = unchanged(opaque).with_headers(*more).start()
        # What is not there is not unchanged.
        self.etag = quoted(opaque) if reply.status == 200 else b""
        self.proof: tuple[Sequence[int], int] = ((), 0)
        """A word of the store's memory, and what it was when the point was the newest."""

    def is_proved(self) -> bool:
        """Whether nothing has been written since; one look at memory."""
        words, mark = self.proof
        try:
            return words[0] == mark
        except (IndexError, ValueError):
            # There is no proof, or the store has taken it back.
            return False

    def prove(self, store: Any) -> None:
        """Have the store prove that the point is the newest, from now on."""
        point = self.point
        proof = store.proof(point.watched)
        if proof is not None and all(map(operator.is_, proof.heads, point.watched_heads)):
            self.proof = (proof.words, proof.mark)


class Seat:
    """One caller's place at one realm: who it is, and the answer that was last given there."""

    __slots__ = ("ends_nanoseconds", "ready", "session", "tokens", "where")

    def __init__(
        self, session: Session, where: ConfigRuntime[Mapping[str, Any]], tokens: Mapping[str, Any]
    ) -> None:
        self.session = session
        self.where = where
        self.tokens = tokens
        """What the record of tokens said: as long as it is this very object, the caller is the same."""
        self.ends_nanoseconds = _ends_nanoseconds(session.grant.expires_at)
        self.ready: Ready | None = None


def _ends_nanoseconds(expires_at: str | None) -> int:
    if expires_at is None:
        return NEVER_NANOSECONDS
    from datetime import datetime

    return int(datetime.fromisoformat(expires_at).timestamp() * 1e9)


class Hot:
    """Answers to ``GET …/config``, for one server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ledger = server.tokens.ledger
        self._store = server.client.store
        self._now = server.client.world.time_nanoseconds
        self._access = server.access
        self._lineages = server.client.lineages
        self._is_possible = server.reads_in_memory
        self._more: Headers = VARIES if server.settings.origins else ()
        self._hosts: frozenset[bytes] = frozenset()
        self._seats: dict[tuple[bytes, bytes], Seat] = {}
        self._counts = {
            (method == "GET", status): server.metrics.counting(ROUTE, method, status)
            for method in ("GET", "HEAD")
            for status in (200, 304, 404)
        }

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
        if authorization is None or (accept is not None and accept not in ACCEPTED):
            return False
        seat = self._seats.get((authorization, realm))
        if (
            seat is None
            or seat.tokens is not self._ledger.read()
            or self._now() >= seat.ends_nanoseconds
        ):
            seat = self._seat(authorization, realm)
            if seat is None:
                return False
        ready = seat.ready
        if ready is None or not ready.is_proved():
            ready = await self._fresh(seat)
            if ready is None:
                return False
        if none_match is None or not ready.etag:
            start, body = ready.start, ready.body if method == "GET" else BODILESS
        elif none_match == ready.etag:
            start, body = ready.unchanged, BODILESS
        else:
            return False
        self._counts[method == "GET", start["status"]]()
        await send(start)
        await send(body)
        return True

    async def _fresh(self, seat: Seat) -> Ready | None:
        """The answer for the newest state; None where the ordinary way must find it, or say why there is none."""
        realm = seat.where.realm_id
        try:
            point = self._lineages.peek(realm) or self._lineages.point(realm, adopt=False)
            ready = seat.ready
            if ready is not None and ready.point is point:
                # Asked for again: from now on it is worth a proof.
                ready.prove(self._store)
                return ready
            if awaiting_adoption(point):
                return None
            # Not here: a large document is written, redacted and digested for longer than others should wait.
            made = await self._server.reading(Ready, seat.session, seat.where, point, self._more)
        except RealmconfError:
            return None
        seat.ready = made
        return made

    def _is_ours(self, scope: Scope, host: bytes | None) -> bool:
        """Whether *host* is one of our names, which is remembered; a name that depends on the connection is not."""
        if host is None:
            return False
        try:
            self._access.check_host(
                {**scope, "server": None}, starlette.datastructures.Headers(raw=[(b"host", host)])
            )
        except (Problem, RealmconfError):
            return False
        if len(self._hosts) < HOSTS_KEPT:
            self._hosts |= {host}
        return True

    def _seat(self, authorization: bytes, realm: bytes) -> Seat | None:
        if not authorization.startswith(BEARER):
            return None
        # Before the token is looked at: if it changes meanwhile, the seat is not taken for good.
        tokens = self._ledger.read()
        try:
            name = RealmName(realm.decode("ascii"))
            session = self._access.session(authorization[len(BEARER) :].decode("latin-1"))
        except (UnicodeDecodeError, RealmconfError):
            self._seats.pop((authorization, realm), None)
            return None
        if not session.grant.allows("read", name):
            return None
        known = self._seats.get((authorization, realm))
        if known is not None and known.session is session:
            known.tokens = tokens
            return known
        if len(self._seats) >= SEATS_KEPT:
            self._seats.clear()
        seat = self._seats[authorization, realm] = Seat(session, session.realm(name), tokens)
        return seat
