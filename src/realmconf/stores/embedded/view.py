"""
Reading the record: what one connection sees, at one point.
"""

from __future__ import annotations

from realmconf.errors import HistoryCompacted, RevisionNotFound, StoreCorrupt
from realmconf.stores.embedded import database, kinship
from realmconf.stores.embedded.failures import typed
from realmconf.stores.protocol import MINTED, Head, RealmEntry, Receipt, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import apsw

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.embedded.session import Session


class Rows:
    """The ``ReadView`` of what one connection sees now."""

    def __init__(self, session: Session, connection: apsw.Connection) -> None:
        self.session = session
        self.connection = connection
        self._ids: dict[str, int | None] = {}
        self._keeps_kinship = kinship.KEPT in session.meta

    @property
    def keeps_kinship(self) -> bool:
        """
        Whether parents and schemas are kept at this point.

        Asked anew where the session is older than that: a point that was there before stays without.
        """
        if not self._keeps_kinship:
            self._keeps_kinship = kinship.is_kept(self.connection)
        return self._keeps_kinship

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
        kept = self.keeps_kinship
        stated = {} if kept else self._stated_parents()
        rows = self.connection.execute(
            f"SELECT name, {'parent' if kept else 'NULL'}, "  # noqa: S608 - built from constants
            "(SELECT generation FROM revision WHERE realm = realm.id ORDER BY generation DESC LIMIT 1), "
            "(SELECT tombstone FROM revision WHERE realm = realm.id ORDER BY generation DESC LIMIT 1), moved_to "
            "FROM realm WHERE name > ? COLLATE BINARY ORDER BY name COLLATE BINARY LIMIT ?",
            ("" if after is None else str(after), -1 if limit is None else limit),
        )
        return [
            RealmEntry(
                realm=database.trusted_name(name),
                generation=generation,
                exists=not tombstone,
                parent=stated.get(name) if parent is None else database.trusted_name(parent),
                moved_to=moved_to,
            )
            for name, parent, generation, tombstone, moved_to in rows
            if generation is not None
        ]

    def _stated_parents(self) -> dict[str, RealmName]:
        """The parent of each realm that names one, from the documents."""
        return {name: parent for _, name, parent in kinship.stated_parents(self.connection)}

    @typed
    def children(self, realm: RealmName) -> Sequence[RealmName]:
        if self.keeps_kinship:
            return kinship.select_children(self.connection, realm)
        return [
            database.trusted_name(name)
            for name, parent in sorted(self._stated_parents().items())
            if parent == realm
        ]

    @typed
    def schema(self, digest: str) -> Document:
        found = kinship.select_schema(self.connection, digest) if self.keeps_kinship else None
        if found is None:
            raise StoreCorrupt(f"the store has lost the schema {digest}")
        return found

    @typed
    def schemas(self, realm: RealmName) -> Sequence[str]:
        key = self._realm_id(realm) if self.keeps_kinship else None
        return [] if key is None else kinship.select_schemas(self.connection, key)

    @typed
    def position(self, realm: RealmName, generation: int) -> int:
        key = self._realm_id(realm)
        found = None if key is None else database.select_position(self.connection, key, generation)
        if found is None:
            # Whichever of the two reasons there is not to find it.
            self.revision(realm, generation)
            raise StoreCorrupt(f"generation {generation} of realm {realm} has lost its place")
        return found

    @typed
    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        head = self.head(realm)
        key = self._realm_id(realm)
        if head.revision is None or key is None:
            return None
        newest = database.select_position(self.connection, key, head.generation)
        if newest is not None and newest <= position:
            # Most of a chain has not changed since.
            return head.revision
        found = database.select_as_of(
            self.connection, key, position, floor=head.floor, newest=head.generation
        )
        if found is None and head.floor > 1:
            raise HistoryCompacted(head.floor - 1, head.floor, realm=realm)
        return found

    @typed
    def last_position(self) -> int:
        return database.select_last_position(self.connection)

    @typed
    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        known = database.select_floors(self.connection, after)
        names: dict[int, RealmName] = {}
        following: dict[int, int] = {}
        for realm, generation in after.items():
            if realm not in known:
                continue
            key, floor = known[realm]
            if generation + 1 < floor:
                raise HistoryCompacted(generation + 1, floor, realm=realm)
            names[key] = realm
            following[key] = generation
        if not following:
            return []
        return [
            Step(position=position, realm=names[key], revision=revision)
            for position, key, revision in database.select_steps(
                self.connection, following, limit=limit
            )
        ]
