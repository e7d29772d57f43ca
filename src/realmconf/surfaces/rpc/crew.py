"""
Who does the work: threads as they are needed, and a lane in which one thing is done after the other.

Decides that what waits holds up nobody but what must come after it.  Knows nothing of what is done.
"""

from __future__ import annotations

import threading
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], None]


class Crew:
    """Up to *size_max* threads, which stay for the next job; jobs must not raise."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._size = 0
        self._idle = 0
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()

    def start(self, job: Job) -> None:
        """Have *job* done as soon as somebody is free."""
        with self._changed:
            self._jobs.append(job)
            if self._idle < len(self._jobs) and self._size < self._size_max:
                self._grow()
            else:
                self._changed.notify()

    def _grow(self) -> None:
        try:
            threading.Thread(target=self._work, name="realmconf-rpc", daemon=True).start()
        except RuntimeError:
            # The machine gives no more threads: those that there are do it later.
            if not self._size:
                raise
            self._changed.notify()
        else:
            self._size += 1

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._jobs:
                    self._idle += 1
                    self._changed.wait()
                    self._idle -= 1
                job = self._jobs.popleft()
            job()


class Lane:
    """Jobs of a crew that are done in the order in which they came, one at a time."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._jobs: deque[Job] = deque()
        self._is_busy = False
        self._guard = threading.Lock()

    def start(self, job: Job) -> None:
        """Have *job* done after all that came before."""
        with self._guard:
            self._jobs.append(job)
            if self._is_busy:
                return
            self._is_busy = True
        self._crew.start(self._work)

    def _work(self) -> None:
        while True:
            with self._guard:
                if not self._jobs:
                    self._is_busy = False
                    return
                job = self._jobs.popleft()
            job()
