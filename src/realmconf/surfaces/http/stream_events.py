"""
What an event stream consists of (WHATWG HTML, server-sent events), as bytes.

Decides the fields of each event and the headers before the first.  Every event has an id, which is where its reader
goes on after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from realmconf.surfaces.http.replies import EVENTS, json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Message

    from realmconf.domain.names import RealmName

RETRY_MILLISECONDS = 2_000
"""After which a reader whose connection has ended asks again."""

OPENING = b"retry: %d\n\n" % RETRY_MILLISECONDS

START: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", EVENTS.encode()),
        # Whoever keeps it, or compresses it, would hold events back.
        (b"cache-control", b"no-store, no-transform"),
        (b"x-accel-buffering", b"no"),
        (b"vary", b"Accept, Authorization, Cookie"),
        (b"x-content-type-options", b"nosniff"),
    ],
}


class Event(NamedTuple):
    """One event, ready to be sent."""

    cursor: str
    """Where a stream goes on after it."""
    text: bytes


def event(shown: Mapping[str, Any]) -> Event:
    """The event of one step, which is *shown* as ``answers.step`` gives it."""
    cursor = shown["cursor"]
    text = b"id: %b\nevent: %b\ndata: %b\n\n" % (
        cursor.encode(),
        shown["event"].encode(),
        json_bytes(shown),
    )
    return Event(cursor, text)


def bookmark(realm: RealmName, cursor: str) -> bytes:
    """Says that there is nothing newer than *cursor*, and that the connection is alive."""
    shown = {"realm": str(realm), "event": "bookmark", "cursor": cursor}
    return b"id: %b\nevent: bookmark\ndata: %b\n\n" % (cursor.encode(), json_bytes(shown))


def part(text: bytes, *, more: bool = True) -> Message:
    """A part of the body; without *more* the last."""
    return {"type": "http.response.body", "body": text, "more_body": more}
