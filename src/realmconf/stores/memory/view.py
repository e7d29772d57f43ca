"""What can be read at one point: the history of each realm as it stood."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from realmconf.domain.lineage import parent_of
from realmconf.errors import HistoryCompacted, RevisionNotFound, StoreCorrupt
from realmconf.stores.protocol import Head, RealmEntry, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import Receipt

    Receipts = Mapping[str, Mapping[str, Receipt]]


class History:
    """
    One realm's revisions.  A history is replaced, never changed: *revisions* only grows and *count* says how
    much of it belongs to this one, so a view that holds it stays at its point.  *positions* are those of the
    revisions, index by index; *schemas* the digests of all that the realm ever had.  *moved_to* is where it lives, if
    not here.
    """

    __slots__ = ("count", "floor", "head", "parent", "positions", "revisions", "schemas")

    def __init__(
        self,
        realm: RealmName,
        revisions: list[Revision],
        positions: list[int],
        *,
        floor: int = 1,
        schemas: tuple[str, ...] = (),
        moved_to: str | None = None,
    ) -> None:
        self.revisions = revisions
        self.positions = positions
        self.count = len(revisions)
        self.floor = floor
        self.schemas = schemas
        self.head = Head(realm=realm, revision=revisions[-1], floor=floor, moved_to=moved_to)
        self.parent = parent_of(realm, revisions[-1].document)

    def since(self, floor: int) -> History:
        """This history without the revisions below *floor*, in lists of its own."""
        first = self.index(floor)
        return History(
            self.head.realm,
            self.revisions[first : self.count],
            self.positions[first : self.count],
            floor=floor,
            schemas=self.schemas,
            moved_to=self.head.moved_to,
        )

    def living(self, moved_to: str | None) -> History:
        """This history as that of a realm that lives there; here, if None."""
        return History(
            self.head.realm,
            self.revisions[: self.count],
            self.positions[: self.count],
            floor=self.floor,
            schemas=self.schemas,
            moved_to=moved_to,
        )

    def index(self, generation: int) -> int:
        """Where *generation* is or would be: a restore may have stepped over numbers."""
        return bisect_left(
            self.revisions, generation, 0, self.count, key=lambda revision: revision.generation
        )


class View:
    """A point to read from; the live state for whoever holds the turn, since nothing moves then."""

    def __init__(
        self,
        histories: Mapping[str, History],
        receipts: Receipts,
        schemas: Mapping[str, Document],
    ) -> None:
        self._histories = histories
        self._receipts = receipts
        # Of every realm and by their content: one that was added since is the same at every point.
        self._schemas = schemas

    def head(self, realm: RealmName) -> Head:
        history = self._histories.get(realm)
        return Head(realm=realm, revision=None) if history is None else history.head

    def revision(self, realm: RealmName, generation: int) -> Revision:
        history, index = self._find(realm, generation)
        return history.revisions[index]

    def position(self, realm: RealmName, generation: int) -> int:
        history, index = self._find(realm, generation)
        return history.positions[index]

    def _find(self, realm: RealmName, generation: int) -> tuple[History, int]:
        history = self._histories.get(realm)
        current = 0 if history is None else history.head.generation
        if history is None or not 1 <= generation <= current:
            raise RevisionNotFound(realm=realm, generation=generation, current=current)
        if generation < history.floor:
            raise HistoryCompacted(generation, history.floor, realm=realm)
        index = history.index(generation)
        if history.revisions[index].generation != generation:
            raise RevisionNotFound(realm=realm, generation=generation, current=current)
        return history, index

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
        return [self._entry(self._histories[name]) for name in names[:limit]]

    @staticmethod
    def _entry(history: History) -> RealmEntry:
        head = history.head
        revision = head.revision
        exists = revision is not None and not revision.tombstone
        return RealmEntry(
            realm=head.realm,
            generation=head.generation,
            exists=exists,
            parent=history.parent,
            moved_to=head.moved_to,
        )

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        found = (one.head.realm for one in self._histories.values() if one.parent == realm)
        return sorted(found)

    def schema(self, digest: str) -> Document:
        try:
            return self._schemas[digest]
        except KeyError:
            raise StoreCorrupt(f"the store has lost the schema {digest}") from None

    def schemas(self, realm: RealmName) -> Sequence[str]:
        history = self._histories.get(realm)
        return () if history is None else history.schemas

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        history = self._histories.get(realm)
        if history is None:
            return None
        number = bisect_right(history.positions, position, 0, history.count)
        if number:
            return history.revisions[number - 1]
        if history.floor > 1:
            raise HistoryCompacted(history.floor - 1, history.floor, realm=realm)
        return None

    def last_position(self) -> int:
        return max(
            (one.positions[one.count - 1] for one in self._histories.values()),
            default=0,
        )

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        found: list[Step] = []
        for realm, generation in after.items():
            history = self._histories.get(realm)
            if history is None:
                continue
            if generation + 1 < history.floor:
                raise HistoryCompacted(generation + 1, history.floor, realm=realm)
            first = history.index(generation + 1)
            last = min(history.count, first + limit)
            found += [
                Step(
                    position=history.positions[index],
                    realm=realm,
                    revision=history.revisions[index],
                )
                for index in range(first, last)
            ]
        found.sort(key=lambda step: step.position)
        return found[:limit]
