"""
A point that remembers what was asked of it, so that a write can be made to rest on exactly that.

Decides which row an answer rests on.  Either it reads an engine's point, or, without one, it answers from what is known
in memory and gives up (``NotKnownError``) where that is not enough.
"""

from __future__ import annotations

from realmconf.errors import StoreCorrupt
from realmconf.stores.engine.known import digest_of
from realmconf.stores.engine.ledger import Changes
from realmconf.stores.protocol import MINTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.engine.known import Known
    from realmconf.stores.engine.ledger import LedgerView, Row
    from realmconf.stores.protocol import Head, RealmEntry, Receipt, Step


class NotKnownError(Exception):
    """Memory alone cannot answer: ask the engine; never reaches a caller."""


class Noting:
    """A ``ReadView`` that notes what it is asked; *under* is an engine's point, or None to answer from memory."""

    def __init__(self, known: Known, under: LedgerView | None) -> None:
        self._known = known
        self._under = under
        self._rows: dict[RealmName, Row] = {}
        self._expected: dict[RealmName, None] = {}
        self._fetched: dict[RealmName, Row] = {}
        self._newest: int | None = None

    @property
    def is_recalled(self) -> bool:
        """Whether it is from memory, and so perhaps old."""
        return self._under is None

    @property
    def seen(self) -> Mapping[RealmName, Row]:
        """The rows that were looked at."""
        return self._rows

    # --- what was looked at --------------------------------------------------------------------

    def row(self, realm: RealmName) -> Row:
        """The row of *realm*; whoever asks rests on it."""
        row = self._rows.get(realm)
        if row is None:
            self.ask([realm])
            row = self._rows[realm]
        return row

    def ask(self, realms: Iterable[RealmName]) -> None:
        """Ask for several rows at once: whatever is written then rests on all of them."""
        missing = [realm for realm in dict.fromkeys(realms) if realm not in self._rows]
        if not missing:
            return
        if self._under is not None:
            unknown = [realm for realm in missing if realm not in self._fetched]
            if unknown:
                # One question for these and for what will be asked next.
                expected, self._expected = self._expected, {}
                self._fetched.update(self._under.rows(list({**dict.fromkeys(unknown), **expected})))
            self._rows.update((realm, self._fetched[realm]) for realm in missing)
            return
        for realm in missing:
            row = self._known.recall(realm)
            if row is None:
                raise NotKnownError
            self._rows[realm] = row

    def expect(self, realms: Iterable[RealmName]) -> None:
        """Ask for these along with the first question; what is written rests on those alone that are asked for."""
        self._expected.update(dict.fromkeys(realms))

    def resting(self, **written: Any) -> Changes:
        """What must still stand for an answer of this point to stand; and what is *written* then, of ``Changes``."""
        return Changes(
            rests_on={realm: row.version for realm, row in self._rows.items()},
            heads={realm: digest_of(row.head) for realm, row in self._rows.items()},
            newest=self._newest,
            **written,
        )

    def twin(self, realm: RealmName) -> bool:
        """As in ``LedgerView``; from memory nothing is known of one, and the conditional write finds it."""
        return False if self._under is None else self._under.twin(realm)

    def _asking(self, *realms: RealmName) -> LedgerView:
        """The engine's point, where answers about *realms* have to come from."""
        if self._under is None:
            raise NotKnownError
        self.ask(realms)
        return self._under

    def _asking_widely(self) -> LedgerView:
        """The engine's point, for what any write may change."""
        under = self._asking()
        if self._newest is None:
            self._newest = under.newest()
        return under

    # --- ReadView ------------------------------------------------------------------------------

    def head(self, realm: RealmName) -> Head:
        return self.row(realm).head

    def revision(self, realm: RealmName, generation: int) -> Revision:
        head = self.head(realm)
        if head.revision is not None and head.generation == generation:
            return head.revision
        return self._asking(realm).revision(realm, generation)

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        return self._asking(realm).revisions(
            realm, after=after, before=before, limit=limit, newest_first=newest_first
        )

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        if self._under is None:
            if write_id.startswith(MINTED):
                # One that was sent before: its revision, if it made one, may be its only receipt.
                raise NotKnownError
            # The conditional write is refused where the id is known, and then it is asked for.
            return None
        return self._asking(realm).receipt(realm, write_id)

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        return self._asking_widely().realms(after=after, limit=limit)

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        version = self.row(realm).version
        found = self._known.children(realm, version)
        if found is None:
            found = self._asking(realm).children(realm)
            self._known.note_children(realm, version, found)
        return found

    def schema(self, digest: str) -> Document:
        found = self._known.schema(digest)
        if found is None:
            found = self._asking().schema(digest)
            self._known.note_schema(digest, found)
        return found

    def schemas(self, realm: RealmName) -> Sequence[str]:
        version = self.row(realm).version
        found = self._known.schemas_of(realm, version)
        if found is None:
            found = self._asking(realm).schemas(realm)
            self._known.note_schemas_of(realm, version, found)
        return found

    def position(self, realm: RealmName, generation: int) -> int:
        return self._asking(realm).position(realm, generation)

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        return self._asking(realm).as_of(realm, position)

    def last_position(self) -> int:
        return self._asking_widely().last_position()

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        return self._asking(*after).steps(after, limit=limit)


def lost_schema(digest: str) -> StoreCorrupt:
    """What to raise for a schema that is named and not there."""
    return StoreCorrupt(f"the store has lost the schema {digest}")
