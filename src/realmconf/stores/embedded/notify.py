"""
Kernel notification: one inotify instance and one sleeping thread per process, for everything that is watched.

A hint only: it says *look*, never *what*.  Without inotify (macOS, Windows, an exhausted limit) a thread
that looks every 20 ms takes its place.
"""

from __future__ import annotations

import os
import struct
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_CLOEXEC = 0o2000000

WAKE_EVENTS = IN_MODIFY | IN_CLOSE_WRITE
"""On the wake file: a commit, or the death of a process that held it open for writing."""

FOLDER_EVENTS = (
    IN_MODIFY
    | IN_ATTRIB
    | IN_CLOSE_WRITE
    | IN_MOVED_FROM
    | IN_MOVED_TO
    | IN_CREATE
    | IN_DELETE
    | IN_DELETE_SELF
    | IN_MOVE_SELF
)

REPLACED_EVENTS = (
    IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_MOVED_FROM | IN_MOVED_TO
)
"""On the store's folder: one of its files was replaced."""

POLL_SECONDS = 0.02

_EVENT = struct.Struct("iIII")


class Notifier:
    """All watches of one process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._callbacks: dict[int, list[Callable[[], None]]] = {}
        self._polled: list[_Polled] = []
        self._thread: threading.Thread | None = None
        self._poller: threading.Thread | None = None
        self._descriptor = -1
        self._libc: Any = None
        self._unavailable = False

    def watch(self, path: str, events: int, callback: Callable[[], None]) -> Callable[[], None]:
        """
        Call *callback* from the notifier's thread after every event on *path*; returns what ends it.

        The callback is quick and raises nothing.
        """
        with self._guard:
            number = self._add(path, events)
            if number is None:
                return self._poll(path, callback)
            self._callbacks.setdefault(number, []).append(callback)

        def cancel() -> None:
            with self._guard:
                callbacks = self._callbacks.get(number, [])
                if callback in callbacks:
                    callbacks.remove(callback)
                    if not callbacks:
                        del self._callbacks[number]
                        if self._descriptor >= 0:
                            self._libc.inotify_rm_watch(self._descriptor, number)

        return cancel

    @property
    def polls(self) -> bool:
        """Whether watches are answered by looking at intervals."""
        return self._unavailable

    def forget(self) -> None:
        """In a child after fork: drop the inherited instance; watches are made anew by their owners."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self.__init__()  # type: ignore[misc]

    def _add(self, path: str, events: int) -> int | None:
        if self._descriptor < 0 and not self._start():
            return None
        number = self._libc.inotify_add_watch(self._descriptor, os.fsencode(path), events)
        return number if number >= 0 else None

    def _start(self) -> bool:
        if self._unavailable:
            return False
        # ctypes costs milliseconds to import; a process that watches nothing never pays them.
        import ctypes

        self._libc = ctypes.CDLL(None, use_errno=True)
        init = getattr(self._libc, "inotify_init1", None)
        self._descriptor = init(IN_CLOEXEC) if init else -1
        if self._descriptor < 0:
            self._unavailable = True
            return False
        self._thread = threading.Thread(
            target=self._listen, args=(self._descriptor,), name="realmconf-notify", daemon=True
        )
        self._thread.start()
        return True

    def _listen(self, descriptor: int) -> None:
        while True:
            try:
                content = os.read(descriptor, 65_536)
            except OSError:
                return
            numbers: dict[int, bool] = {}
            offset = 0
            while offset < len(content):
                number, mask, _, length = _EVENT.unpack_from(content, offset)
                offset += _EVENT.size + length
                numbers[number] = True
                if mask & IN_Q_OVERFLOW:
                    # Events were lost, nobody knows whose: everybody looks.
                    numbers = dict.fromkeys(self._callbacks, True)
                    break
            for number in numbers:
                for callback in tuple(self._callbacks.get(number, ())):
                    callback()

    def _poll(self, path: str, callback: Callable[[], None]) -> Callable[[], None]:
        entry = _Polled(path, callback)
        self._polled.append(entry)
        if self._poller is None:
            self._poller = threading.Thread(target=self._look, name="realmconf-poll", daemon=True)
            self._poller.start()

        def cancel() -> None:
            with self._guard:
                if entry in self._polled:
                    self._polled.remove(entry)

        return cancel

    def _look(self) -> None:
        import time

        while True:
            time.sleep(POLL_SECONDS)
            for entry in tuple(self._polled):
                if entry.changed():
                    entry.callback()


class _Polled:
    __slots__ = ("callback", "path", "seen")

    def __init__(self, path: str, callback: Callable[[], None]) -> None:
        self.path = path
        self.callback = callback
        self.seen = self._state()

    def changed(self) -> bool:
        state = self._state()
        if state == self.seen:
            return False
        self.seen = state
        return True

    def _state(self) -> tuple[int, ...]:
        try:
            status = os.stat(self.path)
        except OSError:
            return ()
        return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


NOTIFIER = Notifier()
"""The process's one instance."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=NOTIFIER.forget)
