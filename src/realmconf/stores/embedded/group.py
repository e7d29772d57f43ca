"""
Turn-taking between the threads of one process, and group commit.

Threads get the mutex in the order of arrival.  A thread that waits with a *work* may find it done: whoever has
the turn takes the works that wait and commits them in one transaction.  No verdict leaves before that
transaction is committed, refusals included, because they may have been judged on what it appends.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from realmconf.errors import OutcomeUnknown, RealmMoved
from realmconf.stores.protocol import Applied, Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Lock

    from realmconf.domain.names import RealmName
    from realmconf.stores.embedded.pending import Pending
    from realmconf.stores.protocol import Head, Judgement, Notice, ReadView

BATCH_MAX = 64
"""Works in one transaction at most: bounds how long the turn is held."""


class Work:
    """One caller's judgement on its way to a commit."""

    __slots__ = (
        "_heads",
        "_judgements",
        "began",
        "error",
        "judge",
        "realms",
        "settled",
        "warnings",
    )

    def __init__(
        self, realms: Sequence[RealmName], judge: Callable[[ReadView], Sequence[Judgement]]
    ) -> None:
        self.realms = realms
        self.judge = judge
        self.began = time.monotonic()
        self.settled = False
        self.error: BaseException | None = None
        self.warnings: dict[str, tuple[Notice, ...]] = {}
        self._judgements: Sequence[Judgement] = ()
        self._heads: list[Head] = []

    @property
    def write_id(self) -> str:
        """The write id by which an unknown outcome can be settled."""
        return self._judgements[0].write.write_id if self._judgements else ""

    def judge_on(self, pending: Pending) -> None:
        """Judge on *pending* and stage what is decided; a refusal is kept until the transaction is committed."""
        from realmconf.domain.write import Append

        self.error = None
        self._judgements = ()
        try:
            self._judgements = tuple(self.judge(pending))
            for judgement in self._judgements:
                self._refuse_moved(pending.head(judgement.write.realm))
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            self.error = error
            return
        self._heads = []
        for judgement in self._judgements:
            decision, write = judgement.decision, judgement.write
            if isinstance(decision, Append):
                head = pending.stage(decision)
                outcome = "committed"
            else:
                head = pending.head(write.realm)
                outcome = "unchanged"
            self._heads.append(head)
            if write.write_id_given and pending.receipt(write.realm, write.write_id) is None:
                pending.stage_receipt(
                    Receipt(
                        realm=write.realm,
                        write_id=write.write_id,
                        request=judgement.request,
                        outcome=outcome,
                        generation=head.generation,
                    )
                )

    @staticmethod
    def _refuse_moved(head: Head) -> None:
        if head.moved_to is not None:
            raise RealmMoved(head.moved_to, realm=head.realm)

    def result(self) -> Sequence[Applied]:
        """What was applied, or the error, raised in the caller's thread."""
        if self.error is not None:
            raise self.error
        return [
            Applied(write=judgement.write, decision=judgement.decision, head=self._told(head))
            for judgement, head in zip(self._judgements, self._heads, strict=True)
        ]

    def _told(self, head: Head) -> Head:
        warnings = self.warnings.get(head.realm, ())
        return head if head.warnings == warnings else head.replace(warnings=warnings)


class Mutex:
    """A mutex between threads that is handed over in the order of arrival."""

    __slots__ = ("_guard", "_waiting", "owner")

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[tuple[int, Lock, Work | None]] = deque()
        self.owner: int | None = None
        """The holder's thread identifier."""

    def acquire(self, deadline: float | None, work: Work | None = None) -> bool:
        """
        Wait until the mutex is ours or *work* was taken and settled by another holder; False at *deadline*
        (monotonic seconds; None: wait for ever).
        """
        me = threading.get_ident()
        with self._guard:
            if self.owner is None:
                self.owner = me
                return True
            entry = (me, threading.Lock(), work)
            entry[1].acquire()
            self._waiting.append(entry)
        timeout = -1 if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            if entry[1].acquire(timeout=timeout):
                return True
        except BaseException:
            # Interrupted: nobody may hand the mutex to a thread that is gone.
            self.leave(entry)
            raise
        with self._guard:
            if entry in self._waiting:
                self._waiting.remove(entry)
                return False
        # Handed over, or the work taken, between the time-out and here: its verdict is on the way.
        entry[1].acquire()
        return True

    def leave(self, entry: tuple[int, Lock, Work | None]) -> None:
        """Give up a place in the queue, or the mutex if it was handed over already."""
        with self._guard:
            if entry in self._waiting:
                self._waiting.remove(entry)
                return
            if self.owner != entry[0]:
                return
        self.release()

    def held(self) -> bool:
        """Whether the calling thread has the mutex."""
        return self.owner == threading.get_ident()

    def try_acquire(self) -> bool:
        """Take the mutex if it is free."""
        with self._guard:
            if self.owner is not None:
                return False
            self.owner = threading.get_ident()
            return True

    def release(self) -> None:
        """Hand the mutex to whoever has waited longest."""
        with self._guard:
            if self._waiting:
                self.owner, bell, _ = self._waiting.popleft()
                bell.release()
            else:
                self.owner = None

    def take(self, count_max: int) -> list[tuple[Lock, Work]]:
        """Take waiting works out of the queue: their callers now wait for a verdict, not for the mutex."""
        with self._guard:
            taken: list[tuple[Lock, Work]] = []
            left: deque[tuple[int, Lock, Work | None]] = deque()
            for entry in self._waiting:
                if entry[2] is not None and len(taken) < count_max:
                    taken.append((entry[1], entry[2]))
                else:
                    left.append(entry)
            if taken:
                self._waiting = left
            return taken


class Group:
    """The mutex of one store, and the works taken out of its queue."""

    def __init__(self) -> None:
        self.mutex = Mutex()
        self._bells: dict[int, Lock] = {}

    def take(self) -> list[Work]:
        """The works that wait now, for one transaction with the holder's own."""
        if not self.mutex._waiting:
            return []
        works = []
        for bell, work in self.mutex.take(BATCH_MAX - 1):
            self._bells[id(work)] = bell
            works.append(work)
        return works

    def wake(self, batch: Sequence[Work]) -> None:
        """Hand every verdict to its caller."""
        for work in batch:
            bell = self._bells.pop(id(work), None)
            if bell is not None:
                if isinstance(work.error, (KeyboardInterrupt, SystemExit)):
                    # The holder was interrupted, not this caller: its write is in the open.
                    work.error = OutcomeUnknown(
                        work.write_id or None, reason="the committing thread was interrupted"
                    )
                work.settled = True
                bell.release()
