"""
Hints for watchers: the files are looked at now and then, since nobody tells us of their changes.

Decides how often; a watcher reads from its cursor, so a hint that came for nothing costs a look.
"""

from __future__ import annotations

import os
import threading
import weakref

from realmconf.errors import RealmconfError
from realmconf.stores.bell import Bell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from realmconf.domain.names import RealmName

POLL_SECONDS = 0.1


class Signal(Bell):
    """Hints for one watcher of some realms; of none: of all."""

    def __init__(self, realms: Sequence[RealmName]) -> None:
        super().__init__()
        self.realms = frozenset(realms)


class Poller:
    """Looks while somebody watches, in one thread; *glance* gives what changes when a realm (or any) does."""

    def __init__(self, glance: Callable[[frozenset[RealmName]], object]) -> None:
        self._glance = glance
        self._signals: weakref.WeakSet[Signal] = weakref.WeakSet()
        self._seen: weakref.WeakKeyDictionary[Signal, object] = weakref.WeakKeyDictionary()
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._thread: tuple[int, threading.Thread] | None = None
        self._is_closed = False
        _alive.add(self)

    def after_fork_in_child(self) -> None:
        """The thread is not here, and may have held the guard."""
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._thread = None
        for signal in list(self._signals):
            signal.after_fork_in_child()

    def add(self, signal: Signal) -> None:
        """Ring *signal* from now on."""
        seen = self._glance(signal.realms)
        with self._guard:
            self._seen[signal] = seen
            self._signals.add(signal)
            started = self._thread
            if started is None or started[0] != os.getpid() or not started[1].is_alive():
                thread = threading.Thread(target=self._run, name="realmconf-meerkat", daemon=True)
                self._thread = (os.getpid(), thread)
                thread.start()

    def hurry(self) -> None:
        """Look at once: this process has written."""
        self._wake.set()

    def close(self) -> None:
        """Wake all watchers for good."""
        with self._guard:
            self._is_closed = True
            signals = list(self._signals)
        self._wake.set()
        for signal in signals:
            signal.close()

    def _run(self) -> None:
        while True:
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
            with self._guard:
                signals = list(self._signals)
                if self._is_closed or not signals:
                    self._thread = None
                    return
            for signal in signals:
                try:
                    seen = self._glance(signal.realms)
                except (OSError, RealmconfError):
                    # Whoever reads is told; this thread goes on, for all who watch.
                    seen = None
                if seen != self._seen.get(signal):
                    self._seen[signal] = seen
                    signal.ring()
            del signals, signal


# --- forks -------------------------------------------------------------------------------------

_alive: weakref.WeakSet[Poller] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for poller in list(_alive):
        poller.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
