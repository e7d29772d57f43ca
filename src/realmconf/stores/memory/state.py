"""
What all handles of one memory store share: the present point, and the step to the next.

Decides that a step is taken by everybody at once; what is appended was judged already.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict

from realmconf.domain.names import case_twin
from realmconf.domain.write import Append
from realmconf.errors import ForkedInTransaction, GenerationConflict, RealmMoved
from realmconf.stores.fairness import Turn
from realmconf.stores.memory.view import History
from realmconf.stores.protocol import Applied, Head, Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.stores.memory.hints import Signal
    from realmconf.stores.protocol import Judgement

RECEIPTS_KEPT = 100_000
"""Per realm; the oldest goes first."""

_alive: weakref.WeakSet[Memory] = weakref.WeakSet()


class ProofWords:
    """
    The words of one handle's proofs: one for each realm that was read often enough, and one for all proofs of
    several realms, which moves with every step: as many as they are, they end at one price.
    """

    def __init__(self) -> None:
        self._words: dict[str, list[int]] = {}
        self._common = [0]

    def of(self, realms: Sequence[RealmName]) -> list[int]:
        """The word to compare, alone in a list that ``take_back`` empties."""
        return self._words.setdefault(realms[0], [0]) if len(realms) == 1 else self._common

    def disprove(self, realms: Collection[str] | None) -> None:
        """Make every proof of a head of *realms* (all, if None) fail."""
        for name in self._words if realms is None else self._words.keys() & set(realms):
            self._words[name][0] += 1
        if realms is None or realms:
            self._common[0] += 1

    def take_back(self) -> None:
        """The handle is closed: nothing it has proved holds any more."""
        for words in (self._common, *self._words.values()):
            words.clear()
        self.__init__()  # type: ignore[misc]


class Memory:
    """What all handles of one memory store share."""

    def __init__(self) -> None:
        self.histories: dict[str, History] = {}
        self.receipts: dict[str, OrderedDict[str, Receipt]] = {}
        self.schemas: dict[str, Document] = {}
        """By digest: what any realm was ever given."""
        self.position = 0
        """How many revisions were appended."""
        self.turn = Turn()
        self.guard = threading.RLock()
        """Held while the state moves from one point to the next, and to see one point."""
        self.proving: weakref.WeakSet[ProofWords] = weakref.WeakSet()
        """What the proofs of each handle compare."""
        self.empty: dict[str, Head] = {}
        self.signals: weakref.WeakSet[Signal] = weakref.WeakSet()
        self.key = os.urandom(32)
        self.keys: dict[str, bytes] = {}
        """Under which requests of receipts were digested that came with realms from elsewhere."""
        _alive.add(self)

    def head(self, realm: RealmName) -> Head:
        history = self.histories.get(realm)
        if history is not None:
            return history.head
        return self.empty.setdefault(realm, Head(realm=realm, revision=None))

    def publish(
        self,
        histories: Mapping[str, History],
        receipts: Sequence[Receipt] = (),
        *,
        every_word: bool = False,
    ) -> None:
        """Move to the next point in one step, and wake whoever waits for it."""
        with self.guard:
            # Words first: whoever compares them after this goes through the guard.
            for words in self.proving:
                words.disprove(None if every_word else histories)
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

    def _with(self, histories: Mapping[str, History]) -> dict[str, History]:
        self.histories.update(histories)
        return self.histories

    def append(
        self, judgements: Sequence[Judgement], *, moved: Mapping[str, History] | None = None
    ) -> list[Applied]:
        """Append what was judged, all or nothing; the caller holds the turn."""
        if self.turn.holder != threading.get_ident():
            raise ForkedInTransaction
        next_histories: dict[str, History] = dict(moved or {})
        receipts: list[Receipt] = []
        schemas: dict[str, Document] = {}
        position = self.position
        for judgement in judgements:
            write, decision = judgement.write, judgement.decision
            realm = write.realm
            self.refuse_moved(realm)
            if isinstance(decision, Append):
                before = next_histories.get(realm) or self.histories.get(realm)
                if before is None:
                    self.refuse_case_twin(realm, and_of=next_histories)
                position += 1
                next_histories[realm] = self._extended(realm, before, decision, position)
                schemas |= decision.schemas
                receipts.append(_receipt(judgement, "committed", decision.revision.generation))
            elif write.write_id_given:
                head = decision.head
                receipts.append(
                    _receipt(judgement, "unchanged", 0 if head is None else head.generation)
                )
        # Before the step: whoever sees a revision that names a schema finds it.
        self.schemas.update(schemas)
        self.position = position
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

    def _extended(
        self, realm: RealmName, before: History | None, append: Append, position: int
    ) -> History:
        revision = append.revision
        if before is None:
            schemas = tuple(append.schemas)
            return History(
                realm, [revision], [position], floor=revision.generation, schemas=schemas
            )
        current = before.head.generation
        if revision.generation <= current:
            raise GenerationConflict(revision.generation - 1, current, realm=realm)
        # What a refused transaction left behind its count belongs to no history.
        revisions, positions = before.revisions, before.positions
        if len(revisions) != before.count:
            revisions, positions = revisions[: before.count], positions[: before.count]
        revisions.append(revision)
        positions.append(position)
        schemas = before.schemas
        if append.schemas:
            schemas = tuple(dict.fromkeys((*schemas, *append.schemas)))
        return History(realm, revisions, positions, floor=before.floor, schemas=schemas)

    def refuse_moved(self, realm: RealmName) -> None:
        """Raise if *realm* lives elsewhere."""
        history = self.histories.get(realm)
        if history is not None and history.head.moved_to is not None:
            raise RealmMoved(history.head.moved_to, realm=realm)

    def refuse_case_twin(self, realm: RealmName, *, and_of: Iterable[str] = ()) -> None:
        """Raise if the name differs by case alone from one that was written."""
        folded = realm.folded
        if any(name.lower() == folded for name in (*self.histories, *and_of)):
            raise case_twin(realm)


def _receipt(judgement: Judgement, outcome: str, generation: int) -> Receipt:
    write = judgement.write
    return Receipt(
        realm=write.realm,
        write_id=write.write_id,
        request=judgement.request,
        outcome=outcome,
        generation=generation,
    )


_locks_of_fork: list[Memory] = []


def _before_fork() -> None:
    for memory in list(_alive):
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
        memory.turn = Turn()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
