"""
Hints for clients that take this server for a store: that something was committed, and where the store stands.

Decides who is told: whoever may read everything, of everything; others of what they may see, so that the silence of
other realms stays theirs: what they may not see makes nothing be sent.  Hints that come at once are one, and one look
serves all streams of a token.  A stream ends with the token that opened it, and counts as any other.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from realmconf.domain.names import GLOBAL, is_system
from realmconf.errors import RateLimited, RealmconfError
from realmconf.surfaces.http.replies import EVENTS
from realmconf.surfaces.http.stream_limits import STREAM_LIMITS

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from realmconf.runtime.operations.session import Session
    from realmconf.surfaces.http.server import Server

    Look = tuple[int, object]

BEAT_SECONDS = 8.0
"""After so long without a hint the stream says that it lives."""
GATHERING_SECONDS = 0.002
"""What comes within that is one hint."""

START: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", EVENTS.encode()),
        (b"cache-control", b"no-store, no-transform"),
        (b"x-accel-buffering", b"no"),
    ],
}


class Bell:
    """The one subscription of a server, and everybody who waits for it on the event loop."""

    def __init__(self, server: Server) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Event] = set()
        self._is_due = False
        self._rings = 0
        self._looks: dict[str, tuple[int, asyncio.Future[Look]]] = {}
        self._of_token: dict[str, int] = {}
        self._signal = server.client.store.signal(())
        self._signal.listen(self._hint)

    def _hint(self) -> None:
        # From any thread.
        if self._is_due:
            return
        self._is_due = True
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        self._is_due = False
        self._rings += 1
        for event in self._waiting:
            event.set()

    def add(self, token_id: str, others: int) -> asyncio.Event:
        """
        An event that is set at every hint; *others* are the streams that there are besides.

        Raises:
            RateLimited: There are too many already, or too many of this token.
        """
        wait = STREAM_LIMITS.retry_after_seconds
        if len(self._waiting) + others >= STREAM_LIMITS.total:
            raise RateLimited("open streams", retry_after_seconds=wait)
        if token_id and self._of_token.get(token_id, 0) >= STREAM_LIMITS.of_one_token:
            raise RateLimited("open streams of one token", retry_after_seconds=wait)
        self._of_token[token_id] = self._of_token.get(token_id, 0) + 1
        event = asyncio.Event()
        self._waiting.add(event)
        return event

    def remove(self, event: asyncio.Event, token_id: str) -> None:
        """Tell it no more."""
        self._waiting.discard(event)
        self._of_token[token_id] -= 1
        if not self._of_token[token_id]:
            del self._of_token[token_id]
            self._looks.pop(token_id, None)

    async def look(self, session: Session, server: Server) -> Look:
        """What the caller sees since the last hint: found out once for all its streams."""
        token_id = session.grant.id
        known = self._looks.get(token_id)
        if known is None or known[0] != self._rings or _has_failed(known[1]):
            looking = asyncio.ensure_future(server.reading(_look, session))
            known = self._looks[token_id] = (self._rings, looking)
        return await asyncio.shield(known[1])


def _has_failed(looking: asyncio.Future[Look]) -> bool:
    return looking.done() and (looking.cancelled() or looking.exception() is not None)


_bells: WeakKeyDictionary[Server, Bell] = WeakKeyDictionary()


def _bell_of(server: Server) -> Bell:
    bell = _bells.get(server)
    if bell is None:
        bell = _bells[server] = Bell(server)
    return bell


async def signals(
    scope: Scope, receive: Receive, send: Send, *, session: Session, server: Server
) -> None:
    """Stream hints until somebody has enough."""
    # Before the first look, so that nothing comes between.
    bell = _bell_of(server)
    token_id = session.grant.id
    rung = bell.add(token_id, len(server.streams))
    gone = asyncio.ensure_future(_wait_until_gone(receive))
    stopping = asyncio.ensure_future(server.stopping.wait())
    try:
        seen = await bell.look(session, server)
        await send(START)
        await send(_event("beat", seen[0]))
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + BEAT_SECONDS
        while not gone.done() and not stopping.done():
            waiting = asyncio.ensure_future(rung.wait())
            await asyncio.wait(
                (waiting, gone, stopping),
                timeout=max(0.0, beat_at - loop.time()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            is_rung = waiting.done()
            waiting.cancel()
            if gone.done() or stopping.done():
                break
            if is_rung:
                await asyncio.sleep(GATHERING_SECONDS)
                # Before the look: what comes during it asks for another one.
                rung.clear()
            if not await server.reading(_is_good, session, server):
                break
            now = await bell.look(session, server)
            # Of a hand edit that nobody has taken in yet no position tells.
            is_news = now[1] != seen[1] or (is_rung and now[0] == seen[0])
            seen = now
            if is_news or not is_rung:
                await send(_event("hint" if is_news else "beat", now[0]))
                beat_at = loop.time() + BEAT_SECONDS
    except RealmconfError:
        # It ends: whoever listened asks again, and is told why.
        pass
    finally:
        bell.remove(rung, token_id)
        gone.cancel()
        stopping.cancel()
    with suppress(OSError):
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _look(session: Session) -> tuple[int, object]:
    """Where the store stands, and what differs wherever the caller could see something new."""
    client = session.client
    with client.store.view() as view:
        position = view.last_position()
        if session.grant.allows("read", None):
            return position, position
        entries = {entry.realm: entry for entry in view.realms() if not is_system(entry.realm)}
    wanted = {realm for realm in entries if client.may_read(realm)}
    waiting = list(wanted)
    while waiting:
        parent = entries[waiting.pop()].parent
        if parent is not None and parent in entries and parent not in wanted:
            wanted.add(parent)
            waiting.append(parent)
    return position, {
        realm: entries[realm].generation for realm in (*wanted, GLOBAL) if realm in entries
    }


def _is_good(session: Session, server: Server) -> bool:
    return not session.grant.id or server.tokens.grant_by_id(session.grant.id) is not None


def _event(name: str, position: int) -> Message:
    text = b'event: %b\ndata: {"position":%d}\n\n' % (name.encode(), position)
    return {"type": "http.response.body", "body": text, "more_body": True}
