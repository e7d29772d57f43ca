"""
Wake-up hints for watchers: one hub per store, woken by the kernel, asleep otherwise.
"""

from __future__ import annotations

import threading

from realmconf.stores.embedded.counters import slot_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Signal:
    """One watcher's bell. A hint may come for nothing; none is ever left out."""

    __slots__ = ("_bell", "_closed", "_listeners", "_on_close", "_seen", "slots")

    def __init__(self, realms: Sequence[str], on_close: Callable[[Signal], None]) -> None:
        # None for all realms: then there is nothing to tell apart, and every look rings.
        self.slots = tuple(sorted({slot_of(realm) for realm in realms}))
        self._seen: tuple[int, ...] = ()
        # A lock as a binary semaphore: the cheapest thing in Python that another thread can wake.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._on_close = on_close
        self._closed = False

    def wait(self, timeout_seconds: float | None) -> bool:
        """Block until a hint came since the last call, or the time is over (False)."""
        if self._closed:
            return True
        return self._bell.acquire(
            timeout=-1 if timeout_seconds is None else max(0.0, timeout_seconds)
        )

    def listen(self, callback: Callable[[], None]) -> None:
        """Call *callback* at every hint from now on, from whatever thread notices."""
        self._listeners = (*self._listeners, callback)

    def close(self) -> None:
        """Wake every waiter for good."""
        self._closed = True
        self.ring()
        self._on_close(self)

    def observe(self, words: Sequence[int]) -> None:
        """Ring if one of the watched slots moved since the last look, or may be moving now."""
        if self.slots:
            seen = tuple([words[slot] for slot in self.slots])
            # In progress, the same number stands before and after the commit, and for ever if the writer died.
            if seen == self._seen and not any(mark & 1 for mark in seen):
                return
            self._seen = seen
        self.ring()

    def ring(self) -> None:
        """Give the hint."""
        try:
            self._bell.release()
        except RuntimeError:
            pass  # it already rings
        for callback in self._listeners:
            callback()


class Hub:
    """The signals of one store."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.signals: tuple[Signal, ...] = ()

    def add(self, realms: Sequence[str]) -> Signal:
        signal = Signal(realms, self._remove)
        with self._guard:
            self.signals = (*self.signals, signal)
        return signal

    def _remove(self, signal: Signal) -> None:
        with self._guard:
            self.signals = tuple(other for other in self.signals if other is not signal)

    def observe(self, words: Sequence[int]) -> None:
        """Something was committed: ring whoever it concerns."""
        for signal in self.signals:
            signal.observe(words)

    def ring(self, realm: str | None = None) -> None:
        """Ring the watchers of *realm* (None: all) whatever the counters say."""
        slot = None if realm is None else slot_of(realm)
        for signal in self.signals:
            if slot is None or not signal.slots or slot in signal.slots:
                signal.ring()
