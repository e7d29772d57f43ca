"""
One wake-up for all watchers of a client on an event loop: no thread and no timer per watcher.

Decides who is woken by a hint: those whose realm has another head than the one they have seen.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from realmconf.errors import RealmconfError

if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.domain.names import RealmName
    from realmconf.stores.protocol import Head, Store


def awaits_adoption(head: Head) -> bool:
    """Whether a hand edit waits that a read may adopt; not on an event loop, since it may wait for a lock."""
    return any(warning.code == "working_copy_edited" for warning in head.warnings)


class Waiter:
    """One watcher's wait for its next head; ``future`` is None while it does not wait."""

    __slots__ = ("future", "hub", "realm")

    def __init__(self, hub: Hub, realm: RealmName) -> None:
        self.hub = hub
        self.realm = realm
        self.future: asyncio.Future[Head | None] | None = None

    async def beyond(self, seen: Head) -> Head | None:
        """The head of the realm as soon as it is another one than *seen*; None once closed."""
        head = self.hub.store.head(self.realm, adopt=False)
        if head is not seen:
            return head
        # Nothing can come between that look and this entry: hints are taken on this same loop.
        self.future = self.hub.loop.create_future()
        waiting = self.hub.waiting.setdefault(self.realm, set())
        waiting.add(self)
        try:
            return await self.future
        finally:
            self.future = None
            waiting.discard(self)

    def close(self) -> None:
        """End the wait, if there is one."""
        if self.future is not None and not self.future.done():
            self.future.set_result(None)


class Hub:
    """The subscription of one store on one event loop. To be used on that loop only, save ``_hint``."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self.store = store
        self.loop = loop
        self.waiting: dict[RealmName, set[Waiter]] = {}
        self._wake_is_due = False
        self._signal = store.signal(())
        self._signal.listen(self._hint)

    def close(self) -> None:
        """Wake every waiter for good."""
        self._signal.close()
        for waiters in self.waiting.values():
            for waiter in list(waiters):
                waiter.close()

    def _hint(self) -> None:
        # From any thread, and often: a burst of commits becomes one look.
        if self._wake_is_due:
            return
        self._wake_is_due = True
        self._call_on_loop(self._wake)

    def _call_on_loop(self, call: Callable[[], None]) -> None:
        try:
            self.loop.call_soon_threadsafe(call)
        except RuntimeError:
            # The loop is closed, and with it everybody who waited on it.
            self._signal.close()

    def _wake(self) -> None:
        # Before the look, so that a hint during it asks for another one.
        self._wake_is_due = False
        for realm, waiters in list(self.waiting.items()):
            if not waiters:
                del self.waiting[realm]
                continue
            self._tell(waiters, realm)

    def _tell(self, waiters: set[Waiter], realm: RealmName) -> None:
        try:
            head = self.store.head(realm, adopt=False)
        except RealmconfError as failure:
            # The watchers are told in place of their next snapshot; the hub goes on for the others.
            for waiter in waiters:
                if waiter.future is not None and not waiter.future.done():
                    waiter.future.set_exception(failure)
            return
        if awaits_adoption(head):
            # If it is adopted, the commit is the next hint.
            self.loop.run_in_executor(None, self.store.head, realm)
        for waiter in waiters:
            if waiter.future is not None and not waiter.future.done():
                waiter.future.set_result(head)
