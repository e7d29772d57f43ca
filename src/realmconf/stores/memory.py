"""
The contract of a store in one process's memory: nothing durable, everything else.

The smallest complete implementation of ``stores.protocol``: what a store must do,
without the machinery that durability and other processes need.  ``memory://`` is
a store of its own; ``memory://name`` is shared by all clients of the process and
lives as long as it does.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from bisect import bisect_left
from collections import OrderedDict, deque
from contextlib import contextmanager

from realmconf.domain.archive import header_line, read_archive, revision_line
from realmconf.domain.write import Append
from realmconf.errors import (
    ForkedInTransaction,
    GenerationConflict,
    HistoryCompacted,
    InvalidArgument,
    InvalidRealm,
    LockTimeout,
    RevisionNotFound,
    StoreReadOnly,
    StoreUnavailable,
)
from realmconf.stores.protocol import (
    Applied,
    Compaction,
    Head,
    Proof,
    RealmEntry,
    Receipt,
    StoreInfo,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import Judgement, ReadView

RECEIPTS_KEPT = 100_000
"""Per realm; the oldest goes first."""

_shared: dict[str, _Memory] = {}
_memories: weakref.WeakSet[_Memory] = weakref.WeakSet()


def open_store(
    location: str,
    *,
    options: Mapping[str, str],
    limits: Limits,
    read_only: bool = False,
    recover: bool = False,
) -> MemoryStore:
    """The store called *location* in this process, or a new one of its own for an empty name."""
    if options:
        raise InvalidArgument("memory:// takes no options")
    memory = _shared.setdefault(location, _Memory()) if location else _Memory()
    return MemoryStore(memory, name=location, read_only=read_only, limits=limits)


class _History:
    """
    One realm's revisions.  A history is replaced, never changed: *revisions* only grows and *count* says how
    much of it belongs to this one, so a view that holds it stays at its point.
    """

    __slots__ = ("count", "floor", "head", "revisions")

    def __init__(self, realm: RealmName, revisions: list[Revision], *, floor: int = 1) -> None:
        self.revisions = revisions
        self.count = len(revisions)
        self.floor = floor
        self.head = Head(realm=realm, revision=revisions[-1], floor=floor)

    def index(self, generation: int) -> int:
        """Where *generation* is or would be: a restore may have stepped over numbers."""
        return bisect_left(
            self.revisions, generation, 0, self.count, key=lambda revision: revision.generation
        )


class _Turn:
    """The right to write, given in the order of asking."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False
        self.holder: int | None = None

    @contextmanager
    def held(self, deadline: float) -> Iterator[None]:
        asked = time.monotonic()
        if self.holder == threading.get_ident():
            raise InvalidArgument(
                "a write to the same store from inside a change that is being decided"
            )
        if not self._take(deadline):
            raise LockTimeout(waited_seconds=time.monotonic() - asked)
        self.holder = threading.get_ident()
        try:
            yield
        finally:
            self.holder = None
            self._pass_on()

    def _take(self, deadline: float) -> bool:
        with self.guard:
            if not self._taken:
                self._taken = True
                return True
            ticket = threading.Lock()
            ticket.acquire()
            self._waiting.append(ticket)
        if ticket.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return True
        with self.guard:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                return False
        # Granted between the time-out and here: it goes straight on to the next.
        self._pass_on()
        return False

    def _pass_on(self) -> None:
        with self.guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


