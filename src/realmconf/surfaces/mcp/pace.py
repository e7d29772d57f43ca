"""
How much one caller may ask for at a time, and in which threads it is done.

Decides by counting in this process: it keeps one caller from taking all of it, and promises nothing about others
beside it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from realmconf.errors import RateLimited, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS_PER_MINUTE = 1_200
"""Of one caller."""
CALLS_AT_ONCE = 16
"""Of one caller: calls may wait for changes, each in a thread."""
THREADS_MAX = 64
CALLERS_KEPT = 4_096
MINUTE_SECONDS = 60.0

Result = TypeVar("Result")


class _Caller:
    __slots__ = ("began", "running")

    def __init__(self) -> None:
        self.began: deque[float] = deque()
        self.running = 0


class Pace:
    """The calls of all callers of one process. To be used on one event loop."""

    def __init__(self, *, monotonic_seconds: Callable[[], float]) -> None:
        self._now = monotonic_seconds
        self._callers: dict[str, _Caller] = {}
        self._guard = threading.Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="realmconf-mcp")

    async def run(self, caller: str, work: Callable[[], Result]) -> Result:
        """
        Do *work* in a thread; it goes on to its end, also when nobody waits for it any more.

        Raises:
            RateLimited: *caller* asks for too much; nothing was done.
            StoreUnavailable: The server is ending.
        """
        if self._closed:
            raise StoreUnavailable("the server is ending")
        counted = self._admitted(caller)
        future = self._threads.submit(work)
        future.add_done_callback(lambda _: self._ended(counted))
        return await asyncio.wrap_future(future)

    @property
    def running(self) -> int:
        """How many calls have begun and not ended."""
        with self._guard:
            return sum(caller.running for caller in self._callers.values())

    def close(self) -> None:
        """Begin nothing more; what runs is not waited for. Idempotent."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _admitted(self, caller: str) -> _Caller:
        now = self._now()
        with self._guard:
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

    def _ended(self, counted: _Caller) -> None:
        with self._guard:
            counted.running -= 1

    def _make_room(self, now: float) -> None:
        if len(self._callers) < CALLERS_KEPT:
            return
        for name, known in list(self._callers.items()):
            if not known.running and (not known.began or known.began[-1] <= now - MINUTE_SECONDS):
                del self._callers[name]
        if len(self._callers) >= CALLERS_KEPT:
            raise RateLimited("callers", retry_after_seconds=MINUTE_SECONDS)
