"""
NATS JetStream as a ledger: rows, one conditional write and hints, over one connection in a thread of its own.

Decides what is asked in which deadline; the questions are ``reading``'s and ``writing``'s, the forms ``layout``'s.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager, nullcontext, suppress
from functools import partial

from realmconf.errors import StoreUnavailable
from realmconf.stores.engine.parting import AtOnce
from realmconf.stores.nats import failures, setting
from realmconf.stores.nats.failures import LostError, RefusedError, UnsentError
from realmconf.stores.nats.history import Histories
from realmconf.stores.nats.keeping import Keeping
from realmconf.stores.nats.layout import Subjects
from realmconf.stores.nats.link import CONNECT_SECONDS, Link
from realmconf.stores.nats.listening import Ear
from realmconf.stores.nats.reading import Reading
from realmconf.stores.nats.view import Minted, View, row_of
from realmconf.stores.nats.writing import Writing
from realmconf.stores.protocol import StoreInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, TypeVar

    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.engine.known import Known
    from realmconf.stores.engine.ledger import Changes, Committed, Heard, LedgerView, News, Row
    from realmconf.stores.nats.address import Address
    from realmconf.stores.protocol import Compaction

    T = TypeVar("T")

READ_SECONDS = 10.0
"""How long an answer to a question that has no deadline of its own is waited for."""
OPEN_SECONDS = 10.0
BESIDE_DOCUMENT_BYTES = 256 << 10
"""Left free in a message for all that comes with a document."""
RECEIPTS_KEPT = 100_000


class NatsLedger:
    """One stream, reached by one process; see ``Ledger`` for the contract."""

    arrives_at_once = AtOnce(pieces=100, bytes=4 << 20)
    """A realm's first revision may be six of a thousand messages, and rest on other rows besides."""

    def __init__(self, address: Address, known: Known, *, limits: Limits, read_only: bool) -> None:
        self.url = address.url
        self._address = address
        self._known = known
        self._subjects = Subjects(address.stream)
        self._link = Link(address)
        self._ears: set[Ear] = set()
        self.on_news: Callable[[News], bool] | None = None
        try:
            found = self._run(
                lambda deadline: setting.opened(
                    self._link, address, self._subjects, read_only=read_only, deadline=deadline
                ),
                time.monotonic() + OPEN_SECONDS,
            )
        except BaseException:
            self._link.close()
            raise
        self._key = found.request_key
        self._is_stale_ok = address.is_stale_ok and found.is_replicated
        self.info = StoreInfo(
            name="nats",
            durable=address.is_durable and found.is_on_disk,
            reads="stale" if self._is_stale_ok else "linearizable",
            transaction_realms_max=limits.transaction_realms,
            receipts_kept=RECEIPTS_KEPT,
            document_bytes_max=min(
                limits.document_bytes, max(1, found.body_bytes_max - BESIDE_DOCUMENT_BYTES)
            ),
            fresh_read="query",
            current="last_known",
            judging="optimistic",
        )
        self._reading = Reading(
            self._link, address.stream, self._subjects, is_barred=found.is_replicated
        )
        self._histories = Histories(self._reading)
        self._minted = Minted()
        self._writing = Writing(
            self._reading,
            self._histories,
            self._minted,
            body_bytes_max=found.body_bytes_max,
            document_bytes_max=self.info.document_bytes_max,
            is_limited=found.is_limited,
        )
        self._keeping = Keeping(self._reading, self._histories, self._writing)
        self._link.on_anew = self._forget_all

    def _forget_all(self) -> None:
        self._reading.forget_all()
        self._histories.forget_all()
        self._writing.forget_all()
        self._known.forget_all()

    def _run(
        self, work: Callable[[float], Coroutine[Any, Any, T]], deadline: float | None = None
    ) -> T:
        """What *work* comes to in the loop, in time; whatever is refused is told as an error of ours."""
        until = time.monotonic() + READ_SECONDS if deadline is None else deadline
        try:
            return self._link.run(partial(work, until), deadline=until)
        except RefusedError as refused:
            raise failures.explain(refused, self._address.place) from None

    # --- keys ------------------------------------------------------------------------------------

    def request_key(self) -> bytes:
        return self._key

    def keys(self) -> Mapping[str, bytes]:
        found = self._run(
            lambda deadline: self._reading.newest(self._subjects.own("keys"), deadline)
        )
        if found is None:
            return {}
        return {name: bytes.fromhex(key) for name, key in json.loads(found.body).items()}

    # --- reading ---------------------------------------------------------------------------------

    def rows(
        self, realms: Sequence[RealmName], *, deadline: float | None = None
    ) -> Mapping[RealmName, Row]:
        async def ask(until: float) -> Mapping[RealmName, Row]:
            is_stale_ok = self._is_stale_ok
            entries, point = await self._reading.newest_entries(
                realms, until, is_stale_ok=is_stale_ok
            )
            if not is_stale_ok:
                self._writing.note(entries, point)
            return {
                realm: await row_of(
                    realm,
                    entries[realm],
                    self._histories,
                    self._known,
                    until,
                    is_stale_ok=is_stale_ok,
                )
                for realm in realms
            }

        return self._run(ask, deadline)

    @contextmanager
    def view(self, *, deadline: float | None = None) -> Iterator[LedgerView]:
        def run(work: Callable[[float], Coroutine[Any, Any, T]]) -> T:
            return self._run(work, deadline)

        yield View(
            run,
            self._reading,
            self._histories,
            self._known,
            self._minted,
            is_stale_ok=self._is_stale_ok,
        )

    # --- writing ---------------------------------------------------------------------------------

    def commit(self, changes: Changes, *, deadline: float) -> Committed | None:
        return self._run(lambda until: self._writing.commit(changes, until), deadline)

    def turn(self, realms: Sequence[RealmName], *, deadline: float) -> AbstractContextManager[None]:
        # The engine has none: those who were overtaken wait for a while, each another.
        return nullcontext()

    # --- housekeeping ----------------------------------------------------------------------------

    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        return self._run(lambda until: self._keeping.compact(realm, floor, until), deadline)

    def purge(self, realm: RealmName, purged: Revision, packed: bytes, *, deadline: float) -> bool:
        return self._run(lambda until: self._keeping.purge(realm, purged, packed, until), deadline)

    # --- hints -----------------------------------------------------------------------------------

    @contextmanager
    def listening(self) -> Iterator[Callable[[float], Heard]]:
        ear = Ear(self._address.place, self.on_news)
        self._ears.add(ear)
        try:
            self._run(
                lambda until: ear.begin(self._link, self._address.stream, self._subjects, until),
                time.monotonic() + CONNECT_SECONDS,
            )
            yield ear.wait
        finally:
            self._ears.discard(ear)
            with suppress(StoreUnavailable, UnsentError, LostError):
                self._run(
                    lambda until: ear.finish(self._address.stream, until),
                    time.monotonic() + CONNECT_SECONDS,
                )

    # --- the end, and forks ----------------------------------------------------------------------

    def close(self) -> None:
        for ear in list(self._ears):
            ear.end("this client is closed", retryable=False)
        self._link.close()

    def after_fork_in_child(self) -> None:
        self._link.after_fork_in_child()
        self._ears = set()
        self._writing.begin()
