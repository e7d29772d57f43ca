"""What can be read at one point: the history of each realm as it stood."""

from __future__ import annotations

from bisect import bisect_left

from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.stores.protocol import Head, RealmEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import Receipt

    Receipts = Mapping[str, Mapping[str, Receipt]]


class History:
    """
    One realm's revisions.  A history is replaced, never changed: *revisions* only grows and *count* says how
    much of it belongs to this one, so a view that holds it stays at its point.
    """

    __slots__ = ("count", "floor", "head", "revisions")

    def __init__(self, realm: RealmName, revisions: list[Revision], *, floor: int = 1) -> None:
        self.revisions = revisions
        self.count = len(revisions)
        self.floor = floor
        self.head = Head(realm=realm, revision=revisions[-1], floor=floor)

    def index(self, generation: int) -> int:
        """Where *generation* is or would be: a restore may have stepped over numbers."""
        return bisect_left(
            self.revisions, generation, 0, self.count, key=lambda revision: revision.generation
        )


class View:
    """A point to read from; the live state for whoever holds the turn, since nothing moves then."""

    def __init__(self, histories: Mapping[str, History], receipts: Receipts) -> None:
        self._histories = histories
        self._receipts = receipts

    def head(self, realm: RealmName) -> Head:
        history = self._histories.get(realm)
        return Head(realm=realm, revision=None) if history is None else history.head

    def revision(self, realm: RealmName, generation: int) -> Revision:
        history = self._histories.get(realm)
        current = 0 if history is None else history.head.generation
        if history is None or not 1 <= generation <= current:
            raise RevisionNotFound(realm=realm, generation=generation, current=current)
        if generation < history.floor:
            raise HistoryCompacted(generation, history.floor, realm=realm)
        found = history.revisions[history.index(generation)]
        if found.generation != generation:
            raise RevisionNotFound(realm=realm, generation=generation, current=current)
        return found

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        history = self._histories.get(realm)
        if history is None:
            return []
        if not newest_first and after + 1 < history.floor:
            raise HistoryCompacted(after + 1, history.floor, realm=realm)
        first = history.index(after + 1)
        last = history.count if before is None else history.index(before)
        if limit is not None:
            first, last = (
                (max(first, last - limit), last)
                if newest_first
                else (first, min(last, first + limit))
            )
        found = history.revisions[first:last]
        return found[::-1] if newest_first else found

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        kept = self._receipts.get(realm)
        return None if kept is None else kept.get(write_id)

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        names = sorted(name for name in self._histories if after is None or name > after)
        return [self._entry(self._histories[name].head) for name in names[:limit]]

    @staticmethod
    def _entry(head: Head) -> RealmEntry:
        revision = head.revision
        exists = revision is not None and not revision.tombstone
        return RealmEntry(realm=head.realm, generation=head.generation, exists=exists)
