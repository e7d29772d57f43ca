"""
Whether a realm's history is what was written: every digest computed again (G14), those of its schemas too.

Reads in pages, each at a point of its own: history below the head does not change.
"""

from __future__ import annotations

from contextlib import suppress

from realmconf.domain import names
from realmconf.domain.record import Record
from realmconf.domain.revision import GENESIS, intact
from realmconf.errors import HistoryCompacted, SecretWithheld, StoreCorrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import ReadView, Store

PAGE = 256
"""Revisions read at once."""
ATTEMPTS_MAX = 4


class Verified(Record):
    """What was looked at, all of it intact."""

    realm: str
    revisions: int
    generation: int
    """The head's."""


def verify(
    store: Store, realm: RealmName, *, progress: Callable[[int, int], object] | None
) -> Verified:
    """
    Recompute the kept history of *realm*; *progress* is called with revisions done and to do.

    Raises:
        StoreCorrupt: Naming the first revision that is not what was written, or whose schema is not.
        SecretWithheld: The documents are not shown as they were written.
    """
    with store.view() as view:
        head = view.head(realm)
    chain = _Chain(realm, from_start=head.floor == 1)
    position = head.floor - 1
    while position < head.generation:
        with store.view() as view:
            page = view.revisions(realm, after=position, before=head.generation + 1, limit=PAGE)
            if not page:
                chain.refuse(head.generation, "is missing")
            for revision in page:
                chain.take(revision)
                chain.check_schema(revision, view)
        position = page[-1].generation
        if progress is not None:
            progress(chain.seen, head.generation - head.floor + 1)
    return Verified(realm=realm, revisions=chain.seen, generation=head.generation)


def verify_own(store: Store) -> Iterator[Verified]:
    """
    Do the same for the records that realmconf keeps for itself in a store in hand, of which each that was written.

    Raises:
        StoreCorrupt: As ``verify``.
    """
    for name in filter(_is_own, vars(names).values()):
        found = _verified_beside_compaction(store, name)
        if found.generation:
            yield found


def _is_own(value: object) -> bool:
    return isinstance(value, names.SystemName)


def _verified_beside_compaction(store: Store, name: RealmName) -> Verified:
    # Old revisions of such a record are removed by whoever writes it, which may be right now.
    for _ in range(ATTEMPTS_MAX - 1):
        with suppress(HistoryCompacted):
            return verify(store, name, progress=None)
    return verify(store, name, progress=None)


class _Chain:
    """The digests of one history, checked one after the other."""

    def __init__(self, realm: RealmName, *, from_start: bool) -> None:
        self._realm = realm
        self._before: Revision | None = None
        self._from_start = from_start
        self._schemas: set[str] = set()
        self.seen = 0

    def take(self, revision: Revision) -> None:
        if not revision.document_digest:
            # Of what is withheld from whoever looks, no digest can be computed.
            raise SecretWithheld(pointer="", realm=self._realm)
        if not intact(revision):
            self.refuse(revision.generation, "is not what was written: its digest differs")
        before = self._before
        if before is not None and revision.previous != before.digest:
            self.refuse(
                revision.generation,
                "does not follow the one before it: the chain of digests is broken",
            )
        starts = before is None and self._from_start and revision.generation == 1
        if starts and revision.previous != GENESIS:
            self.refuse(revision.generation, "is not the first that was written")
        self._before = revision
        self.seen += 1

    def check_schema(self, revision: Revision, view: ReadView) -> None:
        """The schema that *revision* names must be kept, and be that one."""
        digest = revision.schema_digest
        if digest is None or digest in self._schemas:
            return
        # What reads a schema loads a library, and few realms have one.
        from realmconf.domain.schemas.schema import schema_digest

        try:
            schema = view.schema(digest)
        except StoreCorrupt:
            self.refuse(revision.generation, "names a schema that is missing")
        if schema_digest(schema) != digest:
            self.refuse(revision.generation, "names a schema that is not what was attached")
        self._schemas.add(digest)

    def refuse(self, generation: int, reason: str) -> NoReturn:
        of = "realmconf's own record" if names.is_system(self._realm) else "realm"
        raise StoreCorrupt(f"generation {generation} of {of} {self._realm} {reason}")
