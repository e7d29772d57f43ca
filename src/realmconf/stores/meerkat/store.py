"""
Meerkat's files as a store: the methods of the contract.

Decides what is done in a turn, once the files are in step.  What is read is ``reading``'s, when a turn comes and what
precedes it is ``turns``', how files are brought into step and written is ``settling``'s.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress

from realmconf.domain.names import case_twin
from realmconf.domain.write import Append
from realmconf.errors import (
    ForkedInTransaction,
    GenerationConflict,
    InvalidArgument,
    OutcomeUnknown,
    RealmconfError,
    RealmMoved,
    RealmNotFound,
    StoreUnavailable,
    TimelineChanged,
    Unsupported,
    WorkingCopyBroken,
)
from realmconf.meerkat.folder import realm_metadata
from realmconf.stores import archiving
from realmconf.stores.meerkat import moving, standing
from realmconf.stores.meerkat.failures import typed
from realmconf.stores.meerkat.journal import RECEIPTS_KEPT, Journal
from realmconf.stores.meerkat.lockfile import LostLockError
from realmconf.stores.meerkat.look import (
    PATIENCE_SECONDS,
    stamps_of,
)
from realmconf.stores.meerkat.reading import Reading
from realmconf.stores.meerkat.settling import OVERTAKEN, Settler
from realmconf.stores.meerkat.turns import Turns
from realmconf.stores.meerkat.watching import Poller, Signal
from realmconf.stores.protocol import Applied, Compaction, Head, Notice, Receipt, StoreInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import TypeVar

    from realmconf.domain.document import Document
    from realmconf.domain.metadata import ConfigStoreMetadata
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.meerkat.layout import Layout
    from realmconf.stores.meerkat.lockfile import Held, Timing
    from realmconf.stores.meerkat.look import Look
    from realmconf.stores.protocol import (
        Arrival,
        Judgement,
        Proof,
        ReadView,
        Trouble,
        WorkingCopyState,
    )

    Result = TypeVar("Result")


class MeerkatStore:
    """The ``Store`` of one root of Meerkat's; the contracts are those of the protocol."""

    def __init__(
        self, layout: Layout, *, url: str, limits: Limits, read_only: bool, timing: Timing
    ) -> None:
        self.url = url
        self.info = StoreInfo(
            name="meerkat",
            durable=False,
            history="bounded",
            watch="poll",
            transaction_realms_max=1,
            composition="snapshot",
            cross_realm_validation="advisory",
            receipts_kept=RECEIPTS_KEPT,
            document_bytes_max=limits.document_bytes,
            fresh_read="query",
        )
        self._layout = layout
        self._limits = limits
        self._read_only = read_only
        self._timing = timing
        self._journal = journal = Journal(layout.journal, limits=limits, read_only=read_only)
        self._settler = settler = Settler(layout, journal, limits=limits)
        self._poller = Poller(self._glance)
        self._reading = reading = Reading(
            layout,
            journal,
            settler,
            limits=limits,
            read_only=read_only,
            timing=timing,
            adopt=self._adopt,
        )
        self._turns = Turns(
            layout,
            journal,
            settler,
            reading,
            read_only=read_only,
            timing=timing,
            after_write=self._poller.hurry,
        )
        self._closed = False
        self._doubts = threading.local()
        """The write of this thread whose last attempt had an unknown outcome."""

    # --- reading ---------------------------------------------------------------------------

    @typed
    def head(self, realm: RealmName, *, adopt: bool = True) -> Head:
        """See the protocol."""
        self._check_open()
        return self._reading.head(realm, adopts=adopt and not self._read_only)

    def peek(self, realm: RealmName) -> Head | None:
        """See the protocol: nothing is proved without asking the file system."""
        return None

    def proof(self, realms: Sequence[RealmName]) -> Proof | None:
        """See the protocol: a fresh read takes a query here."""
        return None

    def request_key(self) -> bytes:
        """See the protocol."""
        return self._journal.request_key()

    def paths(self, realm: RealmName) -> Mapping[str, str]:
        """See the protocol."""
        return {"root": self._layout.root, "config_path": self._layout.config(realm)}

    def metadata(self, realm: RealmName) -> ConfigStoreMetadata:
        """The backend is the one that the realm's manifest has pinned."""
        return realm_metadata(self._layout.folder(realm), realm)

    @contextmanager
    def view(self) -> Iterator[ReadView]:
        """See the protocol."""
        self._check_open()
        yield self._reading.point({}, patience_seconds=PATIENCE_SECONDS)

    def _adopt(self, realm: RealmName, deadline: float) -> tuple[Notice, ...]:
        return self._turns.adopt(realm, deadline)

    # --- writing -----------------------------------------------------------------------------

    @typed
    def apply(
        self,
        realms: Sequence[RealmName],
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
        groupable: bool = True,
        precheck: Callable[[ReadView], None] | None = None,
    ) -> Sequence[Applied]:
        """See the protocol."""
        self._check_open()
        if len(set(realms)) > 1:
            raise Unsupported("Meerkat's files hold one realm each: no write can be of several")
        (realm,) = set(realms)
        doubt = self._doubt(realm, deadline)
        if precheck is not None and doubt is None:
            until = min(deadline, time.monotonic() + PATIENCE_SECONDS)
            precheck(self._reading.point({realm: self._reading.known_head(realm, until)}))

        def write(held: Held, notices: tuple[Notice, ...]) -> Sequence[Applied]:
            with self._honest(realm, doubt):
                judgements = judge(self._reading.point({realm: self._reading.own(realm)}))
                self._refuse_moved(realm)
            return [self._carried_out(realm, held, one, notices) for one in judgements]

        with self._remembering(realm, deadline):
            return self._turns.run_one(realm, deadline, write)

    def _doubt(self, realm: RealmName, deadline: float) -> str | None:
        """The write, by its id, that is tried again now, after an attempt of it whose outcome is unknown."""
        last: tuple[object, object, str | None] = getattr(self._doubts, "last", (None, None, None))
        return last[2] if last[:2] == (realm, deadline) else None

    @contextmanager
    def _remembering(self, realm: RealmName, deadline: float) -> Iterator[None]:
        """Keep in mind that an attempt has an unknown outcome, for the next one."""
        try:
            yield
        except OutcomeUnknown as unknown:
            self._doubts.last = (realm, deadline, unknown.write_id)
            raise

    @contextmanager
    def _honest(self, realm: RealmName, doubt: str | None) -> Iterator[None]:
        """
        Let no refusal through of a write that may be in the files: *doubt*, by its id.

        Another program may have gone on from what was written half: then it is there, and under no number of its own.
        """
        try:
            yield
        except RealmconfError as refusal:
            if doubt is None or self._journal.receipt(realm, doubt) is not None:
                raise
            raise OutcomeUnknown(doubt, realm=realm, reason=OVERTAKEN) from refusal

    def _carried_out(
        self,
        realm: RealmName,
        held: Held,
        judgement: Judgement,
        notices: tuple[Notice, ...] = (),
    ) -> Applied:
        write, decision = judgement.write, judgement.decision
        if held.is_of_another_process:
            raise ForkedInTransaction
        if isinstance(decision, Append):
            self._append(realm, held, judgement, decision)
        elif write.write_id_given:
            head = decision.head
            self._journal.keep_receipt(
                _receipt(judgement, "unchanged", 0 if head is None else head.generation)
            )
        return Applied(write=write, decision=decision, head=self._reading.own(realm, notices))

    def _append(
        self,
        realm: RealmName,
        held: Held,
        judgement: Judgement,
        decision: Append,
    ) -> None:
        revision = decision.revision
        known = self._journal.newest(realm)
        if known is None:
            self._refuse_case_twin(realm)
        elif revision.generation <= known.revision.generation:
            raise GenerationConflict(
                revision.generation - 1, known.revision.generation, realm=realm
            )
        seen = self._reading.look(realm, is_locked_by_us=True)
        receipt = None
        if judgement.write.write_id_given:
            receipt = _receipt(judgement, "committed", revision.generation)
        self._settler.commit(realm, seen, held, revision, receipt=receipt, schemas=decision.schemas)

    def _refuse_moved(self, realm: RealmName) -> None:
        known = self._journal.newest(realm)
        if known is not None and known.moved_to is not None:
            raise RealmMoved(known.moved_to, realm=realm)

    def _refuse_case_twin(self, realm: RealmName, *apart_from: RealmName) -> None:
        """A file system may take the two for one."""
        names = {*self._layout.realms(), *self._journal.realms()} - {realm, *apart_from}
        if any(name.folded == realm.folded for name in names):
            raise case_twin(realm)

    @typed
    def void(self, realm: RealmName, write_id: str, *, deadline: float) -> Receipt:
        """See the protocol."""
        self._check_open()
        found: list[Receipt] = []

        def settle(held: Held, notices: tuple[Notice, ...]) -> Sequence[Applied]:
            if self._journal.receipt(realm, write_id) is None:
                self._refuse_moved(realm)
            known = self._journal.newest(realm)
            voided = Receipt(
                realm=realm,
                write_id=write_id,
                request="",
                outcome="void",
                generation=0 if known is None else known.revision.generation,
            )
            found.append(self._journal.known_or(voided))
            return ()

        self._turns.run_one(realm, deadline, settle)
        return found[-1]

    # --- the file itself, for a person ------------------------------------------------------------

    @typed
    def working_copy(self, realm: RealmName) -> WorkingCopyState:
        """See the protocol: the file is no copy here, but the document."""
        from realmconf.stores.meerkat.working import state_of_copy

        self._check_open()
        seen, known = self._reading.look(realm), self._journal.newest(realm)
        return state_of_copy(self._layout, self._journal, self._settler, realm, seen, known)

    def publish(self, realm: RealmName | None = None) -> None:
        """See the protocol: there is nothing to render but what a move or a rename has left to do."""
        names = self._layout.realms() if realm is None else [realm]
        for name in names:
            with suppress(OSError, RealmconfError):
                self.head(name)

    @typed
    def restyle(self, realm: RealmName, text: str, *, deadline: float) -> None:
        """See the protocol."""
        self._check_open()

        def write(held: Held, notices: tuple[Notice, ...]) -> Sequence[Applied]:
            self._refuse_moved(realm)
            seen = self._reading.look(realm, is_locked_by_us=True)
            self._settler.restyle(realm, seen, held, text)
            return ()

        self._turns.run_one(realm, deadline, write)

    @typed
    def resolve(
        self,
        realm: RealmName,
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
        shown: Collection[str] | None = None,
    ) -> Sequence[Applied]:
        """See the protocol: what is no document is kept beside the file, and the newest revision is gone on from."""
        self._check_open()
        doubt = self._doubt(realm, deadline)

        def write(locks: Mapping[RealmName, Held]) -> Sequence[Applied]:
            held = locks[realm]
            notices: tuple[Notice, ...] = ()
            broken: Look | None = None
            try:
                notices = self._turns.settle(realm, held)
            except WorkingCopyBroken:
                broken = self._reading.look(realm, is_locked_by_us=True)
                if shown and self._journal.digest(broken.text) not in shown:
                    # It was saved since.
                    raise
                if broken.text is not None:
                    aside = self._settler.set_broken_aside(realm, broken)
                    text = f"what was no document is kept as {aside}"
                    notices = (Notice(code="working_copy_set_aside", message=text, path=aside),)
                self._settler.count_on(realm, broken)
            with self._honest(realm, doubt):
                judgements = judge(self._reading.point({realm: self._reading.own(realm)}))
                self._refuse_moved(realm)
            done = [self._carried_out(realm, held, one, notices) for one in judgements]
            if broken is not None and not any(isinstance(one.decision, Append) for one in done):
                # What was chosen is what is in force already: no write has put it into the file.
                self._settler.restyle(realm, broken, held, None)
            return done

        with self._remembering(realm, deadline):
            return self._turns.run([realm], deadline, write)

    # --- watching -------------------------------------------------------------------------------

    def signal(self, realms: Sequence[RealmName]) -> Signal:
        """See the protocol."""
        self._check_open()
        signal = Signal(realms)
        self._poller.add(signal)
        return signal

    def _glance(self, realms: frozenset[RealmName]) -> object:
        names = realms or frozenset(self._layout.realms())
        version = self._journal.version()
        return (version, {name: stamps_of(self._layout, name) for name in names})

    # --- maintenance ------------------------------------------------------------------------------

    @typed
    def rename(
        self,
        old: RealmName,
        new: RealmName,
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
    ) -> Sequence[Applied]:
        """
        See the protocol.

        It is done with one step of the journal; whoever is killed after it leaves files that the next look brings
        into step.
        """
        self._check_open()

        def write(held: Mapping[RealmName, Held]) -> Sequence[Applied]:
            for realm in sorted(held):
                self._turns.settle(realm, held[realm])
            judgements = judge(
                self._reading.point({old: self._reading.own(old), new: self._reading.own(new)})
            )
            for realm in (old, new):
                self._refuse_moved(realm)
            if self._journal.newest(new) is not None:
                raise InvalidArgument(f"realm {new} has a history of its own")
            self._refuse_case_twin(new, old)
            looks = {realm: self._reading.look(realm, is_locked_by_us=True) for realm in (new, old)}
            moving.rename(self._settler, self._journal, old, looks, held, judgements)
            for realm in (new, old):
                self._turns.in_step(realm, held[realm])
            return [
                Applied(
                    write=one.write, decision=one.decision, head=self._reading.own(one.write.realm)
                )
                for one in judgements
            ]

        return self._turns.run([old, new], deadline, write)

    @typed
    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        """See the protocol."""
        self._check_open()
        found: list[Compaction] = []

        def remove(held: Held, notices: tuple[Notice, ...]) -> Sequence[Applied]:
            known = self._journal.newest(realm)
            if known is None:
                found.append(Compaction(realm=realm, floor=1, removed=0))
                return ()
            wanted = max(known.floor, min(floor, known.revision.generation))
            removed = self._journal.set_floor(realm, wanted)
            found.append(Compaction(realm=realm, floor=wanted, removed=removed))
            return ()

        self._turns.run_one(realm, deadline, remove)
        return found[-1]

    @typed
    def purge(
        self, realm: RealmName, generation: int, *, document: object, deadline: float
    ) -> Revision:
        """See the protocol."""
        self._check_open()
        found: list[Revision] = []

        def erase(held: Held, notices: tuple[Notice, ...]) -> Sequence[Applied]:
            point = self._reading.point({realm: self._reading.own(realm)})
            purged = point.revision(realm, generation).replace(
                document=document, salt="", purged=True
            )
            self._journal.rewrite(realm, purged)
            found.append(purged)
            return ()

        self._turns.run_one(realm, deadline, erase)
        self._journal.flush()
        return found[-1]

    # --- moving ---------------------------------------------------------------------------------

    @typed
    def request_keys(self) -> Mapping[str, bytes]:
        """See the protocol."""
        return moving.request_keys(self._journal)

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
        return moving.receipts(self._journal, realm, since=since, after=after, limit=limit)

    @typed
    def receive(self, arrival: Arrival, *, deadline: float) -> None:
        """
        See the protocol; also ``TimelineChanged`` where another program has written its files since it left.
        """
        self._check_open()

        def take_in(held: Mapping[RealmName, Held]) -> None:
            self._journal.make()
            for realm in held:
                seen = self._reading.look(realm, is_locked_by_us=True)
                known = self._journal.newest(realm)
                if known is None:
                    found = self._settler.standing_of(seen, known, self._journal.intents(realm))
                    if found.kind != standing.NEVER:
                        raise InvalidArgument(f"realm {realm} lives in this store already")
                    self._refuse_case_twin(realm)
                elif known.moved_to is not None:
                    moving.refuse_strange(self._journal, realm, seen, known)
            for one in held.values():
                one.prove()
            moving.receive(self._journal, arrival)

        self._turns.run(list(arrival.floors), deadline, take_in)

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
        self._check_open()

        def leave(locks: Mapping[RealmName, Held]) -> Head:
            held = locks[realm]
            known = self._journal.newest(realm)
            if known is not None and known.moved_to is not None:
                if known.moved_to == to:
                    return self._reading.own(realm)
                raise RealmMoved(known.moved_to, realm=realm)
            notices: tuple[Notice, ...] = ()
            try:
                notices = self._turns.settle(realm, held)
            except WorkingCopyBroken as broken:
                notices = (
                    Notice(code=broken.code, message=str(broken), path=self._layout.config(realm)),
                )
            own = self._reading.own(realm)
            if own.revision is None:
                raise RealmNotFound(realm=realm)
            finish(self._reading.point({realm: own}))
            if held.is_of_another_process:
                raise ForkedInTransaction
            seen = self._reading.look(realm, is_locked_by_us=True)
            held.prove()
            self._settler.leave(realm, seen, own.revision, to=to)
            try:
                self._settler.tell_of_leaving(realm, seen, held, to)
            except (OSError, LostLockError):
                # The journal says it.
                pass
            return self._reading.own(realm, notices)

        return self._turns.run([realm], deadline, leave)

    @typed
    def arrive(self, realm: RealmName, *, digest: str, deadline: float) -> Head:
        """
        See the protocol; also ``TimelineChanged`` where another program has written its files since it left.

        It lives here with one step of the journal; its files follow at once, or at the next look.
        """
        self._check_open()

        def come(locks: Mapping[RealmName, Held]) -> Head:
            held = locks[realm]
            known = self._journal.newest(realm)
            if known is None or (known.moved_to is not None and known.revision.digest != digest):
                raise TimelineChanged(
                    realm=realm,
                    generation=0 if known is None else known.revision.generation,
                    reason="that was to arrive",
                )
            if known.moved_to is not None:
                seen = self._reading.look(realm, is_locked_by_us=True)
                held.prove()
                moving.arrive(self._journal, realm, seen, known)
            self._turns.in_step(realm, held)
            return self._reading.own(realm)

        return self._turns.run([realm], deadline, come)

    def backup(self, path: str) -> None:
        """See the protocol."""
        with self.view() as view:
            archiving.write_backup(path, view, store="meerkat")

    def revisions_in(self, path: str) -> Iterator[Revision]:
        """See the protocol."""
        for entry in archiving.entries_in(path):
            yield entry.revision

    def schemas_in(self, path: str) -> Mapping[RealmName, Mapping[str, Document]]:
        """See the protocol."""
        return archiving.schemas_in(path)

    def examine(self) -> Iterator[Trouble]:
        """What is wrong or weak about the root's files; changes nothing."""
        from realmconf.stores.meerkat.examining import examine

        return examine(self._layout, self._journal, limits=self._limits, timing=self._timing)

    def close(self) -> None:
        """See the protocol."""
        self._closed = True
        self._poller.close()
        self._journal.close()

    def _check_open(self) -> None:
        if self._closed:
            # The very same request would find it closed again.
            raise StoreUnavailable("this client is closed", retryable=False)


def _receipt(judgement: Judgement, outcome: str, generation: int) -> Receipt:
    write = judgement.write
    return Receipt(
        realm=write.realm,
        write_id=write.write_id,
        request=judgement.request,
        outcome=outcome,
        generation=generation,
    )
