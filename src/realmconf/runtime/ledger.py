"""
Records that realmconf keeps for itself in a store: a document with a generation, like any other, and nothing else.

Decides how such a record is read and changed.  It is kept as a realm of a name that no user can have, so that every
store keeps it, proves it fresh and tells of its changes as it does of configuration; no lineage, schema, secret or
hand edit concerns it.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from realmconf.domain.document import check_document, same
from realmconf.domain.frozen import thaw
from realmconf.domain.names import LIMITS
from realmconf.domain.revision import GENESIS, seal
from realmconf.domain.write import Append, SetDocument, Unchanged, Write
from realmconf.errors import LockTimeout, OutcomeUnknown, StoreError, StoreUnavailable
from realmconf.stores.protocol import Judgement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from realmconf.domain.names import SystemName
    from realmconf.runtime.world import World
    from realmconf.stores.protocol import Head, ReadView, Store


class Ledger:
    """
    One such record of one store. Thread-safe.

    Of its revisions *revisions_kept* are kept, and up to twice as many, since each is the whole record; None: all.
    """

    def __init__(
        self, store: Store, name: SystemName, *, world: World, revisions_kept: int | None = None
    ) -> None:
        self._store = store
        self._world = world
        self._revisions_kept = revisions_kept
        self.name = name

    _was_there = False

    def read(self) -> Mapping[str, Any]:
        """
        What it says now: the same object as long as nothing has changed. Not to be changed.

        Raises:
            StoreUnavailable: It was there and is not: the store was taken away.
        """
        revision = self._store.head(self.name, adopt=False).revision
        if revision is None:
            if self._was_there:
                raise StoreUnavailable("the store is not where it was when it was opened")
            return _NOTHING
        self._was_there = True
        return _NOTHING if revision.document is None else revision.document

    def update(
        self,
        change: Callable[[dict[str, Any]], object],
        *,
        author: str,
        surface: str,
        message: str,
        deadline: float,
    ) -> None:
        """
        Let *change* mutate a plain copy of what it says, in the store's turn; what it raises is raised here.

        Raises:
            LockTimeout, StoreError: Nothing was changed.
            OutcomeUnknown: It may have been.
        """
        write_id = self._world.write_id()

        def judge(view: ReadView) -> Sequence[Judgement]:
            head = view.head(self.name)
            before = None if head.revision is None else head.revision.document
            draft = {} if before is None else thaw(before)
            change(draft)
            write = Write(
                realm=self.name,
                command=SetDocument(document=check_document(draft, limits=LIMITS)),
                author=author,
                surface=surface,
                message=message,
                write_id=write_id,
            )
            if same(before or {}, draft):
                return [Judgement(write=write, decision=Unchanged(head=head.revision))]
            revision = seal(
                realm=self.name,
                generation=head.generation + 1,
                kind="set",
                document=draft,
                author=author,
                surface=surface,
                message=message,
                write_id=write_id,
                created_at=self._world.timestamp(),
                salt=self._world.salt(),
                previous=GENESIS if head.revision is None else head.revision.digest,
            )
            decision = Append(revision=revision, head=head.revision)
            return [Judgement(write=write, decision=decision)]

        try:
            applied = self._store.apply([self.name], judge, deadline=deadline, groupable=False)
        except OutcomeUnknown:
            with self._store.view() as view:
                revision = view.head(self.name).revision
            if revision is None or revision.write_id != write_id:
                raise
            return
        self._compact(applied[0].head, deadline=deadline)

    def _compact(self, head: Head, *, deadline: float) -> None:
        kept = self._revisions_kept
        if kept is None or head.generation - head.floor < 2 * kept:
            return
        # The change is made: whatever goes wrong here is no failure of it, and the next change tries again.
        with suppress(LockTimeout, StoreError, OutcomeUnknown):
            self._store.compact(self.name, floor=head.generation - kept, deadline=deadline)


MINUTE_SECONDS = 60.0


def seconds_left_of_minute(begun: str, now: str) -> float:
    """How many seconds after *now* a minute has passed since *begun*; at least one."""
    passed = datetime.fromisoformat(now) - datetime.fromisoformat(begun)
    return max(1.0, MINUTE_SECONDS - passed.total_seconds())


_NOTHING: Mapping[str, Any] = {}
