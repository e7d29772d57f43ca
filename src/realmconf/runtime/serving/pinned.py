"""
A point in the past, for a reader whose questions come one after the other: everything as of one position.

Decides what a view answered at a position that the store has left behind.  Only documents and names were different
then: floors, receipts and purges are those of now.  What cannot be told any more is told as compacted.
"""

from __future__ import annotations

from realmconf.domain.lineage import parent_of
from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.stores.protocol import Head, RealmEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import ReadView, Receipt, Step

PAGE = 256


class Pinned:
    """The ``ReadView`` of *view* as it was at *position*; slower, since it looks for what was true then."""

    def __init__(self, view: ReadView, position: int) -> None:
        self._view = view
        self._position = position
        self._then: dict[RealmName, Revision | None] = {}

    def _newest(self, realm: RealmName) -> Revision | None:
        if realm not in self._then:
            found = self._view.as_of(realm, self._position)
            # Under the name of then: whoever took the name over since was not there.
            self._then[realm] = None if found is None or found.realm != realm else found
        return self._then[realm]

    def _generation(self, realm: RealmName) -> int:
        newest = self._newest(realm)
        return 0 if newest is None else newest.generation

    def head(self, realm: RealmName) -> Head:
        newest = self._newest(realm)
        if newest is None:
            return Head(realm=realm, revision=None)
        now = self._view.head(realm)
        return Head(realm=realm, revision=newest, floor=min(now.floor, newest.generation))

    def revision(self, realm: RealmName, generation: int) -> Revision:
        current = self._generation(realm)
        if not 1 <= generation <= current:
            raise RevisionNotFound(realm=realm, generation=generation, current=current)
        return self._view.revision(realm, generation)

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        end = self._generation(realm) + 1
        if end == 1:
            return ()
        return self._view.revisions(
            realm,
            after=after,
            before=end if before is None else min(before, end),
            limit=limit,
            newest_first=newest_first,
        )

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        found = self._view.receipt(realm, write_id)
        if found is not None and found.generation > self._generation(realm):
            return None
        return found

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        found: list[RealmEntry] = []
        for entry in self._entries(after):
            if limit is not None and len(found) >= limit:
                break
            newest = self._newest(entry.realm)
            if newest is not None:
                found.append(
                    RealmEntry(
                        realm=entry.realm,
                        generation=newest.generation,
                        exists=not newest.tombstone,
                        parent=parent_of(entry.realm, newest.document),
                    )
                )
        return found

    def _entries(self, after: str | None) -> Iterator[RealmEntry]:
        while page := self._view.realms(after=after, limit=PAGE):
            yield from page
            after = page[-1].realm

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        return [entry.realm for entry in self.realms() if entry.exists and entry.parent == realm]

    def schema(self, digest: str) -> Document:
        return self._view.schema(digest)

    def schemas(self, realm: RealmName) -> Sequence[str]:
        """
        Those of then.

        They are kept in the order in which they came: what came since begins with the first that only a newer
        revision names.
        """
        newest = self._newest(realm)
        known = self._view.schemas(realm)
        if newest is None or not known:
            return ()
        since = {
            one.schema_digest
            for one in self._view.revisions(
                realm, after=max(newest.generation, self._view.head(realm).floor - 1)
            )
        }
        if since.isdisjoint(known):
            return known
        before = {
            one.schema_digest
            for one in self._view.revisions(realm, before=newest.generation + 1, newest_first=True)
        }
        for index, digest in enumerate(known):
            if digest in since and digest not in before:
                return known[:index]
        return known

    def position(self, realm: RealmName, generation: int) -> int:
        current = self._generation(realm)
        if not 1 <= generation <= current:
            raise RevisionNotFound(realm=realm, generation=generation, current=current)
        return self._view.position(realm, generation)

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        return self._view.as_of(realm, min(position, self._position))

    def last_position(self) -> int:
        return self._position

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        there: dict[RealmName, int] = {}
        for realm, generation in after.items():
            try:
                if self._newest(realm) is not None:
                    there[realm] = generation
            except HistoryCompacted:
                # What it had then is gone, and with it whatever came before.
                there[realm] = generation
        found = self._view.steps(there, limit=limit)
        return [step for step in found if step.position <= self._position]
