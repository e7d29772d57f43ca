"""
Old history made less, and secrets erased.

Decides the order in which it is safe: the row says that older revisions are gone, and then they go.  Whoever is
interrupted leaves something behind that is no longer said to be there; the next one removes it.
"""

from __future__ import annotations

import time
from contextlib import contextmanager

from realmconf.errors import LockTimeout, RealmNotFound, StoreUnavailable
from realmconf.stores.engine.ledger import LostAnswerError
from realmconf.stores.etcd.asking import delete_of, is_at, put_of, range_of
from realmconf.stores.etcd.failures import RenewedError
from realmconf.stores.etcd.layout import (
    INLINE_BYTES_MAX,
    after,
    generation_in,
    news_value,
    receipt_in,
    receipts_in,
    revision_value,
    together_in,
    together_value,
)
from realmconf.stores.protocol import Compaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.etcd.asking import Comparison, Operation, Outcome
    from realmconf.stores.etcd.layout import Entry
    from realmconf.stores.etcd.reading import Reading
    from realmconf.stores.etcd.writing import Writing

REVISIONS_AT_ONCE = 2_000
"""Removed in one transaction: writers wait for no more than that."""
RECEIPTS_KEPT = 100_000
RECEIPTS_PAGE = 5_000
TOGETHER_PAGE = 200
DELETIONS_AT_ONCE = 100
TOGETHER_AT_ONCE = 50


