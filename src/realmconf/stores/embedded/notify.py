"""
Kernel notification: one inotify instance and one sleeping thread per process, for everything that is watched.

A hint only: it says *look*, never *what*.  Where the kernel does not tell (macOS, an exhausted limit) a thread
that looks every 20 ms takes its place: late, so its silence proves nothing, and whoever is served by it is told so.
"""

from __future__ import annotations

import errno
import os
import struct
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
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

ENTRY_EVENTS = IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF
"""On the root: something new has a name in it, or the root itself is gone."""

POLL_SECONDS = 0.02

SETTLED_SECONDS = 2.0
"""Two changes within one tick of a file system's clock look alike, so what looks young is told of once more."""

_EVENT = struct.Struct("iIII")


class Notifier:
    """All watches of one process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._callbacks: dict[int, list[Callable[[Collection[str]], None]]] = {}
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

        Raises:
            OSError: The kernel cannot tell of *path*; ``poll`` is what is left.
        """
        return self.watch_entries(path, events, lambda names: callback())

    def watch_entries(
        self, path: str, events: int, callback: Callable[[Collection[str]], None]
    ) -> Callable[[], None]:
        """
        As ``watch``, and *callback* is told to which names in the folder at *path* something happened.

        Empty for what concerns the folder itself, and where events were lost: then it may be any name.
        """
        with self._guard:
            number = self._add(path, events)
            self._callbacks.setdefault(number, []).append(callback)

        def cancel() -> None:
            with self._guard:
                callbacks = self._callbacks.get(number, [])
                if callback in callbacks:
                    callbacks.remove(callback)
                    if not callbacks:
                        del self._callbacks[number]
                        self._libc.inotify_rm_watch(self._descriptor, number)

        return cancel

    def poll(self, state: Callable[[], object], callback: Callable[[], None]) -> Callable[[], None]:
        """
        Call *callback* from a thread that looks at intervals whenever *state* has changed; returns what ends it.

        Both are quick; *state* may raise ``OSError`` or ``ValueError`` for what is not there now,
        and *callback* raises nothing.
        """
        entry = _Polled(state, callback)
        with self._guard:
            self._polled.append(entry)
            if self._poller is None:
                self._poller = _started(self._look, "realmconf-poll")

        def cancel() -> None:
            with self._guard:
                if entry in self._polled:
                    self._polled.remove(entry)

        return cancel

    @property
    def polls(self) -> bool:
        """Whether something is looked at at intervals, because the kernel does not tell of it."""
        return self._unavailable or bool(self._polled)

    def forget(self) -> None:
        """In a child after fork: drop the inherited instance; watches are made anew by their owners."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self.__init__()  # type: ignore[misc]

    def _add(self, path: str, events: int) -> int:
        if self._descriptor < 0:
            self._start()
        number: int = self._libc.inotify_add_watch(self._descriptor, os.fsencode(path), events)
        if number < 0:
            import ctypes

            raise OSError(ctypes.get_errno(), "the kernel does not watch it", path)
        return number

    def _start(self) -> None:
        if self._unavailable:
            raise OSError(errno.ENOSYS, "the kernel tells of no changes")
        # ctypes costs milliseconds to import; a process that watches nothing never pays them.
        import ctypes

        self._libc = ctypes.CDLL(None, use_errno=True)
        init = getattr(self._libc, "inotify_init1", None)
        descriptor = init(IN_CLOEXEC) if init else -1
        if descriptor >= 0:
            self._thread = _started(lambda: self._listen(descriptor), "realmconf-notify")
            if self._thread is None:
                # Watches that nobody listens to would be trusted to be silent.
                os.close(descriptor)
                descriptor = -1
        if descriptor < 0:
            self._unavailable = True
            raise OSError(errno.EMFILE, "the kernel tells of no changes")
        self._descriptor = descriptor

    def _listen(self, descriptor: int) -> None:
        while True:
            try:
                content = os.read(descriptor, 65_536)
            except OSError:
                return
            self._tell(content)

    def _tell(self, content: bytes) -> None:
        if len(content) == _EVENT.size:
            # One event without a name: somebody's commit, which whoever waits for it is to hear of at once.
            number, mask, _, _ = _EVENT.unpack(content)
            if not mask & IN_Q_OVERFLOW:
                self._tell_of(number, ())
                return
        happened: dict[int, set[str]] = {}
        offset = 0
        while offset < len(content):
            number, mask, _, length = _EVENT.unpack_from(content, offset)
            offset += _EVENT.size
            name = content[offset : offset + length].rstrip(b"\0")
            offset += length
            happened.setdefault(number, set()).add(os.fsdecode(name))
            if mask & IN_Q_OVERFLOW:
                # Events were lost, nobody knows whose: everybody looks.
                happened = {number: {""} for number in tuple(self._callbacks)}
                break
        for number, names in happened.items():
            self._tell_of(number, () if "" in names else names)

    def _tell_of(self, number: int, names: Collection[str]) -> None:
        for callback in tuple(self._callbacks.get(number, ())):
            callback(names)

    def _look(self) -> None:
        while True:
            time.sleep(POLL_SECONDS)
            with self._guard:
                entries = tuple(self._polled)
                if not entries:
                    self._poller = None
                    return
            for entry in entries:
                if entry.changed():
                    entry.callback()


class _Polled:
    __slots__ = ("_seen", "_state", "_told_at", "callback")

    def __init__(self, state: Callable[[], object], callback: Callable[[], None]) -> None:
        self.callback = callback
        self._state = state
        self._told_at: float | None = time.monotonic()
        self._seen = self._look()

    def changed(self) -> bool:
        """Whether there is something to tell: a change, or once more the last one, now that it has settled."""
        now = time.monotonic()
        state = self._look()
        if state != self._seen:
            self._seen = state
            self._told_at = now
            return True
        if self._told_at is not None and now - self._told_at > SETTLED_SECONDS:
            self._told_at = None
            return True
        return False

    def _look(self) -> object:
        try:
            return self._state()
        except (OSError, ValueError):
            return None


def state_of(paths: Sequence[str]) -> tuple[object, ...]:
    """What a look at intervals compares: the stat of each of *paths*, or that there is none."""
    return tuple(map(_state_of, paths))


def _state_of(path: str) -> tuple[int, ...] | None:
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _started(run: Callable[[], None], name: str) -> threading.Thread | None:
    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads now
        return None
    return thread


NOTIFIER = Notifier()
"""The process's one instance."""

if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(after_in_child=NOTIFIER.forget)
