"""
What this process last saw of rows: so that what is unchanged is the same object, and a write need not ask first.

Decides nothing about what is newest: a row that is known may be old, and whoever builds on it finds out when the
conditional write is refused.
"""

from __future__ import annotations

from realmconf.stores.engine.ledger import Row
from realmconf.stores.engine.packing import unpack
from realmconf.stores.protocol import Head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision

ROWS_KEPT = 32_768
SCHEMAS_KEPT = 1_024


class Known:
    """The memory of one ledger. Thread-safe: each value is replaced as a whole; what is lost is only asked again."""

    def __init__(self) -> None:
        self._rows: dict[RealmName, Row] = {}
        self._children: dict[RealmName, tuple[int, Sequence[RealmName]]] = {}
        self._schemas_of: dict[RealmName, tuple[int, Sequence[str]]] = {}
        self._schemas: dict[str, Document] = {}
        self._chains: dict[RealmName, tuple[RealmName, ...]] = {}

    # --- rows --------------------------------------------------------------------------------

    def row(
        self,
        realm: RealmName,
        *,
        version: int,
        digest: str,
        packed: bytes | memoryview | None,
        floor: int = 1,
        moved_to: str | None = None,
    ) -> Row:
        """
        The row that an engine has read: with the head that is known where it says the same.

        *digest* is that of the revision that is *packed*; empty, and None, for a realm that was never written.
        """
        known = self._rows.get(realm)
        # A store that was set back gives its numbers again: only the digest tells what they are of.
        if known is not None and known.version == version and digest_of(known.head) == digest:
            return known
        head = None if known is None else known.head
        if (
            head is None
            or digest_of(head) != digest
            or (head.floor, head.moved_to) != (floor, moved_to)
        ):
            revision: Revision | None = None
            if digest:
                is_same = head is not None and digest_of(head) == digest
                revision = (
                    head.revision if head is not None and is_same else unpack(bytes(packed or b""))
                )
            head = Head(realm=realm, revision=revision, floor=floor, moved_to=moved_to)
        return self._keep(realm, Row(version=version, head=head))

    def nothing(self, realm: RealmName) -> Row:
        """The row of a realm that nothing was ever said of."""
        return self.row(realm, version=0, digest="", packed=None)

    def note(self, realm: RealmName, version: int, head: Head) -> Row:
        """The row of *realm* after a write of ours."""
        return self._keep(realm, Row(version=version, head=head))

    def _keep(self, realm: RealmName, row: Row) -> Row:
        known = self._rows.get(realm)
        if known is None or known.version <= row.version:
            # An answer that was overtaken by a newer one is not kept.
            if len(self._rows) >= ROWS_KEPT:
                self._rows.clear()
            self._rows[realm] = row
        return row

    def recall(self, realm: RealmName) -> Row | None:
        """What was last seen of *realm*."""
        return self._rows.get(realm)

    def forget(self, realm: RealmName) -> None:
        """*realm* was seen to stand elsewhere."""
        self._rows.pop(realm, None)

    def forget_all(self) -> None:
        """Whoever answers from now on may be another one, that knows less: what was seen may never have been."""
        for seen in (self._rows, self._children, self._schemas_of, self._chains):
            seen.clear()

    # --- what hangs on a row -------------------------------------------------------------------

    def children(self, realm: RealmName, version: int) -> Sequence[RealmName] | None:
        """The children of *realm* at that version of its row, if they are known."""
        found = self._children.get(realm)
        return found[1] if found is not None and found[0] == version else None

    def note_children(self, realm: RealmName, version: int, names: Sequence[RealmName]) -> None:
        """Keep them."""
        if len(self._children) >= ROWS_KEPT:
            self._children.clear()
        self._children[realm] = (version, names)

    def schemas_of(self, realm: RealmName, version: int) -> Sequence[str] | None:
        """The digests of the schemas of *realm* at that version of its row, if they are known."""
        found = self._schemas_of.get(realm)
        return found[1] if found is not None and found[0] == version else None

    def note_schemas_of(self, realm: RealmName, version: int, digests: Sequence[str]) -> None:
        """Keep them."""
        if len(self._schemas_of) >= ROWS_KEPT:
            self._schemas_of.clear()
        self._schemas_of[realm] = (version, digests)

    # --- what never changes --------------------------------------------------------------------

    def schema(self, digest: str) -> Document | None:
        """A schema that is known."""
        return self._schemas.get(digest)

    def note_schema(self, digest: str, schema: Document) -> None:
        """Keep one."""
        if len(self._schemas) >= SCHEMAS_KEPT:
            self._schemas.clear()
        self._schemas[digest] = schema

    # --- chains ----------------------------------------------------------------------------------

    def chain(self, realm: RealmName) -> tuple[RealmName, ...]:
        """Those that *realm* was last seen to depend on, itself first."""
        return self._chains.get(realm, (realm,))

    def note_chain(self, realm: RealmName, names: tuple[RealmName, ...]) -> None:
        """Keep them."""
        if len(self._chains) >= ROWS_KEPT:
            self._chains.clear()
        self._chains[realm] = names


def digest_of(head: Head) -> str:
    """That of its revision; empty for a realm that was never written."""
    return "" if head.revision is None else head.revision.digest
