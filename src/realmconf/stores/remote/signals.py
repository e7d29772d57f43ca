"""
Wake-up hints for the watchers of one store, rung by whatever comes from its server.

Decides only who is rung: everybody, since a hint may come without a change and whoever is woken looks for itself.
"""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Signal:
    """One watcher's bell."""

    def __init__(self, on_close: Callable[[Signal], None]) -> None:
        self._condition = threading.Condition()
        self._hinted = False
        self._closed = False
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._on_close = on_close

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
        """Call *callback* at every hint from now on, from the thread that hears of it."""
        with self._condition:
            self._listeners = (*self._listeners, callback)

    def close(self) -> None:
        """Wake every waiter for good."""
        with self._condition:
            self._closed = True
            self._listeners = ()
            self._condition.notify_all()
        self._on_close(self)


class Bells:
    """The signals of one store."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._signals: tuple[Signal, ...] = ()

    def add(self) -> Signal:
        """One more."""
        signal = Signal(self._remove)
        with self._guard:
            self._signals = (*self._signals, signal)
        return signal

    def _remove(self, signal: Signal) -> None:
        with self._guard:
            self._signals = tuple(one for one in self._signals if one is not signal)

    def ring(self) -> None:
        """Ring all of them."""
        for signal in self._signals:
            signal.ring()

    def close(self) -> None:
        """End all of them."""
        for signal in self._signals:
            signal.close()
