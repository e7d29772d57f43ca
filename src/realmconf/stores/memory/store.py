"""One handle on a memory store: the methods of the contract."""

from __future__ import annotations

import weakref
from contextlib import contextmanager

from realmconf.errors import InvalidArgument, StoreReadOnly, StoreUnavailable
from realmconf.stores import archiving
from realmconf.stores.memory import moving
from realmconf.stores.memory.hints import Signal
from realmconf.stores.memory.state import RECEIPTS_KEPT, ProofWords
from realmconf.stores.memory.view import History, View
from realmconf.stores.protocol import Compaction, Proof, Receipt, StoreInfo, key_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.memory.state import Memory
    from realmconf.stores.protocol import Applied, Arrival, Head, Judgement, ReadView


class MemoryStore:
    """One handle on a memory store; see ``stores.protocol.Store`` for the contract."""

    def __init__(self, memory: Memory, *, name: str, read_only: bool, limits: Limits) -> None:
        self._memory = memory
        self._read_only = read_only
        self._closed = False
        self._signals: weakref.WeakSet[Signal] = weakref.WeakSet()
        self._words = ProofWords()
        with memory.guard:
            memory.proving.add(self._words)
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

    def proof(self, realms: Sequence[RealmName]) -> Proof | None:
        memory = self._memory
        with memory.guard:
            if self._closed:
                return None
            words = self._words.of(realms)
            heads = tuple(memory.head(realm) for realm in realms)
            return Proof(heads=heads, words=words, mark=words[0])

    def request_key(self) -> bytes:
        return self._memory.key

    def paths(self, realm: RealmName) -> Mapping[str, str]:
        return {}

    @contextmanager
    def view(self) -> Iterator[ReadView]:
        self._check_open()
        with self._memory.guard:
            histories = dict(self._memory.histories)
        yield View(histories, self._memory.receipts, self._memory.schemas)

    def apply(
        self,
        realms: Sequence[RealmName],
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
        groupable: bool = True,
        precheck: Callable[[ReadView], None] | None = None,
    ) -> Sequence[Applied]:
        if precheck is not None:
            with self.view() as view:
                precheck(view)
        with self._writing(deadline):
            return self._memory.append(judge(self._live()))

    def void(self, realm: RealmName, write_id: str, *, deadline: float) -> Receipt:
        with self._writing(deadline):
            known = self._live().receipt(realm, write_id)
            if known is not None:
                return known
            self._memory.refuse_moved(realm)
            voided = Receipt(
                realm=realm,
                write_id=write_id,
                request="",
                outcome="void",
                generation=self._memory.head(realm).generation,
            )
            self._memory.publish({}, [voided])
            return voided

    def signal(self, realms: Sequence[RealmName]) -> Signal:
        self._check_open()
        signal = Signal(realms)
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
            if new.folded != old.folded:
                memory.refuse_case_twin(new)
            moved = History(
                new,
                source.revisions[: source.count],
                source.positions[: source.count],
                floor=source.floor,
                schemas=source.schemas,
            )
            applied = memory.append(judgements, moved={new: moved})
            left = memory.histories[old]
            memory.publish({old: left.since(left.head.generation)}, every_word=True)
            return applied

    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        with self._writing(deadline):
            history = self._memory.histories.get(realm)
            if history is None:
                return Compaction(realm=realm, floor=1, removed=0)
            floor = max(history.floor, min(floor, history.head.generation))
            kept = history.since(floor)
            self._memory.publish({realm: kept}, every_word=True)
            return Compaction(realm=realm, floor=floor, removed=history.count - kept.count)

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
            copied = history.since(history.floor)
            copied.revisions[copied.index(generation)] = purged
            self._memory.publish({realm: copied}, every_word=True)
            return purged

    # --- moving ------------------------------------------------------------------------

    def request_keys(self) -> Mapping[str, bytes]:
        return {key_name(self._memory.key): self._memory.key, **self._memory.keys}

    def receipts(
        self,
        realm: RealmName,
        *,
        since: int = 0,
        after: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Receipt]:
        self._check_open()
        return moving.receipts(self._memory, realm, since=since, after=after, limit=limit)

    def receive(self, arrival: Arrival, *, deadline: float) -> None:
        with self._writing(deadline):
            moving.receive(self._memory, arrival)

    def depart(
        self,
        realm: RealmName,
        to: str,
        *,
        finish: Callable[[ReadView], None],
        deadline: float,
    ) -> Head:
        with self._writing(deadline):
            return moving.depart(self._memory, realm, to, lambda: finish(self._live()))

    def arrive(self, realm: RealmName, *, digest: str, deadline: float) -> Head:
        with self._writing(deadline):
            return moving.arrive(self._memory, realm, digest)

    # --- copies ------------------------------------------------------------------------

    def backup(self, path: str) -> None:
        with self.view() as view:
            archiving.write_backup(path, view, store="memory")

    def revisions_in(self, path: str) -> Iterator[Revision]:
        for entry in archiving.entries_in(path):
            yield entry.revision

    def schemas_in(self, path: str) -> Mapping[RealmName, Mapping[str, Document]]:
        return archiving.schemas_in(path)

    def close(self) -> None:
        with self._memory.guard:
            self._closed = True
            self._words.take_back()
        for signal in list(self._signals):
            signal.close()

    @contextmanager
    def _writing(self, deadline: float) -> Iterator[None]:
        self._check_open()
        if self._read_only:
            raise StoreReadOnly("this handle was opened for reading only")
        with self._memory.turn.held(deadline):
            yield

    def _live(self) -> View:
        return View(self._memory.histories, self._memory.receipts, self._memory.schemas)

    def _check_open(self) -> None:
        if self._closed:
            # The very same request would find it closed again.
            raise StoreUnavailable("this client is closed", retryable=False)