class _Memory:
    """What all handles of one memory store share."""

    def __init__(self) -> None:
        self.histories: dict[str, _History] = {}
        self.receipts: dict[str, OrderedDict[str, Receipt]] = {}
        self.turn = _Turn()
        self.guard = threading.RLock()
        """Held while the state moves from one point to the next, and to see one point."""
        self.words: dict[str, list[int]] = {}
        """What proofs compare: one word of its own for each realm that was read often enough."""
        self.empty: dict[str, Head] = {}
        self.signals: weakref.WeakSet[_Signal] = weakref.WeakSet()
        self.key = os.urandom(32)
        _memories.add(self)

    def head(self, realm: RealmName) -> Head:
        history = self.histories.get(realm)
        if history is not None:
            return history.head
        return self.empty.setdefault(realm, Head(realm=realm, revision=None))

    def publish(
        self,
        histories: Mapping[str, _History],
        receipts: Sequence[Receipt] = (),
        *,
        every_word: bool = False,
    ) -> None:
        """Move to the next point in one step, and wake whoever waits for it."""
        with self.guard:
            # Words first: whoever compares them after this goes through the guard.
            for name in self.words if every_word else self.words.keys() & histories.keys():
                self.words[name][0] += 1
            self.histories = (
                {**self.histories, **histories} if len(histories) > 1 else self._with(histories)
            )
            for receipt in receipts:
                kept = self.receipts.setdefault(receipt.realm, OrderedDict())
                kept.setdefault(receipt.write_id, receipt)
                if len(kept) > RECEIPTS_KEPT:
                    kept.popitem(last=False)
            signals = list(self.signals)
        for signal in signals:
            signal.hint(histories)

    def _with(self, histories: Mapping[str, _History]) -> dict[str, _History]:
        self.histories.update(histories)
        return self.histories

    def append(
        self, judgements: Sequence[Judgement], *, moved: Mapping[str, _History] | None = None
    ) -> list[Applied]:
        """Append what was judged, all or nothing; the caller holds the turn."""
        if self.turn.holder != threading.get_ident():
            raise ForkedInTransaction
        next_histories: dict[str, _History] = dict(moved or {})
        receipts: list[Receipt] = []
        for judgement in judgements:
            write, decision = judgement.write, judgement.decision
            realm = write.realm
            if isinstance(decision, Append):
                before = next_histories.get(realm) or self.histories.get(realm)
                next_histories[realm] = self._extended(realm, before, decision.revision)
                receipts.append(_receipt(judgement, "committed", decision.revision.generation))
            elif write.write_id_given:
                head = decision.head
                receipts.append(
                    _receipt(judgement, "unchanged", 0 if head is None else head.generation)
                )
        if next_histories or receipts:
            self.publish(next_histories, receipts, every_word=moved is not None)
        return [
            Applied(
                write=judgement.write,
                decision=judgement.decision,
                head=self.head(judgement.write.realm),
            )
            for judgement in judgements
        ]

    def _extended(self, realm: RealmName, before: _History | None, revision: Revision) -> _History:
        if before is None:
            self._refuse_case_twin(realm)
            return _History(realm, [revision], floor=revision.generation)
        current = before.head.generation
        if revision.generation <= current:
            raise GenerationConflict(revision.generation - 1, current, realm=realm)
        # What a refused transaction left behind its count belongs to no history.
        revisions = (
            before.revisions
            if len(before.revisions) == before.count
            else before.revisions[: before.count]
        )
        revisions.append(revision)
        return _History(realm, revisions, floor=before.floor)

    def _refuse_case_twin(self, realm: RealmName) -> None:
        folded = realm.casefold()
        twin = next((name for name in self.histories if name.casefold() == folded), None)
        if twin is not None:
            raise InvalidRealm(f"realm {realm} would differ from {twin} by case alone")


def _receipt(judgement: Judgement, outcome: str, generation: int) -> Receipt:
    write = judgement.write
    return Receipt(
        realm=write.realm,
        write_id=write.write_id,
        request=judgement.request,
        outcome=outcome,
        generation=generation,
    )


