"""
One root as one process has it open: when its session is opened, made anew, or thrown away.

A root that nobody has written to has no session, and reading it makes nothing.
"""

from __future__ import annotations

import json
import os
import threading
import time

from realmconf.errors import HistoryMissing, StoreUnavailable
from realmconf.stores.embedded import database
from realmconf.stores.embedded.failures import typed
from realmconf.stores.embedded.layout import Layout
from realmconf.stores.embedded.session import COMPARE_SECONDS, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.stores.embedded.turnqueue import TurnQueue

_GROWTH_DONE = "log_grown"


class Place:
    """The layout of a root and the current session on it."""

    def __init__(
        self,
        root: str,
        *,
        read_only: bool,
        recover: bool,
        working_copies: bool,
        headers: bool,
        extra_schema: str,
        clock: Callable[[], float] = time.monotonic,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.layout = Layout(root)
        self.read_only = read_only
        self.clock = clock
        self.random_bytes = random_bytes
        self.session: Session | None = None
        self.closed = False
        self.on_open: Callable[[Session], None]
        self.on_drop: Callable[[], None]
        self.on_retire: Callable[[], None]
        """Closes what dropped sessions have open, once nobody writes through it."""
        self._recover = recover
        self._working_copies = working_copies
        self._headers = headers
        self._extra_schema = extra_schema
        self._retired: list[Session] = []
        self._upgraded: Session | None = None
        self._guard = threading.Lock()

    @property
    def keeps_working_copies(self) -> bool:
        """Whether realms of this root have a ``config.toml``: decided when the root was made."""
        if self.session is not None:
            return bool(self.session.meta["working_copies"])
        return self._working_copies

    @property
    def sessions(self) -> list[Session]:
        """What is open here, and what was dropped and may still be written through."""
        return [*self._retired, *filter(None, [self.session])]

    def usable(self) -> Session | None:
        """
        The session, opened or renewed; None where nothing was ever written.

        Raises:
            HistoryMissing: The record is gone, but something shows that there was one.
            StoreError: It cannot be opened.
        """
        if self.closed:
            raise StoreUnavailable("the client is closed", retryable=False)
        session = self.session
        if session is not None:
            if self.clock() - session.compared_at < COMPARE_SECONDS or session.same_files():
                return session
            self.drop(session)
            self.on_retire()
        return self.open()

    @typed
    def open(self) -> Session | None:
        """Open what is there."""
        with self._guard:
            if self.session is not None:
                return self.session
            if not os.path.lexists(self.layout.database):
                if not self._recover:
                    from realmconf.stores.embedded import witness

                    witness.refuse_fresh_start(self.layout)
                if not os.path.lexists(self.layout.database):
                    return None
            try:
                session = Session(self.layout, read_only=self.read_only)
            except HistoryMissing:
                if self._recover and not self.read_only:
                    return None
                raise
            self.session = session
        self.on_open(session)
        return session

    def open_to_write(self, queue: TurnQueue) -> Session | None:
        """
        The session for the holder of the turn, with counters and log in order; the database is made if it never was.

        Returns None when the locks that are held are not those at the paths: they exclude nobody.
        """
        session = self.session
        if session is not None and not session.same_files(queue):
            self.drop(session)
            session = None
        self.close_retired()
        if session is None:
            if not queue.holds_path():
                return None
            session = self.open() or self._create()
        if session.writer is None or session.counters is None or not session.counters.writable:
            session.open_for_writing(epoch=self._epoch)
            self._grow_log(session)
        if self._upgraded is not session:
            self._upgrade(session)
        return session

    def drop(self, session: Session) -> None:
        """
        Read through *session* no more; the next use opens another.

        What its writer uses is closed by the next holder of the turn: another thread may be committing with it now.
        """
        with self._guard:
            if self.session is not session:
                return
            self.session = None
            self._retired.append(session)
        self.on_drop()
        with session.read_lock:
            session.close_reading()

    def close_retired(self) -> None:
        """Close what the writers of dropped sessions had open. The mutex of the threads is held."""
        while self._retired:
            self._retired.pop().close_writing()

    def forget(self) -> None:
        """In a child after fork: nothing of the parent's is ours."""
        self.session = None
        self._upgraded = None
        self._retired = []
        self._guard = threading.Lock()

    def _create(self) -> Session:
        from realmconf.stores.embedded import kinship, witness

        self.layout.refuse_unfit_filesystem()
        lost = witness.what_is_known(self.layout) if self._recover else None
        if lost is not None:
            witness.set_aside(self.layout)
        database.create(
            self.layout.database,
            extra_schema=kinship.SCHEMA + self._extra_schema,
            meta={
                "store_id": self.random_bytes(16).hex(),
                "request_key": self.random_bytes(32),
                "working_copies": int(self._working_copies),
                "headers": int(self._headers),
                "lost": None if lost is None else json.dumps(lost),
            },
        )
        session = self.open()
        if session is None:
            raise StoreUnavailable(f"{self.layout.database} was removed at this moment; try again")
        return session

    def _upgrade(self, session: Session) -> None:
        """Add what stores of an earlier build lack."""
        from realmconf.stores.embedded import kinship

        # What the session knows of the store stays: points that its readers hold are older than this.
        if kinship.KEPT not in session.meta:
            session.end_leftover_transaction()
            assert session.writer is not None
            kinship.add(session.writer)
        self._upgraded = session

    def _grow_log(self, session: Session) -> None:
        writer = session.writer
        if writer is None or session.meta.get(_GROWTH_DONE):
            return
        try:
            database.grow_log(writer)
            writer.execute("INSERT OR REPLACE INTO meta VALUES(?, 1)", (_GROWTH_DONE,))
        except database.Error:
            # Only speed is lost: a full disk, say. The next process tries again.
            return
        session.meta[_GROWTH_DONE] = 1

    def _epoch(self) -> int:
        # Random and even; 60 bits leave room to count up for ever.
        return (int.from_bytes(self.random_bytes(8), "big") >> 4) & ~1
