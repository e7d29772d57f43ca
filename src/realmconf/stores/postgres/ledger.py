"""
PostgreSQL as a ledger: rows, one conditional write, turns and hints, over a few connections.

Decides which connection is used for what and how long anything is waited for, and what a failure meant for the write it
came in.  The questions are ``reading``'s and ``writing``'s, the tables ``layout``'s.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from itertools import count

from realmconf.errors import LockTimeout, RealmNotFound, StoreUnavailable
from realmconf.stores.engine.ledger import Committed, LostAnswerError
from realmconf.stores.postgres import failures
from realmconf.stores.postgres.failures import LostError, RefusedError, UnreachedError
from realmconf.stores.postgres.layout import Layout, begin_session
from realmconf.stores.postgres.listening import (
    NOTICE_BYTES_MAX,
    VERSION_BYTES_MAX,
    Listener,
    notice_of,
    rest_of,
)
from realmconf.stores.postgres.pool import Pool
from realmconf.stores.postgres.reaching import Reaching
from realmconf.stores.postgres.reading import Questions, View, rows_in
from realmconf.stores.postgres.values import (
    BYTEA,
    INT4,
    INT8,
    INT8S,
    TEXT,
    int4,
    int8,
    int8s,
    number,
    text,
)
from realmconf.stores.postgres.wire import Question, Statement, Wire
from realmconf.stores.postgres.writing import (
    WRITTEN,
    commit_question,
    commit_statement,
    version_in,
    versions_taken,
)
from realmconf.stores.protocol import Compaction, StoreInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set

    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.errors import RealmconfError
    from realmconf.stores.engine.known import Known
    from realmconf.stores.engine.ledger import Changes, Heard, LedgerView, Row
    from realmconf.stores.postgres.address import Address
    from realmconf.stores.postgres.wire import Answer

READ_SECONDS = 10.0
"""How long an answer to a question that has no deadline of its own is waited for."""
COMPACT_ROWS = 2_000
"""Revisions removed in one transaction: writers wait for no more than that."""
RECEIPTS_KEPT = 100_000
_MILLISECONDS_MAX = 2**31 - 1

_SNAPSHOT = Statement("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
_BEGIN = Statement("BEGIN ISOLATION LEVEL READ COMMITTED")
_END = Statement("COMMIT")
_NOTIFY = Statement(
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)", TEXT, TEXT
)
"""In a transaction of its own: one with a notification holds a lock of the whole server until it is on the disk."""
_TELL = Statement(
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, CASE "
    f"WHEN split_part(current_setting('{WRITTEN}', true), ' ', 1) = $3 "
    f"THEN $2 || E'\\n=' || split_part(current_setting('{WRITTEN}', true), ' ', 2) || $4 ELSE $2 END)",
    *(TEXT, TEXT, TEXT, TEXT),
)
"""
As that, of the write with a mark, which this session has just made: at what version, only the server knows yet.

