"""
``.realm_manifest.lock``: who may make or replace the manifest of a realm.

Decides that as Meerkat does: whoever created the file, until it is removed or 30 s old.  The deadline is looked at
before every attempt, so that nothing that lies at this name is waited for any longer.  What is removed as stale is
compared with what was judged stale, and our own is removed only while it is ours.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

from realmconf.errors import LockTimeout
from realmconf.meerkat.disk import CLOCK, remove, unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from realmconf.meerkat.disk import Clock

LOCK = ".realm_manifest.lock"
CONTENT = b"realm-manifest-lock"
"""What Meerkat writes; nobody reads it."""

RETRY_SECONDS = 0.02
TIMEOUT_SECONDS = 5.0
STALE_SECONDS = 30.0
"""Meerkat's own figures."""

OBSERVED_SECONDS = 0.25
"""A lock that seems stale has to stay as it is for so long: a clock that jumped steals from nobody who is alive."""


@contextmanager
def manifest_lock(folder: str, *, clock: Clock = CLOCK) -> Iterator[Callable[[], bool]]:
    """
    Hold the lock of the realm in *folder*; what is given says whether it is still held.

    Raises:
        LockTimeout: It did not come free in time.
        StoreFull, StoreReadOnly, StoreUnavailable: It cannot be made here.
    """
    path = os.path.join(folder, LOCK)
    descriptor = _taken(path, clock)
    try:
        yield lambda: _is_behind(path, descriptor)
    finally:
        if _is_behind(path, descriptor):
            remove(path)
        os.close(descriptor)


def _taken(path: str, clock: Clock) -> int:
    asked = clock.monotonic_seconds()
    seen: tuple[int, ...] | None = None
    seen_since = asked
    while True:
        if clock.monotonic_seconds() >= asked + TIMEOUT_SECONDS:
            raise LockTimeout(waited_seconds=clock.monotonic_seconds() - asked)
        try:
            return _made(path)
        except FileExistsError:
            found = _identity(path)
            if found != seen:
                seen, seen_since = found, clock.monotonic_seconds()
            if clock.monotonic_seconds() - seen_since >= OBSERVED_SECONDS:
                _remove_stale(path, clock)
        except OSError as error:
            raise unwritable(error, path) from error
        clock.sleep_seconds(RETRY_SECONDS)


def _made(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        os.write(descriptor, CONTENT)
        os.fsync(descriptor)
    except BaseException:
        # A lock that nobody holds would keep everybody out for as long as a stale one.
        remove(path)
        os.close(descriptor)
        raise
    return descriptor


def _identity(path: str) -> tuple[int, ...] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns)


def _remove_stale(path: str, clock: Clock) -> None:
    """Take the lock at *path* away if it was left behind; a directory, or a stranger's newer lock, stays."""
    try:
        judged = os.lstat(path)
        age_seconds = clock.time_seconds() - judged.st_mtime
        if not stat.S_ISREG(judged.st_mode) or age_seconds <= STALE_SECONDS:
            return
        aside = f"{path}.{os.urandom(16).hex()}"
        os.rename(path, aside)
    except OSError:
        # It is gone, or not ours to take: the deadline ends the wait.
        return
    try:
        if not os.path.samestat(os.lstat(aside), judged):
            # Another took the stale one away before us: this is its own, and goes back.
            os.link(aside, path)
    except OSError:
        return
    finally:
        remove(aside)


def _is_behind(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except OSError:
        return False
