"""
What the holder of the turn is about to commit, and the record as it will be then.
"""

from __future__ import annotations

from realmconf.domain.document import canonical_bytes
from realmconf.domain.lineage import parent_of
from realmconf.errors import HistoryCompacted
from realmconf.stores.embedded import database
from realmconf.stores.embedded.view import Rows
from realmconf.stores.protocol import RealmEntry, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.write import Append
    from realmconf.stores.protocol import Head, Receipt


class Staged:
    """
    A decided append, and what it follows.

    ``alone`` says that its row is all there is to write: it steps over no numbers that a lost history may have
    used, brings no schemas, and names the same parent as the head before it.
    """

    __slots__ = (
        "alone",
        "canonical",
        "follows",
        "parent",
        "reparents",
        "revision",
        "schemas",
        "steps",
    )

    def __init__(self, append: Append, head: Head) -> None:
        revision, before = append.revision, head.revision
        realm = revision.realm
        self.revision = revision
        self.canonical = append.canonical
        self.schemas = append.schemas
        self.follows = head.generation
        self.steps = revision.generation != self.follows + 1
        self.parent = parent_of(realm, revision.document)
        self.reparents = self.parent != (
            None if before is None else parent_of(realm, before.document)
        )
        self.alone = not (self.steps or self.reparents or self.schemas)

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
        self._schemas: dict[str, Document] = {}
        self.staged: list[Staged] = []
        self.appends: list[Append] = []
        """What was staged, as it was decided."""

    def _realm_id(self, realm: RealmName) -> int | None:
        return self._rows._realm_id(realm)

    @property
    def receipts(self) -> list[Receipt]:
        return list(self._receipts.values())

    def stage(self, decision: Append) -> Head:
        """Make the decided revision the head, for the judgements that follow."""
        revision = decision.revision
        before = self.head(revision.realm)
        staged = Staged(decision, before)
        self.staged.append(staged)
        self.appends.append(decision)
        self._schemas.update(decision.schemas)
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

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        if not self._heads:
            return super().realms(after=after, limit=limit)
        entries: dict[str, RealmEntry] = {
            entry.realm: entry for entry in super().realms(after=after)
        }
        for realm, head in self._heads.items():
            if head.revision is not None and (after is None or realm > after):
                entries[realm] = RealmEntry(
                    realm=head.realm,
                    generation=head.generation,
                    exists=not head.revision.tombstone,
                    parent=parent_of(realm, head.revision.document),
                    moved_to=head.moved_to,
                )
        return [entries[name] for name in sorted(entries)][:limit]

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        found = set(super().children(realm))
        for staged in self.staged:
            if staged.parent == realm:
                found.add(staged.revision.realm)
            else:
                found.discard(staged.revision.realm)
        return sorted(found)

    def schema(self, digest: str) -> Document:
        found = self._schemas.get(digest)
        return super().schema(digest) if found is None else found

    def schemas(self, realm: RealmName) -> Sequence[str]:
        brought = [
            digest
            for staged in self.staged
            if staged.revision.realm == realm
            for digest in staged.schemas
        ]
        recorded = super().schemas(realm)
        return list(dict.fromkeys((*recorded, *brought))) if brought else recorded

    def position(self, realm: RealmName, generation: int) -> int:
        for step in self._upcoming():
            if (step.realm, step.revision.generation) == (realm, generation):
                return step.position
        if generation < self.head(realm).floor:
            # Not asked of the record, which does not know yet of a floor that moves.
            self.revision(realm, generation)
        return super().position(realm, generation)

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        for step in reversed(self._upcoming()):
            if step.realm == realm and step.position <= position:
                return step.revision
        floor = self.head(realm).floor
        found = self._rows.as_of(realm, position)
        if floor > (0 if found is None else found.generation) and floor > 1:
            raise HistoryCompacted(floor - 1, floor, realm=realm)
        return found

    def last_position(self) -> int:
        return super().last_position() + len(self.staged)

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        for realm, generation in after.items():
            head = self.head(realm)
            if head.revision is not None and generation + 1 < head.floor:
                raise HistoryCompacted(generation + 1, head.floor, realm=realm)
        mine = [
            step
            for step in self._upcoming()
            if step.revision.generation > after.get(step.realm, step.revision.generation)
        ]
        return [*super().steps(after, limit=limit), *mine][:limit]

    def _upcoming(self) -> list[Step]:
        """What is staged, with the positions that it will have: nobody else appends in this turn."""
        if not self.staged:
            return []
        last = database.select_last_position(self.connection)
        return [
            Step(position=position, realm=staged.revision.realm, revision=staged.revision)
            for position, staged in enumerate(self.staged, start=last + 1)
        ]