Where a pooler has sent the two to different sessions, or the write was refused, it tells the names alone.
"""


class PostgresLedger:
    """One database, reached by one process; see ``Ledger`` for the contract."""

    def __init__(self, address: Address, known: Known, *, limits: Limits, read_only: bool) -> None:
        self.url = address.url
        if not read_only:
            address = address.of_primary()
        self._address = address
        self._known = known
        self._user = address.options.get("user", "of this process")
        self._is_closed = False
        self._layout = Layout(address.schema, address.place)
        self._questions = Questions(self._layout)
        self._begin()
        deadline = time.monotonic() + address.connect_seconds
        with self._asking(deadline) as wire:
            found = self._layout.opened(wire, deadline, read_only=read_only)
        self._key = found.request_key
        self._channel = found.channel
        self._listener = Listener(found.channel)
        self._commit = commit_statement(self._layout)
        self._mark = os.urandom(6).hex()
        self._marks = count()
        made = self._layout.statement
        self._compact = made(
            "SELECT reached, removed, is_done::int::bigint FROM {schema}.compact_1($1, $2, $3, $4, $5)",
            *(INT4, TEXT, INT8, INT8, INT8),
        )
        self._purge = made(
            "SELECT {schema}.purge_1($1, $2, $3, $4)::int::bigint", INT4, TEXT, INT8, BYTEA
        )
        self._turn = made(
            "SELECT set_config('lock_timeout', $2::text, true), (SELECT count(*) FROM ("
            "SELECT pg_advisory_xact_lock((1380139876::bigint << 32) | each.number) "
            "FROM unnest($1) AS each(number)) AS taken)",
            *(INT8S, INT4),
        )
        self._keys = made(
            "SELECT substr(name, 13), value FROM {schema}.meta WHERE name LIKE 'request\\_key:%'"
        )
        self.info = StoreInfo(
            name="postgresql",
            durable=found.is_synced,
            # A standby is behind, by as much as it takes.
            reads="stale" if found.is_standby or address.may_be_standby else "linearizable",
            transaction_realms_max=limits.transaction_realms,
            receipts_kept=RECEIPTS_KEPT,
            document_bytes_max=limits.document_bytes,
            fresh_read="query",
            current="last_known",
            judging="optimistic",
        )

    def _begin(self) -> None:
        self._reaching = Reaching(self._address)
        self._pool = Pool(self._connected, largest=self._address.pool_max)

    def _connected(self, deadline: float) -> Wire:
        address = self._address
        try:
            connection = self._reaching.connect(
                min(deadline, time.monotonic() + address.connect_seconds)
            )
        except UnreachedError as unreached:
            raise failures.explain_unreached(
                unreached,
                address.place,
                secrets=[value for name, value in address.options.items() if "password" in name],
                options=address.options,
            ) from None
        wire = Wire(connection)
        try:
            begin_session(wire, deadline)
        except BaseException:
            wire.close()
            raise
        # It may be another server, or one that was set back.
        self._known.forget_all()
        return wire

    # --- failures --------------------------------------------------------------------------------

    @contextmanager
    def _asking(self, deadline: float) -> Iterator[Wire]:
        """A connection, and the typed error for whatever becomes of it; nothing is changed by those who ask here."""
        began = time.monotonic()
        try:
            with self._pool.lent(deadline) as wire:
                yield wire
        except RefusedError as refused:
            raise self._explained(refused, began) from None
        except LostError as lost:
            raise StoreUnavailable(f"{self._address.place} gave no answer: {lost}") from None

    def _explained(self, refused: RefusedError, began: float) -> RealmconfError:
        if refused.sqlstate in failures.LAYOUT:
            deadline = time.monotonic() + READ_SECONDS
            with self._pool.lent(deadline) as wire:
                # Raises where a newer release has replaced what we know.
                self._layout.refuse_newer(wire, deadline)
        return failures.explain(
            refused,
            self._address.place,
            user=self._user,
            waited_seconds=time.monotonic() - began,
        )

    # --- keys --------------------------------------------------------------------------------------

    def request_key(self) -> bytes:
        return self._key

    def keys(self) -> Mapping[str, bytes]:
        (answer,) = self._asked([Question(self._keys)], None)
        return {
            text(answer.value(row, 0)): answer.value(row, 1) or b"" for row in range(answer.count)
        }

    # --- reading -----------------------------------------------------------------------------------

    def _asked(
        self,
        questions: Sequence[Question],
        deadline: float | None,
        *,
        then: Question | None = None,
    ) -> list[Answer]:
        """Ask at a point of this call; asked again, once, where the connection turns out to be over."""
        until = time.monotonic() + READ_SECONDS if deadline is None else deadline
        for is_last in (False, True):
            with self._asking(until) as wire:
                try:
                    return wire.ask(questions, deadline=until, then=then)
                except LostError:
                    if is_last or time.monotonic() >= until:
                        raise
                except RefusedError as refused:
                    if is_last or refused.sqlstate not in failures.STALE_PLAN:
                        raise
                    wire.close()
        raise AssertionError

    def rows(
        self, realms: Sequence[RealmName], *, deadline: float | None = None
    ) -> Mapping[RealmName, Row]:
        while True:
            question = self._questions.asking_rows(realms, self._known)
            (answer,) = self._asked([question], deadline)
            found = rows_in(answer, realms, self._known)
            if found is not None:
                return found

    @contextmanager
    def view(self, *, deadline: float | None = None) -> Iterator[LedgerView]:
        if deadline is not None:
            _refuse_late(deadline)
        lasting: list[Wire] = []
        until = READ_SECONDS + time.monotonic() if deadline is None else deadline
        with self._asking(until) as wire:

            def ask(questions: Sequence[Question]) -> Sequence[Answer]:
                now = time.monotonic()
                end = now + READ_SECONDS if deadline is None else deadline
                if lasting:
                    return wire.ask(questions, deadline=end)
                lasting.append(wire)
                return wire.ask([Question(_SNAPSHOT), *questions], deadline=end)[1:]

            try:
                yield View(ask, self._questions, self._known)
            finally:
                if lasting and not wire.is_over:
                    wire.tell([Question(_END)])

    # --- writing -----------------------------------------------------------------------------------

    def commit(self, changes: Changes, *, deadline: float) -> Committed | None:
        _refuse_late(deadline)
        with self._asking(deadline) as wire:
            realms = changes.realms
            mark = f"{self._mark}{next(self._marks)}"
            question = commit_question(
                self._commit, changes, realms, _milliseconds(deadline), mark=mark
            )
            notice = self._notice_of(changes, realms, mark, has_text=wire.is_unicode)
            try:
                # A hint of a write that was overtaken is needless and does no harm; one that waited for the answer
                # would come later.
                (answer,) = wire.ask([question], deadline=deadline, then=notice)
            except LostError as lost:
                raise LostAnswerError(str(lost)) from lost
            except RefusedError as refused:
                if refused.sqlstate in failures.OVERTAKEN:
                    return None
                if refused.sqlstate in failures.STALE_PLAN:
                    # Nothing was done; the next connection has prepared nothing yet.
                    wire.close()
                    return None
                raise
            version = version_in(answer)
        return None if version is None else Committed(versions=dict.fromkeys(realms, version))

    @contextmanager
    def turn(self, realms: Sequence[RealmName], *, deadline: float) -> Iterator[None]:
        _refuse_late(deadline)
        numbers = sorted({_lock_number(self._channel, realm) for realm in realms})
        with self._asking(deadline) as wire:
            wait = int4(_milliseconds(deadline))
            try:
                wire.ask(
                    [Question(_BEGIN), Question(self._turn, int8s(numbers), wait)],
                    deadline=deadline,
                )
                yield
            finally:
                if not wire.is_over:
                    wire.tell([Question(_END)])

    # --- housekeeping ------------------------------------------------------------------------------

    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        removed = 0
        while True:
            answer = self._done(
                self._compact,
                deadline,
                realm,
                int8(max(1, floor)),
                int8(COMPACT_ROWS),
                int8(RECEIPTS_KEPT),
            )
            if answer.value(0, 0) is None:
                raise RealmNotFound(realm=realm)
            removed += number(answer.value(0, 1))
            if number(answer.value(0, 2)):
                return Compaction(realm=realm, floor=number(answer.value(0, 0)), removed=removed)

    def purge(self, realm: RealmName, purged: Revision, packed: bytes, *, deadline: float) -> bool:
        answer = self._done(self._purge, deadline, realm, int8(purged.generation), packed)
        return number(answer.value(0, 0)) == 1

    def _done(
        self, statement: Statement, deadline: float, realm: RealmName, *parameters: bytes
    ) -> Answer:
        """Call what does no harm when it is called twice."""
        _refuse_late(deadline)
        lost: LostError | None = None
        for _ in range(2):
            with self._asking(deadline) as wire:
                wait = int4(_milliseconds(deadline))
                question = Question(statement, wait, realm.encode(), *parameters)
                try:
                    (answer,) = wire.ask([question], deadline=deadline, then=self._notice([realm]))
                except LostError as error:
                    lost = error
                    if time.monotonic() >= deadline:
                        break
                except RefusedError as refused:
                    if refused.sqlstate not in failures.STALE_PLAN:
                        raise
                    wire.close()
                else:
                    return answer
        raise LostAnswerError(str(lost)) from lost

    def _notice(self, realms: Collection[RealmName]) -> Question:
        """Tells whoever listens."""
        return Question(_NOTIFY, self._channel.encode(), notice_of(realms))

    def _notice_of(
        self, changes: Changes, realms: Set[RealmName], mark: str, *, has_text: bool
    ) -> Question:
        """Tells whoever listens of the write with that mark, and what it has put if that *has_text* and room."""
        names = notice_of(realms)
        if not names:
            return self._notice(realms)
        room_bytes = NOTICE_BYTES_MAX - VERSION_BYTES_MAX - len(names) if has_text else 0
        rest = rest_of(changes, versions_taken(changes, realms), room_bytes=room_bytes)
        return Question(_TELL, self._channel.encode(), names, mark.encode(), rest)

    # --- hints -------------------------------------------------------------------------------------

    @contextmanager
    def listening(self) -> Iterator[Callable[[float], Heard]]:
        deadline = time.monotonic() + self._address.connect_seconds
        began = time.monotonic()
        wire = self._connected(deadline)
        try:
            with self._listener.listening(wire, deadline, self._address.place) as wait:
                yield wait
        except RefusedError as refused:
            raise self._explained(refused, began) from None
        except LostError as lost:
            raise StoreUnavailable(f"{self._address.place} gave no answer: {lost}") from None

    # --- the end, and forks ------------------------------------------------------------------------

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._listener.close()
            self._pool.close()

    def after_fork_in_child(self) -> None:
        if self._is_closed:
            return
        self._mark = os.urandom(6).hex()
        self._pool.abandon()
        self._listener.abandon()
        self._listener = Listener(self._channel)
        self._begin()


def _refuse_late(deadline: float) -> None:
    """
    Raises:
        LockTimeout: There is no time left to ask for anything.
    """
    if time.monotonic() >= deadline:
        raise LockTimeout(waited_seconds=0.0)


def _milliseconds(deadline: float) -> int:
    """
    How long the server may wait for a lock; at least one.

    It is to give up a little before we do: its answer says that nothing was done, and our silence does not.
    """
    left = (deadline - time.monotonic()) * 1000
    return max(1, min(int(left - min(500.0, left / 10)), _MILLISECONDS_MAX))


def _lock_number(channel: str, realm: RealmName) -> int:
    """What stands for a realm of a store among all advisory locks of turns; two may share one, and wait needlessly."""
    from zlib import crc32

    return crc32(f"{channel}/{realm}".encode())
