"""
The turn to write: what its holder may do, and the one place where something is committed.

Exists only while the queue's locks are held, so the head it shows cannot change under it.
"""

from __future__ import annotations

import apsw

from realmconf.domain.names import case_twin
from realmconf.errors import OutcomeUnknown, RealmconfError
from realmconf.stores.embedded import database, kinship
from realmconf.stores.embedded.counters import ALL_SLOTS, slot_of
from realmconf.stores.embedded.failures import typed
from realmconf.stores.embedded.pending import Pending
from realmconf.stores.embedded.view import Rows
from realmconf.stores.protocol import Head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from realmconf.domain.names import RealmName
    from realmconf.domain.write import Append
    from realmconf.stores.embedded.pending import Staged
    from realmconf.stores.embedded.session import Session
    from realmconf.stores.protocol import Receipt

    Also = Callable[[apsw.Connection], None]


class HeadMoved(Exception):
    """Somebody wrote without the queue: the conditional INSERT refused. What was cached is dropped and judged again."""


class Turn(Rows):
    """The record as its only writer sees it."""

    def __init__(self, session: Session) -> None:
        assert session.writer is not None
        super().__init__(session, session.writer)
        self.committed: list[RealmName] = []
        """Realms that got a new head in this turn: their working copies are to be rendered."""

    def _realm_id(self, realm: RealmName) -> int | None:
        return self.session.realm_id(self.connection, realm)

    @typed
    def head(self, realm: RealmName) -> Head:
        session = self.session
        known = session.proved(realm)
        if known is not None:
            return known
        counters = session.counters
        assert counters is not None
        mark = counters.words[slot_of(realm)]
        seen_at, seen = session.judged_on.get(realm, (-1, None))
        if (
            seen_at == mark
            and not mark & 1
            and seen is not None
            and seen is session.heads.get(realm)
        ):
            return seen
        # Not proved by that: an edit may have been noticed since, and only who looks at the file as well can tell
        # readers what is to be said of it.
        head = session.heads[realm] = session.select_head(
            self.connection, realm, self._realm_id(realm)
        )
        session.judged_on[realm] = (mark, head)
        return head

    def commit(
        self,
        appends: Sequence[Append],
        *,
        also: Also | None = None,
        receipts: Sequence[Receipt] = (),
    ) -> None:
        """
        Carry *appends* out and run *also* in one durable transaction; with none, commit *also* alone.

        Raises:
            OutcomeUnknown: It may or may not have happened; the marks stay odd, the next turn decides.
            StoreFull, StoreReadOnly, StoreUnavailable: Nothing was changed.
        """
        pending = Pending(self)
        for append in appends:
            pending.stage(append)
        self.append(pending.staged, also=also, receipts=receipts)

    def append(
        self,
        staged: Sequence[Staged],
        *,
        receipts: Sequence[Receipt] = (),
        also: Also | None = None,
        store_wide: bool = False,
    ) -> None:
        """
        The commit: mark in progress, one transaction, mark done, wake the watchers.

        *store_wide* tells readers that more than these realms' heads changed.
        """
        counters = self.session.counters
        assert counters is not None
        slots: Collection[int] = {slot_of(entry.revision.realm) for entry in staged}
        if store_wide:
            slots = ALL_SLOTS
        if not slots:
            # Nothing a reader caches changes (a receipt, a rendering): no marks.
            try:
                self._transaction(staged, receipts, also)
            except apsw.Error as error:
                raise database.explain_commit(error, self.session.layout.database, None) from error
            return
        counters.begin(slots)
        try:
            sequence = self._write(staged, receipts, also)
        except apsw.Error as error:
            write_id = staged[0].revision.write_id if staged else None
            failure = database.explain_commit(error, self.session.layout.database, write_id)
            if not isinstance(failure, OutcomeUnknown):
                counters.refused(slots)
            raise failure from error
        except (HeadMoved, RealmconfError):
            counters.refused(slots)
            raise
        counters.done(slots, sequence)
        self._remember(staged)
        self.session.wake()

    def _write(
        self, staged: Sequence[Staged], receipts: Sequence[Receipt], also: Also | None
    ) -> int:
        if len(staged) == 1 and not receipts and also is None:
            entry = staged[0]
            key = self._realm_id(entry.revision.realm)
            if key is not None and entry.alone:
                # The common write: one autocommit statement, which is its own compare-and-swap.
                sequence = database.insert(
                    self.connection,
                    key,
                    entry.revision,
                    head_generation=entry.follows,
                    text=entry.text(),
                )
                if not sequence:
                    raise HeadMoved
                return sequence
        return self._transaction(staged, receipts, also)

    def _transaction(
        self, staged: Sequence[Staged], receipts: Sequence[Receipt], also: Also | None
    ) -> int:
        connection = self.connection
        created: list[str] = []
        try:
            # Inside: an interrupt right after it must not leave the transaction open.
            connection.execute("BEGIN IMMEDIATE")
            sequence = 0
            for entry in staged:
                sequence = self._insert(entry, created)
            for receipt in receipts:
                key = self._key(receipt.realm, created)
                database.insert_receipt(connection, key, receipt)
            if also is not None:
                also(connection)
            if not staged:
                sequence = connection.execute("SELECT ifnull(max(seq), 0) FROM revision").get
        except BaseException as error:
            for realm in created:
                self.session.ids.pop(realm, None)
            self._roll_back()
            if isinstance(error, apsw.Error):
                # Not at COMMIT yet: whatever failed, nothing was changed.
                raise database.explain(error, self.session.layout.database) from error
            raise
        try:
            connection.execute("COMMIT")
        except BaseException:
            for realm in created:
                self.session.ids.pop(realm, None)
            self._roll_back()
            raise
        return sequence

    def _insert(self, entry: Staged, created: list[str]) -> int:
        revision = entry.revision
        key = self._key(revision.realm, created)
        sequence = database.insert(
            self.connection, key, revision, head_generation=entry.follows, text=entry.text()
        )
        if not sequence:
            raise HeadMoved
        if entry.steps:
            # It steps over numbers that a lost history may have used: nothing below it is kept.
            self.connection.execute(
                "UPDATE realm SET floor = ? WHERE id = ?", (revision.generation, key)
            )
        if entry.reparents:
            kinship.set_parent(self.connection, key, entry.parent)
        if entry.schemas:
            kinship.insert_schemas(self.connection, key, entry.schemas)
        return sequence

    def _key(self, realm: RealmName, created: list[str]) -> int:
        key = self._realm_id(realm)
        if key is None:
            try:
                self.connection.execute("INSERT INTO realm(name) VALUES(?)", (str(realm),))
            except apsw.ConstraintError:
                raise case_twin(realm) from None
            key = self.connection.last_insert_rowid()
            self.session.ids[realm] = key
            created.append(realm)
        return key

    def _roll_back(self) -> None:
        if not self.connection.get_autocommit():
            try:
                self.connection.execute("ROLLBACK")
            except apsw.Error:
                # SQLite has already rolled back by itself, or will when the connection is closed.
                pass

    def _remember(self, staged: Sequence[Staged]) -> None:
        session = self.session
        counters = session.counters
        assert counters is not None
        for entry in staged:
            revision = entry.revision
            realm = revision.realm
            self.committed.append(realm)
            known = session.heads.get(realm)
            if known is not None and known.generation == entry.follows and not entry.steps:
                head = known.replace(revision=revision, warnings=())
            else:
                session.heads.pop(realm, None)
                session.doubt(realm)
                continue
            slot = slot_of(realm)
            session.remember(realm, head, slot, counters.words[slot])
            if known.warnings:
                # What was to be said of the file may be settled by this write: the next read looks.
                session.doubt(realm)
