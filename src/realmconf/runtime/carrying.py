"""
One store's realms carried into another, as they are: revisions, schemas, receipts.

Decides what of a realm is still to be carried and in what order: that of the source's commits, over all realms at
once, so that what a realm inherited at any moment is told there as it was here.  When realms change stores is decided
in ``migrating``.
"""

from __future__ import annotations

from realmconf.domain.document import canonical_bytes
from realmconf.errors import (
    HistoryCompacted,
    LimitExceeded,
    RevisionNotFound,
    StoreCorrupt,
    TimelineChanged,
)
from realmconf.runtime import pages
from realmconf.stores.protocol import MINTED, STRANGE, Arrival, key_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import Head, MovingStore, ReadView, Receipt, Step, Store

RECEIPTS_AT_ONCE = 1_000


class Carrier:
    """
    What is carried from *source* to *target*, and how far that is.

    *source_url* is where the realms say that they live until they live in *target*; *carried* is told of every
    revision that was new there.
    """

    def __init__(
        self,
        source: Store,
        target: Store,
        *,
        able_source: MovingStore,
        able_target: MovingStore,
        source_url: str,
        deadline: Callable[[], float],
        carried: Callable[[RealmName, int], None],
    ) -> None:
        self._source = source
        self._target = target
        self._able_source = able_source
        self._able_target = able_target
        self._source_url = source_url
        self._deadline = deadline
        self._carried = carried
        self._after: dict[RealmName, int] = {}
        self._floors: dict[RealmName, int] = {}
        self._receipts_since: dict[RealmName, int] = {}
        self._schemas: dict[RealmName, set[str]] = {}
        self._document_bytes_max = self._smaller_limit()

    def _smaller_limit(self) -> int | None:
        most = self._target.info.document_bytes_max
        return most if most < self._source.info.document_bytes_max else None

    def rest(self, realm: RealmName, head: Head) -> int:
        """How many revisions of *realm*, at *head* in the source, the target has not."""
        return max(0, head.generation - max(self._after[realm], head.floor - 1))

    def has_begun(self, realm: RealmName) -> bool:
        """Whether ``begin`` has found out about *realm*."""
        return realm in self._after

    # --- where things stand ------------------------------------------------------------

    def begin(self, realm: RealmName, view: ReadView) -> Head:
        """
        Find out how much of *realm* the target has; changes nothing.  Returns the head there.

        Raises:
            TimelineChanged: It has another history under that name, or a longer one.
        """
        here, there = view.head(realm), self._target.head(realm, adopt=False)
        self._floors[realm] = here.floor
        self._after[realm] = there.generation
        self._refuse_another(realm, here, there, view)
        with self._target.view() as target_view:
            self._schemas[realm] = set(target_view.schemas(realm))
        return there

    def _refuse_another(self, realm: RealmName, here: Head, there: Head, view: ReadView) -> None:
        if there.revision is None:
            return
        if there.moved_to is not None and any(one.code == STRANGE for one in there.warnings):
            raise TimelineChanged(
                realm=realm,
                generation=there.generation,
                reason="that its files there say: another program has written them since the realm left, "
                "and that is first to be decided about",
            )
        try:
            known = view.revision(realm, there.generation).digest
        except HistoryCompacted:
            # Compacted here since it was carried: what stands there can only be what was here then.
            if there.moved_to == self._source_url:
                return
            known = ""
        except RevisionNotFound:
            known = ""
        if known != there.revision.digest:
            raise TimelineChanged(
                realm=realm,
                generation=there.generation,
                reason="that the store to move from has: it has another history there",
            )

    def close(self, realm: RealmName, view: ReadView) -> None:
        """Let nobody write to *realm* in the target, where a part of this very history lives."""
        there = self._target.head(realm, adopt=False)
        if there.revision is None or there.moved_to is not None:
            return

        def unchanged(target_view: ReadView) -> None:
            # It may have been written since ``begin``: then it is another history.
            self._refuse_another(realm, view.head(realm), target_view.head(realm), view)

        self._able_target.depart(
            realm, self._source_url, finish=unchanged, deadline=self._deadline()
        )
        self._after[realm] = self._target.head(realm, adopt=False).generation

    # --- carrying ------------------------------------------------------------------------

    def carry_page(
        self, realms: Collection[RealmName], view: ReadView, *, until: int | None
    ) -> int:
        """
        Carry the next revisions of *realms*, none after the position *until*; how many there were (0: no more).
        """
        found, is_all = self._steps(realms, view)
        if not is_all:
            found = _without_a_part(found)
        if until is not None:
            found = [step for step in found if step.position <= until]
        if not found:
            return 0
        self._check_size(found)
        concerned = {step.realm for step in found}
        self._able_target.receive(
            Arrival(
                source=self._source_url,
                floors={realm: self._floors[realm] for realm in concerned},
                steps=found,
                schemas={realm: self._new_schemas(realm, view) for realm in concerned},
            ),
            deadline=self._deadline(),
        )
        for step in found:
            self._after[step.realm] = step.revision.generation
            self._carried(step.realm, 1)
        return len(found)

    def _steps(self, realms: Collection[RealmName], view: ReadView) -> tuple[list[Step], bool]:
        def may_end(_: Sequence[Step]) -> bool:
            return True

        try:
            return pages.steps(view, self._kept_after(realms), may_end=may_end)
        except HistoryCompacted:
            for realm in realms:
                self._heed_floor(realm, view.head(realm).floor)
            return pages.steps(view, self._kept_after(realms), may_end=may_end)

    def _kept_after(self, realms: Collection[RealmName]) -> dict[RealmName, int]:
        return {realm: max(self._after[realm], self._floors[realm] - 1) for realm in realms}

    def _heed_floor(self, realm: RealmName, floor: int) -> None:
        if floor > self._floors[realm]:
            self._floors[realm] = floor
            # With what was compacted before it was carried, ids came to have receipts that had none.
            self._receipts_since[realm] = 0

    def _new_schemas(self, realm: RealmName, view: ReadView) -> dict[str, Document]:
        known = self._schemas[realm]
        new = [digest for digest in view.schemas(realm) if digest not in known]
        known.update(new)
        return {digest: view.schema(digest) for digest in new}

    def _check_size(self, steps: Sequence[Step]) -> None:
        most = self._document_bytes_max
        for step in steps if most is not None else ():
            document = step.revision.document
            size = 0 if document is None else len(canonical_bytes(document))
            if most is not None and size > most:
                raise LimitExceeded("document_bytes", size, maximum=most)

    def carry_known_receipts(self, realm: RealmName) -> None:
        """Do most of ``carry_receipts`` beforehand, while others write; once is enough."""
        if realm not in self._receipts_since:
            # Before they are listed: what comes in between is at this generation or above.
            self.carry_receipts(realm, self._source.head(realm, adopt=False).generation)

    def carry_receipts(self, realm: RealmName, generation: int) -> None:
        """Carry what is known of write ids since this was last done, when the head was at *generation* or below."""
        since, after = self._receipts_since.get(realm, 0), None
        own = key_name(self._source.request_key())
        while True:
            page = self._able_source.receipts(
                realm, since=since, after=after, limit=RECEIPTS_AT_ONCE
            )
            kept = [self._under_name(one, own) for one in page if self._is_told(realm, one)]
            if kept:
                self._able_target.receive(
                    Arrival(
                        source=self._source_url,
                        floors={realm: self._floors[realm]},
                        receipts=kept,
                        keys=self._able_source.request_keys(),
                    ),
                    deadline=self._deadline(),
                )
            if len(page) < RECEIPTS_AT_ONCE:
                break
            after = page[-1].write_id
        self._receipts_since[realm] = generation

    def _is_told(self, realm: RealmName, receipt: Receipt) -> bool:
        # Of an id that was minted the revision is the receipt, as long as it is kept.
        is_revision = receipt.write_id.startswith(MINTED) and receipt.outcome == "committed"
        return not is_revision or receipt.generation < self._floors[realm] or bool(receipt.request)

    @staticmethod
    def _under_name(receipt: Receipt, own: str) -> Receipt:
        if not receipt.request or ":" in receipt.request:
            return receipt
        return receipt.replace(request=f"{own}:{receipt.request}")

    # --- afterwards ----------------------------------------------------------------------

    def compare(self, realm: RealmName) -> None:
        """
        Compare what both stores keep of *realm* that was here, and erase there what was purged here meanwhile.

        Raises:
            StoreCorrupt: A revision is not the one that was carried.
        """
        with self._source.view() as view, self._target.view() as there:
            position = max(view.head(realm).floor, there.head(realm).floor) - 1
            end = view.head(realm).generation + 1
        while True:
            with self._source.view() as view, self._target.view() as there:
                page = pages.revisions(view, realm, after=position, before=end)
                others = [there.revision(realm, one.generation) for one in page]
            if not page:
                return
            for one, other in zip(page, others, strict=True):
                self._compare(realm, one, other)
            position = page[-1].generation

    def _compare(self, realm: RealmName, here: Revision, there: Revision) -> None:
        if here.digest != there.digest:
            raise StoreCorrupt(
                f"generation {here.generation} of realm {realm} is not the one that was carried here"
            )
        if here.purged and not there.purged:
            self._target.purge(
                realm, here.generation, document=here.document, deadline=self._deadline()
            )


def _without_a_part(steps: list[Step]) -> list[Step]:
    """*steps* up to the last place where no transaction is cut through; all, if there is none."""
    last = steps[-1].revision
    whole = len(steps)
    while whole and (steps[whole - 1].revision.write_id, steps[whole - 1].revision.created_at) == (
        last.write_id,
        last.created_at,
    ):
        whole -= 1
    return steps[:whole] or steps
