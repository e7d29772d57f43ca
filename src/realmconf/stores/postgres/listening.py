"""
Hearing that somebody has written: one connection that listens.

Decides what a notification says (``notice_of``), and how the wait for one ends at once when the store is closed.  A
server that is a standby lets nobody listen: then there are no hints, and whoever waits looks for itself from time to
time.

A notification names the realms, each in a line.  If it can tell which write it is of, there is one more,
``=<version> <numbers taken>``; and if that has put one small revision, two more: its digest, and the revision.
"""

from __future__ import annotations

import os
import select
import time
import weakref
from contextlib import contextmanager

from realmconf.domain.names import RealmName
from realmconf.errors import StoreUnavailable
from realmconf.stores.engine.ledger import News, Told
from realmconf.stores.postgres.failures import LostError, RefusedError
from realmconf.stores.postgres.wire import Question, Statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from realmconf.stores.engine.ledger import Changes, Heard
    from realmconf.stores.postgres.wire import Wire

NOTICE_BYTES_MAX = 7_999
"""The server's limit."""
VERSION_BYTES_MAX = 40
"""Left free for a version, and how many numbers it took."""
_SEPARATOR = b"\n"


class Listener:
    """Whoever of one ledger listens: one at a time. Thread-safe."""

    def __init__(self, channel: str) -> None:
        self._listen = Statement(f"LISTEN {channel}")
        # The end of this pipe is readable once the ledger is closed; closed itself when nobody can wait there.
        self._closing, close = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        weakref.finalize(self, os.close, self._closing)
        self._end = weakref.finalize(self, os.close, close)
        self._wire: Wire | None = None

    @contextmanager
    def listening(
        self, wire: Wire, deadline: float, place: str
    ) -> Iterator[Callable[[float], Heard]]:
        """See ``Ledger.listening``; *wire* is its own, and closed at the end."""
        self._wire = wire
        try:
            is_told = self._begin(wire, deadline)
            poll = select.poll()
            poll.register(self._closing, select.POLLIN)
            if is_told:
                poll.register(wire.fileno(), select.POLLIN)

            def wait(seconds: float) -> Heard:
                until = time.monotonic() + seconds
                while True:
                    left = until - time.monotonic()
                    events = poll.poll(max(0, int(left * 1000) + 1))
                    if any(descriptor == self._closing for descriptor, _ in events):
                        raise StoreUnavailable("this client is closed", retryable=False)
                    if not events:
                        return False
                    try:
                        if told := wire.notifications():
                            return [news_in(one) for one in told] if all(told) else True
                    except LostError as lost:
                        raise StoreUnavailable(f"{place}: {lost}") from lost

            yield wait
        finally:
            self._wire = None
            wire.close()

    def _begin(self, wire: Wire, deadline: float) -> bool:
        try:
            wire.ask([Question(self._listen)], deadline=deadline)
        except RefusedError as refused:
            if refused.sqlstate != "25006":
                raise
            return False
        return True

    def close(self) -> None:
        """Wake whoever waits, for good. Idempotent."""
        self._end()

    def abandon(self) -> None:
        """In the child of a fork: the connection is the parent's, and so is whoever waits."""
        if self._wire is not None:
            self._wire.abandon()
        self._end()


def notice_of(realms: Collection[RealmName]) -> bytes:
    """What to tell whoever listens of a write to *realms*; nothing in particular, where there is no room for it."""
    notice = _SEPARATOR.join(realm.encode() for realm in realms)
    return notice if len(notice) <= NOTICE_BYTES_MAX - VERSION_BYTES_MAX else b""


def rest_of(changes: Changes, taken: int, *, room_bytes: int) -> bytes:
    """What follows on the version in a notification of *changes*, which have taken so many numbers."""
    rest = b" %d" % taken
    told = _told_of(changes)
    if told is not None and len(rest) + len(told) <= room_bytes:
        rest += told
    return rest


def _told_of(changes: Changes) -> bytes | None:
    """The one revision of *changes*, if they have one and change nothing else of any row."""
    if len(changes.puts) != 1 or changes.touched or changes.renamed or changes.floors:
        return None
    (put,) = changes.puts
    if changes.moved or changes.told:
        return None
    return _SEPARATOR.join((b"", put.revision.digest.encode(), put.packed))


def news_in(notice: bytes) -> News:
    """What a notification tells."""
    names, is_of_one, rest = notice.partition(b"\n=")
    # As they are in the store, also those that no user's realm can have.
    realms = [str.__new__(RealmName, name.decode()) for name in names.split(_SEPARATOR)]
    line, has_head, told = rest.partition(_SEPARATOR)
    version, _, taken = line.partition(b" ")
    if not is_of_one or not version:
        return News(realms=frozenset(realms))
    heads = {}
    if has_head and len(realms) == 1:
        digest, _, packed = told.partition(_SEPARATOR)
        heads[realms[0]] = Told(digest=digest.decode(), packed=packed)
    return News(
        realms=frozenset(realms),
        version=int(version),
        before=int(version) - int(taken),
        heads=heads,
    )