class _View:
    """A point to read from; the live state for whoever holds the turn, since nothing moves then."""

    def __init__(self, memory: _Memory, histories: Mapping[str, _History]) -> None:
        self._memory = memory
        self._histories = histories

    def head(self, realm: RealmName) -> Head:
        history = self._histories.get(realm)
        return Head(realm=realm, revision=None) if history is None else history.head

    def revision(self, realm: RealmName, generation: int) -> Revision:
        history = self._histories.get(realm)
        current = 0 if history is None else history.head.generation
        if history is None or not 1 <= generation <= current:
            raise RevisionNotFound(realm=realm, generation=generation, current=current)
        if generation < history.floor:
            raise HistoryCompacted(generation, history.floor, realm=realm)
        found = history.revisions[history.index(generation)]
        if found.generation != generation:
            raise RevisionNotFound(realm=realm, generation=generation, current=current)
        return found

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        history = self._histories.get(realm)
        if history is None:
            return []
        if not newest_first and after + 1 < history.floor:
            raise HistoryCompacted(after + 1, history.floor, realm=realm)
        first = history.index(after + 1)
        last = history.count if before is None else history.index(before)
        if limit is not None:
            first, last = (
                (max(first, last - limit), last)
                if newest_first
                else (first, min(last, first + limit))
            )
        found = history.revisions[first:last]
        return found[::-1] if newest_first else found

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        kept = self._memory.receipts.get(realm)
        return None if kept is None else kept.get(write_id)

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        names = sorted(name for name in self._histories if after is None or name > after)
        return [self._entry(self._histories[name].head) for name in names[:limit]]

    @staticmethod
    def _entry(head: Head) -> RealmEntry:
        revision = head.revision
        exists = revision is not None and not revision.tombstone
        return RealmEntry(realm=head.realm, generation=head.generation, exists=exists)


class _Signal:
    """Hints for one watcher: a flag, and whoever listens."""

    def __init__(self, realms: Sequence[RealmName]) -> None:
        self._realms = frozenset(realms)
        self._condition = threading.Condition()
        self._hinted = False
        self._closed = False
        self._listeners: list[Callable[[], None]] = []

    def hint(self, changed: Mapping[str, object]) -> None:
        if self._realms and self._realms.isdisjoint(changed):
            return
        with self._condition:
            self._hinted = True
            self._condition.notify_all()
            listeners = list(self._listeners)
        for callback in listeners:
            callback()

    def wait(self, timeout_seconds: float | None) -> bool:
        with self._condition:
            self._condition.wait_for(lambda: self._hinted or self._closed, timeout_seconds)
            hinted, self._hinted = self._hinted or self._closed, False
            return hinted

    def listen(self, callback: Callable[[], None]) -> None:
        with self._condition:
            self._listeners.append(callback)

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._listeners.clear()
            self._condition.notify_all()


