"""
Lets one chosen input or output call of this process fail, or kill the process in it.

A ``Gate`` numbers the calls that pass through it while it is armed, and makes the planned
one go wrong.  Calls come from three places: SQLite's (``FaultyVfs``), the functions of
``os`` and ``fcntl`` (``gated_system_calls``), and the methods of an object that stands
between a program and the system (``gated_methods``).  What the program under test is,
and what must be true after the fault, this module does not know.

Worked example: let the fourth call of a write fail as on a full disk, once::

    gate = Gate()
    vfs = FaultyVfs(gate)                       # now every connection's default
    client = connect(folder)
    with gated_system_calls(gate):
        gate.arm(Fault(at=4, mode=ERROR_ONCE, errno=errno.ENOSPC))
        client.realm("team").set({"a": 1})      # StoreFull, OutcomeUnknown or a receipt
    gate.calls                                  # ["xWrite realmconf.db-wal", …]
"""

from __future__ import annotations

import errno as error_numbers
import fcntl
import os
import signal
import threading
from contextlib import contextmanager

import apsw

from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

KILL_BEFORE = "kill_before"
"""SIGKILL instead of the call."""
KILL_AFTER = "kill_after"
"""SIGKILL when the call has been done, before the program hears of it."""
KILL_TORN = "kill_torn"
"""SIGKILL when half of what was to be written is written."""
ERROR_ONCE = "error_once"
"""The call is not done and reports the error; later ones are fine."""
ERROR_STICKY = "error_sticky"
"""From this call on every call that writes reports the error, as on a full or broken disk."""
SHORT_WRITE = "short_write"
"""Half is written, and honestly reported so where the interface can; else it is an error."""

MODES = (KILL_BEFORE, KILL_AFTER, KILL_TORN, ERROR_ONCE, ERROR_STICKY, SHORT_WRITE)
KILLS = (KILL_BEFORE, KILL_AFTER, KILL_TORN)

_NO_SPACE = (error_numbers.ENOSPC, error_numbers.EDQUOT)

WRITING_CALLS = (
    *("write", "pwrite", "writev", "pwritev", "fsync", "fdatasync"),
    *("truncate", "ftruncate", "posix_fallocate", "chmod", "fchmod", "utime"),
    *("rename", "replace", "link", "symlink", "unlink", "remove", "mkdir", "rmdir"),
)
"""Functions of ``os`` that change what is on a disk (``open`` counts besides: it may create)."""


class Fault(Record):
    """What goes wrong at which call, counted from 1."""

    at: int
    mode: str
    errno: int = error_numbers.EIO


