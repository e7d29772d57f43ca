"""
One wake-up for all watchers of a client on an event loop: no thread and no timer per watcher.

Decides who is woken by a hint: those whose realm it may concern, all with one look at it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from realmconf.domain.names import RealmName
    from realmconf.stores.protocol import Head, Store


def awaits_adoption(head: Head) -> bool:
    """Whether a hand edit waits that a read may adopt; not on an event loop, since it may wait for a lock."""
    return any(warning.code == "working_copy_edited" for warning in head.warnings)


class Look(NamedTuple):
    """A head, and after how many wake-ups it was looked at."""

    head: Head
    wakes: int


class Hub:
    """The subscription of one store on one event loop. To be used on that loop only, save ``_hint``."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self.store = store
        self.loop = loop
        self.closed = False
        self._waiting: dict[RealmName, set[asyncio.Future[Look | None]]] = {}
        self._wakes = 0
        self._wake_is_due = False
        self._signal = store.signal(())
        self._signal.listen(self._hint)

    def look(self, realm: RealmName, last: Look | None) -> Look:
        """The head of *realm*: the *last* look itself if there was no hint since."""
        if last is not None and last.wakes == self._wakes:
            return last
        return Look(self.store.head(realm, adopt=False), self._wakes)

    def wait(self, realm: RealmName) -> asyncio.Future[Look | None]:
        """
        The next look at *realm*, after the next hint; None when the hub is closed, or was.

        ``look`` in the same step of the loop before: hints are taken between steps, so none is missed.
        """
        future: asyncio.Future[Look | None] = self.loop.create_future()
        if self.closed:
            future.set_result(None)
        else:
            self._waiting.setdefault(realm, set()).add(future)
        return future

    def leave(self, realm: RealmName, future: asyncio.Future[Look | None]) -> None:
        """Wait no longer."""
        self._waiting.get(realm, set()).discard(future)

    def close(self) -> None:
        """Wake every waiter for good."""
        self.closed = True
        self._signal.close()
        for waiting in self._waiting.values():
            for future in waiting:
                if not future.done():
                    future.set_result(None)
        self._waiting.clear()

    def _hint(self) -> None:
        # From any thread, and often: a burst of commits becomes one look.
        if self._wake_is_due:
            return
        self._wake_is_due = True
        try:
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            # The loop is closed, and with it everybody who waited on it.
            self._signal.close()

    def _wake(self) -> None:
        # Before the look, so that a hint during it asks for another one.
        self._wake_is_due = False
        self._wakes += 1
        for realm, waiting in list(self._waiting.items()):
            self._tell(realm, waiting)

    def _tell(self, realm: RealmName, waiting: set[asyncio.Future[Look | None]]) -> None:
        try:
            look = Look(self.store.head(realm, adopt=False), self._wakes)
        except Exception as failure:  # noqa: BLE001 - raised by those who wait
            # The watchers are told in place of their next snapshot; the hub goes on for the others.
            for future in waiting:
                if not future.done():
                    future.set_exception(failure)
            return
        if awaits_adoption(look.head):
            # If it is adopted, the commit is the next hint.
            self.loop.run_in_executor(None, self.store.head, realm)
        del self._waiting[realm]
        for future in waiting:
            if not future.done():
                future.set_result(look)
