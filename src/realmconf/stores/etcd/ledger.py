"""
etcd as a ledger: rows, one conditional write and hints, over a few connections to the members of one cluster.

Decides what is asked in which deadline; the questions are ``reading``'s, ``view``'s and ``writing``'s, the forms
``layout``'s.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext

from realmconf.errors import LockTimeout, StoreUnavailable
from realmconf.stores.engine.parting import AtOnce
from realmconf.stores.etcd import setting
from realmconf.stores.etcd.failures import RefusedError
from realmconf.stores.etcd.keeping import RECEIPTS_KEPT, Keeping
from realmconf.stores.etcd.layout import Keys, after
from realmconf.stores.etcd.link import Link
from realmconf.stores.etcd.listening import Ear
from realmconf.stores.etcd.reading import Reading
from realmconf.stores.etcd.view import View
from realmconf.stores.etcd.writing import Writing
from realmconf.stores.protocol import StoreInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.engine.known import Known
    from realmconf.stores.engine.ledger import Changes, Committed, Heard, LedgerView, Row
    from realmconf.stores.etcd.address import Address
    from realmconf.stores.protocol import Compaction

READ_SECONDS = 10.0
"""How long an answer to a question that has no deadline of its own is waited for."""
OPEN_SECONDS = 10.0
TRANSACTION_REALMS_MAX = 60
"""Each is two of 128 operations, and the store itself has a few."""
KEYS_PAGE = 100


class EtcdLedger:
    """One prefix in one cluster, reached by one process; see ``Ledger`` for the contract."""

    arrives_at_once = AtOnce(pieces=24, bytes=1 << 20)

    def __init__(self, address: Address, known: Known, *, limits: Limits, read_only: bool) -> None:
        self.url = address.url
        self._is_closed = False
        self._link = Link(address)
        self._keys = Keys(address.prefix)
        try:
            found = setting.opened(
                self._link,
                self._keys,
                read_only=read_only,
                deadline=time.monotonic() + OPEN_SECONDS,
            )
        except BaseException:
            self._link.close()
            raise
        self._key = found.request_key
        self._reading = Reading(self._link, self._keys, known, found.format_version)
        self._ear = self._new_ear()
        self._writing = Writing(self._reading)
        self.info = StoreInfo(
            name="etcd",
            durable=True,
            transaction_realms_max=min(limits.transaction_realms, TRANSACTION_REALMS_MAX),
            receipts_kept=RECEIPTS_KEPT,
            document_bytes_max=limits.document_bytes,
            fresh_read="query",
            current="last_known",
            judging="optimistic",
        )

    # --- keys --------------------------------------------------------------------------------------

    def request_key(self) -> bytes:
        return self._key

    def keys(self) -> Mapping[str, bytes]:
        prefix = self._keys.secrets
        deadline = time.monotonic() + READ_SECONDS
        return {
            one.key.removeprefix(prefix): one.value
            for one in self._reading.pages(prefix, after(prefix), deadline=deadline, page=KEYS_PAGE)
        }

    # --- reading -----------------------------------------------------------------------------------

    def rows(
        self, realms: Sequence[RealmName], *, deadline: float | None = None
    ) -> Mapping[RealmName, Row]:
        until = time.monotonic() + READ_SECONDS if deadline is None else deadline
        while True:
            try:
                entries, revision = self._reading.entries(realms, 0, until)
                return self._reading.rows(entries, realms, revision, until)
            except RefusedError as refused:
                # Compacted in between: nothing was told yet.
                if not refused.is_compacted or time.monotonic() >= until:
                    raise StoreUnavailable(f"{self._link.place}: {refused.text}") from None

    @contextmanager
    def view(self, *, deadline: float | None = None) -> Iterator[LedgerView]:
        if deadline is not None:
            _refuse_late(deadline)

        def until() -> float:
            return time.monotonic() + READ_SECONDS if deadline is None else deadline

        yield View(self._reading, until, self._ear.note_newest)

    # --- writing -----------------------------------------------------------------------------------

    def commit(self, changes: Changes, *, deadline: float) -> Committed | None:
        _refuse_late(deadline)
        return self._writing.commit(changes, deadline)

    def turn(self, realms: Sequence[RealmName], *, deadline: float) -> AbstractContextManager[None]:
        """As ``Ledger.turn``: there is none, and whoever was overtaken pauses."""
        return nullcontext()

    # --- housekeeping ------------------------------------------------------------------------------

    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        _refuse_late(deadline)
        return Keeping(self._reading, self._writing).compact(realm, floor, deadline)

    def purge(self, realm: RealmName, purged: Revision, packed: bytes, *, deadline: float) -> bool:
        _refuse_late(deadline)
        return Keeping(self._reading, self._writing).purge(realm, purged, packed, deadline)

    # --- hints -------------------------------------------------------------------------------------

    def _new_ear(self) -> Ear:
        return Ear(self._link, self._keys.rows, self._reading.note_heard)

    @contextmanager
    def listening(self) -> Iterator[Callable[[float], Heard]]:
        with self._ear.listening(time.monotonic() + OPEN_SECONDS) as wait:
            yield wait

    # --- the end, and forks ------------------------------------------------------------------------

    def close(self) -> None:
        self._is_closed = True
        self._ear.close()
        self._link.close()

    def after_fork_in_child(self) -> None:
        if self._is_closed:
            # Nothing is open here that would be the parent's.
            return
        self._link.after_fork_in_child()
        self._ear.abandon()
        self._ear = self._new_ear()


def _refuse_late(deadline: float) -> None:
    """
    Raises:
        LockTimeout: There is no time left to ask for anything.
    """
    if time.monotonic() >= deadline:
        raise LockTimeout(waited_seconds=0.0)