class Gate:
    """Counts calls while armed, and lets the planned one go wrong."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        """What passed since ``arm``, by name; its length is the number of points of a sweep."""
        self.fired = False
        self._fault: Fault | None = None
        self._armed = False
        self._lock = threading.Lock()

    def arm(self, fault: Fault | None = None) -> None:
        """Count from here on; let *fault* happen, or nothing."""
        with self._lock:
            self.calls = []
            self.fired = False
            self._fault = fault
            self._armed = True

    def disarm(self) -> None:
        """Let everything pass uncounted."""
        with self._lock:
            self._armed = False

    def cross(
        self,
        name: str,
        call: Callable[[], Any],
        *,
        error: Callable[[int], BaseException],
        half: Callable[[], Any] | None = None,
        writes: bool = True,
        can_fail: bool = True,
    ) -> Any:
        """
        Do *call*, unless it is the planned one: then what the fault says.

        *error* makes the exception for an error number; *half* writes half, and returns or
        raises what the interface says of a short write.  A call that never fails can only be
        the last one of its process.
        """
        fault = self._count(name, writes=writes, can_fail=can_fail)
        if fault is None:
            return call()
        if fault.mode == KILL_AFTER:
            call()
        elif fault.mode == KILL_TORN and half is not None:
            _whatever_it_says(half)
        elif fault.mode == SHORT_WRITE:
            return call() if half is None else half()
        if fault.mode in KILLS:
            os.kill(os.getpid(), signal.SIGKILL)
        raise error(fault.errno)

    def _count(self, name: str, *, writes: bool, can_fail: bool) -> Fault | None:
        with self._lock:
            if not self._armed:
                return None
            self.calls.append(name)
            fault = self._fault
            if fault is None:
                return None
            number = len(self.calls)
            sticks = fault.mode == ERROR_STICKY and number > fault.at and writes
            if number != fault.at and not sticks:
                return None
            # A full disk can be read.
            fails = can_fail and (writes or fault.errno not in _NO_SPACE)
            if not fails and fault.mode not in KILLS:
                return None
            self.fired = True
            return fault


def _whatever_it_says(call: Callable[[], Any]) -> None:
    try:
        call()
    except (OSError, apsw.Error):
        return


# --- SQLite ---------------------------------------------------------------------


class FaultyVfs(apsw.VFS):
    """
    The operating system as SQLite sees it, behind *gate*; the default of every later connection.

    Keep the object as long as connections live.  Locks and the shared index are not
    gated: they touch no disk.
    """

    def __init__(self, gate: Gate, *, name: str = "realmconf-faults") -> None:
        self._gate = gate
        super().__init__(name, "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        file: apsw.VFSFile = self._gate.cross(
            f"xOpen {_base_name(name)}",
            lambda: _FaultyFile(self._gate, name, flags),
            error=lambda number: _sqlite_error(number, apsw.SQLITE_CANTOPEN),
            writes=not os.path.exists(_path(name)),
        )
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802 - SQLite's signature
        self._gate.cross(
            f"xDelete {_base_name(filename)}",
            lambda: super(FaultyVfs, self).xDelete(filename, syncdir),
            error=lambda number: _sqlite_error(number, apsw.SQLITE_IOERR_DELETE),
        )


class _FaultyFile(apsw.VFSFile):
    def __init__(self, gate: Gate, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._gate = gate
        self._name = _base_name(name)
        # SQLite passes over a checkpoint that fails after the commit; an exception that is
        # raised in one of these methods reaches the caller all the same. So what only a
        # checkpoint does, reading the log and writing the database, may kill but not fail.
        self._reading_can_fail = not self._name.endswith("-wal")
        self._writing_can_fail = not self._name.endswith(".db")
        super().__init__("unix", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        read: bytes = self._gate.cross(
            f"xRead {self._name}",
            lambda: super(_FaultyFile, self).xRead(amount, offset),
            error=lambda number: _sqlite_error(number, apsw.SQLITE_IOERR_READ),
            writes=False,
            can_fail=self._reading_can_fail,
        )
        return read

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        def half() -> None:
            super(_FaultyFile, self).xWrite(bytes(data)[: len(data) // 2], offset)
            raise _sqlite_error(error_numbers.ENOSPC, apsw.SQLITE_IOERR_WRITE)

        self._gate.cross(
            f"xWrite {self._name}",
            lambda: super(_FaultyFile, self).xWrite(data, offset),
            error=lambda number: _sqlite_error(number, apsw.SQLITE_IOERR_WRITE),
            half=half,
            can_fail=self._writing_can_fail,
        )

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._gate.cross(
            f"xSync {self._name}",
            lambda: super(_FaultyFile, self).xSync(flags),
            error=lambda number: _sqlite_error(error_numbers.EIO, apsw.SQLITE_IOERR_FSYNC),
            can_fail=self._writing_can_fail,
        )

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._gate.cross(
            f"xTruncate {self._name}",
            lambda: super(_FaultyFile, self).xTruncate(newsize),
            error=lambda number: _sqlite_error(number, apsw.SQLITE_IOERR_TRUNCATE),
            can_fail=self._writing_can_fail,
        )


def _path(name: str | apsw.URIFilename | None) -> str:
    return (name.filename() if isinstance(name, apsw.URIFilename) else name) or ""


def _base_name(name: str | apsw.URIFilename | None) -> str:
    return os.path.basename(_path(name)) or "temporary"


def _sqlite_error(number: int, extended: int) -> apsw.Error:
    # SQLite's own unix layer reports a full disk as SQLITE_FULL and everything else by
    # the call that failed; its callers tell them apart.
    if number in _NO_SPACE:
        return apsw.FullError("planted: no space left")
    kind = apsw.CantOpenError if extended == apsw.SQLITE_CANTOPEN else apsw.IOError
    failure = kind(f"planted: {os.strerror(number)}")
    setattr(failure, "extendedresult", extended)  # noqa: B010 - apsw reads it; its types do not say so
    return failure


# --- the system's calls, and an object's methods ----------------------------------


@contextmanager
def gated_system_calls(gate: Gate) -> Iterator[None]:
    """
    Put the writing functions of ``os``, and ``open`` and ``flock``, behind *gate* in this process.

    Reaches code that calls them through their module, as ours does; a name bound
    earlier (``from os import write``) escapes.  Use it in a process of its own.
    """
    kept = {name: getattr(os, name) for name in (*WRITING_CALLS, "open") if hasattr(os, name)}
    kept_flock = fcntl.flock
    for name, function in kept.items():
        setattr(os, name, _gated_function(gate, name, function))
    fcntl.flock = _gated_function(gate, "flock", kept_flock, writes=False)
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(os, name, function)
        fcntl.flock = kept_flock


def gated_methods(target: object, names: Iterable[str], gate: Gate) -> None:
    """Put these methods of *target* behind *gate*; they report faults as ``OSError``."""
    for name in names:
        setattr(target, name, _gated_function(gate, name, getattr(target, name)))


def _gated_function(
    gate: Gate, name: str, function: Callable[..., Any], *, writes: bool = True
) -> Callable[..., Any]:
    def gated(*arguments: Any, **named: Any) -> Any:
        def half() -> Any:
            descriptor, data, *rest = arguments
            return function(descriptor, bytes(data)[: len(data) // 2], *rest)

        unlocks = name == "flock" and arguments[1] == fcntl.LOCK_UN
        opens_only = name == "open" and not arguments[1] & os.O_CREAT
        return gate.cross(
            _shown(name, arguments),
            lambda: function(*arguments, **named),
            error=lambda number: OSError(number, f"planted: {os.strerror(number)}"),
            half=half if name in ("write", "pwrite") else None,
            writes=writes and not opens_only,
            can_fail=not unlocks,
        )

    return gated


def _shown(name: str, arguments: tuple[Any, ...]) -> str:
    paths = (
        os.path.basename(os.fspath(part))
        for part in arguments
        if isinstance(part, (str, os.PathLike))
    )
    return " ".join([name, *paths])
