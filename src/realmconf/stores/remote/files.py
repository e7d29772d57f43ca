"""
Backups over the wire: one that comes to this machine, and one from here that the server reads.

Decides that a backup is private and new, and complete or not there at all.
"""

from __future__ import annotations

import json
from contextlib import contextmanager

from realmconf.domain.wire import COMPLETE
from realmconf.errors import InvalidArgument, StoreUnavailable
from realmconf.stores.newfile import new_backup
from realmconf.stores.remote.codec import one_revision_of, realm_of
from realmconf.stores.remote.connection import MISSHAPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.remote.connection import Connection

BACKUP = "/v1/store/backup"
CONTENTS = "/v1/store/contents"
CHUNK_BYTES = 65_536


def download(connection: Connection, path: str) -> None:
    """
    Write a copy of the server's store to *path*.

    Raises:
        InvalidArgument: Something is there.
        StoreUnavailable: It cannot be written, or did not come to its end; nothing is left of it.
    """
    with new_backup(path) as file:
        _receive(connection, file)


def _receive(connection: Connection, file: Any) -> None:
    # The end is held back until it is known whether it is the mark of completeness.
    tail = b""
    with connection.streamed(BACKUP, b"") as response:
        for chunk in response.iter_bytes(CHUNK_BYTES):
            tail += chunk
            if len(tail) > len(COMPLETE):
                file.write(tail[: -len(COMPLETE)])
                tail = tail[-len(COMPLETE) :]
    if tail != COMPLETE:
        raise StoreUnavailable("the backup did not come to its end")


def revisions_in(connection: Connection, path: str) -> Iterator[Revision]:
    """Every revision in the backup at *path*, which the server reads."""
    for found in _lines(connection, path):
        if "revision" in found:
            with _in_shape():
                realm = realm_of(found["revision"]["written_as"])
                revision = one_revision_of(found["revision"], realm=realm)
            yield revision


def schemas_in(connection: Connection, path: str) -> Mapping[RealmName, Mapping[str, Document]]:
    """The schemas in the backup at *path*."""
    for found in _lines(connection, path):
        with _in_shape():
            return {realm_of(realm): schemas for realm, schemas in found["schemas"].items()}
    return {}


@contextmanager
def _in_shape() -> Iterator[None]:
    try:
        yield
    except MISSHAPEN:
        raise StoreUnavailable("what answers there says what this release cannot read") from None


def _lines(connection: Connection, path: str) -> Iterator[dict[str, Any]]:
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read as a backup") from error
    is_complete = False
    with file, connection.streamed(CONTENTS, iter(lambda: file.read(CHUNK_BYTES), b"")) as response:
        for line in response.iter_lines():
            if line.startswith("{"):
                with _in_shape():
                    found = json.loads(line)
                yield found
            elif line == COMPLETE.decode().strip():
                is_complete = True
    if not is_complete:
        raise StoreUnavailable("what is in the backup did not come to its end")
