"""
What a fork must not carry over: connections, locks, notification descriptors.

SQLite's per-process lock tables survive a fork and then lie: a child that opens anew takes no kernel lock, and
an acknowledged write can be lost that way.  So before every fork each store waits out the operation that holds
the turn and closes what it has open; parent and child open again when they need to.
"""

from __future__ import annotations

import _imp
import os
import sys
import threading
import time
from contextlib import suppress
from weakref import WeakSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.stores.embedded.session import Session
    from realmconf.stores.embedded.store import EmbeddedStore

_VIEWS_SECONDS = 10.0
"""How long a fork waits for reads of other threads; they take microseconds."""

_IMPORTS_SECONDS = 2.0
"""How long a fork waits for modules that other threads are loading."""

_stores: WeakSet[EmbeddedStore] = WeakSet()
_forking: list[EmbeddedStore] = []
_fork_lock = threading.Lock()


class Gate:
    """Holds threads back while a fork is under way, and counts the reads it waits for."""

    __slots__ = ("_guard", "_inside", "_open", "closing")

    def __init__(self) -> None:
        self.closing = False
        self._guard = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._inside: dict[int, int] = {}
        """Reads under way, by thread: who is inside already must not wait for the fork that waits for it."""

    def pass_through(self) -> None:
        """Wait while a fork is under way."""
        if self.closing:
            self._open.wait(_VIEWS_SECONDS)

    def __enter__(self) -> None:
        me = threading.get_ident()
        while True:
            with self._guard:
                depth = self._inside.get(me, 0)
                if depth or not self.closing:
                    self._inside[me] = depth + 1
                    return
            self.pass_through()

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with self._guard:
            depth = self._inside.get(me, 0)
            if depth > 1:
                self._inside[me] = depth - 1
            else:
                self._inside.pop(me, None)

    def begin(self) -> None:
        with self._guard:
            self.closing = True
            self._open.clear()

    def wait_for_reads(self) -> None:
        """Wait until no other thread reads."""
        me = threading.get_ident()
        deadline = time.monotonic() + _VIEWS_SECONDS
        while any(thread != me for thread in tuple(self._inside)) and time.monotonic() < deadline:
            time.sleep(0.0005)

    def end(self) -> None:
        with self._guard:
            self.closing = False
            self._open.set()


def register(store: EmbeddedStore) -> None:
    """Prepare *store* for forks."""
    _stores.add(store)


def unregister(store: EmbeddedStore) -> None:
    _stores.discard(store)


def leak(session: Session) -> None:
    """
    Keep an inherited session with an open transaction for ever: closing it would roll back in memory that the
    parent shares.
    """
    import ctypes

    for connection in (session.writer, session.connection, *session.idle_views):
        # Of a session that was dropped meanwhile, and opened anew by a reader, there may be no writer.
        if connection is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _before() -> None:
    # Held until the hooks after the fork: two threads may fork at once, each with stores of its own to wake.
    _fork_lock.acquire()
    for store in list(_stores):
        _forking.append(store)
        # The fork goes on whatever happens here, and one store's trouble must not keep the others open.
        with suppress(Exception):
            store.before_fork()
    if _forking:
        _wait_for_imports()


def _wait_for_imports() -> None:
    """
    Fork in the middle of no import: the lock of a module that another thread is loading stays locked in the child
    for ever, and much is loaded here when it is first needed.

    The import lock is held from here to the hooks after the fork, so that no other import begins.
    """
    deadline = time.monotonic() + _IMPORTS_SECONDS
    while True:
        _imp.acquire_lock()
        if time.monotonic() > deadline or not any(map(_is_loading, tuple(sys.modules.values()))):
            return
        _imp.release_lock()
        time.sleep(0.001)


def _is_loading(module: object) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _after_in_parent() -> None:
    try:
        if _forking:
            _imp.release_lock()
        for store in _forking:
            with suppress(Exception):
                store.after_fork_in_parent()
    finally:
        _forking.clear()
        _fork_lock.release()


def _after_in_child() -> None:
    global _fork_lock
    _fork_lock = threading.Lock()
    # Python makes the import lock anew in a child, and may have done all of this already.
    with suppress(RuntimeError):
        while _forking and _imp.lock_held():
            _imp.release_lock()
    for store in _forking:
        with suppress(Exception):
            store.after_fork_in_child()
    _forking.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
