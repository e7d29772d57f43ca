"""
The route that is asked most, a realm's configuration: answered before any routing, with bytes that are at hand.

Decides only when that can be done.  Whatever is unusual about a request, not proved by a look at memory, or refused, is
left to the ordinary way, which finds the same answer, or says what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import starlette.datastructures

from realmconf.domain.names import RealmName
from realmconf.errors import RealmconfError
from realmconf.runtime.hub import awaiting_adoption
from realmconf.surfaces.http.problems import Problem
from realmconf.surfaces.http.ready import Ready, Shelf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Message, Scope

    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.runtime import ConfigRuntime
    from realmconf.surfaces.http.ready import Place
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


class Asking:
    """What the headers of a request say, of those that are looked at here."""

    __slots__ = ("accept", "authorization", "host", "none_match")

    def __init__(self) -> None:
        self.host: bytes | None = None
        self.authorization: bytes | None = None
        self.accept: bytes | None = None
        self.none_match: bytes | None = None


class Seat:
    """One caller's way to one realm: who it is, and where the answer stands that it is given there."""

    __slots__ = ("ends_nanoseconds", "place", "session", "tokens", "where")

    def __init__(
        self,
        session: Session,
        where: ConfigRuntime[Mapping[str, Any]],
        tokens: Mapping[str, Any],
        place: Place,
    ) -> None:
        self.session = session
        self.where = where
        self.tokens = tokens
        """What the record of tokens said: as long as it is this very object, the caller is the same."""
        self.ends_nanoseconds = _ends_nanoseconds(session.grant.expires_at)
        self.place = place


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
        self.shelf = Shelf()
        self._counts = {
            (method == "GET", status): server.metrics.counting(ROUTE, method, status)
            for method in ("GET", "HEAD")
            for status in (200, 304, 404)
        }

    async def find(self, scope: Scope) -> tuple[Message, Message] | None:
        """The answer as two messages, if it can be had at once; else None, and nothing was done."""
        method = scope["method"]
        if (method != "GET" and method != "HEAD") or scope["query_string"]:
            return None
        path: bytes | None = scope.get("raw_path")
        if path is None or not path.startswith(START) or not path.endswith(END):
            return None
        if not self._is_possible or self._server.stopping.is_set():
            return None
        asking = _asking(scope["headers"])
        if asking is None or (
            asking.host not in self._hosts and not self._is_ours(scope, asking.host)
        ):
            return None
        try:
            ready = await self._ready(asking.authorization, path[len(START) : -len(END)])
        except (Problem, RealmconfError):
            # The ordinary way meets it too, and tells.
            return None
        return None if ready is None else self._chosen(ready, asking.none_match, method)

    def _chosen(
        self, ready: Ready, none_match: bytes | None, method: str
    ) -> tuple[Message, Message] | None:
        if none_match is None or not ready.etag:
            start, body = ready.start, ready.body if method == "GET" else BODILESS
        elif none_match == ready.etag:
            start, body = ready.unchanged, BODILESS
        else:
            return None
        self._counts[method == "GET", start["status"]]()
        return start, body

    async def _ready(self, authorization: bytes | None, realm: bytes) -> Ready | None:
        if authorization is None:
            return None
        seat = self._seats.get((authorization, realm))
        if (
            seat is None
            or seat.tokens is not self._ledger.read()
            or self._now() >= seat.ends_nanoseconds
        ):
            seat = self._seat(authorization, realm)
            if seat is None:
                return None
        place = seat.place
        ready = place.ready
        if ready is None or not ready.is_proved():
            return await self._fresh(seat)
        shelf = self.shelf
        place.used = shelf.clock = shelf.clock + 1
        return ready

    async def _fresh(self, seat: Seat) -> Ready | None:
        """
        The answer for the newest state; None where the ordinary way must find it.

        Raises:
            Problem, RealmconfError: Why there is none.
        """
        realm, place = seat.where.realm_id, seat.place
        point = self._lineages.peek(realm) or self._lineages.point(realm, adopt=False)
        ready = place.ready
        if ready is not None and ready.point is point:
            # Asked for again: from now on it is worth a proof.
            ready.prove(self._store)
            return ready
        if awaiting_adoption(point):
            return None
        # Not here: a large document is written, redacted and digested for longer than others should wait.
        made = await self._server.reading(Ready, seat.session, seat.where, point, self._more)
        self.shelf.put(place, made)
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
        place = self.shelf.place(name, shows_secrets=session.shows_secrets)
        seat = Seat(session, session.realm(name), tokens, place)
        self._seats[authorization, realm] = seat
        return seat


def _asking(headers: Sequence[tuple[bytes, bytes]]) -> Asking | None:
    """What *headers* say; None if one is there twice, or needs the ordinary way."""
    asking = Asking()
    for name, value in headers:
        if name in USUAL:
            if name == b"host":
                if asking.host is not None:
                    return None
                asking.host = value
            elif name == b"authorization":
                if asking.authorization is not None:
                    return None
                asking.authorization = value
            elif name == b"accept":
                if value not in ACCEPTED or asking.accept is not None:
                    return None
                asking.accept = value
            else:
                if asking.none_match is not None:
                    return None
                asking.none_match = value
        elif name in UNUSUAL:
            return None
    return asking
