"""Hints for watchers: something may have changed."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from realmconf.domain.names import RealmName


class Signal:
    """Hints for one watcher: a flag, and whoever listens."""

    def __init__(self, realms: Sequence[RealmName]) -> None:
        self._realms = frozenset(realms)
        self._condition = threading.Condition()
        self._hinted = False
        self._closed = False
        self._listeners: list[Callable[[], None]] = []

    def hint(self, changed: Mapping[str, object]) -> None:
        if self._realms and self._realms.isdisjoint(changed):
            return
        with self._condition:
            self._hinted = True
            self._condition.notify_all()
            listeners = list(self._listeners)
        for callback in listeners:
            callback()

    def wait(self, timeout_seconds: float | None) -> bool:
        with self._condition:
            self._condition.wait_for(lambda: self._hinted or self._closed, timeout_seconds)
            hinted, self._hinted = self._hinted or self._closed, False
            return hinted

    def listen(self, callback: Callable[[], None]) -> None:
        with self._condition:
            self._listeners.append(callback)

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._listeners.clear()
            self._condition.notify_all()
