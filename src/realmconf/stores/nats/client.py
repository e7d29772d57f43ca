"""
The library's client, with a shorter way for what is said often, and with what it does not do of itself.

Decides that nothing is said of who we are before a connection is encrypted that is to be; that whoever has to know
is told when it is over; and that a message goes from the socket to whoever hears it, and from whoever says it to the
socket, without the library's queues and tasks between, which took longer than the server.  What is no message of ours,
or has not come as a whole, is the library's to read, as ever.
"""

from __future__ import annotations

import asyncio
import re

from nats.aio.client import Client
from nats.errors import Error as NatsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

STATUS = "Status"
_FIRST_LINE = b"NATS/1.0"
_LINE_END = b"\r\n"
_PLAIN = re.compile(rb"MSG (\S+) (\d+) (?:(\S+) )?()(\d+)")
_WITH_HEADERS = re.compile(rb"HMSG (\S+) (\d+) (?:(\S+) )?(\d+) (\d+)")


class Heard:
    """A message as it came."""

    __slots__ = ("data", "headers", "reply", "subject")

    def __init__(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None, reply: str = ""
    ) -> None:
        self.subject = subject
        self.data = data
        self.headers = headers
        """With the server's own word, if it is one of the server's, as ``STATUS``."""
        self.reply = reply
        """Where an answer would go; a consumer's says which of its messages it is."""


class DirectClient(Client):
    """One connection."""

    def __init__(self) -> None:
        super().__init__()
        self.must_encrypt = False
        self._hearing: dict[int, Callable[[Heard], None]] = {}
        self._socket_end: asyncio.Task[None] | None = None

    async def _process_info(
        self,
        info: dict[str, Any],
        initial_connection: bool = False,  # noqa: FBT001, FBT002 - as it is called
    ) -> None:
        if self.must_encrypt and initial_connection and info.get("tls_available"):
            # It would do without, too; what is done next goes by this word.
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)

    def _connect_command(self) -> bytes:
        writer = self._writer
        if writer is not None and writer.get_extra_info("ssl_object") is not None:
            # Else asyncio complains in everybody's log when the server ends it.
            writer.transport.get_protocol()._over_ssl = True
        elif self.must_encrypt:
            raise NatsError("the server offers no encryption (TLS)")
        return super()._connect_command()

    def at_end(self, tell: Callable[[], None]) -> None:
        """
        Call *tell* when the connection is over, once or more.

        The client's own word does not always come: where what it would still send finds no way, it says nothing.
        """

        def ended(task: asyncio.Task[Any]) -> None:
            if not task.cancelled():
                # Whatever it was, it is over; nobody else asks.
                task.exception()
            tell()

        # The socket's own end, too: the library may wait for something of its own before its tasks are over.
        self._socket_end = asyncio.ensure_future(self._writer.wait_closed())
        for task in (
            self._socket_end,
            self._reading_task,
            self._flusher_task,
            self._ping_interval_task,
        ):
            if task is not None:
                task.add_done_callback(ended)

    # --- to the socket, and from it --------------------------------------------------------------

    def hear(self, subject: str, heard: Callable[[Heard], None]) -> None:
        """Call *heard*, which does not take long, with each message on *subject*."""
        self._sid += 1
        self._hearing[self._sid] = heard
        # Past the library's queue, like all that is said here: else the first question could be there before it.
        self._write(f"SUB {subject} {self._sid}\r\n".encode())

    def hear_at_once(self) -> None:
        """
        Be told of messages by the socket, in the round of the loop in which they come.

        The library's task would be told first, which reads them in the next round.  It reads all as ever where another
        release of it, or of Python, keeps elsewhere what is looked at here.
        """
        reader: Any = getattr(self._transport, "_io_reader", None)
        parser: Any = getattr(self, "_ps", None)
        if not (hasattr(reader, "_buffer") and hasattr(parser, "buf") and hasattr(parser, "state")):
            return
        # Nothing was asked yet: it waits for a line.
        between = parser.state
        read_on = reader.feed_data

        def fed(data: bytes) -> None:
            if parser.state == between and not reader._buffer and not parser.buf:
                taken = self._taken(data)
                if taken == len(data):
                    return
                data = data[taken:]
            # In order: whatever comes behind what the library has not read yet is read by it, too.
            read_on(data)

        reader.feed_data = fed

    def _taken(self, data: bytes) -> int:
        """Tell of the messages that *data* begins with, as a whole and of those that are heard here; where they end."""
        at = 0
        while (line_end := data.find(_LINE_END, at)) > 0:
            form = _WITH_HEADERS if data.startswith(b"H", at) else _PLAIN
            found = form.fullmatch(data, at, line_end)
            if found is None:
                break
            subject, number, reply, header_size, size = found.groups()
            heard = self._hearing.get(int(number))
            begin = line_end + len(_LINE_END)
            end = begin + int(size)
            if heard is None or len(data) < end + len(_LINE_END):
                break
            body = begin + int(header_size or 0)
            headers = _parsed(data[begin:body]) if header_size else None
            heard(Heard(subject.decode(), data[body:end], headers, (reply or b"").decode()))
            at = end + len(_LINE_END)
        return at

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        heard = self._hearing.get(sid)
        if heard is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            parsed = _parsed(headers) if headers else None
            heard(Heard(subject.decode(), bytes(data), parsed, reply.decode()))

    def say(
        self, subject: str, body: bytes, *, reply: str, headers: Mapping[str, str] | None
    ) -> None:
        """
        Give a message to the socket, as a whole; what the library still has to say comes after it.

        Raises:
            NatsError: The connection is over, and nothing of it was given.
        """
        way = f"{subject} {reply}" if reply else subject
        if headers:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = f"NATS/1.0\r\n{lines}\r\n".encode()
            first = f"HPUB {way} {len(head)} {len(head) + len(body)}\r\n".encode()
            self._write(b"".join((first, head, body, b"\r\n")))
        else:
            first = f"PUB {way} {len(body)}\r\n".encode()
            self._write(b"".join((first, body, b"\r\n")))

    def _write(self, data: bytes) -> None:
        writer = self._writer
        if writer is None or not self.is_connected or writer.is_closing():
            # The socket may know of it before the library does.
            raise NatsError("the connection was lost")
        writer.write(data)

    async def drained(self) -> None:
        """
        Wait where the server does not read as fast as we write.

        Raises:
            OSError: The connection is over; what was given to it may have come.
        """
        writer = self._writer
        if writer is not None:
            await writer.drain()

    def abort(self) -> None:
        """Be over at once: of what was given to the socket, nothing more goes than is with the system already."""
        self._pending = []
        self._pending_data_size = 0
        if self._writer is not None:
            self._writer.transport.abort()

    @property
    def _writer(self) -> Any:
        """The stream beneath; None before it is there."""
        return getattr(self._transport, "_io_writer", None)


def _parsed(headers: bytes) -> dict[str, str]:
    first, *lines = bytes(headers).decode().split("\r\n")
    found = {}
    status = first[len(_FIRST_LINE) :].split(None, 1)
    if status:
        found[STATUS] = status[0]
        if len(status) > 1:
            found["Description"] = status[1]
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            found[name] = value.strip()
    return found