class Keeping:
    """One compaction, or one purge."""

    def __init__(self, reading: Reading, writing: Writing) -> None:
        self._reading = reading
        self._writing = writing
        self._keys = reading.keys
        self._lost: LostAnswerError | None = None

    def compact(self, realm: RealmName, floor: int, deadline: float) -> Compaction:
        """See ``Ledger.compact``."""
        with self._telling_lost():
            return self._compact(realm, floor, deadline)

    def purge(self, realm: RealmName, purged: Revision, packed: bytes, deadline: float) -> bool:
        """See ``Ledger.purge``."""
        with self._telling_lost():
            return self._purge(realm, purged, packed, deadline)

    @contextmanager
    def _telling_lost(self) -> Iterator[None]:
        """
        Raises:
            LostAnswerError: It failed, and something that was sent before may have been carried out.
        """
        try:
            yield
        except (StoreUnavailable, LockTimeout):
            if self._lost is not None:
                raise self._lost from None
            raise

    def _compact(self, realm: RealmName, floor: int, deadline: float) -> Compaction:
        while True:
            era = self._reading.renewed()
            entry = self._entry(realm, deadline)
            if entry.generation == 0:
                raise RealmNotFound(realm=realm)
            reached = max(entry.floor, min(floor, entry.generation))
            if reached == entry.floor:
                # Perhaps somebody was interrupted.
                break
            kept = entry.copy()
            kept.floor = reached
            if self._say(entry, kept, [], [], era, deadline):
                self._forget_receipts(realm, entry, deadline)
                break
        removed = self._remove(entry, reached, deadline)
        return Compaction(realm=realm, floor=reached, removed=removed)

    def _entry(self, realm: str, deadline: float) -> Entry:
        entries, _ = self._reading.entries([realm], 0, deadline)
        return entries[realm]

    def _say(
        self,
        entry: Entry,
        said: Entry,
        comparisons: Sequence[Comparison],
        operations: Sequence[Operation],
        era: int,
        deadline: float,
    ) -> bool:
        """Let the row of *entry* be *said*, along with *operations*; False if it has moved, or perhaps was said."""
        row = self._keys.row(entry.realm)
        outcome = self._done(
            [is_at(row, entry.version), *comparisons],
            [
                put_of(row, said.value()),
                put_of(self._keys.other, news_value(0)),
                *operations,
            ],
            deadline,
            era=era,
        )
        if outcome is None or not outcome.succeeded:
            return False
        said.version = outcome.revision
        self._reading.note(said)
        return True

    def _done(
        self,
        comparisons: Sequence[Comparison],
        operations: Sequence[Operation],
        deadline: float,
        *,
        era: int | None = None,
    ) -> Outcome | None:
        """What does no harm twice; None if the answer was lost, or it was not sent since the era is over."""
        try:
            return self._writing.guarded(comparisons, operations, deadline, era=era)
        except RenewedError:
            return None
        except LostAnswerError as lost:
            self._lost = lost
            if time.monotonic() >= deadline:
                raise
            return None

    # --- removing --------------------------------------------------------------------------------

    def _remove(self, entry: Entry, end: int, deadline: float) -> int:
        """Remove what is below the generation *end*; how many there were."""
        removed = 0
        first, bound = (self._keys.revision(entry.history, one) for one in (0, end))
        while True:
            (part,) = self._reading.ask(
                [range_of(first, bound, limit=1, only_keys=True)], deadline
            ).parts
            if not part.found:
                return removed
            oldest = generation_in(part.found[0].key)
            last = self._keys.revision(entry.history, min(oldest + REVISIONS_AT_ONCE, end))
            outcome = self._done((), [delete_of(part.found[0].key, last)], deadline)
            if outcome is not None and outcome.succeeded:
                removed += outcome.parts[0].number

    def _forget_receipts(self, realm: RealmName, entry: Entry, deadline: float) -> None:
        """Of more receipts than are kept remove the oldest, also where they lie together with those of others."""
        alone, together = self._keys.receipts(entry.history), self._keys.together_prefix
        parts = self._reading.ask(
            [range_of(prefix, after(prefix), only_count=True) for prefix in (alone, together)],
            deadline,
        ).parts
        if sum(part.number for part in parts) <= RECEIPTS_KEPT:
            return
        listed = [
            (receipt_in(one.value, realm, "").generation, one.key)
            for one in self._reading.pages(
                alone, after(alone), deadline=deadline, page=RECEIPTS_PAGE
            )
        ]
        for one in self._reading.pages(
            together, after(together), deadline=deadline, page=TOGETHER_PAGE
        ):
            receipt = together_in(one.value, entry.history, realm, "")
            if receipt is not None:
                listed.append((receipt.generation, one.key))
        listed.sort()
        cut = listed[-RECEIPTS_KEPT][0] if len(listed) >= RECEIPTS_KEPT else 0
        gone = [key for generation, key in listed if generation < cut]
        own = [key for key in gone if key.startswith(alone)]
        for start in range(0, len(own), DELETIONS_AT_ONCE):
            self._done(
                (), [delete_of(key) for key in own[start : start + DELETIONS_AT_ONCE]], deadline
            )
        shared = [key for key in gone if key.startswith(together)]
        for start in range(0, len(shared), TOGETHER_AT_ONCE):
            self._leave(shared[start : start + TOGETHER_AT_ONCE], entry.history, deadline)

    def _leave(self, keys: Sequence[str], history: str, deadline: float) -> None:
        """Take the receipts of *history* out of *keys*, and away what holds no others then."""
        while True:
            parts = self._reading.ask([range_of(key) for key in keys], deadline).parts
            comparisons, operations = [], []
            for (one,) in (part.found for part in parts if part.found):
                kept = dict(receipts_in(one.value))
                if kept.pop(history, None) is not None:
                    # Others may write under the same id meanwhile.
                    comparisons.append(is_at(one.key, one.version))
                    operations.append(
                        put_of(one.key, together_value(kept)) if kept else delete_of(one.key)
                    )
            if not operations:
                return
            self._done(comparisons, operations, deadline)

    # --- erasing ---------------------------------------------------------------------------------

    def _purge(self, realm: RealmName, purged: Revision, packed: bytes, deadline: float) -> bool:
        while True:
            era = self._reading.renewed()
            entry = self._entry(realm, deadline)
            key = self._keys.revision(entry.history, purged.generation)
            (part,) = self._reading.ask([range_of(key)], deadline).parts
            if not part.found or not entry.floor <= purged.generation <= entry.generation:
                return False
            (there,) = part.found
            number = int(there.value.partition(b" ")[0])
            said = entry.copy()
            if purged.generation == entry.generation:
                said.packed = packed if len(packed) <= INLINE_BYTES_MAX else None
            if self._say(
                entry,
                said,
                [is_at(key, there.version)],
                [put_of(key, revision_value(number, packed))],
                era,
                deadline,
            ):
                return True
