"""
The queue for the turn to write between processes: fair, with a time-out, never stolen by age.

Two kernel locks make the queue between processes.  The *line* lock is held only by the next in
line, while it waits for the *turn* lock; everybody else waits for the line.  With the turn lock alone,
the process that just let go takes it again before the woken waiter runs.  The kernel frees both when their
holder dies, so nothing is ever stolen by age.

A blocking ``flock`` cannot time out, so one helper thread per process waits in it.  A caller that gives up leaves
its place to the next caller of the same process; a grant that finds nobody waiting goes straight back.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time

from realmconf.errors import LockTimeout
from realmconf.stores.embedded.layout import is_at, open_private


class TurnQueue:
    """
    One process's place in the queue between processes.

    Used by one thread at a time: the holder of the store's ``Mutex``.
    """

    def __init__(self, line_path: str, turn_path: str) -> None:
        self._paths = (line_path, turn_path)
        self._guard = threading.Lock()
        self._requested = threading.Semaphore(0)
        self._helper: threading.Thread | None = None
        self._queued = False  # the helper stands in the queue
        self._wait: _Wait | None = None  # whom its grant is for
        self._line = -1
        self._turn = -1
        # The helper's own duplicates: ours may be closed while it waits in the kernel.
        self._helper_line = -1
        self._helper_turn = -1

    def try_acquire(self) -> bool:
        """Take the turn if nobody has it and nobody waits for it."""
        if self._queued:
            return False
        if self._turn < 0:
            self._open()
        try:
            fcntl.flock(self._line, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        except BaseException:
            self.release()
            raise
        finally:
            # Also where the line was not ours: unlocking what one does not hold does nothing.
            fcntl.flock(self._line, fcntl.LOCK_UN)

    def acquire(self, deadline: float) -> bool:
        """
        Wait for the turn until *deadline*.

        Returns False when :meth:`interrupt` called the wait off; the place in the line is kept.

        Raises:
            LockTimeout: It did not come in time.
            OSError: The kernel refuses the locks.
        """
        if self.try_acquire():
            return True
        began = time.monotonic()
        wait = _Wait()
        try:
            with self._guard:
                self._wait = wait
                if not self._queued:
                    self._stand_in_line()
            wait.bell.acquire(timeout=max(0.0, deadline - began))
            with self._guard:
                if wait.error is not None:
                    raise wait.error
                if wait.granted or wait.called_off:
                    return wait.granted
                self._wait = None
                raise LockTimeout(waited_seconds=time.monotonic() - began)
        except BaseException:
            # Whatever ends the wait, a grant that came or comes for it goes straight back.
            with self._guard:
                if self._wait is wait:
                    self._wait = None
                elif wait.granted:
                    self.release()
            raise

    def interrupt(self) -> None:
        """Make a waiting :meth:`acquire` return False now."""
        with self._guard:
            wait, self._wait = self._wait, None
            if wait is not None:
                wait.called_off = True
                wait.bell.release()

    def release(self) -> None:
        """Give the turn back; nothing if it is not held, or the descriptors were closed, which gave it back too."""
        if self._turn >= 0:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def holds_path(self) -> bool:
        """Whether the lock files at the paths are the ones that are open: a deleted lock file excludes nobody."""
        return is_at(self._line, self._paths[0]) and is_at(self._turn, self._paths[1])

    def reopen(self) -> None:
        """Drop the descriptors, and with them the turn; the next call opens the files that are there now."""
        self.close()

    def close(self) -> None:
        """Close the descriptors; a helper that still waits in the kernel gives back what it is granted."""
        for descriptor in (self._line, self._turn):
            if descriptor >= 0:
                os.close(descriptor)
        self._line = self._turn = -1

    def abandon(self) -> None:
        """In a child after fork: close everything inherited, and never unlock what the parent may hold."""
        self.close()
        for descriptor in (self._helper_line, self._helper_turn):
            if descriptor >= 0:
                os.close(descriptor)
        self._helper_line = self._helper_turn = -1

    def _open(self) -> None:
        self._line = open_private(self._paths[0], os.O_RDWR | os.O_CREAT)
        self._turn = open_private(self._paths[1], os.O_RDWR | os.O_CREAT)

    def _stand_in_line(self) -> None:
        line = os.dup(self._line)
        try:
            turn = os.dup(self._turn)
            try:
                if self._helper is None or not self._helper.is_alive():
                    helper = threading.Thread(
                        target=self._serve, name="realmconf-queue", daemon=True
                    )
                    helper.start()
                    self._helper = helper
            except BaseException:
                os.close(turn)
                raise
        except BaseException:
            os.close(line)
            raise
        self._helper_line, self._helper_turn = line, turn
        self._queued = True
        self._requested.release()

    def _serve(self) -> None:
        while True:
            self._requested.acquire()
            line, turn = self._helper_line, self._helper_turn
            error: OSError | None = None
            try:
                fcntl.flock(line, fcntl.LOCK_EX)
                fcntl.flock(turn, fcntl.LOCK_EX)
                fcntl.flock(line, fcntl.LOCK_UN)
            except OSError as failure:
                error = failure
            with self._guard:
                wait, self._wait = self._wait, None
                if error is not None or wait is None:
                    fcntl.flock(turn, fcntl.LOCK_UN)
                    fcntl.flock(line, fcntl.LOCK_UN)
                if wait is not None:
                    wait.error = error
                    wait.granted = error is None
                    wait.bell.release()
                self._queued = False
                self._helper_line = self._helper_turn = -1
                os.close(line)
                os.close(turn)


class _Wait:
    """One caller's wait, and how it ended."""

    __slots__ = ("bell", "called_off", "error", "granted")

    def __init__(self) -> None:
        self.bell = threading.Lock()
        self.bell.acquire()
        self.granted = False
        self.called_off = False
        self.error: OSError | None = None
