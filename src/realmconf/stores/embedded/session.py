"""
What one process has open of one root, and the care with which it is opened.

A session lives between two forks.  It owns the connections, the counter map and the cached heads;
it is opened lazily and thrown away as a whole.  A cached head is valid only while its session's connection is
open: with no connection anywhere, the next one to open may recover what a dead writer left in the log.
"""

from __future__ import annotations

import json
import os
import threading
import time

import apsw

from realmconf.errors import HistoryMissing, StoreReadOnly
from realmconf.stores.embedded import database
from realmconf.stores.embedded.counters import COMMITS_WORD, STORE_WORD, Counters, slot_of
from realmconf.stores.embedded.layout import is_at, open_private
from realmconf.stores.embedded.proofs import Proofs
from realmconf.stores.protocol import Head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.stores.embedded.layout import Layout
    from realmconf.stores.embedded.turnqueue import TurnQueue
    from realmconf.stores.protocol import Notice, Proof

COMPARE_SECONDS = 0.1
"""How long a reader trusts that the paths still name the files it has open."""

_SETTLED_NANOSECONDS = 2_000_000_000
"""A folder's time is trusted once it is this old: two changes within one clock tick look alike."""


class Session:
    """One process's open files of one root."""

    def __init__(self, layout: Layout, *, read_only: bool) -> None:
        self.layout = layout
        self.connection = database.connect(layout.database, read_only=read_only)
        self.writer: apsw.Connection | None = None
        self.read_lock = threading.Lock()
        self.idle_views: list[apsw.Connection] = []
        self.heads: dict[str, Head] = {}
        self.judged_on: dict[str, tuple[int, Head]] = {}
        """
        Heads that a turn read, and under which mark: the next turn has them for a look at the word.

        With every write it is asked whom its realm inherits from, which for most is a ``global`` that is not there.
        """
        self.proofs = Proofs()
        self.closed = False
        self.ids: dict[str, int] = {}
        self.ids_mark = -1
        self.compared_at = 0.0
        self.meta: dict[str, Any] = dict(self.connection.execute("SELECT key, value FROM meta"))
        self._lost: dict[str, int] = json.loads(self.meta.get("lost") or "{}")
        self.read_only = read_only
        self.counters: Counters | None = None
        self._wake = -1
        # Only after this connection has read something are its log and index the files at the paths.
        self._statuses = [os.stat(path) for path in layout.database_files]
        self._folder_seen: tuple[int, ...] = ()
        self._folder_locked: tuple[int, ...] = ()
        try:
            self._open_counters()
        except BaseException:
            self.connection.close()
            raise

    def _open_counters(self) -> None:
        """
        Raises:
            HistoryMissing: The counters record more commits than the database holds: its log was lost.
        """
        if not os.path.lexists(self.layout.counters):
            # The next writer makes them; until then every read asks the database.
            self._refuse_lost_log()
            return
        counters = Counters(self.layout.counters)
        # Read before the SELECT: a writer records a commit only after it is visible.
        recorded = counters.words[COMMITS_WORD]
        held = self.connection.execute("SELECT ifnull(max(seq), 0) FROM revision").get
        if held < recorded:
            counters.close()
            raise HistoryMissing(
                f"{self.layout.database} holds {held} of {recorded} commits: its log was lost or it was replaced "
                "by an older copy; put them back, or restore a backup"
            )
        self.counters = counters

    # --- writing: the turn is held ----------------------------------------------

    def open_for_writing(self, *, epoch: Callable[[], int]) -> None:
        """
        Open what only writers need, and make the counter file if it is missing.

        Raises:
            StoreReadOnly: The counters may only be read.
            HistoryMissing: The counters are missing and a working copy is ahead of the database.
        """
        if self.writer is None:
            self.writer = database.connect(self.layout.database)
        if self.counters is None or not self.counters.writable:
            if not os.path.lexists(self.layout.counters):
                self.fence()
                held = self.writer.execute("SELECT ifnull(max(seq), 0) FROM revision").get
                Counters.create(self.layout.counters, epoch=epoch(), commits=held)
            self.counters = Counters(self.layout.counters)
            if not self.counters.writable:
                raise StoreReadOnly(f"{self.layout.counters} can be read but not written from here")
        self._open_wake()

    def _refuse_lost_log(self) -> None:
        """The counters are gone; the working copies' first lines may still tell that the log went with them."""
        from realmconf.stores.embedded import witness

        named = witness.generations_named(self.layout)
        for realm, generation in named.items():
            head = self.connection.execute(
                "SELECT max(generation) FROM revision JOIN realm ON realm.id = realm WHERE realm.name = ?",
                (realm,),
            ).get
            if head is not None and generation > head:
                raise HistoryMissing(
                    f"the working copy of realm {realm} is at generation {generation}, its record ends at {head}: "
                    "the log was lost; put it back, or restore a backup"
                )

    def end_leftover_transaction(self) -> None:
        """
        Roll back what an interrupted turn left open: inside it nothing would ever be committed.

        Raises:
            StoreUnavailable: It cannot be ended now; nothing may be written through this connection.
        """
        if self.writer is None or self.writer.get_autocommit():
            return
        try:
            self.writer.execute("ROLLBACK")
        except apsw.Error as error:
            raise database.explain(error, self.layout.database) from error

    def fence(self) -> None:
        """
        Commit a row that overwrites what a dead writer left in the log, so that it can never come back.

        Raises what a failed commit means; the marks stay odd then.
        """
        assert self.writer is not None
        self.end_leftover_transaction()
        try:
            self.writer.execute("UPDATE fence SET number = number + 1")
        except apsw.Error as error:
            # Whether the fence itself is there does not matter: the next writer commits another.
            raise database.explain(error, self.layout.database) from error
        if self.counters is not None:
            self.counters.fenced()

    def wake(self) -> None:
        """
        Tell watchers in other processes to look. Mapped stores raise no event; this write does.

        Never fails: what it tells of is committed already.
        """
        try:
            self._open_wake()
            os.pwrite(self._wake, b"\0", 0)
        except OSError:
            # No space for one byte: closing what was open for writing is a hint as well.
            self._close_wake()

    def _open_wake(self) -> None:
        if self._wake < 0:
            self._wake = open_private(self.layout.wake, os.O_RDWR | os.O_CREAT)

    def _close_wake(self) -> None:
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1

    def same_files(self, queue: TurnQueue | None = None) -> bool:
        """
        Whether the paths still name the files that are open here; with *queue*, its lock files too.

        One stat of the folder as a rule: nothing in it was made, renamed or removed if its time stands still.
        """
        now = time.monotonic()
        # Of files that are others nobody may think, until the session is dropped, that they were found the same.
        self.compared_at = 0.0
        try:
            folder = os.stat(self.layout.folder)
            seen = (folder.st_dev, folder.st_ino, folder.st_mtime_ns, folder.st_ctime_ns)
            if seen == (self._folder_seen if queue is None else self._folder_locked):
                self.compared_at = now
                return True
            # A log or an index that was removed goes on working for who has it open, and for nobody else.
            for path, status in zip(self.layout.database_files, self._statuses, strict=True):
                if not os.path.samestat(os.stat(path), status):
                    return False
            if self.counters is None:
                if os.path.lexists(self.layout.counters):
                    return False  # a writer has made them
            else:
                status = os.stat(self.layout.counters)
                if (status.st_dev, status.st_ino) != self.counters.identity:
                    return False
        except OSError:
            return False
        if queue is not None:
            if not queue.holds_path():
                return False
            if self._wake >= 0 and not is_at(self._wake, self.layout.wake):
                # Whoever begins to watch now watches the one that is made in its place.
                self._close_wake()
        settled = time.time_ns() - folder.st_mtime_ns > _SETTLED_NANOSECONDS
        self._folder_seen = seen if settled else ()
        if queue is not None:
            self._folder_locked = self._folder_seen
        self.compared_at = now
        return True

    # --- reading -----------------------------------------------------------------

    def realm_id(self, connection: apsw.Connection, realm: str) -> int | None:
        """
        The realm's key, or None for a realm never written.

        *connection* is not inside a read transaction: an older point would put a name that has moved since
        under today's mark.
        """
        store_mark = self.counters.words[STORE_WORD] if self.counters is not None else 1
        if store_mark != self.ids_mark or store_mark & 1:
            self.ids = {}
            self.ids_mark = store_mark
        key = self.ids.get(realm)
        if key is None:
            key = database.select_key(connection, realm)
            if key is not None:
                self.ids[realm] = key
        return key

    def read_head(self, realm: RealmName, warnings: tuple[Notice, ...] = ()) -> Head:
        """The head from the database with *warnings*, and its proof under the mark that was read before it."""
        counters = self.counters
        slot = slot_of(realm)
        mark = 1 if counters is None else counters.words[slot]
        head = self.select_head(self.connection, realm, self.realm_id(self.connection, realm))
        if head.warnings != warnings:
            head = head.replace(warnings=warnings)
        self.remember(realm, head, slot, mark)
        return head

    def select_head(self, connection: apsw.Connection, realm: RealmName, key: int | None) -> Head:
        """Read the head's row of *realm*, whose key is *key*; the known object is returned where it is that row."""
        row = None if key is None else database.select_head(connection, key)
        known = self.heads.get(realm)
        if row is None:
            if known is not None and known.revision is None:
                return known
            return Head(realm=realm, revision=None, floor=self.first_generation(realm))
        if (
            known is not None
            and known.revision is not None
            and (known.revision.digest, known.floor, known.moved_to) == (row[-1], row[2], row[3])
        ):
            return known
        return Head(
            realm=realm,
            revision=database.to_revision(row),
            floor=row[2],
            moved_to=row[3],
            warnings=(),
        )

    def first_generation(self, realm: str) -> int:
        """Where a realm that was never written here begins: 1, or above what a lost history may have used."""
        if not self._lost:
            return 1
        from realmconf.stores.embedded import witness

        return 1 + max(self._lost.get(realm, 0), self._lost.get(witness.EVERY_REALM, 0))

    def remember(self, realm: RealmName, head: Head, slot: int, mark: int) -> None:
        """Keep *head* as proved by *mark*, unless something was in progress when the mark was read."""
        self.heads[realm] = head
        if mark & 1:
            self.proofs.replace(head, mark)
        else:
            assert self.counters is not None
            self.proofs.keep(head, self.counters.words[slot : slot + 1], mark)

    def doubt(self, realm: str) -> None:
        """Take back what proves *realm*'s head: the next read looks again."""
        self.proofs.doubt(realm)

    def doubt_files(self) -> None:
        """Take back every proof, and compare paths and open files before the next read."""
        self.proofs.take_back()
        self.compared_at = 0.0

    def forget_all(self) -> None:
        """Drop every cached head and key: more than one realm's head has changed."""
        self.proofs.take_back()
        self.heads = {}
        self.judged_on = {}
        self.ids = {}

    def proved(self, realm: str) -> Head | None:
        """The known head, if its slot still stands at the mark it was read under."""
        proof = self.proofs.proved(realm)
        return None if proof is None else proof.heads[0]

    def proof(self, realms: Sequence[RealmName]) -> Proof | None:
        """What proves the known heads of *realms*, if they are the newest."""
        counters = self.counters
        return None if counters is None else self.proofs.of(realms, counters.words)

    def borrow_view(self) -> apsw.Connection:
        """A connection to read one consistent point with; give it back with :meth:`return_view`."""
        try:
            return self.idle_views.pop()
        except IndexError:
            return database.connect(self.layout.database, read_only=self.read_only)

    def return_view(self, connection: apsw.Connection) -> None:
        if self.closed:
            connection.close()
        else:
            self.idle_views.append(connection)

    # --- the end ------------------------------------------------------------------

    def close_reading(self) -> None:
        """Close what readers use. The read lock is held."""
        self.closed = True
        self.forget_all()
        for connection in (self.connection, *self.idle_views):
            connection.close()
        self.idle_views = []

    def close_writing(self) -> None:
        """Close what only the holder of the turn uses. It, or nobody, has it."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None
        self._close_wake()
        if self.counters is not None:
            self.counters.close()
