"""
What the machine can do: the calls below which no design can go.

Each floor is one bare system call, or the few that a promise needs, with a file
of its own.  Nothing here knows realmconf.
"""

from __future__ import annotations

import mmap
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket

RECORD_BYTES = 4096
PREALLOCATED_BYTES = 4 * 1024 * 1024


def appending(path: Path, *, length: int = RECORD_BYTES) -> Callable[[], None]:
    """Append *length* bytes and make them durable: what a log record costs."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    record = os.urandom(length)

    def append() -> None:
        os.write(descriptor, record)
        os.fdatasync(descriptor)

    return append


def overwriting(path: Path, *, length: int = RECORD_BYTES) -> Callable[[], None]:
    """Overwrite allocated bytes and make them durable: a log that was grown once and is kept."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(descriptor, bytes(PREALLOCATED_BYTES))
    os.fsync(descriptor)
    record = os.urandom(length)
    places = PREALLOCATED_BYTES // length
    place = 0

    def overwrite() -> None:
        nonlocal place
        os.pwrite(descriptor, record, (place % places) * length)
        place += 1
        os.fdatasync(descriptor)

    return overwrite


def replacing(path: Path, content: bytes) -> Callable[[], None]:
    """Write another file, make it durable, rename it over: how a file is usually replaced."""
    temporary = path.with_suffix(".tmp")

    def replace() -> None:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(temporary, path)

    return replace


def asking_for_status(path: Path) -> Callable[[], None]:
    """``os.stat``: the cheapest way to ask the kernel whether a file changed."""
    name = str(path)

    def ask() -> None:
        os.stat(name)

    return ask


def reading_a_mapped_word(path: Path) -> Callable[[], int]:
    """One 8-byte word of a shared mapping: the cheapest way to see another process's change."""
    with path.open("w+b") as file:
        file.write(bytes(mmap.PAGESIZE))
        file.flush()
        mapping = mmap.mmap(file.fileno(), mmap.PAGESIZE)
    words = memoryview(mapping).cast("Q")
    slot = 17

    def read() -> int:
        return words[slot]

    return read


def selecting(path: Path, document: str) -> Callable[[], object]:
    """SELECT of one row by key, with the standard library's ``sqlite3`` on a write-ahead log."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS head (realm INTEGER PRIMARY KEY, document TEXT)")
    connection.execute("INSERT OR REPLACE INTO head VALUES (1, ?)", (document,))

    def select() -> object:
        return connection.execute("SELECT document FROM head WHERE realm = ?", (1,)).fetchone()[0]

    return select


def selecting_all(path: Path, documents: Sequence[str]) -> Callable[[], list[str]]:
    """SELECT of all rows, newest first: what reading a whole history costs at least."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE revision (generation INTEGER PRIMARY KEY, document TEXT)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO revision(document) VALUES (?)", [(d,) for d in documents])
    connection.execute("COMMIT")

    def select() -> list[str]:
        rows = connection.execute("SELECT document FROM revision ORDER BY generation DESC")
        return [text for (text,) in rows]

    return select


class RowWriter:
    """An actor that commits one row of such a database at a time."""

    def __init__(self, path: str, document: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._document = document

    def commit(self) -> None:
        self._connection.execute("UPDATE head SET document = ? WHERE realm = 1", (self._document,))


class Echo:
    """An actor that sends back each byte it is sent over a Unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path

    def serve(self) -> None:
        with closing(socket(AF_UNIX, SOCK_STREAM)) as connection:
            connection.connect(self._path)
            while heard := connection.recv(1):
                connection.send(heard)


class RoundTrip:
    """A Unix socket to an :class:`Echo` in another process."""

    def __init__(self, path: Path) -> None:
        self._listener = socket(AF_UNIX, SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)

    def accept(self) -> None:
        self._connection, _ = self._listener.accept()

    def ask(self) -> None:
        self._connection.send(b"x")
        self._connection.recv(1)

    def close(self) -> None:
        self._connection.close()
        self._listener.close()
