"""
Where work runs that is more than a look-up: threads, and how much may wait for them.

Decides that whoever asks for much waits for themselves: each pool has its own bound, of which no caller has more than a
part.  Knows nothing of what is done.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from realmconf.errors import RateLimited
from realmconf.surfaces.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

Result = TypeVar("Result")

PENDING_MAX = 256
"""Calls of one pool that wait or run."""
PENDING_OF_ONE_MAX = 128
"""Those of them that may be one caller's."""

ASKING: ContextVar[str] = ContextVar("asking", default="")
"""The id of the token for which a request is done; empty while nobody knows, which is nobody's share."""


class Pool:
    """Threads of one kind of work, on one event loop."""

    def __init__(self, name: str, *, threads_max: int) -> None:
        self._threads = ThreadPoolExecutor(threads_max, thread_name_prefix=name)
        self._pending = 0
        self._of_caller: dict[str, int] = {}
        self._waiting: dict[asyncio.Future[Any], tuple[Future[Any], Exception]] = {}

    async def run(self, call: Callable[[], Result], *, unknown: Exception) -> Result:
        """
        Run *call*; what it raises is raised here.

        Raises:
            Problem: The server has too much to do (503); or it ends, and the call was not begun (503).
            RateLimited: The caller has too much under way (429).
            Exception: *unknown*: the server ends, and the call goes on though nobody waits for it.
        """
        caller = ASKING.get()
        if self._pending >= PENDING_MAX:
            raise Problem("too_busy", "too much is asked at the same time")
        if caller and self._of_caller.get(caller, 0) >= PENDING_OF_ONE_MAX:
            raise RateLimited("requests at the same time of one token", retry_after_seconds=1.0)
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Result] = loop.create_future()
        work = self._threads.submit(call)
        self._pending += 1
        if caller:
            self._of_caller[caller] = self._of_caller.get(caller, 0) + 1
        self._waiting[outcome] = (work, unknown)
        done = partial(self._done, outcome, caller)

        def tell(finished: Future[Result]) -> None:
            # The loop may be closed by then, and with it everybody who waited.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(done, finished)

        work.add_done_callback(tell)
        return await outcome

    def _done(self, outcome: asyncio.Future[Result], caller: str, work: Future[Result]) -> None:
        self._pending -= 1
        if caller:
            left = self._of_caller[caller] - 1
            if left:
                self._of_caller[caller] = left
            else:
                del self._of_caller[caller]
        self._waiting.pop(outcome, None)
        if outcome.done():
            return
        failure = work.exception()
        if failure is None:
            outcome.set_result(work.result())
        else:
            outcome.set_exception(failure)

    def give_up(self) -> None:
        """Tell everybody who waits that the server ends: what was not begun is not done, the rest is *unknown*."""
        for outcome, (work, unknown) in list(self._waiting.items()):
            never_begun = work.cancel()
            if not outcome.done():
                ending = Problem("stopping", "the server is about to end: this was not begun")
                outcome.set_exception(ending if never_begun else unknown)

    def close(self) -> None:
        """Return when everything that has begun is done. Waits: not for an event loop."""
        self._threads.shutdown()
