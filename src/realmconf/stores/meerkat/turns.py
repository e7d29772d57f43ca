"""
Turns to write to Meerkat's realms: each realm's lock, in one order, and its files in step before anything is decided.

Decides what becomes of a turn whose lock was lost, and how long a text that has vanished is waited for.  The lock
itself is ``lockfile``'s, how files are brought into step is ``settling``'s.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack, contextmanager

from realmconf.errors import InvalidArgument, LockTimeout, RealmconfError, StoreReadOnly
from realmconf.stores.fairness import Turn
from realmconf.stores.meerkat import files, lockfile
from realmconf.stores.meerkat.files import OvertakenError
from realmconf.stores.meerkat.lockfile import LostLockError
from realmconf.stores.meerkat.look import stamps_of
from realmconf.stores.meerkat.sightings import Sightings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from realmconf.domain.names import RealmName
    from realmconf.stores.meerkat.journal import Journal
    from realmconf.stores.meerkat.layout import Layout
    from realmconf.stores.meerkat.lockfile import Held, Timing
    from realmconf.stores.meerkat.look import Look
    from realmconf.stores.meerkat.reading import Reading
    from realmconf.stores.meerkat.settling import Settler
    from realmconf.stores.meerkat.view import View
    from realmconf.stores.protocol import Applied, Notice

    Result = TypeVar("Result")

VANISHED_SECONDS = 0.25
"""A text that is gone, or empty of a sudden, is taken for that only when it has stayed so for so long."""


class Turns:
    """The writer's side of one root."""

    def __init__(
        self,
        layout: Layout,
        journal: Journal,
        settler: Settler,
        reading: Reading,
        *,
        read_only: bool,
        timing: Timing,
        after_write: Callable[[], None],
    ) -> None:
        self._layout = layout
        self._journal = journal
        self._settler = settler
        self._reading = reading
        self._read_only = read_only
        self._timing = timing
        self._after_write = after_write
        self._sightings = Sightings(layout.records)
        self._inside = threading.local()
        """Whether this thread is deciding a write to this store."""

    def run(
        self,
        realms: Sequence[RealmName],
        deadline: float,
        act: Callable[[Mapping[RealmName, Held]], Result],
    ) -> Result:
        """Run *act* under the locks of *realms*; again, if one of them was lost, or the files moved."""
        if getattr(self._inside, "is_writing", False):
            raise InvalidArgument(
                "a write to the same store from inside a change that is being decided"
            )
        asked = time.monotonic()
        self._inside.is_writing = True
        try:
            while True:
                try:
                    with ExitStack() as locks:
                        # Everybody takes them in one order.
                        held = {
                            realm: locks.enter_context(self._locked(realm, deadline))
                            for realm in sorted(realms)
                        }
                        done = act(held)
                    self._after_write()
                    return done
                except (LostLockError, OvertakenError):
                    if time.monotonic() >= deadline:
                        raise LockTimeout(waited_seconds=time.monotonic() - asked) from None
        finally:
            self._inside.is_writing = False

    def run_one(
        self,
        realm: RealmName,
        deadline: float,
        write: Callable[[Held, tuple[Notice, ...]], Sequence[Applied]],
    ) -> Sequence[Applied]:
        """Run *write* under the lock, on files that are in step; again, if they moved or the lock was lost."""
        return self.run(
            [realm], deadline, lambda held: write(held[realm], self.settle(realm, held[realm]))
        )

    def adopt(self, realm: RealmName, deadline: float) -> tuple[Notice, ...]:
        """Bring the files of one realm into step, in a turn of its own."""
        with self._locked(realm, deadline) as held:
            return self.settle(realm, held)

    def settle(self, realm: RealmName, held: Held) -> tuple[Notice, ...]:
        """
        Bring the files into step, under the lock; what there is to tell of that.

        Raises:
            OvertakenError, LostLockError: Look again, lock again.
            WorkingCopyBroken: What stands in the file is no document.
        """
        # A realm that nobody ever wrote needs no journal to say so.
        self._journal.make()
        notices = self._settler.sweep(realm)
        seen = self._standing_still(realm, self._reading.look(realm, is_locked_by_us=True))

        def rows() -> View:
            return self._reading.point({realm: self._reading.own(realm)})

        return (*notices, *self._settler.settle(realm, seen, held, rows))

    def in_step(self, realm: RealmName, held: Held) -> None:
        """Put what the history says into the files, if that can be done now: else the next look does it."""
        try:
            self.settle(realm, held)
        except (OSError, RealmconfError, LostLockError, OvertakenError):
            return

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
            held = self._taken(path, folder, deadline)
            try:
                yield held
            finally:
                held.give_back()
                if not was_there:
                    files.remove_if_empty(folder)

    def _taken(self, path: str, folder: str, deadline: float) -> Held:
        while True:
            files.make_folder(folder)
            try:
                return lockfile.take(path, deadline, timing=self._timing, sightings=self._sightings)
            except FileNotFoundError:
                # Somebody else who had made the folder for nothing has removed it again.
                if time.monotonic() >= deadline:
                    raise

    def _standing_still(self, realm: RealmName, seen: Look) -> Look:
        """
        What is there; where a text has vanished, after a moment: editors take it away, or empty it, before they save.

        Raises:
            OvertakenError: Something moved, and it is still away: look again.
        """
        if not self._settler.has_vanished(realm, seen):
            return seen
        until = time.monotonic() + VANISHED_SECONDS
        while stamps_of(self._layout, realm) == seen.stamps:
            if time.monotonic() >= until:
                return seen
            time.sleep(lockfile.RETRY_SECONDS)
        seen = self._reading.look(realm, is_locked_by_us=True)
        if self._settler.has_vanished(realm, seen):
            raise OvertakenError
        return seen


# --- turns within this process ---------------------------------------------------------------------

_turns: dict[str, Turn] = {}


def _turn_of(path: str) -> Turn:
    return _turns.setdefault(path, Turn())


def _after_fork_in_child() -> None:
    # The child has none of the threads that wait or write.
    _turns.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
