"""
Hints for clients that take this server for a store: that something was committed, and where the store stands.

Decides who is told: whoever may read everything, of everything; others of what they may see, so that the silence of
other realms stays theirs.  Hints that come at once are one.  A stream ends with the token that opened it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from realmconf.domain.names import GLOBAL, is_system
from realmconf.errors import RealmconfError
from realmconf.surfaces.http.replies import EVENTS

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from realmconf.runtime.operations.session import Session
    from realmconf.surfaces.http.server import Server

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
        for event in self._waiting:
            event.set()

    def add(self) -> asyncio.Event:
        """An event that is set at every hint."""
        event = asyncio.Event()
        self._waiting.add(event)
        return event

    def remove(self, event: asyncio.Event) -> None:
        """Tell it no more."""
        self._waiting.discard(event)


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
    rung = bell.add()
    gone = asyncio.ensure_future(_wait_until_gone(receive))
    stopping = asyncio.ensure_future(server.stopping.wait())
    try:
        seen = await server.reading(_look, session)
        await send(START)
        await send(_event("beat", seen[0]))
        while not gone.done() and not stopping.done():
            waiting = asyncio.ensure_future(rung.wait())
            await asyncio.wait(
                (waiting, gone, stopping),
                timeout=BEAT_SECONDS,
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
            now = await server.reading(_look, session)
            # Of a hand edit that nobody has taken in yet no position tells.
            is_news = now[1] != seen[1] or (is_rung and now[0] == seen[0])
            seen = now
            await send(_event("hint" if is_news else "beat", now[0]))
    except RealmconfError:
        # It ends: whoever listened asks again, and is told why.
        pass
    finally:
        bell.remove(rung)
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
