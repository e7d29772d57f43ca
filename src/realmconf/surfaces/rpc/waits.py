"""
Requests that wait for a change: all of one conversation in one thread, which does nothing else.

Decides how many there may be, and when the thread is there: from the first wait on.
"""

from __future__ import annotations

import threading

from realmconf.errors import LimitExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any

    from realmconf.runtime.client import Client
    from realmconf.runtime.hub import Hub
    from realmconf.runtime.operations.waiting import Wait

WAITS_MAX = 1_024


class Waits:
    """Thread-safe. What is called when a wait is over is called in the thread of the waits, and must not block."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._guard = threading.Lock()
        self._ends: dict[object, Callable[[], None]] = {}
        """What ends each wait before its time; to be called on the loop."""
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hub: Hub | None = None

    def begin(
        self, key: object, wait: Wait, when_over: Callable[[BaseException | None], None]
    ) -> None:
        """
        Call *when_over* once *wait* is over, or was ended: with what went wrong, or None.

        Raises:
            LimitExceeded: As many wait as may.
        """
        with self._guard:
            if self._count >= WAITS_MAX:
                raise LimitExceeded("waits", self._count + 1, maximum=WAITS_MAX)
            self._count += 1
            loop = self._loop or self._started()
        import asyncio

        asyncio.run_coroutine_threadsafe(self._wait(key, wait, when_over), loop)

    def end(self, key: object) -> None:
        """End the wait of *key* now, if there is one."""
        with self._guard:
            loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._end, key)

    def end_all(self) -> None:
        """End those that have begun."""
        with self._guard:
            loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._end_all)

    # --- in the thread

    async def _wait(
        self, key: object, wait: Wait, when_over: Callable[[BaseException | None], None]
    ) -> None:
        import asyncio

        from realmconf.runtime.hub import Hub
        from realmconf.runtime.waiting import has_step, watch_of

        failure: BaseException | None = None
        ended = asyncio.Event()
        self._ends[key] = ended.set
        try:
            if self._hub is None:
                self._hub = Hub(self._client.store, asyncio.get_running_loop())
            await has_step(watch_of(wait, self._hub), _returned(ended))
        except BaseException as found:  # noqa: BLE001 - told to whoever has asked
            failure = found
        del self._ends[key]
        with self._guard:
            self._count -= 1
        when_over(failure)

    def _end(self, key: object) -> None:
        end = self._ends.get(key)
        if end is not None:
            end()

    def _end_all(self) -> None:
        for end in self._ends.values():
            end()

    def _started(self) -> asyncio.AbstractEventLoop:
        # Takes a while to load, and most conversations wait for nothing.
        import asyncio

        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="realmconf-rpc-waits", daemon=True).start()
        self._loop = loop
        return loop


async def _returned(ended: Any) -> None:
    await ended.wait()
