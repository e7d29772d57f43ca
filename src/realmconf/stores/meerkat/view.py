"""
What can be read of a root at one point: heads from the files, what came before from the journal.

Decides which revisions belong to the point: those that the journal had when it was made.
"""

from __future__ import annotations

from realmconf.domain.lineage import parent_of
from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.stores.protocol import Head, RealmEntry, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.meerkat.journal import Journal
    from realmconf.stores.protocol import Receipt

_RECORDS = "SELECT record FROM revision WHERE realm = ? AND position <= ?"


class View:
    """See ``ReadView``."""

    def __init__(self, journal: Journal, heads: Mapping[RealmName, Head], position: int) -> None:
        self._journal = journal
        self._heads = heads
        self._position = position

    def head(self, realm: RealmName) -> Head:
        return self._heads.get(realm) or Head(realm=realm, revision=None)

    def revision(self, realm: RealmName, generation: int) -> Revision:
        head = self._within(realm, generation)
        assert head.revision is not None
        if generation == head.generation:
            return head.revision
        for revision in self._journal.revisions(
            f"{_RECORDS} AND generation = ?", realm, self._position, generation
        ):
            return revision
        if generation < head.floor:
            raise HistoryCompacted(generation, head.floor, realm=realm)
        raise RevisionNotFound(realm=realm, generation=generation, current=head.generation)

    def _within(self, realm: RealmName, generation: int) -> Head:
        head = self.head(realm)
        if head.revision is None or not 1 <= generation <= head.generation:
            raise RevisionNotFound(realm=realm, generation=generation, current=head.generation)
        if generation < head.floor:
            raise HistoryCompacted(generation, head.floor, realm=realm)
        return head

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
        if head.revision is None:
            return []
        if not newest_first and after + 1 < head.floor:
            raise HistoryCompacted(after + 1, head.floor, realm=realm)
        end = head.generation + 1 if before is None else min(before, head.generation + 1)
        order = "DESC" if newest_first else "ASC"
        found = self._journal.revisions(
            f"{_RECORDS} AND generation > ? AND generation < ? AND generation >= ? ORDER BY generation {order} LIMIT ?",
            realm,
            self._position,
            after,
            end,
            head.floor,
            -1 if limit is None else limit,
        )
        if after < head.generation < end and not self._is_kept(head):
            # Seen and not noted, since nothing may be written here.
            found = [head.revision, *found] if newest_first else [*found, head.revision]
        return found[:limit]

    def _is_kept(self, head: Head) -> bool:
        rows = self._journal.rows(
            "SELECT 1 FROM revision WHERE realm = ? AND generation = ? AND position <= ?",
            head.realm,
            head.generation,
            self._position,
        )
        return bool(rows)

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        return self._journal.receipt(realm, write_id)

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        names = sorted(
            name
            for name, head in self._heads.items()
            if head.generation and (after is None or name > after)
        )
        return [self._entry(self._heads[name]) for name in names[:limit]]

    @staticmethod
    def _entry(head: Head) -> RealmEntry:
        revision = head.revision
        assert revision is not None
        return RealmEntry(
            realm=head.realm,
            generation=head.generation,
            exists=not revision.tombstone,
            parent=parent_of(head.realm, revision.document),
            moved_to=head.moved_to,
        )

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        found = (
            name
            for name, head in self._heads.items()
            if head.revision is not None and parent_of(name, head.revision.document) == realm
        )
        return sorted(found)

    def schema(self, digest: str) -> Document:
        return self._journal.schema(digest)

    def schemas(self, realm: RealmName) -> Sequence[str]:
        rows = self._journal.rows(
            "SELECT digest FROM realm_schema WHERE realm = ? AND position <= ? ORDER BY number",
            realm,
            self._position,
        )
        return [str(row[0]) for row in rows]

    def position(self, realm: RealmName, generation: int) -> int:
        head = self._within(realm, generation)
        for (position,) in self._journal.rows(
            "SELECT position FROM revision WHERE realm = ? AND generation = ? AND position <= ?",
            realm,
            generation,
            self._position,
        ):
            return int(position)  # type: ignore[call-overload, no-any-return]
        if generation == head.generation:
            return self._position
        raise RevisionNotFound(realm=realm, generation=generation, current=head.generation)

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        head = self.head(realm)
        if head.revision is None:
            return None
        for revision in self._journal.revisions(
            f"{_RECORDS} AND generation >= ? ORDER BY generation DESC LIMIT 1",
            realm,
            min(position, self._position),
            head.floor,
        ):
            return revision
        if head.floor > 1 and self._journal.rows(
            "SELECT 1 FROM realm WHERE name = ? AND floor > 1", realm
        ):
            raise HistoryCompacted(head.floor - 1, head.floor, realm=realm)
        return None

    def last_position(self) -> int:
        return self._position

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        found: list[tuple[int, RealmName, Revision]] = []
        for realm, generation in after.items():
            head = self.head(realm)
            if head.revision is None:
                continue
            if generation + 1 < head.floor:
                raise HistoryCompacted(generation + 1, head.floor, realm=realm)
            positions = self._journal.rows(
                "SELECT position FROM revision WHERE realm = ? AND position <= ? AND generation > ? "
                "ORDER BY generation LIMIT ?",
                realm,
                self._position,
                generation,
                limit,
            )
            revisions = self.revisions(realm, after=generation, limit=limit)
            places = [int(row[0]) for row in positions]  # type: ignore[call-overload]
            places += [self._position] * (len(revisions) - len(places))
            found += zip(places, [realm] * len(revisions), revisions, strict=True)
        found.sort(key=lambda one: one[0])
        return [
            Step(position=place, realm=realm, revision=revision)
            for place, realm, revision in found[:limit]
        ]
