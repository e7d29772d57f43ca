"""
Wake-up hints for the watchers of one store, rung by whatever comes from its server.

Decides only who is rung: everybody, since a hint may come without a change and whoever is woken looks for itself.
"""

from __future__ import annotations

import threading

from realmconf.stores.bell import Bell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Signal(Bell):
    """One watcher's bell."""

    def __init__(self, on_close: Callable[[Signal], None]) -> None:
        super().__init__()
        self._on_close = on_close

    def close(self) -> None:
        """Wake every waiter for good."""
        super().close()
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
