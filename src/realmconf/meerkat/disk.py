"""
Meerkat's small files: read whole, put in place whole, and what an error of the system means.

Decides how a file comes to its name; what stands in it is not known here.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from realmconf.domain.record import Record
from realmconf.errors import StoreCorrupt, StoreFull, StoreReadOnly, StoreUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.errors import StoreError

FILE_BYTES_MAX = 1_048_576
"""No manifest and no lease is near it."""

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_READ_ONLY = frozenset((errno.EROFS, errno.EACCES, errno.EPERM))
_WITHOUT_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))


class Clock(Record):
    """Where times come from, and how one waits."""

    time_seconds: Callable[[], float] = time.time
    monotonic_seconds: Callable[[], float] = time.monotonic
    sleep_seconds: Callable[[float], object] = time.sleep


CLOCK = Clock()


def read_file(path: str) -> bytes | None:
    """
    What stands in the file at *path*; None only if there is none.

    Raises:
        StoreCorrupt: What is there is no file, or one that is far too large.
        StoreUnavailable: It cannot be read, for whatever reason but that it is not there.
    """
    # A pipe at this name would be waited for without an end.
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(error, path) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StoreCorrupt(f"{path} is not a file")
        with open(descriptor, "rb", closefd=False) as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise unreadable(error, path) from error
    finally:
        os.close(descriptor)
    if len(raw) > FILE_BYTES_MAX:
        raise StoreCorrupt(f"{path} is too large for what it is")
    return raw


def write_temporary(folder: str, prefix: str, content: bytes) -> str:
    """
    A new file in *folder* with *content*, on the disk; its path.  After an error there is none.

    Raises:
        OSError: It cannot be made.
    """
    path = os.path.join(folder, prefix + os.urandom(16).hex())
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    # Of a mode as Meerkat gives it: what nobody else may know does not stand in these files.
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        remove(path)
        raise
    return path


def place_new(temporary: str, path: str) -> bool:
    """
    Give *temporary* the name *path* unless something has that name; whether it was given.

    Raises:
        OSError: It cannot be done.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
        # Without links the caller's lock is all that keeps another from the name.
        if os.path.lexists(path):
            return False
        os.rename(temporary, path)
    return True


def remove(path: str) -> None:
    """Remove a file of ours, if it is there and can be removed."""
    try:
        os.unlink(path)
    except OSError:
        return


def sync_folder(folder: str) -> None:
    """
    Put the names in *folder* on the disk, where a system can.

    Raises:
        OSError: It failed, and nobody can tell whether a new name is there after a power failure.
    """
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unreadable(error: OSError, path: str) -> StoreUnavailable:
    """What *error* means for a reader."""
    return StoreUnavailable(f"{path} cannot be read: {error.strerror}")


def unwritable(error: OSError, path: str) -> StoreError:
    """What *error* means for a writer; nothing was changed."""
    text = f"{path} cannot be written: {error.strerror}"
    if error.errno in _FULL:
        return StoreFull(text)
    return StoreReadOnly(text) if error.errno in _READ_ONLY else StoreUnavailable(text)
