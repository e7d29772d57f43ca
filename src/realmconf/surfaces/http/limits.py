"""
What a connection may cost: how large its headers are, how long it may take, how many there may be.

Decides it below the application, where half a request already takes a place: uvicorn has no such limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httptools

from realmconf.surfaces.http.pace import PACE_BYTES
from realmconf.surfaces.http.problems import Problem
from realmconf.surfaces.http.settings import (
    CONNECTIONS_MAX,
    HEADER_BYTES_MAX,
    REQUEST_SECONDS,
    RESPONSE_SECONDS,
)
from realmconf.surfaces.http.stream_connection import Protocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

STATUS_LINES = {
    400: b"HTTP/1.1 400 Bad Request\r\n",
    408: b"HTTP/1.1 408 Request Timeout\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
    503: b"HTTP/1.1 503 Service Unavailable\r\n",
}
BODY_SECONDS_MAX = 65.0
"""The longest that any application waits for a part of a body; what one does that never asks for it is cut off."""
HEADER_OVERHEAD_BYTES = 4
"""``: `` and the line's end."""
CHUNK_OVERHEAD_BYTES = 20
"""The size of a chunk in up to 16 digits, and the two ends of lines."""


class BoundedProtocol(Protocol):
    """uvicorn's protocol, with bounds."""

    connections_max = CONNECTIONS_MAX
    header_bytes_max = HEADER_BYTES_MAX
    request_seconds = REQUEST_SECONDS
    response_seconds = RESPONSE_SECONDS
    part_seconds = BODY_SECONDS_MAX

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._patience: asyncio.TimerHandle | None = None
        self._reader_patience: asyncio.TimerHandle | None = None
        self._is_complete = False
        """Whether the last request that has begun is there as a whole."""
        self._in_headers = True
        self._head_bytes = 0
        self._body_bytes = 0
        """Of the part of a body that is waited for."""
        self._framing_bytes = 0
        """What came after the headers and is no body: sizes of chunks, their extensions, trailers."""
        self._trailer_bytes = 0
        self._is_after_headers = False
        """Whether what is being parsed came when the headers were there already, so that it counts as framing."""
        self._is_upgrading = False
        self._began = 0.0
        """When the request that is waited for began."""
        self._refusal: Problem | None = None
        self._answering: RequestResponseCycle | None = None
        """The request that the application has now."""

    # --- coming and going --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, but not for ever."""
        super().connection_made(transport)
        if len(self.connections) > self.connections_max:
            self._refuse(Problem("too_busy", "too many connections"))
            return
        self._began = self.loop.time()
        self._patience = self.loop.call_later(self.request_seconds, self._lose_patience)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        answering = self._answering
        if answering is not None and not answering.response_complete:
            # Of requests that came together the base class knows the last alone.
            answering.disconnected = True
            answering.message_event.set()
        super().connection_lost(exc)
        for timer in (self._patience, self._reader_patience):
            if timer is not None:
                timer.cancel()

    # --- what comes in -----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what came; a request that is not complete by then is waited for only so long."""
        if self._refusal is not None:
            return
        self._is_after_headers = not self._in_headers
        if self._in_headers:
            self._head_bytes += len(data)
        else:
            self._framing_bytes += len(data)
        self._parse(data)
        too_large = (
            self._head_bytes > self.header_bytes_max and not self._is_complete
            if self._in_headers
            else self._framing_bytes > self.header_bytes_max
        )
        if too_large and self._refusal is None:
            self._refuse(self._headers_too_large())
            return
        if self._is_complete:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
        elif self._patience is None and not self.transport.is_closing():
            self._began = self.loop.time()
            self._patience = self.loop.call_later(self.request_seconds, self._lose_patience)

    def _parse(self, data: bytes) -> None:
        # As the base class, save that another protocol, which nobody speaks here, does not take the rest.
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("")
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])

    def _decline_upgrade(self, rest: bytes) -> None:
        """
        Take the request as one that asks for no other protocol, as a server may (RFC 9110, 7.8).

        The parser ends with the headers of such a request and leaves its body: a new one is told all but ``Upgrade``.
        """
        version = self.parser.get_http_version().encode()
        parts = [self.parser.get_method(), b" ", self.url, b" HTTP/", version, b"\r\n"]
        for name, value in self.headers:
            if name != b"upgrade":
                parts += [name, b": ", value, b"\r\n"]
        self._is_upgrading = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._parse(b"".join([*parts, b"\r\n"]))
        if self._refusal is None and rest:
            self._is_after_headers = not self._in_headers
            if self._is_after_headers:
                self._framing_bytes += len(rest)
            self._parse(rest)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; a trailer is let go (RFC 9110, 6.5.1): whoever asks says who they are before the body."""
        if self._in_headers:
            super().on_header(name, value)
            return
        self._trailer_bytes += len(name) + len(value) + HEADER_OVERHEAD_BYTES
        if self._trailer_bytes > self.header_bytes_max:
            self._refusal = self._headers_too_large()
            raise self._refusal

    def on_chunk_header(self) -> None:
        """The size of a chunk was read."""
        if self._is_after_headers:
            self._framing_bytes -= CHUNK_OVERHEAD_BYTES

    def on_body(self, body: bytes) -> None:
        """A part of the body was read."""
        if self._is_upgrading:
            return
        self._body_bytes += len(body)
        if self._body_bytes >= PACE_BYTES:
            # However long a large body takes: the application has its own patience with each part of it.
            self._body_bytes = 0
            self._began = self.loop.time()
        if self._is_after_headers:
            self._framing_bytes -= len(body)
        super().on_body(body)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._is_complete = False
        self._in_headers = True

    def on_headers_complete(self) -> None:
        """Its headers are there: they are counted only if so much came that they may be too large."""
        if self._head_bytes > self.header_bytes_max:
            size = len(self.url) + sum(
                len(name) + len(value) + HEADER_OVERHEAD_BYTES for name, value in self.headers
            )
            if size > self.header_bytes_max:
                self._refusal = self._headers_too_large()
                raise self._refusal
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._refusal = Problem("malformed", "this is no proxy")
                raise self._refusal
            self._is_upgrading = True
            return
        self._in_headers = self._is_after_headers = False
        self._head_bytes = self._framing_bytes = self._trailer_bytes = self._body_bytes = 0
        self._began = self.loop.time()
        super().on_headers_complete()
        # Nothing that comes later is added to what is asked with.
        self.scope["headers"] = list(self.headers)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """It is there as a whole."""
        if self._is_upgrading:
            return
        self._is_complete = True
        # Whatever follows belongs to the next one.
        self._in_headers = True
        super().on_message_complete()

    def _lose_patience(self) -> None:
        self._patience = None
        if self.transport.is_closing():
            return
        if self._in_headers:
            self._refuse(
                Problem("too_slow", f"the request did not come within {self.request_seconds:.0f} s")
            )
        elif self._is_answered():
            # Answered before its body was there, and the rest does not come.
            self.transport.close()
        elif self.loop.time() - self._began > self.part_seconds:
            self.transport.abort()
        else:
            # The application has its own patience with bodies, and says so when it is at an end.
            self._patience = self.loop.call_later(self.request_seconds, self._lose_patience)

    # --- what goes out -----------------------------------------------------------------------

    def pause_writing(self) -> None:
        """Whoever reads the answer is slow: it is waited for only so long."""
        super().pause_writing()
        if self._reader_patience is None:
            self._reader_patience = self.loop.call_later(
                self.response_seconds, self.transport.abort
            )

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        if self._reader_patience is not None:
            self._reader_patience.cancel()
            self._reader_patience = None

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(self._refusal or Problem("malformed", "this is not HTTP/1.1"))

    def _is_answered(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and cycle.response_complete

    def _headers_too_large(self) -> Problem:
        return Problem(
            "headers_too_large",
            f"a request's headers have at most {self.header_bytes_max} bytes",
            limit="header_bytes",
            maximum=self.header_bytes_max,
        )

    def _refuse(self, problem: Problem) -> None:
        """Answer in place of the application, and hang up."""
        self._refusal = problem
        answering = self._answering
        if answering is not None and not answering.response_complete and not answering.more_body:
            # A whole request came before: its answer is its own, also if it was a write, and the last one.
            answering.keep_alive = False
            return
        reply = problem.reply()
        cycle: RequestResponseCycle | None = self.cycle
        if not self._in_headers and self._is_answered():
            # It has its answer: this is about the rest of its body.
            pass
        elif cycle is None or cycle.response_complete or not cycle.response_started:
            if cycle is not None and not cycle.response_complete:
                # What the application still says is of a connection that is gone.
                cycle.disconnected = True
                cycle.message_event.set()
            head = [STATUS_LINES[reply.status]]
            for name, value in (*reply.start()["headers"], (b"connection", b"close")):
                head += [name, b": ", value, b"\r\n"]
            self.transport.write(b"".join([*head, b"\r\n", reply.body]))
        self.transport.close()