class MemoryStore:
    """One handle on a memory store; see ``stores.protocol.Store`` for the contract."""

    def __init__(self, memory: _Memory, *, name: str, read_only: bool, limits: Limits) -> None:
        self._memory = memory
        self._read_only = read_only
        self._closed = False
        self._signals: weakref.WeakSet[_Signal] = weakref.WeakSet()
        self.url = f"memory://{name}"
        self.info = StoreInfo(
            name="memory",
            durable=False,
            transaction_realms_max=limits.transaction_realms,
            receipts_kept=RECEIPTS_KEPT,
            document_bytes_max=limits.document_bytes,
        )

    def head(self, realm: RealmName, *, adopt: bool = True) -> Head:
        self._check_open()
        return self._memory.head(realm)

    def peek(self, realm: RealmName) -> Head | None:
        return None if self._closed else self._memory.head(realm)

    def proof(self, realm: RealmName) -> Proof | None:
        memory = self._memory
        with memory.guard:
            if self._closed:
                return None
            words = memory.words.setdefault(realm, [0])
            return Proof(head=memory.head(realm), words=words, mark=words[0])

    def request_key(self) -> bytes:
        return self._memory.key

    def paths(self, realm: RealmName) -> Mapping[str, str]:
        return {}

    @contextmanager
    def view(self) -> Iterator[ReadView]:
        self._check_open()
        with self._memory.guard:
            histories = dict(self._memory.histories)
        yield _View(self._memory, histories)

    def apply(
        self,
        realms: Sequence[RealmName],
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
        groupable: bool = True,
        precheck: Callable[[ReadView], None] | None = None,
    ) -> Sequence[Applied]:
        self._check_open()
        if precheck is not None:
            precheck(self._live())
        with self._writing(deadline):
            return self._memory.append(judge(self._live()))

    def void(self, realm: RealmName, write_id: str, *, deadline: float) -> Receipt:
        with self._writing(deadline):
            known = self._live().receipt(realm, write_id)
            if known is not None:
                return known
            voided = Receipt(
                realm=realm, write_id=write_id, request="", outcome="void", generation=0
            )
            self._memory.publish({}, [voided])
            return voided

    def signal(self, realms: Sequence[RealmName]) -> _Signal:
        self._check_open()
        signal = _Signal(realms)
        self._signals.add(signal)
        with self._memory.guard:
            self._memory.signals.add(signal)
        return signal

    def rename(
        self,
        old: RealmName,
        new: RealmName,
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
    ) -> Sequence[Applied]:
        with self._writing(deadline):
            memory = self._memory
            judgements = judge(self._live())
            source = memory.histories[old]
            if new in memory.histories:
                raise InvalidArgument(f"realm {new} has a history of its own")
            if new.casefold() != old.casefold():
                memory._refuse_case_twin(new)
            moved = _History(new, source.revisions[: source.count], floor=source.floor)
            applied = memory.append(judgements, moved={new: moved})
            tombstone = memory.histories[old].head.revision
            assert tombstone is not None
            memory.publish(
                {old: _History(old, [tombstone], floor=tombstone.generation)}, every_word=True
            )
            return applied

    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        with self._writing(deadline):
            history = self._memory.histories.get(realm)
            if history is None:
                return Compaction(realm=realm, floor=1, removed=0)
            floor = max(history.floor, min(floor, history.head.generation))
            kept = history.revisions[history.index(floor) : history.count]
            self._memory.publish({realm: _History(realm, kept, floor=floor)}, every_word=True)
            return Compaction(realm=realm, floor=floor, removed=history.count - len(kept))

    def purge(
        self, realm: RealmName, generation: int, *, document: object, deadline: float
    ) -> Revision:
        with self._writing(deadline):
            purged = (
                self._live()
                .revision(realm, generation)
                .replace(document=document, salt="", purged=True)
            )
            history = self._memory.histories[realm]
            revisions = history.revisions[: history.count]
            revisions[history.index(generation)] = purged
            self._memory.publish(
                {realm: _History(realm, revisions, floor=history.floor)}, every_word=True
            )
            return purged

    def backup(self, path: str) -> None:
        with self.view() as view:
            lines = [header_line(store="memory")]
            for entry in view.realms():
                floor = view.head(entry.realm).floor
                revisions = view.revisions(entry.realm, after=floor - 1)
                lines += [revision_line(entry.realm, revision) for revision in revisions]
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise InvalidArgument(f"{path} exists; a backup is written to a new file") from None
        except OSError as error:
            raise StoreUnavailable(f"cannot write the backup {path}: {error.strerror}") from error
        with open(descriptor, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())

    def revisions_in(self, path: str) -> Iterator[Revision]:
        try:
            with open(path, encoding="utf-8") as file:
                for entry in read_archive(file):
                    yield entry.revision
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidArgument(f"{path} cannot be read as a backup") from error

    def close(self) -> None:
        self._closed = True
        for signal in list(self._signals):
            signal.close()

    @contextmanager
    def _writing(self, deadline: float) -> Iterator[None]:
        self._check_open()
        if self._read_only:
            raise StoreReadOnly("this handle was opened for reading only")
        with self._memory.turn.held(deadline):
            yield

    def _live(self) -> _View:
        return _View(self._memory, self._memory.histories)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("this client is closed")


_locks_of_fork: list[_Memory] = []


def _before_fork() -> None:
    for memory in list(_memories):
        memory.guard.acquire()
        memory.turn.guard.acquire()
        _locks_of_fork.append(memory)


def _after_fork_in_parent() -> None:
    while _locks_of_fork:
        memory = _locks_of_fork.pop()
        memory.turn.guard.release()
        memory.guard.release()


def _after_fork_in_child() -> None:
    forked = list(_locks_of_fork)
    _after_fork_in_parent()
    # The child has a copy of its own and none of the threads that wait or write.
    for memory in forked:
        memory.turn = _Turn()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
