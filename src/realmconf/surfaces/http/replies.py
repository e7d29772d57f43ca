"""
What goes back over the wire: status, headers, body, all at once.

Decides the headers that every answer has, and how JSON is written.  Streams write their own bodies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from realmconf.domain.record import Record

if TYPE_CHECKING:
    from starlette.types import Message, Send

Headers = tuple[tuple[bytes, bytes], ...]

ALWAYS: Headers = (
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Accept, Authorization, Cookie"),
    (b"x-content-type-options", b"nosniff"),
)
"""On whatever is answered: it is for whoever asked, and to be asked for again."""
NO_STORE = (b"cache-control", b"no-store")
"""Instead, where the answer has a secret that is told once."""

JSON = "application/json"
TOML = "application/toml"
PROBLEM = "application/problem+json"
EVENTS = "text/event-stream"


class Reply(Record):
    """One complete answer."""

    status: int
    headers: Headers = ()
    """Besides those of every answer, and of the body."""
    body: bytes = b""
    media: str | None = None
    """What the body is; None: there is none."""

    def start(self) -> Message:
        """The ASGI message that opens it."""
        own = tuple(
            (name, value) for name, value in ALWAYS if all(name != one for one, _ in self.headers)
        )
        headers = [*own, *self.headers]
        if self.media is not None:
            headers.append((b"content-type", self.media.encode()))
        if self.status not in (204, 304):
            headers.append((b"content-length", str(len(self.body)).encode()))
        return {"type": "http.response.start", "status": self.status, "headers": headers}

    def with_headers(self, *more: tuple[bytes, bytes]) -> Reply:
        """The same with more headers."""
        return self.replace(headers=(*self.headers, *more))


async def send_reply(send: Send, reply: Reply, *, method: str) -> None:
    """Send *reply* to a request of *method*: HEAD gets the headers alone."""
    await send(reply.start())
    body = b"" if method == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})


def json_bytes(value: Any) -> bytes:
    """*value* as JSON; half a surrogate pair in it, which is in no document, is escaped."""
    try:
        return orjson.dumps(value)
    except TypeError:
        import json

        return json.dumps(value, separators=(",", ":")).encode()


def json_reply(value: Any, *, status: int = 200, headers: Headers = ()) -> Reply:
    """*value* as the answer."""
    return Reply(status=status, headers=headers, body=json_bytes(value), media=JSON)
