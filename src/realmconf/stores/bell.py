"""
One watcher's bell: a flag that a hint was given, and whoever is called then.

Decides that a hint before the wait is kept, and that closing wakes for good; whom a hint concerns is for the store.
"""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Bell:
    """See ``Signal`` in the protocol; *ring* is its store's."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._hinted = False
        self._closed = False
        self._listeners: tuple[Callable[[], None], ...] = ()

    def ring(self) -> None:
        """Give the hint."""
        with self._condition:
            self._hinted = True
            self._condition.notify_all()
            listeners = self._listeners
        for callback in listeners:
            callback()

    def wait(self, timeout_seconds: float | None) -> bool:
        """Block until a hint came since the last call, or the time is over (False)."""
        with self._condition:
            self._condition.wait_for(lambda: self._hinted or self._closed, timeout_seconds)
            hinted, self._hinted = self._hinted or self._closed, False
            return hinted

    def listen(self, callback: Callable[[], None]) -> None:
        """Call *callback* at every hint from now on, from the thread that gives it."""
        with self._condition:
            self._listeners = (*self._listeners, callback)

    def close(self) -> None:
        """Wake every waiter for good."""
        with self._condition:
            self._closed = True
            self._listeners = ()
            self._condition.notify_all()
