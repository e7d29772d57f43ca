"""
The embedded store: SQLite is the only record, kernel locks are the queue, mapped counters are the proof of freshness.

Decides the order of things: when a hand edit is adopted, which writes share a transaction, what a
commit's failure means for each of them.  What a write means is not its business.

A process may do no more than one read, which must not load what writes, watches and maintains: that is
imported by the methods that need it.
"""

from __future__ import annotations

import os
import threading
import time

from realmconf.domain.names import is_system
from realmconf.errors import (
    ForkedInTransaction,
    InvalidArgument,
    OutcomeUnknown,
    RealmconfError,
    RealmMoved,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    Unsupported,
)
from realmconf.stores.embedded import database, forking, workrecord
from realmconf.stores.embedded.failures import typed
from realmconf.stores.embedded.files import Files, strength
from realmconf.stores.embedded.place import Place
from realmconf.stores.embedded.session import COMPARE_SECONDS
from realmconf.stores.embedded.turns import Turns
from realmconf.stores.embedded.watching import Watching
from realmconf.stores.embedded.workglance import glance
from realmconf.stores.protocol import Applied, Head, Receipt, StoreInfo, WorkingCopyState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.embedded.group import Work
    from realmconf.stores.embedded.pending import Pending
    from realmconf.stores.embedded.reading import View
    from realmconf.stores.embedded.session import Session
    from realmconf.stores.embedded.signals import Signal
    from realmconf.stores.embedded.turn import Turn
    from realmconf.stores.embedded.turns import Held
    from realmconf.stores.embedded.workcopy import WorkingCopies
    from realmconf.stores.protocol import (
        Arrival,
        Compaction,
        Judgement,
        Notice,
        Proof,
        ReadView,
    )

CREATE_SECONDS = 30.0
"""How long an operation that needs the store to exist waits for its turn to make it."""


_SETTLED = frozenset({"working_copy_broken", "working_copy_contested"})
"""Warnings that ``resolve`` makes untrue."""


def _refuse_moved(head: Head) -> None:
    if head.moved_to is not None:
        raise RealmMoved(head.moved_to, realm=head.realm)


