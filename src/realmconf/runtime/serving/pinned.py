"""
A point in the past, for a reader whose questions come one after the other: everything as of one position.

Decides what a view answered at a position that the store has left behind.  Only documents and names were different
then: floors, receipts and purges are those of now.  What cannot be told any more is told as compacted.
"""

from __future__ import annotations

from bisect import bisect_right

from realmconf.domain.lineage import parent_of
from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.runtime.serving.patience import Patience
from realmconf.stores.protocol import Head, RealmEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import ReadView, Receipt, Step

PAGE = 256
SMALL_PAGE = 16
"""Of revisions, each of which may be large."""


class Pinned:
    """The ``ReadView`` of *view* as it was at *position*; slower, since it looks for what was true then."""

    def __init__(self, view: ReadView, position: int, *, patience: Patience | None = None) -> None:
        self._view = view
        self._patience = patience or Patience()
        self._entries: list[RealmEntry] | None = None
        self._families: dict[RealmName, list[RealmName]] | None = None
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
        entries = self._all()
        begin = 0 if after is None else bisect_right(entries, after, key=lambda one: str(one.realm))
        return entries[begin : None if limit is None else begin + limit]

    def _all(self) -> list[RealmEntry]:
        """Every realm of then: found out once, since each of them is looked at."""
        if self._entries is None:
            found: list[RealmEntry] = []
            after: str | None = None
            while page := self._view.realms(after=after, limit=PAGE):
                self._patience.look(len(page))
                found += filter(None, map(self._entry, page))
                after = page[-1].realm
            self._entries = found
        return self._entries

    def _entry(self, now: RealmEntry) -> RealmEntry | None:
        """What the list said then of a realm of which it says *now*."""
        realm = now.realm
        if self._view.position(realm, now.generation) <= self._position:
            return now
        self._patience.look()
        try:
            newest = self._newest(realm)
        except HistoryCompacted:
            return self._gone(now)
        if newest is None:
            return None
        return RealmEntry(
            realm=realm,
            generation=newest.generation,
            exists=not newest.tombstone,
            parent=parent_of(realm, newest.document),
        )

    def _gone(self, now: RealmEntry) -> RealmEntry:
        """
        Of a realm whose revision of then is gone it is known that there was one.

        Where its history went on under another name it was there; else it is taken to be as it is now.
        """
        floor = self._view.head(now.realm).floor
        oldest = self._view.revision(now.realm, floor)
        is_moved = oldest.kind == "rename" and oldest.tombstone
        return RealmEntry(
            realm=now.realm,
            generation=max(1, floor - 1),
            exists=is_moved or now.exists,
            parent=None if is_moved else now.parent,
        )

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        if self._families is None:
            self._families = {}
            for entry in self._all():
                if entry.exists and entry.parent is not None:
                    self._families.setdefault(entry.parent, []).append(entry.realm)
        return self._families.get(realm, [])

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
        since = self._named(realm, after=max(newest.generation, self._view.head(realm).floor - 1))
        if since.isdisjoint(known):
            return known
        before = self._named(
            realm, after=self._view.head(realm).floor - 1, before=newest.generation + 1
        )
        for index, digest in enumerate(known):
            if digest in since and digest not in before:
                return known[:index]
        return known

    def _named(self, realm: RealmName, *, after: int, before: int | None = None) -> set[str | None]:
        """The schemas that revisions of *realm* name."""
        found: set[str | None] = set()
        while page := self._view.revisions(realm, after=after, before=before, limit=SMALL_PAGE):
            self._patience.look(len(page))
            found.update(one.schema_digest for one in page)
            after = page[-1].generation
        return found

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
