"""
``config_state.lock``: taking it, proving that it is still ours, taking over one that was left behind, giving it back.

Decides who is at work on a realm's files, as Meerkat does: whoever created the file, until it is removed or has become
stale.  Beyond that protocol, and invisible to it: the file says who holds it, its holder keeps it open under ``flock``
(so that a dead one of ours is known for dead at once), and nothing is ever removed by its name alone.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time
import weakref
from contextlib import suppress

from realmconf.domain.record import Record
from realmconf.errors import LockTimeout
from realmconf.stores.meerkat.sightings import boot
from realmconf.stores.renaming import ExchangeUnsupportedError, exchange_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from realmconf.stores.meerkat.sightings import Sightings

    Identity: TypeAlias = tuple[int, int, int]
    """Device, inode, mtime: what makes a file at a name the same one as before."""

RETRY_SECONDS = 0.02
TIMEOUT_SECONDS = 5.0
STALE_SECONDS = 30.0
"""Meerkat's own figures."""

OBSERVED_SECONDS = 0.25
"""A lock that seems stale has to stay as it is for so long: a clock that jumped steals from nobody who is alive."""

_WITHOUT_LINKS = frozenset(
    (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
)

PROGRAM = "realmconf"
CONTENT_BYTES_MAX = 4_096


class LostLockError(Exception):
    """Somebody took the lock over; never reaches a caller."""


class Timing(Record):
    """How long is waited, and what is stale; Meerkat's figures unless a test shortens them for both sides."""

    timeout_seconds: float = TIMEOUT_SECONDS
    stale_seconds: float = STALE_SECONDS


TIMING = Timing()

_held: weakref.WeakSet[Held] = weakref.WeakSet()


class Held:
    """The lock, taken: good until it is given back or ``prove`` says otherwise."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._process = os.getpid()
        self._is_closed = False
        _held.add(self)

    @property
    def is_of_another_process(self) -> bool:
        """Whether this process is a child of the one that took it: the lock is its parent's."""
        return self._process != os.getpid()

    def prove(self) -> None:
        """
        Make its time the present one, and see that it is still the file behind the name.

        Raises:
            LostLockError: It is not: nothing may be written any more.
        """
        if self._is_closed:
            raise LostLockError
        os.utime(self._descriptor)
        if not self._is_behind_the_name():
            raise LostLockError

    def give_back(self) -> None:
        """Remove the file if it is ours; a stranger's stays. Idempotent."""
        if self._is_closed:
            return
        try:
            if not self.is_of_another_process:
                os.utime(self._descriptor)
                if self._is_behind_the_name():
                    os.unlink(self._path)
        except OSError:
            # It becomes stale, or our death gives it free.
            pass
        finally:
            self._close()

    def _is_behind_the_name(self) -> bool:
        try:
            there = os.lstat(self._path)
        except FileNotFoundError:
            return False
        ours = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def _close(self) -> None:
        self._is_closed = True
        os.close(self._descriptor)

    def forget(self) -> None:
        """In a child after a fork: what was inherited is closed, so that the parent's death can be seen."""
        if not self._is_closed:
            self._close()


def take(
    path: str, deadline: float, *, timing: Timing = TIMING, sightings: Sightings | None = None
) -> Held:
    """
    Take the lock at *path*; its folder is there.

    *sightings* knows what processes before this one have watched.

    *deadline* is monotonic; nobody waits longer than the timeout of the protocol either.

    Raises:
        LockTimeout: It did not come free in time; nothing was changed.
        OSError: It cannot be made here.
    """
    asked = time.monotonic()
    deadline = min(deadline, asked + timing.timeout_seconds)
    seen: Identity | None = None
    seen_since = asked
    told_seconds = 0.0
    while True:
        made = _make(path)
        if made is not None:
            return Held(path, made)
        found = _identity(path)
        now = time.monotonic()
        if found != seen:
            seen, seen_since = found, _first_seen(path, found, now)
            told_seconds = _told_seconds(path, found, sightings)
        if found is not None:
            taken = _taken_over(path, found, now - seen_since, told_seconds, timing)
            if taken is not None:
                if sightings is not None:
                    sightings.forget(path)
                return taken
        if time.monotonic() >= deadline:
            raise LockTimeout(waited_seconds=time.monotonic() - asked)
        time.sleep(max(0.0, min(RETRY_SECONDS, deadline - time.monotonic())))


class Holder(Record):
    """Who has a lock, as far as it says so."""

    is_ours: bool
    process: int | None = None
    host: str | None = None
    since: str | None = None


def holder_of(path: str) -> Holder | None:
    """Who holds the lock at *path*; None if there is none."""
    try:
        content = _content(path)
    except FileNotFoundError:
        return None
    except OSError:
        return Holder(is_ours=False)
    stated = _stated(content)
    if stated is None:
        return Holder(is_ours=False)
    process, host, since = (stated.get(name) for name in ("process", "host", "since"))
    return Holder(
        is_ours=True,
        process=process if isinstance(process, int) else None,
        host=host if isinstance(host, str) else None,
        since=since if isinstance(since, str) else None,
    )


def is_held(path: str, *, stale_seconds: float) -> bool:
    """Whether somebody seems to be at work now: a lock is there, not stale, and not that of a dead one of ours."""
    found = _identity(path)
    if found is None or time.time() - found[2] / 1e9 > stale_seconds:
        return False
    return not _is_of_a_dead_one(path, found)


# --- making one ---------------------------------------------------------------------------


def _make(path: str) -> int | None:
    """A new lock file of ours, open and under ``flock``; None if the name is taken."""
    if os.path.lexists(path):
        return None
    # It gets its name complete: one without its content would be anybody's, and in everybody's way until it is stale.
    temporary = f"{path}.{os.urandom(8).hex()}"
    descriptor = os.open(
        temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    is_made = False
    try:
        _flock(descriptor)
        os.write(descriptor, _signature())
        is_made = _named(temporary, path, descriptor)
    finally:
        _remove(temporary)
        if not is_made:
            os.close(descriptor)
    return descriptor if is_made else None


def _named(temporary: str, path: str, descriptor: int) -> bool:
    """Whether *temporary* has got the name *path* too, which nobody had."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
    else:
        return True
    # A file system without second names: the name is made first, and then is ours to replace.
    try:
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    os.close(made)
    os.rename(temporary, path)
    return os.path.samestat(os.lstat(path), os.fstat(descriptor))


def _signature() -> bytes:
    stated = {
        "program": PROGRAM,
        "process": os.getpid(),
        "host": _host(),
        "boot": boot(),
        "token": os.urandom(16).hex(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return json.dumps(stated).encode() + b"\n"


def _host() -> str:
    return os.uname().nodename if hasattr(os, "uname") else ""


def _flock(descriptor: int) -> bool:
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        # Somebody has it, or this system or file system has no such locks.
        return False
    return True


# --- what is there ------------------------------------------------------------------------


def _identity(path: str) -> Identity | None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns)


_first: dict[str, tuple[Identity, float]] = {}
"""When each lock that was waited for in vain was seen first: a time in the future says nothing of its age."""
FIRST_KEPT = 256


def _first_seen(path: str, found: Identity | None, now: float) -> float:
    known = _first.get(path)
    if found is None:
        _first.pop(path, None)
        return now
    if known is not None and known[0] == found:
        return known[1]
    if len(_first) >= FIRST_KEPT:
        _first.clear()
    _first[path] = (found, now)
    return now


def _told_seconds(path: str, found: Identity | None, sightings: Sightings | None) -> float:
    """For how long others have seen the lock there before; of one with a time in the past its age says it."""
    if found is None or sightings is None or found[2] / 1e9 <= time.time():
        return 0.0
    return sightings.watched_seconds(path, found)


def _content(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return os.read(descriptor, CONTENT_BYTES_MAX)
    finally:
        os.close(descriptor)


def _stated(content: bytes) -> dict[str, object] | None:
    """What a lock of ours says; None of any other."""
    try:
        stated = json.loads(content)
    except ValueError:
        return None
    return stated if isinstance(stated, dict) and stated.get("program") == PROGRAM else None


def _is_of_a_dead_one(path: str, found: Identity) -> bool:
    """Whether the lock is one of ours whose holder, on this machine, has ended."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != found[:2] or not stat.S_ISREG(status.st_mode):
            return False
        stated = _stated(os.read(descriptor, CONTENT_BYTES_MAX))
        is_from_here = (
            stated is not None and stated.get("boot") == boot() and stated.get("host") == _host()
        )
        return is_from_here and bool(boot()) and _flock(descriptor)
    finally:
        os.close(descriptor)


# --- taking over --------------------------------------------------------------------------


def _taken_over(
    path: str, found: Identity, watched_seconds: float, told_seconds: float, timing: Timing
) -> Held | None:
    """
    The lock, if the one that was *found* has been left behind and could be replaced by ours.

    This process has seen it there for *watched_seconds*, and others told of *told_seconds* before.
    """
    # Whatever its time says: it has stood there unchanged for that long.
    if _is_of_a_dead_one(path, found) or watched_seconds > timing.stale_seconds:
        return _replaced(path, found, age_seconds_min=None)
    if watched_seconds < min(OBSERVED_SECONDS, timing.stale_seconds / 2):
        return None
    if told_seconds > timing.stale_seconds:
        return _replaced(path, found, age_seconds_min=None)
    if time.time() - found[2] / 1e9 > timing.stale_seconds:
        return _replaced(path, found, age_seconds_min=timing.stale_seconds)
    return None


def _replaced(path: str, found: Identity, *, age_seconds_min: float | None) -> Held | None:
    """
    See ``_exchanged``; one of ours at a time.

    Of three who exchange at once, one may put a second one's back in place of a third one's that is in force.
    """
    try:
        guard = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if _is_busy(guard) or _identity(path) != found:
            return None
        return _exchanged(path, found, age_seconds_min=age_seconds_min)
    finally:
        os.close(guard)


def _is_busy(guard: int) -> bool:
    try:
        import fcntl

        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        # Without such locks here the exchange and the proof after it are all that there is.
        return False
    return False


def _exchanged(path: str, found: Identity, *, age_seconds_min: float | None) -> Held | None:
    """
    Our lock in place of the one that was *found*, in one step; None if that is another by now, or too young.

    The age is measured by the clock of the file system, which is another machine's for some.
    """
    if not stat.S_ISREG(_mode(path)):
        # Nothing that this protocol has made; whoever put it there has to take it away.
        return None
    candidate = f"{path}.{os.urandom(8).hex()}"
    descriptor = _make(candidate)
    if descriptor is None:
        return None
    is_ours = False
    try:
        made = os.fstat(descriptor)
        if age_seconds_min is not None and (made.st_mtime_ns - found[2]) / 1e9 <= age_seconds_min:
            return None
        is_ours = _put_in_place(path, candidate, found, (made.st_dev, made.st_ino))
    except FileNotFoundError:
        # It was given back at this moment: the next attempt makes a new one.
        return None
    finally:
        if not is_ours:
            _remove(candidate)
            os.close(descriptor)
    if not is_ours:
        return None
    held = Held(path, descriptor)
    # Whoever has looked at the old one just before may still remove what is there now by its name.
    time.sleep(RETRY_SECONDS)
    try:
        held.prove()
    except LostLockError:
        held.give_back()
        return None
    return held


def _put_in_place(path: str, candidate: str, found: Identity, ours: tuple[int, int]) -> bool:
    try:
        exchange_paths(candidate, path)
    except ExchangeUnsupportedError:
        return _renamed(path, candidate, found)
    if _identity(candidate) == found:
        _remove(candidate)
        return True
    # It is a stranger's, and a live one. While ours stood there nobody else could come in; now back with it.
    for _ in range(2):
        try:
            exchange_paths(candidate, path)
        except FileNotFoundError:
            # The stranger has given back meanwhile, and has removed ours for it: what is left is its own.
            return False
        back = _identity(candidate)
        if back is None or back[:2] == ours:
            return False
        # What came back is neither: the stranger gave back, and yet another has come. That one belongs there.
    return False


def _renamed(path: str, candidate: str, found: Identity) -> bool:
    """Where names cannot be exchanged: the old one aside, looked at, and ours in its place if nobody was faster."""
    aside = f"{candidate}.old"
    os.rename(path, aside)
    if _identity(aside) != found:
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        os.unlink(aside)
        return False
    os.unlink(aside)
    try:
        os.link(candidate, path)
    except FileExistsError:
        return False
    os.unlink(candidate)
    return True


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0


def _remove(path: str) -> None:
    """Remove what nobody needs; what cannot be removed now is swept away later."""
    with suppress(OSError):
        os.unlink(path)


def _after_fork_in_child() -> None:
    for one in list(_held):
        one.forget()
    _first.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
