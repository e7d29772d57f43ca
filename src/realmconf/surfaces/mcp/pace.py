"""
How much one caller may ask for at a time, and in which threads it is done.

Decides by counting in this process: it keeps one caller from taking all of it, and promises nothing about others
beside it.  Threads are for what is done; whoever waits for a change has none.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from realmconf.errors import RateLimited, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLS_PER_MINUTE = 1_200
"""Of one caller."""
CALLS_AT_ONCE = 16
"""Of one caller, those that wait for changes too."""
WAITS_MAX = 1_024
"""Calls of all callers that wait for changes."""
READING_THREADS_MAX = 16
WRITING_THREADS_MAX = 16
"""Apart, since what waits for the turn to write must not hold up those who read."""
CALLERS_KEPT = 4_096
MINUTE_SECONDS = 60.0

Result = TypeVar("Result")


class _Caller:
    __slots__ = ("began", "running")

    def __init__(self) -> None:
        self.began: deque[float] = deque()
        self.running = 0


class Call:
    """One call that was admitted; it counts until it has ended and all of its work too."""

    def __init__(self, pace: Pace, caller: _Caller) -> None:
        self._pace = pace
        self._caller = caller
        self._holds = 1

    async def read(self, work: Callable[[], Result]) -> Result:
        """
        Do *work*, which reads, in a thread; it goes on to its end, also when nobody waits for it any more.

        Raises:
            StoreUnavailable: The server was ending before it was begun.
        """
        return await self._do(self._pace.reading, work)

    async def write(self, work: Callable[[], Result]) -> Result:
        """The same for *work* that may wait for the turn to write."""
        return await self._do(self._pace.writing, work)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """
        Wait inside, without a thread.

        Raises:
            RateLimited: As many wait as may.
        """
        self._pace.begin_wait()
        try:
            yield
        finally:
            self._pace.end_wait()

    def release(self) -> None:
        """One of those who hold it lets go of it."""
        with self._pace.guard:
            self._holds -= 1
            if self._holds:
                return
            self._caller.running -= 1
        self._pace.eased()

    async def _do(self, threads: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        with self._pace.guard:
            self._holds += 1
        try:
            future = threads.submit(work)
        except RuntimeError:
            self.release()
            raise StoreUnavailable(ENDING) from None
        future.add_done_callback(lambda _: self.release())
        return await asyncio.wrap_future(future)


ENDING = "the server is ending"


class Pace:
    """The calls of all callers of one process. To be used on one event loop."""

    def __init__(self, *, monotonic_seconds: Callable[[], float]) -> None:
        self._now = monotonic_seconds
        self._callers: dict[str, _Caller] = {}
        self.guard = threading.Lock()
        self._closed = False
        self._waits = 0
        self.reading = ThreadPoolExecutor(READING_THREADS_MAX, thread_name_prefix="mcp-read")
        self.writing = ThreadPoolExecutor(WRITING_THREADS_MAX, thread_name_prefix="mcp-write")

    @contextmanager
    def call(self, caller: str) -> Iterator[Call]:
        """
        One call of *caller*.

        Raises:
            RateLimited: *caller* asks for too much; nothing was done.
            StoreUnavailable: The server is ending.
        """
        if self._closed:
            raise StoreUnavailable(ENDING)
        admitted = Call(self, self._admitted(caller))
        try:
            yield admitted
        finally:
            admitted.release()

    @property
    def running(self) -> int:
        """How many calls have begun and not ended."""
        with self.guard:
            return sum(caller.running for caller in self._callers.values())

    def close(self) -> None:
        """Begin no new call; what runs is not waited for, and what waits is answered when it is told. Idempotent."""
        self._closed = True
        self.eased()

    def eased(self) -> None:
        """A call has ended; with the last one go the threads."""
        if self._closed and not self.running:
            for threads in (self.reading, self.writing):
                threads.shutdown(wait=False, cancel_futures=True)

    def begin_wait(self) -> None:
        """Count one that waits, if there may be more."""
        if self._waits >= WAITS_MAX:
            raise RateLimited("calls that wait", retry_after_seconds=1.0)
        self._waits += 1

    def end_wait(self) -> None:
        """It waits no more."""
        self._waits -= 1

    def _admitted(self, caller: str) -> _Caller:
        now = self._now()
        with self.guard:
            known = self._callers.get(caller)
            if known is None:
                self._make_room(now)
                known = self._callers[caller] = _Caller()
            while known.began and known.began[0] <= now - MINUTE_SECONDS:
                known.began.popleft()
            if len(known.began) >= CALLS_PER_MINUTE:
                until = known.began[0] + MINUTE_SECONDS - now
                raise RateLimited("calls of this caller", retry_after_seconds=max(1.0, until))
            if known.running >= CALLS_AT_ONCE:
                raise RateLimited("calls of this caller at once", retry_after_seconds=1.0)
            known.began.append(now)
            known.running += 1
            return known

    def _make_room(self, now: float) -> None:
        if len(self._callers) < CALLERS_KEPT:
            return
        for name, known in list(self._callers.items()):
            if not known.running and (not known.began or known.began[-1] <= now - MINUTE_SECONDS):
                del self._callers[name]
        if len(self._callers) >= CALLERS_KEPT:
            raise RateLimited("callers", retry_after_seconds=MINUTE_SECONDS)
