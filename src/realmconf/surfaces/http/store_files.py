"""
Backups over HTTP: a copy of the store as it comes, and the contents of one that a client has.

Decides that nothing of either stays on the server's side, and that an answer that is not complete does not end as
complete ones do.
"""

from __future__ import annotations

import os
import tempfile
from itertools import islice
from typing import TYPE_CHECKING

from realmconf.domain.wire import COMPLETE
from realmconf.errors import (
    InvalidArgument,
    LimitExceeded,
    StoreError,
    StoreFull,
    StoreTooNew,
    StoreUnavailable,
)
from realmconf.runtime.serving import keeping
from realmconf.runtime.serving.sealed import require_everything
from realmconf.surfaces.http.bodies import ClientGoneError
from realmconf.surfaces.http.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Message, Receive, Scope, Send

    from realmconf.runtime.operations.session import Session
    from realmconf.surfaces.http.server import Server

CHUNK_BYTES = 256 * 1_024
UPLOAD_BYTES_MAX = 4 * 1_073_741_824
PART_SECONDS = 60.0
"""Until the next part of an upload must be there, of ``PACE_BYTES``."""
LINES_AT_ONCE = 64


def _start(media: bytes) -> Message:
    return {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", media), (b"cache-control", b"no-store")],
    }


def _part(text: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": more}


async def backup(
    scope: Scope, receive: Receive, send: Send, *, session: Session, server: Server
) -> None:
    """Send a consistent copy of the whole store."""
    with tempfile.TemporaryDirectory(prefix="realmconf-backup-") as folder:
        path = os.path.join(folder, "copy")
        await server.writing(keeping.backup, session, path)
        with open(path, "rb") as file:
            await send(_start(b"application/octet-stream"))
            while chunk := await server.reading(file.read, CHUNK_BYTES):
                await send(_part(chunk))
    await send(_part(COMPLETE, more=False))


async def contents(
    scope: Scope, receive: Receive, send: Send, *, session: Session, server: Server
) -> None:
    """Answer with what is in the backup that the body is: lines of JSON."""
    require_everything(session, None, action="reading a backup")
    with tempfile.TemporaryDirectory(prefix="realmconf-restore-") as folder:
        path = os.path.join(folder, "copy")
        await _receive(receive, path, server)
        lines = keeping.contents(session, path)
        # Whether it is a backup at all is known with the first line.
        page = await server.reading(_next_lines, lines)
        await send(_start(b"application/x-ndjson"))
        while page:
            await send(_part(page))
            page = await server.reading(_next_lines, lines)
    await send(_part(COMPLETE, more=False))


def _next_lines(lines: Iterator[str]) -> bytes:
    try:
        return "".join(islice(lines, LINES_AT_ONCE)).encode()
    except StoreTooNew:
        raise StoreTooNew("the backup was made by a newer release than the server's") from None
    except (StoreError, InvalidArgument):
        # It is not this server's store that is damaged, and where it was put meanwhile is nobody's to know.
        raise InvalidArgument("what was sent is no backup that can be read") from None


async def _receive(receive: Receive, path: str, server: Server) -> None:
    size = 0
    pace = Pace(receive, seconds=PART_SECONDS)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        while True:
            message = await _next(pace)
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > UPLOAD_BYTES_MAX:
                raise LimitExceeded("backup_bytes", size, maximum=UPLOAD_BYTES_MAX)
            try:
                await server.reading(file.write, chunk)
            except OSError:
                raise StoreFull("the server has no room to read this backup") from None
            if not message.get("more_body", False):
                return


async def _next(pace: Pace) -> Message:
    try:
        return await pace.next()
    except TimeoutError:
        raise StoreUnavailable("the backup came too slowly") from None
