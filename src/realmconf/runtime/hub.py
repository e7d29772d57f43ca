"""
One wake-up for all watchers of a client on an event loop: no thread and no timer per watcher.

Decides who is woken by a hint: those whose realm it may concern, all with one look at it.  Where a look takes a while
none is made here: it is what the store has heard of the realm that must have changed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from realmconf.stores.protocol import far

if TYPE_CHECKING:
    from collections.abc import Iterable

    from realmconf.domain.names import RealmName
    from realmconf.runtime.lineages import Point
    from realmconf.stores.protocol import Head, Seen, Sight, Store

    Key = tuple[str, RealmName]


class Looks(Protocol):
    """Who waits: a follower of either view, or whoever else looks at heads."""

    @property
    def key(self) -> Key:
        """What those have in common that can share a look."""
        ...

    def look(self) -> Head | Point:
        """What is compared with the last look; nothing that waits, but for a store where asking takes a while."""
        ...


def awaiting_adoption(seen: Head | Point) -> list[RealmName]:
    """Realms whose hand edit waits for a read that may adopt it; not on an event loop, since it may wait for a lock."""
    heads: Iterable[Head] = getattr(seen, "watched_heads", None) or (seen,)  # type: ignore[assignment]
    return [
        head.realm
        for head in heads
        if any(warning.code == "working_copy_edited" for warning in head.warnings)
    ]


class Look(NamedTuple):
    """What was seen of a realm, and after how many wake-ups it was looked at."""

    seen: Any
    """A head or a point, as the followers of the view compare with."""
    wakes: int


class Hub:
    """The subscription of one store on one event loop. To be used on that loop only, save ``_hint``."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self.store = store
        self.loop = loop
        self.closed = False
        self.is_far = far(store) is not None
        """Whether a look may take a while, so that none is made on the loop: whoever is woken looks for itself."""
        self._waiting: dict[Key, tuple[Looks, dict[asyncio.Future[Look | None], Seen | None]]] = {}
        """With what each has seen of what was heard, if it is not to be woken before that changes."""
        self._wakes = 0
        self._wake_is_due = False
        self._signal = store.signal(())
        self._signal.listen(self._hint)

    def look(self, follower: Looks, last: Look | None) -> Look:
        """What *follower* is to compare with: the *last* look itself if there was no hint since."""
        if last is not None and last.wakes == self._wakes:
            return last
        return Look(follower.look(), self._wakes)

    def wait(self, follower: Looks, *, seen: Seen | None = None) -> asyncio.Future[Look | None]:
        """
        The next look for *follower*, after the next hint; None when the hub is closed, or was.

        ``look`` in the same step of the loop before: hints are taken between steps, so none is missed.  With *seen*,
        the newest that was heard in that step, only after a hint that has changed it.
        """
        future: asyncio.Future[Look | None] = self.loop.create_future()
        if self.closed:
            future.set_result(None)
        else:
            self._waiting.setdefault(follower.key, (follower, {}))[1][future] = seen
        return future

    @property
    def wakes(self) -> int:
        """How many hints there were."""
        return self._wakes

    def wait_after(self, follower: Looks, wakes: int) -> asyncio.Future[Look | None]:
        """As ``wait``, for whoever looks elsewhere: done at once if there was a hint since *wakes*."""
        future = self.wait(follower)
        if wakes != self._wakes and not future.done():
            future.set_result(Look(None, self._wakes))
            self.leave(follower, future)
        return future

    def leave(self, follower: Looks, future: asyncio.Future[Look | None]) -> None:
        """Wait no longer."""
        if follower.key in self._waiting:
            self._waiting[follower.key][1].pop(future, None)

    def close(self) -> None:
        """Wake every waiter for good."""
        self.closed = True
        self._signal.close()
        for _, waiting in self._waiting.values():
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
        for key, (follower, waiting) in list(self._waiting.items()):
            if self.is_far:
                self._tell_from_afar(key, follower, waiting)
            else:
                self._tell(key, follower, waiting)

    def _tell_from_afar(
        self,
        key: Key,
        follower: Looks,
        waiting: dict[asyncio.Future[Look | None], Seen | None],
    ) -> None:
        sight: Sight | None = getattr(follower, "sight", None)
        seen = None if sight is None else sight.seen()
        for future, known in list(waiting.items()):
            if seen is None or seen is not known:
                del waiting[future]
                if not future.done():
                    future.set_result(Look(None, self._wakes))
        if not waiting:
            del self._waiting[key]

    def _tell(
        self,
        key: Key,
        follower: Looks,
        waiting: dict[asyncio.Future[Look | None], Seen | None],
    ) -> None:
        try:
            look = Look(follower.look(), self._wakes)
        except Exception as failure:  # noqa: BLE001 - raised by those who wait
            # The watchers are told in place of their next snapshot; the hub goes on for the others.
            for future in waiting:
                if not future.done():
                    future.set_exception(failure)
            return
        for realm in awaiting_adoption(look.seen):
            # If it is adopted, the commit is the next hint.
            self.loop.run_in_executor(None, self.store.head, realm)
        del self._waiting[key]
        for future in waiting:
            if not future.done():
                future.set_result(look)
