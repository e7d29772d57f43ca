"""
One thread per process that renders what was committed, shortly after, and never on a writer's time.

Decides *when* a working copy is rendered; what that means is a function it is given.
Woken once per burst of commits: it waits for 10 ms of quiet, at most 40 ms.
"""

from __future__ import annotations

import fcntl
import os
import threading

from realmconf.stores.embedded.layout import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.domain.names import RealmName

QUIET_SECONDS = 0.010
BURST_SECONDS = 0.040
FLUSH_WAIT_SECONDS_MAX = 0.1

FLUSH_SECONDS_MAX = 2.0
"""How long the end of a program waits at most for its turn to render."""

TURN_SECONDS_MAX = 0.5
"""How long the thread stands in the queue for the turn before it puts a realm off, and sees whether it is to end."""


class Publisher:
    """
    Calls *publish_one(realm, deadline)* for every realm that was noted.

    *publish_one* raises nothing and waits for no turn past the deadline; it returns the
    seconds after which it wants to be called again for that realm, or None.
    """

    def __init__(
        self,
        publish_one: Callable[[RealmName, float], float | None],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._publish_one = publish_one
        self._clock = clock
        self._reset()

    def _reset(self) -> None:
        self._pending: dict[RealmName, None] = {}
        self._due: dict[RealmName, float] = {}
        self._noted_at = 0.0
        self._sleeping = False
        self._wake = threading.Event()
        self._working = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def note(self, realm: RealmName) -> None:
        """
        Something of *realm* is to be rendered. Costs about a microsecond, and a thread the first time.

        Raises nothing: where no thread can be started now, the next note or ``flush`` sees to it.
        """
        self._pending[realm] = None
        self._noted_at = self._clock()
        if self._sleeping:
            self._sleeping = False
            self._wake.set()
        elif self._thread is None or not self._thread.is_alive():
            self._start()

    def forget_realm(self, realm: RealmName) -> None:
        """Somebody is rendering this realm already; what is committed from now on is noted anew."""
        self._pending.pop(realm, None)

    def flush(self) -> None:
        """
        Render everything that is noted, in this thread, after what the other one is at.

        Waits for what only wants to be put off for a moment, so that after a program's last
        write the file is its head, and for ``FLUSH_SECONDS_MAX`` in all; what takes longer, and
        what an editor holds open, is left to the thread and to the next look.
        """
        deadline = self._clock() + FLUSH_SECONDS_MAX
        if not self._working.acquire(timeout=FLUSH_SECONDS_MAX):
            return
        try:
            self._pending |= dict.fromkeys(self._due)
            self._due.clear()
            for realm in self._take():
                again_seconds = self._publish_one(realm, deadline)
                while (
                    again_seconds is not None
                    and again_seconds <= FLUSH_WAIT_SECONDS_MAX
                    and self._clock() + again_seconds <= deadline
                ):
                    threading.Event().wait(again_seconds)
                    again_seconds = self._publish_one(realm, deadline)
                if again_seconds is not None:
                    self._due[realm] = self._clock() + again_seconds
        finally:
            self._working.release()
        # Asleep, the thread would not see what was put off just now.
        self._wake.set()

    def stop(self) -> None:
        """End the thread; what is noted stays noted."""
        with self._starting:
            # Not while another thread is starting it: nobody can wait for a thread that has not begun.
            self._stopped = True
            thread = self._thread
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def forget(self) -> None:
        """In a child after fork: its parent renders what the parent committed."""
        self._reset()

    def _start(self) -> None:
        with self._starting:
            if self._stopped or (self._thread is not None and self._thread.is_alive()):
                return
            thread = threading.Thread(target=self._run, name="realmconf-publisher", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # No more threads now, or the interpreter is ending: a commit is no less a commit.
                return
            self._thread = thread

    def _take(self) -> list[RealmName]:
        now = self._clock()
        for realm in [realm for realm, due in self._due.items() if due <= now]:
            del self._due[realm]
            self._pending[realm] = None
        taken = []
        while self._pending:
            taken.append(self._pending.popitem()[0])
        return taken

    def _run(self) -> None:
        while self._something_to_do():
            with self._working:
                for realm in self._take():
                    if self._stopped:
                        self._pending[realm] = None
                        continue
                    again_seconds = self._publish_one(realm, self._clock() + TURN_SECONDS_MAX)
                    if again_seconds is not None:
                        self._due[realm] = self._clock() + again_seconds

    def _something_to_do(self) -> bool:
        """Wait for it and for the end of its burst; False when this is to end."""
        self._sleep()
        self._let_the_burst_pass()
        return not self._stopped

    def _sleep(self) -> None:
        """Return when something is noted or due, or this is to end."""
        while True:
            self._wake.clear()
            # Announced before the last look: who notes something after it sees a sleeper. Who stops the thread
            # may have set the event that was cleared just now, and sets no other.
            self._sleeping = True
            now = self._clock()
            if self._stopped or self._pending or any(due <= now for due in self._due.values()):
                self._sleeping = False
                return
            self._wake.wait(min(self._due.values()) - now if self._due else None)

    def _let_the_burst_pass(self) -> None:
        began = self._clock()
        while not self._stopped:
            now = self._clock()
            rest_seconds = min(self._noted_at + QUIET_SECONDS, began + BURST_SECONDS) - now
            if rest_seconds <= 0:
                return
            self._wake.clear()
            self._wake.wait(rest_seconds)


class OnePublisher:
    """
    Lets one process at a time render: all of them hear of the same commits, and would render the same head at once.

    A kernel lock, freed when its holder dies.  Whoever does not get it looks again a little later, and
    mostly finds the work done.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def begin(self) -> bool:
        """Take the lock if it is free; also True where no lock can be made, since rendering twice only costs time."""
        try:
            descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT)
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def end(self) -> None:
        """Give the lock back. In a child after fork: let go of the parent's, which only closing does."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
