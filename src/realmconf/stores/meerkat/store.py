"""
Meerkat's files as a store: the methods of the contract.

Decides when the files are looked at, when the lock is taken for that, and what a reader is given who cannot have it.
The lock is ``lockfile``'s, what the files mean is ``standing``'s, how they are brought into step is ``settling``'s.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager

from realmconf.domain.names import case_twin
from realmconf.domain.record import Record
from realmconf.domain.toml import TEXT_BYTES_PER_DOCUMENT_BYTE, render
from realmconf.domain.write import Append
from realmconf.errors import (
    ForkedInTransaction,
    GenerationConflict,
    InvalidArgument,
    LockTimeout,
    OutcomeUnknown,
    RealmconfError,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    Unsupported,
    WorkingCopyBroken,
)
from realmconf.meerkat.folder import realm_metadata
from realmconf.stores import archiving
from realmconf.stores.fairness import Turn
from realmconf.stores.meerkat import files, lockfile, standing
from realmconf.stores.meerkat.failures import typed
from realmconf.stores.meerkat.files import OvertakenError
from realmconf.stores.meerkat.journal import RECEIPTS_KEPT, Journal, Known
from realmconf.stores.meerkat.lockfile import LostLockError
from realmconf.stores.meerkat.look import are_recent, look, stamps_of
from realmconf.stores.meerkat.settling import OVERTAKEN, Settler
from realmconf.stores.meerkat.sidecar import Sidecar
from realmconf.stores.meerkat.view import View
from realmconf.stores.meerkat.watching import Poller, Signal
from realmconf.stores.protocol import Applied, Compaction, Head, Notice, Receipt, StoreInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.metadata import ConfigStoreMetadata
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.meerkat.journal import Intent
    from realmconf.stores.meerkat.layout import Layout
    from realmconf.stores.meerkat.lockfile import Held, Timing
    from realmconf.stores.meerkat.look import Look
    from realmconf.stores.meerkat.standing import Standing
    from realmconf.stores.protocol import Judgement, Proof, ReadView, Trouble

ADOPT_SECONDS = 1.0
"""How long a reader who has found an edit waits for the lock; without it the edit is only told of."""
COLLECTIONS_MAX = 8
"""How often the heads of all realms are collected until nothing moves meanwhile."""


class Seen(Record):
    """A head, and what says that it still is one."""

    head: Head
    mark: object
    """None where the next look has to read again in any case."""


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
        self._journal = Journal(layout.journal, limits=limits, read_only=read_only)
        self._settler = Settler(layout, self._journal, limits=limits)
        self._poller = Poller(self._glance)
        self._seen: dict[RealmName, Seen] = {}
        self._closed = False
        self._inside = threading.local()
        """Whether this thread is deciding a write to this store."""

    # --- reading ---------------------------------------------------------------------------

    @typed
    def head(self, realm: RealmName, *, adopt: bool = True) -> Head:
        """See the protocol."""
        self._check_open()
        seen = self._seen.get(realm)
        if seen is not None and seen.mark is not None and seen.mark == self._mark(realm):
            return seen.head
        return self._read(realm, adopts=adopt and not self._read_only)

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
        return {"root": self._layout.folder(realm), "config_path": self._layout.config(realm)}

    def metadata(self, realm: RealmName) -> ConfigStoreMetadata:
        """The backend is the one that the realm's manifest has pinned."""
        return realm_metadata(self._layout.folder(realm), realm)

    @contextmanager
    def view(self) -> Iterator[ReadView]:
        """See the protocol."""
        self._check_open()
        yield self._point({})

    def _mark(self, realm: RealmName) -> object:
        return (stamps_of(self._layout, realm), self._journal.version())

    def _read(self, realm: RealmName, *, adopts: bool) -> Head:
        """The head as the files say it now, noted and adopted where that can be done."""
        seen = self._look(realm)
        known = self._journal.newest(realm)
        found = self._settler.standing_of(seen, known, self._journal.intents(realm))
        notices: tuple[Notice, ...] = ()
        if adopts and seen.is_settled and _is_to_be_settled(found, seen):
            try:
                with self._locked(realm, time.monotonic() + ADOPT_SECONDS) as held:
                    notices = self._settle(realm, held)
            except (LockTimeout, StoreReadOnly, StoreFull, StoreUnavailable, LostLockError):
                # Reads go on where nothing can be written.
                pass
            except WorkingCopyBroken as broken:
                return self._after_broken(realm, broken, seen)
            else:
                # What another program does at this very moment is for the next read.
                seen = self._look(realm)
                known = self._journal.newest(realm)
                found = self._settler.standing_of(seen, known, self._journal.intents(realm))
        return self._answered(realm, seen, known, found, notices)

    def _look(self, realm: RealmName, *, is_locked_by_us: bool = False) -> Look:
        journal = self._journal
        return look(
            self._layout,
            realm,
            digest=journal.digest if journal.has_keys() else None,
            timing=self._timing,
            bytes_max=TEXT_BYTES_PER_DOCUMENT_BYTE * self._limits.document_bytes,
            is_locked_by_us=is_locked_by_us,
        )

    def _answered(
        self,
        realm: RealmName,
        seen: Look,
        known: Known | None,
        found: Standing,
        notices: tuple[Notice, ...],
    ) -> Head:
        revision = None if known is None else known.revision
        floor = 1 if known is None else known.floor
        try:
            if found.kind == standing.UNFINISHED and _is_numbered(seen, found.generation):
                assert found.intent is not None
                known = self._finished(realm, found.intent) or known
                assert known is not None
                revision, floor = known.revision, known.floor
            elif found.kind == standing.FOREIGN:
                revision = self._settler.foreign(realm, seen, found.generation, known)
                if self._note(realm, revision, seen):
                    known = self._journal.newest(realm)
                    assert known is not None
                    revision, floor = known.revision, known.floor
                elif known is None or known.revision.generation + 1 != found.generation:
                    floor = found.generation
            elif found.kind == standing.UNKNOWN:
                raise self._settler.unknown(realm)
            elif found.kind in standing.ADOPTED:
                if revision is None:
                    revision = self._settler.foreign(realm, seen, found.generation, None)
                notices = (*notices, self._edited(realm))
        except WorkingCopyBroken as broken:
            return self._after_broken(realm, broken, seen)
        return self._remembered(realm, seen, revision, floor, notices)

    def _note(self, realm: RealmName, revision: Revision, seen: Look) -> bool:
        """Keep what another program has written; whether that could be done."""
        if self._read_only or not seen.is_settled:
            return False
        try:
            self._journal.make()
            # With its key, which a new journal brings, the revision is the same for everybody.
            known = self._journal.newest(realm)
            revision = self._settler.foreign(realm, seen, revision.generation, known)
            self._journal.note(realm, revision, text=self._journal.digest(seen.text))
        except (StoreReadOnly, StoreFull, StoreUnavailable):
            return False
        return True

    def _finished(self, realm: RealmName, intent: Intent) -> Known | None:
        """Both files say that what was begun is committed: so does the journal, if it can be written."""
        try:
            self._journal.finish(realm, intent.revision.digest)
        except (StoreReadOnly, StoreFull, StoreUnavailable):
            return Known(
                revision=intent.revision, text=intent.text, is_stamped=True, floor=1, position=0
            )
        return self._journal.newest(realm)

    def _edited(self, realm: RealmName) -> Notice:
        path = self._layout.config(realm)
        return Notice(
            code="working_copy_edited",
            message=f"{path} was edited and is not taken in yet; the recorded configuration is in force",
            path=path,
        )

    def _after_broken(self, realm: RealmName, broken: WorkingCopyBroken, seen: Look) -> Head:
        """The last good configuration, visibly; without one there is nothing to go on with."""
        known = self._journal.newest(realm)
        if known is None:
            raise broken
        notice = Notice(code=broken.code, message=str(broken), path=self._layout.config(realm))
        return self._remembered(realm, seen, known.revision, known.floor, (notice,))

    def _remembered(
        self,
        realm: RealmName,
        seen: Look,
        revision: Revision | None,
        floor: int,
        notices: tuple[Notice, ...],
    ) -> Head:
        """The head with these; the very same one as before, if nothing of it has changed."""
        before = self._seen.get(realm)
        head = Head(realm=realm, revision=revision, floor=floor, warnings=notices)
        if before is not None and _is_same(before.head, head):
            head = before.head
        is_known = seen.is_settled and not notices and not are_recent(seen.stamps)
        mark = (seen.stamps, self._journal.version()) if is_known else None
        self._seen[realm] = Seen(head=head, mark=mark)
        return head

    def _point(self, own: Mapping[RealmName, Head]) -> View:
        """All heads of one moment; *own* are those whose lock this thread holds."""
        heads: dict[RealmName, Head] = {}
        position = 0
        for _ in range(COLLECTIONS_MAX):
            names = {*self._layout.realms(), *self._journal.realms()}
            before = {name: stamps_of(self._layout, name) for name in names if name not in own}
            heads = {name: self._collected(name) for name in before} | dict(own)
            position = self._last_position()
            if all(stamps_of(self._layout, name) == stamps for name, stamps in before.items()):
                break
        return View(self._journal, heads, position)

    def _collected(self, realm: RealmName) -> Head:
        try:
            return self.head(realm, adopt=False)
        except (WorkingCopyBroken, StoreCorrupt):
            # One realm that cannot be read keeps nobody from the others; who asks for it alone is told.
            return Head(realm=realm, revision=None)

    def _last_position(self) -> int:
        for (position,) in self._journal.rows("SELECT max(position) FROM revision"):
            return int(position or 0)  # type: ignore[call-overload, no-any-return]
        return 0

    # --- the lock --------------------------------------------------------------------------

    @contextmanager
    def _locked(self, realm: RealmName, deadline: float) -> Iterator[Held]:
        """The realm's lock, in the order of asking within this process."""
        if self._read_only:
            raise StoreReadOnly("this handle was opened for reading only")
        path = self._layout.lock(realm)
        folder = self._layout.folder(realm)
        with _turn_of(path).held(deadline):
            was_there = os.path.isdir(folder)
            files.make_folder(folder)
            held = lockfile.take(path, deadline, timing=self._timing)
            try:
                yield held
            finally:
                held.give_back()
                if not was_there:
                    files.remove_if_empty(folder)

    def _settle(self, realm: RealmName, held: Held) -> tuple[Notice, ...]:
        # A realm that nobody ever wrote needs no journal to say so.
        self._journal.make()
        rows = self._point({realm: self._own(realm)})
        files.sweep(self._layout.folder(realm))
        seen = self._look(realm, is_locked_by_us=True)
        return self._settler.settle(realm, seen, held, rows)

    def _own(self, realm: RealmName, notices: tuple[Notice, ...] = ()) -> Head:
        known = self._journal.newest(realm)
        if known is None:
            return Head(realm=realm, revision=None, warnings=notices)
        return Head(realm=realm, revision=known.revision, floor=known.floor, warnings=notices)

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
        doubt: str | None = None
        if getattr(self._inside, "doubt", (None, None, None))[:2] == (realm, deadline):
            # The same write is tried again, after an attempt whose outcome is unknown.
            doubt = self._inside.doubt[2]
        if precheck is not None and doubt is None:
            with self.view() as view:
                precheck(view)

        def write(held: Held, notices: tuple[Notice, ...]) -> Sequence[Applied]:
            with self._honest(realm, doubt):
                judgements = judge(self._point({realm: self._own(realm)}))
            return [self._carried_out(realm, held, one, notices) for one in judgements]

        try:
            return self._in_turn(realm, deadline, write)
        except OutcomeUnknown as unknown:
            self._inside.doubt = (realm, deadline, unknown.write_id)
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

    def _in_turn(
        self,
        realm: RealmName,
        deadline: float,
        write: Callable[[Held, tuple[Notice, ...]], Sequence[Applied]],
    ) -> Sequence[Applied]:
        """Run *write* under the lock, on files that are in step; again, if they moved or the lock was lost."""
        if getattr(self._inside, "is_writing", False):
            raise InvalidArgument(
                "a write to the same store from inside a change that is being decided"
            )
        asked = time.monotonic()
        self._inside.is_writing = True
        try:
            while True:
                try:
                    with self._locked(realm, deadline) as held:
                        done = write(held, self._settle(realm, held))
                    self._poller.hurry()
                    return done
                except (LostLockError, OvertakenError):
                    if time.monotonic() >= deadline:
                        raise LockTimeout(waited_seconds=time.monotonic() - asked) from None
        finally:
            self._inside.is_writing = False

    def _carried_out(
        self,
        realm: RealmName,
        held: Held,
        judgement: Judgement,
        notices: tuple[Notice, ...] = (),
        *,
        moved_from: RealmName | None = None,
    ) -> Applied:
        write, decision = judgement.write, judgement.decision
        if held.is_of_another_process:
            raise ForkedInTransaction
        if isinstance(decision, Append):
            self._append(realm, held, judgement, decision, moved_from=moved_from)
        elif write.write_id_given:
            head = decision.head
            self._journal.keep_receipt(
                _receipt(judgement, "unchanged", 0 if head is None else head.generation)
            )
        return Applied(write=write, decision=decision, head=self._own(realm, notices))

    def _append(
        self,
        realm: RealmName,
        held: Held,
        judgement: Judgement,
        decision: Append,
        *,
        moved_from: RealmName | None,
    ) -> None:
        revision = decision.revision
        known = self._journal.newest(realm)
        if known is None:
            self._refuse_case_twin(realm, moved_from)
        elif revision.generation <= known.revision.generation:
            raise GenerationConflict(
                revision.generation - 1, known.revision.generation, realm=realm
            )
        seen = self._look(realm, is_locked_by_us=True)
        content = None if revision.document is None else self._rendered(revision.document, seen)
        receipt = None
        if judgement.write.write_id_given:
            receipt = _receipt(judgement, "committed", revision.generation)
        steps: list[Callable[[], None]] = []
        if moved_from is not None:
            steps.append(lambda: self._journal.moved(moved_from, realm))
        self._settler.commit(
            realm,
            seen,
            held,
            revision,
            content,
            receipt=receipt,
            schemas=decision.schemas,
            before_finish=steps,
        )

    def _rendered(self, document: Document, seen: Look) -> bytes:
        """*document* in the words of the file that is there."""
        text = None
        if seen.text is not None:
            try:
                text = seen.text.decode("utf-8")
            except UnicodeDecodeError:
                text = None
        return render(document, text=text, limits=self._limits).encode()

    def _refuse_case_twin(self, realm: RealmName, moved_from: RealmName | None) -> None:
        """A file system may take the two for one."""
        names = {*self._layout.realms(), *self._journal.realms()} - {realm}
        if moved_from is not None:
            names.discard(moved_from)
        if any(name.folded == realm.folded for name in names):
            raise case_twin(realm)

    @typed
    def void(self, realm: RealmName, write_id: str, *, deadline: float) -> Receipt:
        """See the protocol."""
        self._check_open()
        found: list[Receipt] = []

        def settle(held: Held, notices: tuple[Notice, ...]) -> Sequence[Applied]:
            voided = Receipt(
                realm=realm, write_id=write_id, request="", outcome="void", generation=0
            )
            found.append(self._journal.known_or(voided))
            return ()

        self._in_turn(realm, deadline, settle)
        return found[-1]

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

        The new name comes first: whoever is killed in between leaves the old one as it was, beside the new.
        """
        self._check_open()
        first, second = sorted((old, new))

        def write(one: Held, notices: tuple[Notice, ...]) -> Sequence[Applied]:
            with self._locked(second, deadline) as other:
                self._settle(second, other)
                held = {first: one, second: other}
                if self._journal.newest(new) is not None:
                    raise InvalidArgument(f"realm {new} has a history of its own")
                point = self._point({old: self._own(old), new: self._own(new)})
                placed, left = judge(point)
                done = [self._carried_out(new, held[new], placed, moved_from=old)]
                return [*done, self._carried_out(old, held[old], left)]

        return self._in_turn(first, deadline, write)

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

        self._in_turn(realm, deadline, remove)
        return found[-1]

    @typed
    def purge(
        self, realm: RealmName, generation: int, *, document: object, deadline: float
    ) -> Revision:
        """See the protocol."""
        self._check_open()
        found: list[Revision] = []

        def erase(held: Held, notices: tuple[Notice, ...]) -> Sequence[Applied]:
            point = self._point({realm: self._own(realm)})
            purged = point.revision(realm, generation).replace(
                document=document, salt="", purged=True
            )
            self._journal.rewrite(realm, purged)
            found.append(purged)
            return ()

        self._in_turn(realm, deadline, erase)
        self._journal.flush()
        return found[-1]

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


def _is_to_be_settled(found: Standing, seen: Look) -> bool:
    """Whether the files have to be brought into step, which takes the lock."""
    if found.kind == standing.UNFINISHED:
        return not _is_numbered(seen, found.generation)
    return found.kind in standing.ADOPTED or found.kind == standing.RENUMBERED


def _is_numbered(seen: Look, generation: int) -> bool:
    return isinstance(seen.state, Sidecar) and seen.state.generation == generation


def _is_same(one: Head, other: Head) -> bool:
    if (one.floor, one.warnings) != (other.floor, other.warnings):
        return False
    if one.revision is None or other.revision is None:
        return one.revision is other.revision
    return (one.revision.digest, one.revision.purged) == (
        other.revision.digest,
        other.revision.purged,
    )


def _receipt(judgement: Judgement, outcome: str, generation: int) -> Receipt:
    write = judgement.write
    return Receipt(
        realm=write.realm,
        write_id=write.write_id,
        request=judgement.request,
        outcome=outcome,
        generation=generation,
    )


# --- turns within this process ---------------------------------------------------------------------

_turns: dict[str, Turn] = {}


def _turn_of(path: str) -> Turn:
    return _turns.setdefault(path, Turn())


def _after_fork_in_child() -> None:
    # The child has none of the threads that wait or write.
    _turns.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