class EmbeddedStore:
    """The ``Store`` of one root on this machine; the contracts are those of the protocol."""

    def __init__(
        self,
        root: str,
        *,
        limits: Limits,
        read_only: bool = False,
        working_copies: bool = True,
        headers: bool = True,
        recover: bool = False,
        clock: Callable[[], float] = time.monotonic,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._place = Place(
            root,
            read_only=read_only,
            recover=recover,
            working_copies=working_copies,
            headers=headers,
            extra_schema=workrecord.SCHEMA,
            clock=clock,
            random_bytes=random_bytes,
        )
        self.root = self._place.layout.root
        self.url = self.root
        self.read_only = read_only
        self._turns = Turns(self._place)
        self._watching = Watching(self._place)
        self._keeps_working_copies = False
        self._headers = True
        self._made_working_copies: WorkingCopies | None = None
        self._making = threading.Lock()
        self._turns.on_commit = self._committed
        self._place.on_retire = self._turns.close_retired
        self._place.on_open = self._opened
        self._place.on_drop = self._watching.stop
        self._forked_inside = False
        self._place.open()
        forking.register(self)

    def _opened(self, session: Session) -> None:
        if session.meta["working_copies"]:
            self._keeps_working_copies = True
            self._headers = bool(session.meta.get("headers", 1))
        if self._watching.hub.signals:
            # The files were replaced under watchers that are asleep: nobody else would ask the kernel again.
            self._watching.start()

    @property
    def _working(self) -> WorkingCopies | None:
        """The working copies, made when somebody needs more of them than a glance; None where none are kept."""
        if self._made_working_copies is None and self._keeps_working_copies:
            with self._making:
                if self._made_working_copies is None:
                    from realmconf.stores.embedded.workcopy import WorkingCopies

                    self._made_working_copies = WorkingCopies(
                        self, header=self._headers, limits=self._limits
                    )
        return self._made_working_copies

    def _working_of(self, realm: RealmName) -> WorkingCopies | None:
        """The working copies if *realm* has one: what realmconf keeps for itself nobody edits by hand."""
        return None if is_system(realm) else self._working

    def _committed(self, realm: RealmName) -> None:
        working = self._working_of(realm)
        if working is not None:
            working.committed(realm)

    # --- what it is ----------------------------------------------------------------

    @property
    def info(self) -> StoreInfo:
        """What this store promises; the strength of watch and working copy depends on the system."""
        from realmconf.stores.embedded.notify import NOTIFIER

        session = self._place.session
        return StoreInfo(
            name="embedded",
            document_bytes_max=self._limits.document_bytes,
            watch="poll" if NOTIFIER.polls else "push",
            working_copy=strength() if self._place.keeps_working_copies else "none",
            fresh_read="query" if session is not None and session.counters is None else "memory",
        )

    def request_key(self) -> bytes:
        """See the protocol."""
        key = self._existing_session().meta["request_key"]
        assert isinstance(key, bytes)
        return key

    def paths(self, realm: RealmName) -> Mapping[str, str]:
        """See the protocol."""
        paths = {"root": self.root, "database_path": self._place.layout.database}
        if self._place.keeps_working_copies and not is_system(realm):
            paths["config_path"] = os.path.join(self.root, realm, "config.toml")
        return paths

    @typed
    def _existing_session(self) -> Session:
        """The session; the store is made if nothing was ever written."""
        with self._turns.gate:
            session = self._place.usable()
        if session is None:
            with self._turns.hold(self._clock() + CREATE_SECONDS) as turn:
                session = turn.session
        return session

    # --- reading ---------------------------------------------------------------------

    def head(self, realm: RealmName, *, adopt: bool = True) -> Head:
        """See the protocol. An unchanged head costs a look at one mapped word."""
        session = self._place.session
        if session is not None:
            # Written out, not called: this is the whole of an unchanged read.
            proof = session.proofs.of_one.get(realm)
            try:
                if (
                    proof is not None
                    and proof.words[0] == proof.mark
                    and realm in self._watching.attended
                    and (
                        self._clock() - session.compared_at < COMPARE_SECONDS
                        or session.same_files()
                    )
                ):
                    return proof.heads[0]
            except ValueError:  # taken back by another thread at this moment
                pass
            head = self._read_again(realm, session)
            if head is not None:
                return head
        return self._look(realm, adopt=adopt)

    def peek(self, realm: RealmName) -> Head | None:
        """See the protocol."""
        session = self._place.session
        known = None if session is None else session.proved(realm)
        if (
            session is None
            or known is None
            or realm not in self._watching.attended
            or self._clock() - session.compared_at >= COMPARE_SECONDS
        ):
            return None
        return known

    def proof(self, realms: Sequence[RealmName]) -> Proof | None:
        """See the protocol. Asking for one is what makes the kernel tell us of edits and replaced files."""
        session, watching = self._place.session, self._watching
        if session is None or self._turns.dead:
            return None
        if watching.active and watching.attended.issuperset(realms):
            proof = session.proof(realms)
            # Of files that were dropped at this moment nobody would take it back.
            return proof if session is self._place.session else None
        watching.start()
        for realm in realms:
            if realm not in watching.attended and self._attend(realm, session):
                # Whatever happened before we were told of anything is found by the look that comes next.
                session.doubt(realm)
        return None

    def view(self) -> View:
        """See the protocol."""
        if self._turns.dead:
            raise ForkedInTransaction
        from realmconf.stores.embedded.reading import View

        return View(self._place, self._turns.gate)

    def _read_again(self, realm: RealmName, session: Session) -> Head | None:
        """
        The head from the record, if nothing but a commit can have made the known one old; else None.

        The first read after somebody's commit: what :meth:`_look` asks of files and folders, the kernel would
        have told.
        """
        if realm not in self._watching.attended or not (
            self._clock() - session.compared_at < COMPARE_SECONDS or session.same_files()
        ):
            return None
        edits = self._watching.edits.get(realm)
        warnings: tuple[Notice, ...] | None = ()
        if self._keeps_working_copies and not is_system(realm):
            working = self._made_working_copies
            warnings = None if working is None else working.undisturbed(realm)
        if warnings is None:
            return None
        try:
            # A fork, too, closes what is read here under this lock.
            with session.read_lock:
                if session.closed:
                    return None
                head = session.read_head(realm, warnings)
                if edits != self._watching.edits.get(realm):
                    # It was edited while we looked: the next read looks again.
                    session.doubt(realm)
        except database.Error:
            # What it means, the proper look says.
            return None
        return head

    @typed
    def _look(self, realm: RealmName, *, adopt: bool) -> Head:
        """The head from the record, after a look at the working copy."""
        if self._turns.dead:
            raise ForkedInTransaction
        # A fork waits until we are done: what is opened here must not be inherited.
        with self._turns.gate:
            return self._look_now(realm, adopt=adopt)

    def _look_now(self, realm: RealmName, *, adopt: bool) -> Head:
        session = self._place.usable()
        if session is None:
            return Head(realm=realm, revision=None)
        told = False
        # A handle that reads once asks the kernel for nothing; from the second look on it is told of edits.
        if realm in session.heads or not self._keeps_working_copies or is_system(realm):
            told = self._attend(realm, session)
        else:
            head = self._head_at_a_glance(realm, session)
            if head is not None:
                return head
        edits = self._watching.edits.get(realm)
        warnings, is_settled = self._notice_edit(realm, adopt=adopt)
        while True:
            session = self._place.usable()
            if session is None:
                # Removed while we looked at its file.
                return Head(realm=realm, revision=None)
            with session.read_lock:
                if session.closed:
                    continue
                head = session.read_head(realm, warnings)
                if not told or not is_settled or edits != self._watching.edits.get(realm):
                    # Nobody would tell us, an edit waits for whoever may take it in, or it was edited while we
                    # looked: the next read looks again.
                    session.doubt(realm)
                return head

    def _head_at_a_glance(self, realm: RealmName, session: Session) -> Head | None:
        """The head, if its file is our own rendering of it, so that nothing is to be taken in; else None."""
        # Before the head: whatever of ours is in the file is in the record by then.
        digest = glance(Files(), self.root, realm)
        if digest is None:
            return None
        with session.read_lock:
            if session.closed:
                return None
            head = session.read_head(realm)
            session.doubt(realm)
            stands = workrecord.stands(
                session.connection, realm, digest, generation=head.generation
            )
        return head if stands else None

    def _attend(self, realm: RealmName, session: Session) -> bool:
        """Whether we hear of every hand edit of *realm* from now on: there are no files, or the kernel tells us."""
        attended = self._watching.attended
        edits = self._watching.edits.get(realm)
        working = self._working_of(realm)
        if working is not None:
            self._watching.start()
            if session is not self._place.session or not working.attend(realm):
                attended.discard(realm)
                return False
        attended.add(realm)
        if edits != self._watching.edits.get(realm):
            # Its folder may have come while we asked to be told of that, and is watched by the next who asks.
            attended.discard(realm)
            return False
        return True

    def _notice_edit(self, realm: RealmName, *, adopt: bool) -> tuple[tuple[Notice, ...], bool]:
        """What is to be said of the file; and whether that holds until the file is touched again."""
        working = self._working_of(realm)
        if working is None:
            return (), True
        if not working.suspect(realm):
            return working.remembered(realm), True
        try:
            held = self._turns.try_hold() if adopt else None
            if held is not None:
                with held as turn:
                    return working.settle(turn, realm), not working.is_dirty(realm)
        except (StoreReadOnly, StoreFull, StoreUnavailable, OutcomeUnknown):
            # Reads go on where nothing can be written: without the right to, on a full disk.
            pass
        notices = working.warnings(realm)
        return notices, self.read_only or not working.owes_a_look(realm)

    # --- writing -----------------------------------------------------------------------

    def apply(
        self,
        realms: Sequence[RealmName],
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
        groupable: bool = True,
        precheck: Callable[[ReadView], None] | None = None,
    ) -> Sequence[Applied]:
        """See the protocol. Writes of several threads that wait at once share one transaction."""
        from realmconf.stores.embedded.group import Work

        turns = self._turns
        turns.refuse_misuse()
        if precheck is not None:
            self._refuse_stale(precheck)
        work = Work(realms, judge)
        turn = turns.acquire(deadline, work if groupable else None)
        if turn is not None:
            try:
                self._run(turn, work, groupable=groupable)
            finally:
                turns.release(turn)
        return work.result()

    def _refuse_stale(self, precheck: Callable[[ReadView], None]) -> None:
        session = self._place.session
        try:
            # While an outcome is open, even a refusal waits for the fence.
            decided = (
                session is not None
                and session.counters is not None
                and not session.counters.interrupted
            )
        except ValueError:  # the session is dropped at this moment
            return
        if decided:
            from realmconf.stores.embedded.reading import Newest

            precheck(Newest(lambda realm: self.head(realm, adopt=False), self.view))

    def _run(self, turn: Turn, work: Work, *, groupable: bool) -> None:
        """Judge and commit *work*, and what waits beside it, in one transaction; each has its verdict afterwards."""
        from realmconf.stores.embedded.pending import Pending
        from realmconf.stores.embedded.turn import HeadMoved

        batch = [work]
        try:
            if groupable:
                batch += self._turns.group.take()
            live = self._settle_first(turn, batch)
            pending = Pending(turn)
            for one in live:
                self._judge(one, pending)
            if self._turns.dead:
                # `change` forked, and this is the child: the transaction is the parent's.
                raise ForkedInTransaction
            try:
                turn.append(pending.staged, receipts=pending.receipts)
            except OutcomeUnknown as error:
                # Also what was refused or changes nothing may have been judged on what is now in the open.
                for one in live:
                    if len(live) > 1 or one.error is None:
                        one.error = error.for_write(one.write_id)
            except (HeadMoved, RealmconfError) as error:
                self._run_singly(turn, live, error)
        except BaseException as error:
            for one in batch:
                one.error = one.error or error
            raise
        finally:
            self._turns.group.wake(batch)

    def _settle_first(self, turn: Turn, batch: Sequence[Work]) -> list[Work]:
        """Take hand edits in before anything is judged; a realm whose file is in the way fails its own writes only."""
        live: list[Work] = []
        for position, work in enumerate(batch):
            try:
                work.warnings = self._settle_working_copies(turn, work.realms)
            except OutcomeUnknown:
                # Nothing may be decided in this turn any more: the next one fences first.
                for other in (*live, *batch[position:]):
                    other.error = StoreUnavailable(
                        "taking in a hand edit ended without a known outcome; nothing of this write was done"
                    )
                return []
            except RealmconfError as error:
                work.error = error
            else:
                live.append(work)
        return live

    def _judge(self, work: Work, pending: Pending) -> None:
        self._turns.judging = True
        try:
            work.judge_on(pending)
        finally:
            self._turns.judging = False

    def _run_singly(self, turn: Turn, batch: Sequence[Work], error: Exception) -> None:
        """The common transaction did not happen: decide each again, alone; it may have been judged on the others."""
        from realmconf.stores.embedded.pending import Pending
        from realmconf.stores.embedded.turn import HeadMoved

        if len(batch) == 1 and not isinstance(error, HeadMoved):
            batch[0].error = batch[0].error or error
            return
        turn.session.forget_all()
        for work in batch:
            pending = Pending(turn)
            self._judge(work, pending)
            try:
                turn.append(pending.staged, receipts=pending.receipts)
            except OutcomeUnknown as unknown:
                work.error = unknown.for_write(work.write_id)
            except HeadMoved:
                work.error = StoreUnavailable(
                    "another program writes to the database without its queue"
                )
            except RealmconfError as refused:
                work.error = refused

    @typed
    def _settle_working_copies(
        self, turn: Turn, realms: Sequence[RealmName]
    ) -> dict[str, tuple[Notice, ...]]:
        working = self._working
        if working is None:
            return {}
        return {
            realm: found
            for realm in realms
            if not is_system(realm) and (found := working.settle(turn, realm))
        }

    @typed
    def void(self, realm: RealmName, write_id: str, *, deadline: float) -> Receipt:
        """See the protocol. The turn's fence comes first, so what is not there then never will be."""
        with self._turns.hold(deadline) as turn:
            found = turn.receipt(realm, write_id)
            if found is not None:
                return found
            _refuse_moved(turn.head(realm))
            receipt = Receipt(
                realm=realm,
                write_id=write_id,
                request="",
                outcome="void",
                generation=turn.head(realm).generation,
            )
            turn.append((), receipts=[receipt])
            return receipt

    # --- watching ------------------------------------------------------------------------

    @typed
    def signal(self, realms: Sequence[RealmName]) -> Signal:
        """See the protocol."""
        signal = self._watching.hub.add(realms)
        if not self.read_only:
            self._existing_session()
        self._watching.start()
        session = self._place.session
        for realm in realms:
            if session is not None:
                self._attend(realm, session)
        return signal

    # --- what the working copies need of their host -------------------------------------------

    def turn(self, deadline: float) -> Held:
        """The turn, as a context manager."""
        return self._turns.hold(deadline)

    def watch_folder(
        self, path: str, callback: Callable[[], None], lost: Callable[[], None]
    ) -> Callable[[], None]:
        """Kernel notification on a realm's folder; returns what ends it."""
        return self._watching.watch_folder(path, callback, lost)

    def watch_for_folder(self, path: str, callback: Callable[[], None]) -> bool:
        """Kernel notification on a realm's folder that is not there yet."""
        return self._watching.watch_for_folder(path, callback)

    def stamp(self) -> tuple[str, str]:
        """A time for display and a fresh salt, to seal an adoption with."""
        seconds, rest = divmod(time.time_ns(), 1_000_000_000)
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        return f"{text}.{rest // 1_000_000:03d}Z", self._place.random_bytes(16).hex()

    # --- maintenance ----------------------------------------------------------------------------

    @typed
    def rename(
        self,
        old: RealmName,
        new: RealmName,
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
    ) -> Sequence[Applied]:
        """See the protocol."""
        from realmconf.stores.embedded import maintenance

        with self._turns.hold(deadline) as turn:
            for realm in (old, new):
                _refuse_moved(turn.head(realm))
            warnings = self._settle_working_copies(turn, (old, new))
            return maintenance.rename(turn, old, new, judge, warnings, self._working)

    @typed
    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        """See the protocol."""
        from realmconf.stores.embedded import maintenance

        return maintenance.compact(self._turns, realm, floor=floor, deadline=deadline)

    @typed
    def purge(
        self, realm: RealmName, generation: int, *, document: object, deadline: float
    ) -> Revision:
        """See the protocol."""
        from realmconf.stores.embedded import maintenance

        with self._turns.hold(deadline) as turn:
            return maintenance.purge(turn, realm, generation, document, self._working)

    @typed
    def backup(self, path: str) -> None:
        """See the protocol."""
        session = self._place.usable()
        if session is None:
            raise StoreUnavailable(f"{self.root} holds no store yet: there is nothing to back up")
        from realmconf.stores.embedded import maintenance

        maintenance.backup(session, path)

    def revisions_in(self, path: str) -> Iterator[Revision]:
        """See the protocol."""
        from realmconf.stores.embedded import maintenance

        return maintenance.revisions_in(self._place.layout, path)

    @typed
    def schemas_in(self, path: str) -> Mapping[RealmName, Mapping[str, Document]]:
        """See the protocol."""
        from realmconf.stores.embedded import maintenance

        return maintenance.schemas_in(self._place.layout, path)

    @typed
    def working_copy(self, realm: RealmName) -> WorkingCopyState:
        """See the protocol."""
        self._place.usable()
        if self._working is None:
            return WorkingCopyState(
                realm=realm, path=os.path.join(self.root, realm, "config.toml"), state="none"
            )
        return self._working.state(realm)

    @typed
    def publish(self, realm: RealmName | None = None) -> None:
        """See the protocol."""
        if self._working is None:
            return
        if realm is None:
            self._working.flush()
        else:
            self._working.publish(realm, deadline=self._clock() + CREATE_SECONDS)

    def restyle(self, realm: RealmName, text: str, *, deadline: float) -> None:
        """See the protocol."""
        self._turns.refuse_misuse()
        with self._turns.hold(deadline) as turn:
            _refuse_moved(turn.head(realm))
            self._settle_working_copies(turn, (realm,))
            if self._working is not None:
                self._working.restyle(turn, realm, text)

    @typed
    def resolve(
        self,
        realm: RealmName,
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
        shown: Collection[str] | None = None,
    ) -> Sequence[Applied]:
        """See the protocol."""
        from realmconf.stores.embedded.group import Work
        from realmconf.stores.embedded.pending import Pending

        work = Work([realm], judge)
        with self._turns.hold(deadline) as turn:
            working = self._working
            if working is None:
                raise Unsupported(
                    f"{self.root} keeps no working copies: there is nothing to resolve"
                )
            warnings = working.settle(turn, realm, tolerant=True)
            work.warnings = {
                realm: tuple(warning for warning in warnings if warning.code not in _SETTLED)
            }
            pending = Pending(turn)
            work.judge_on(pending)
            if work.error is None:
                working.resolve(
                    turn,
                    realm,
                    pending.appends,
                    receipts=pending.receipts,
                    shown=shown,
                )
        return work.result()

    # --- moving ---------------------------------------------------------------------------------

    @typed
    def request_keys(self) -> Mapping[str, bytes]:
        """See the protocol."""
        from realmconf.stores.embedded import moving
        from realmconf.stores.embedded.view import Rows

        own = self.request_key()
        with self.view() as rows:
            return moving.request_keys(rows.connection, own) if isinstance(rows, Rows) else {}

    @typed
    def receipts(
        self,
        realm: RealmName,
        *,
        since: int = 0,
        after: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Receipt]:
        """See the protocol."""
        from realmconf.stores.embedded import moving
        from realmconf.stores.embedded.view import Rows

        with self.view() as rows:
            if not isinstance(rows, Rows):
                return ()
            return moving.receipts(rows.connection, realm, since=since, after=after, limit=limit)

    @typed
    def receive(self, arrival: Arrival, *, deadline: float) -> None:
        """See the protocol."""
        from realmconf.stores.embedded import moving

        with self._turns.hold(deadline) as turn:
            moving.receive(turn, arrival)

    @typed
    def depart(
        self,
        realm: RealmName,
        to: str,
        *,
        finish: Callable[[ReadView], None],
        deadline: float,
    ) -> Head:
        """See the protocol."""
        from realmconf.stores.embedded import moving
        from realmconf.stores.embedded.pending import Pending

        with self._turns.hold(deadline) as turn:
            head = turn.head(realm)
            if head.moved_to == to:
                return head
            _refuse_moved(head)
            warnings = self._settle_working_copies(turn, (realm,)).get(realm, ())

            def finish_here() -> None:
                self._turns.judging = True
                try:
                    finish(Pending(turn))
                finally:
                    self._turns.judging = False
                if self._turns.dead:
                    raise ForkedInTransaction

            return moving.depart(turn, realm, to, finish_here).replace(warnings=warnings)

    @typed
    def arrive(self, realm: RealmName, *, digest: str, deadline: float) -> Head:
        """See the protocol."""
        from realmconf.stores.embedded import moving

        with self._turns.hold(deadline) as turn:
            return moving.arrive(turn, realm, digest)

    # --- the end, and forks ---------------------------------------------------------------------

    def close(self) -> None:
        """See the protocol. Whoever has the turn finishes first, and closes what is left if that takes long."""
        if self._place.closed or self._turns.dead:
            return
        if self._turns.has_turn():
            raise InvalidArgument("the client cannot be closed from inside `change`")
        if self._made_working_copies is not None:
            self._made_working_copies.close()
        self._place.closed = True
        forking.unregister(self)
        for signal in self._watching.hub.signals:
            signal.close()
        if self._turns.group.mutex.acquire(self._clock() + CREATE_SECONDS):
            try:
                self._turns.dispose()
            finally:
                self._turns.group.mutex.release()

    def before_fork(self) -> None:
        """Wait out the operation that has the turn, then close everything a child must not inherit."""
        self._forked_inside = not self._turns.before_fork()
        if self._forked_inside:
            return
        if self._made_working_copies is not None:
            self._made_working_copies.before_fork()
        self._turns.dispose()

    def after_fork_in_parent(self) -> None:
        """Let everybody go on; what was closed is opened again when it is needed."""
        if self._forked_inside:
            self._forked_inside = False
            return
        self._turns.after_fork_in_parent()
        if self._made_working_copies is not None:
            self._made_working_copies.after_fork_parent()
        if self._watching.hub.signals:
            try:
                self._place.usable()
                self._watching.start()
            except RealmconfError:
                # The watchers are rung and meet the same error where they can report it.
                pass
            self._watching.hub.ring()

    def after_fork_in_child(self) -> None:
        """A new life with locks of our own; of a fork inside our own transaction: none."""
        if self._forked_inside:
            for session in self._place.sessions:
                session.forget_all()
                forking.leak(session)
        self._turns.after_fork_in_child(inside=self._forked_inside)
        self._place.forget()
        self._watching.forget()
        self._making = threading.Lock()
        if self._made_working_copies is not None and not self._turns.dead:
            self._made_working_copies.after_fork_child()
