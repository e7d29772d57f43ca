"""
Who has the turn in this process, and what is done around it: threads in order, processes in order, forks in between.
"""

from __future__ import annotations

from contextlib import suppress

from realmconf.errors import (
    ForkedInTransaction,
    InvalidArgument,
    LockTimeout,
    StoreReadOnly,
    StoreUnavailable,
)
from realmconf.stores.embedded.failures import typed
from realmconf.stores.embedded.forking import Gate
from realmconf.stores.embedded.group import Group
from realmconf.stores.embedded.turnqueue import TurnQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from realmconf.domain.names import RealmName
    from realmconf.stores.embedded.group import Work
    from realmconf.stores.embedded.place import Place
    from realmconf.stores.embedded.turn import Turn


RETIRE_SECONDS = 10.0
"""How long a reader that finds the files replaced waits for a commit that is under way."""


class Turns:
    """The mutex of the threads, the queue of the processes, and the gate that a fork closes."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.group = Group()
        self.queue = TurnQueue(place.layout.line, place.layout.turn)
        self.gate = Gate()
        self.dead = False
        """The process is the child of a fork inside our own transaction."""
        self.on_commit: Callable[[RealmName], None]
        self.judging = False
        """The holder of the turn is calling a caller's function."""

    def refuse_misuse(self) -> None:
        """
        Raises:
            ForkedInTransaction, StoreUnavailable, StoreReadOnly: This handle cannot write.
            InvalidArgument: The calling thread has the turn already.
        """
        if self.dead:
            raise ForkedInTransaction
        if self.place.closed:
            raise StoreUnavailable("the client is closed", retryable=False)
        if self.place.read_only:
            raise StoreReadOnly(f"{self.place.layout.root} was opened for reading only")
        if self.has_turn():
            raise InvalidArgument(
                "a write to the same store from inside `change`: return the new document instead"
            )

    def has_turn(self) -> bool:
        """Whether the calling thread is inside its own turn; what an interrupt left of an older one is given back."""
        if not self.group.mutex.held():
            return False
        if self.judging:
            return True
        self._give_back()
        return False

    @typed
    def acquire(self, deadline: float, work: Work | None = None) -> Turn | None:
        """
        Wait for the turn; None if *work* was done by another thread meanwhile.  Give it back with :meth:`release`.

        Raises:
            LockTimeout, StoreError: It did not come in time, or the store cannot be written.
        """
        began = self.place.clock()
        try:
            while True:
                self.gate.pass_through()
                if not self.group.mutex.acquire(deadline, work):
                    raise LockTimeout(waited_seconds=self.place.clock() - began)
                if work is not None and work.settled:
                    return None
                turn = self._take(deadline)
                if turn is not None:
                    return turn
                # A fork waits for us: stand in the queue again after it.
                self.group.mutex.release()
        except BaseException:
            if self.group.mutex.held():
                self._give_back()
            raise

    def release(self, turn: Turn) -> None:
        """
        Give the turn back, then tell who renders working copies what has changed.

        Raises nothing of its own: what was committed is committed.
        """
        try:
            self.queue.release()
            self._tell(turn)
        finally:
            if self.place.closed:
                # The store was closed meanwhile and did not wait: what it left open is closed now.
                self.dispose()
            self._give_back()

    def _tell(self, turn: Turn) -> None:
        for realm in turn.committed:
            # A rendering that could not be scheduled is made good by the next look.
            with suppress(Exception):
                self.on_commit(realm)

    def _give_back(self) -> None:
        self.queue.release()
        if self.group.mutex.held():
            self.group.mutex.release()

    def dispose(self) -> None:
        """Close everything that is open. The mutex is held."""
        if self.place.session is not None:
            self.place.drop(self.place.session)
        self.place.close_retired()
        self.queue.close()

    def close_retired(self) -> None:
        """
        Close what the writer of a dropped session has open, before another session is opened: SQLite shares the index
        of the log between all connections of a process, and the old one may be of a file that is gone.
        """
        if self.group.mutex.held():
            self.place.close_retired()
        elif self.group.mutex.acquire(self.place.clock() + RETIRE_SECONDS):
            try:
                self.place.close_retired()
            finally:
                self.group.mutex.release()

    def hold(self, deadline: float) -> Held:
        """The turn as a context manager, for the store's own parts."""
        self.refuse_misuse()
        return Held(self, deadline, None)

    @typed
    def try_hold(self) -> Held | None:
        """The turn if it is free now, else None."""
        if self.place.read_only or self.dead or not self.group.mutex.try_acquire():
            return None
        turn = None
        try:
            if not self.gate.closing:
                self.place.layout.prepare()
                if self.queue.try_acquire():
                    turn = self._begin()
        except BaseException:
            self.queue.release()
            self.group.mutex.release()
            raise
        if turn is None:
            self.group.mutex.release()
            return None
        return Held(self, 0.0, turn)

    def _take(self, deadline: float) -> Turn | None:
        while not self.gate.closing:
            self.place.layout.prepare()
            if not self.queue.acquire(deadline):
                return None
            turn = self._begin()
            if turn is not None:
                return turn
        return None

    def _begin(self) -> Turn | None:
        """With the locks held: compare the files, fence off a dead writer.  None if the locks exclude nobody."""
        # Loaded with the first turn: who only reads never has one.
        from realmconf.stores.embedded.turn import Turn

        try:
            session = self.place.open_to_write(self.queue)
            if session is None:
                self.queue.reopen()
                return None
            session.end_leftover_transaction()
            assert session.counters is not None
            if session.counters.interrupted:
                session.fence()
            return Turn(session)
        except BaseException:
            self.queue.release()
            raise

    # --- forks -----------------------------------------------------------------------

    def before_fork(self) -> bool:
        """Wait out whoever has the turn; False if that is the forking thread itself."""
        if self.has_turn():
            return False
        self.gate.begin()
        self.queue.interrupt()
        self.group.mutex.acquire(None)
        self.gate.wait_for_reads()
        return True

    def after_fork_in_parent(self) -> None:
        self.gate.end()
        if self.group.mutex.held():
            self.group.mutex.release()

    def after_fork_in_child(self, *, inside: bool) -> None:
        """Locks of our own; what was inherited is closed, never unlocked."""
        self.queue.abandon()
        self.dead = self.dead or inside
        self.group = Group()
        self.queue = TurnQueue(self.place.layout.line, self.place.layout.turn)
        self.gate = Gate()


class Held:
    """The turn, from ``with`` to the end of its block."""

    __slots__ = ("_deadline", "_turn", "_turns")

    def __init__(self, turns: Turns, deadline: float, turn: Turn | None) -> None:
        self._turns = turns
        self._deadline = deadline
        self._turn = turn

    def __enter__(self) -> Turn:
        if self._turn is None:
            self._turn = self._turns.acquire(self._deadline)
            assert self._turn is not None
        return self._turn

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._turn is not None
        self._turns.release(self._turn)
