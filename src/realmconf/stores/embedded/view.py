"""
Reading the record: one consistent point for readers, and the growing head for the holder of the turn.
"""

from __future__ import annotations

from realmconf.domain.document import canonical_bytes
from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.stores.embedded import database
from realmconf.stores.embedded.failures import typed
from realmconf.stores.protocol import MINTED, Head, RealmEntry, Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.write import Append
    from realmconf.stores.embedded.session import Session


class Rows:
    """The ``ReadView`` of what one connection sees now."""

    def __init__(self, session: Session, connection: apsw.Connection) -> None:
        self.session = session
        self.connection = connection
        self._ids: dict[str, int | None] = {}

    def _realm_id(self, realm: RealmName) -> int | None:
        """The realm's key at this point; a cache of its own, since the session's is of today."""
        if realm not in self._ids:
            self._ids[realm] = database.select_key(self.connection, realm)
        return self._ids[realm]

    @typed
    def head(self, realm: RealmName) -> Head:
        return self.session.select_head(self.connection, realm, self._realm_id(realm))

    @typed
    def revision(self, realm: RealmName, generation: int) -> Revision:
        head = self.head(realm)
        if head.revision is not None and generation == head.generation:
            return head.revision
        if generation < 1 or generation > head.generation:
            raise RevisionNotFound(realm=realm, generation=generation, current=head.generation)
        if generation < head.floor:
            raise HistoryCompacted(generation, head.floor, realm=realm)
        key = self._realm_id(realm)
        found = None if key is None else database.select_revision(self.connection, key, generation)
        if found is None:
            raise RevisionNotFound(realm=realm, generation=generation, current=head.generation)
        return found

    @typed
    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        head = self.head(realm)
        if not newest_first and after + 1 < head.floor and head.floor > 1:
            raise HistoryCompacted(after + 1, head.floor, realm=realm)
        only_head = head.generation == after + 1 and head.revision is not None
        if only_head and limit != 0 and (before is None or before > head.generation):
            assert head.revision is not None
            # A watcher that is one behind, the common case, needs no second look-up.
            return [head.revision]
        key = self._realm_id(realm)
        if key is None:
            return []
        return database.select_revisions(
            self.connection, key, after=after, before=before, limit=limit, newest_first=newest_first
        )

    @typed
    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        key = self._realm_id(realm)
        if key is None:
            return None
        found = database.select_receipt(self.connection, key, realm, write_id)
        if found is None and write_id.startswith(MINTED):
            # An id that we minted has no receipt of its own: its revision is one. Asked for after an unknown
            # outcome only.
            generation = self.connection.execute(
                "SELECT generation FROM revision WHERE realm = ? AND write_id = ? ORDER BY generation DESC LIMIT 1",
                (key, write_id),
            ).get
            if generation is not None:
                return Receipt(
                    realm=realm,
                    write_id=write_id,
                    request="",
                    outcome="committed",
                    generation=generation,
                )
        return found

    @typed
    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        rows = self.connection.execute(
            "SELECT name, (SELECT generation FROM revision WHERE realm = realm.id ORDER BY generation DESC LIMIT 1), "
            "(SELECT tombstone FROM revision WHERE realm = realm.id ORDER BY generation DESC LIMIT 1) "
            "FROM realm WHERE name > ? COLLATE BINARY ORDER BY name COLLATE BINARY LIMIT ?",
            ("" if after is None else str(after), -1 if limit is None else limit),
        )
        return [
            RealmEntry(
                realm=database.trusted_name(name), generation=generation, exists=not tombstone
            )
            for name, generation, tombstone in rows
            if generation is not None
        ]


class Staged:
    """A revision to append, the generation it must follow, and its document's bytes if they are at hand."""

    __slots__ = ("canonical", "follows", "revision")

    def __init__(self, revision: Revision, follows: int, canonical: bytes | None) -> None:
        self.revision = revision
        self.follows = follows
        self.canonical = canonical

    @property
    def steps(self) -> bool:
        """Whether it steps over numbers that a lost history may have used."""
        return self.revision.generation != self.follows + 1

    def text(self) -> str:
        """The document as it is stored; empty for a tombstone."""
        document = self.revision.document
        if document is None:
            return ""
        return (self.canonical or canonical_bytes(document)).decode()


class Pending(Rows):
    """
    The ``ReadView`` of a batch: the record, and on top of it what earlier writes of the same transaction append.
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows.session, rows.connection)
        self._rows = rows
        self._heads: dict[str, Head] = {}
        self._appended: dict[tuple[str, int], Revision] = {}
        self._receipts: dict[tuple[str, str], Receipt] = {}
        self.staged: list[Staged] = []

    def _realm_id(self, realm: RealmName) -> int | None:
        return self._rows._realm_id(realm)

    @property
    def revisions_staged(self) -> list[Revision]:
        return [staged.revision for staged in self.staged]

    @property
    def receipts(self) -> list[Receipt]:
        return list(self._receipts.values())

    def stage(self, decision: Append) -> Head:
        """Make the decided revision the head, for the judgements that follow."""
        revision = decision.revision
        before = self.head(revision.realm)
        staged = Staged(revision, before.generation, decision.canonical)
        self.staged.append(staged)
        # A revision that steps over numbers leaves nothing below it to read.
        head = before.replace(
            revision=revision, floor=revision.generation if staged.steps else before.floor
        )
        self._heads[revision.realm] = head
        self._appended[revision.realm, revision.generation] = revision
        return head

    def stage_receipt(self, receipt: Receipt) -> None:
        self._receipts[receipt.realm, receipt.write_id] = receipt

    def head(self, realm: RealmName) -> Head:
        return self._heads.get(realm) or self._rows.head(realm)

    def revision(self, realm: RealmName, generation: int) -> Revision:
        return self._appended.get((realm, generation)) or super().revision(realm, generation)

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        mine = [
            revision
            for (name, generation), revision in self._appended.items()
            if name == realm and generation > after and (before is None or generation < before)
        ]
        if not mine:
            return super().revisions(
                realm, after=after, before=before, limit=limit, newest_first=newest_first
            )
        recorded = self._rows.revisions(realm, after=after, before=before)
        found = sorted(
            [*recorded, *mine], key=lambda revision: revision.generation, reverse=newest_first
        )
        return found[:limit] if limit is not None else found

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        return self._receipts.get((realm, write_id)) or self._rows.receipt(realm, write_id)
