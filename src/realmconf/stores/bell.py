"""
Watchers' bells: a flag that a hint was given, and whoever is called then; alone, or all of a store rung together.

Decides that a hint before the wait is kept, and that closing wakes for good; whom a hint concerns is for the store.
"""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from realmconf.domain.names import RealmName


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

    def after_fork_in_child(self) -> None:
        """A thread that is not here may have held it."""
        self._condition = threading.Condition()


class HungBell(Bell):
    """One watcher's bell, among those of a store; of *realms* alone, if any are named."""

    def __init__(
        self, on_close: Callable[[HungBell], None], *, realms: Collection[RealmName] = ()
    ) -> None:
        super().__init__()
        self.realms = frozenset(realms)
        self._on_close = on_close

    def close(self) -> None:
        """Wake every waiter for good."""
        super().close()
        self._on_close(self)


class Bells:
    """The signals of one store."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._signals: tuple[HungBell, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nobody listens."""
        return not self._signals

    def add(self, realms: Collection[RealmName] = ()) -> HungBell:
        """One more, for hints about *realms* (empty: all)."""
        signal = HungBell(self._remove, realms=realms)
        with self._guard:
            self._signals = (*self._signals, signal)
        return signal

    def _remove(self, signal: HungBell) -> None:
        with self._guard:
            self._signals = tuple(one for one in self._signals if one is not signal)

    def ring(self, realms: Collection[RealmName] | None = None) -> None:
        """Ring those that *realms* concern; all of them, if it is not known whom it does."""
        for signal in self._signals:
            if realms is None or not signal.realms or not signal.realms.isdisjoint(realms):
                signal.ring()

    def close(self) -> None:
        """End all of them."""
        for signal in self._signals:
            signal.close()

    def after_fork_in_child(self) -> None:
        """Those that wait here may be rung."""
        self._guard = threading.Lock()
        for signal in self._signals:
            signal.after_fork_in_child()
