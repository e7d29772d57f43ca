"""
The file system as the working copy uses it: every call in one small object.

Decides how a file is opened safely (by folder descriptor, never through a symlink,
never blocking on a pipe), how it is known that nobody has it open (leases), and how
two names are exchanged.  Knows nothing of realms or of what a file means.

A test hands in a ``Files`` whose calls fail, or kill the process, one after the other.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from realmconf.stores.renaming import (
    EXCHANGE,
    NOREPLACE,
    ExchangeUnsupportedError,
    renameat2,
    renameat2_function,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Mark: TypeAlias = tuple[int, int, int, int, int]
    """Device, inode, size, mtime and ctime: a hint at whether a file changed. Compared for every read, so a tuple."""

FILE_MODE = 0o600
FOLDER_MODE = 0o700

_SAFE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_OWN_SHA256 = "_sha2" if sys.version_info >= (3, 12) else "_sha256"

LEASE_FREE = "free"
"""Granted: nobody has the file open in the way that was asked about, until the lease is broken."""
LEASE_BUSY = "busy"
"""Refused: somebody has it open."""
LEASE_UNKNOWN = "unknown"
"""Neither: this system or file system has no leases."""


class Files:
    """
    The calls, one method each; all raise ``OSError``.

    Names are relative to a folder's descriptor.  Nothing here retries or interprets.
    """

    # --- folders

    def open_folder(self, path: str, *, inside: int | None = None) -> int:
        """Open a folder; a symlink is ``ELOOP`` or ``ENOTDIR``, at the last component of *path*."""
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | _SAFE, dir_fd=inside)

    def make_folder(self, path: str, *, inside: int | None = None) -> None:
        """Make a folder that only its owner can enter, under any umask."""
        os.mkdir(path, FOLDER_MODE, dir_fd=inside)
        # A umask like 0777 would have left us without a way in.
        os.chmod(path, FOLDER_MODE, dir_fd=inside)

    def names(self, folder: int) -> list[str]:
        """Names in the folder."""
        return os.listdir(folder)

    def sync_folder(self, folder: int) -> None:
        """Make the folder's names durable."""
        os.fsync(folder)

    # --- files

    def open_read(self, folder: int, name: str) -> int:
        """Open for reading; a symlink is ``ELOOP``, a pipe opens at once."""
        return os.open(name, os.O_RDONLY | _SAFE, dir_fd=folder)

    def open_write(self, folder: int, name: str) -> int:
        """Open what exists for reading and writing."""
        return os.open(name, os.O_RDWR | _SAFE, dir_fd=folder)

    def create(self, folder: int, name: str) -> int:
        """Make a new file that only its owner can read; ``EEXIST`` if the name is taken."""
        descriptor = os.open(
            name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE, FILE_MODE, dir_fd=folder
        )
        os.fchmod(descriptor, FILE_MODE)
        return descriptor

    def close(self, descriptor: int) -> None:
        """Close; a lease held through it ends."""
        os.close(descriptor)

    def stat_path(self, path: str) -> os.stat_result:
        """The state of *path* itself, symlinks not followed: the one call of an unchanged look."""
        return os.stat(path, follow_symlinks=False)

    def digest_path(self, path: str) -> bytes:
        """The digest of the regular file at *path*: says whether it is a text that is known, and nothing else."""
        descriptor = os.open(path, os.O_RDONLY | _SAFE)
        try:
            return digest_of(self.read(descriptor, os.fstat(descriptor).st_size + 1))
        finally:
            os.close(descriptor)

    def stat_open(self, descriptor: int) -> os.stat_result:
        """The state of an open file."""
        return os.fstat(descriptor)

    def read(self, descriptor: int, bytes_max: int) -> bytes:
        """The content from its first byte, up to *bytes_max*."""
        # One byte more than it should hold, so that one call sees the end of it.
        content = os.pread(descriptor, min(os.fstat(descriptor).st_size + 1, bytes_max), 0)
        while len(content) < bytes_max and (more := os.pread(descriptor, 65536, len(content))):
            content += more
        return content[:bytes_max]

    def rewrite(self, descriptor: int, content: bytes) -> None:
        """Put *content* in place of what the file holds, in the blocks it already has."""
        written = 0
        while written < len(content):
            written += os.pwrite(descriptor, content[written:], written)
        if os.fstat(descriptor).st_size > len(content):
            os.ftruncate(descriptor, len(content))

    def erase(self, descriptor: int) -> None:
        """Overwrite what the file holds, durably, and leave it empty: freed blocks keep what was in them."""
        self.rewrite(descriptor, bytes(os.fstat(descriptor).st_size))
        self.sync_data(descriptor)
        os.ftruncate(descriptor, 0)

    def set_mode(self, descriptor: int, mode: int) -> None:
        """Set the permission bits."""
        os.fchmod(descriptor, mode)

    def sync_data(self, descriptor: int) -> None:
        """Make the content durable."""
        os.fdatasync(descriptor)

    # --- who has it open

    def lease_against_writers(self, descriptor: int) -> str:
        """Ask whether somebody has the file open for writing, and be told of those who come (``lease_holds``)."""
        return _lease(descriptor, "F_RDLCK")

    def lease_against_all(self, descriptor: int) -> str:
        """Ask whether anybody else has the file open at all."""
        return _lease(descriptor, "F_WRLCK")

    def lease_holds(self, descriptor: int) -> bool:
        """Whether nobody has asked for the file since the lease was granted."""
        import fcntl

        return fcntl.fcntl(descriptor, fcntl.F_GETLEASE) != fcntl.F_UNLCK

    def lease_end(self, descriptor: int) -> None:
        """Let those who wait for the file go on."""
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)

    # --- names

    def exchange(self, folder: int, name: str, other_folder: int, other_name: str) -> None:
        """
        Let two existing names change places in one step.

        Raises:
            ExchangeUnsupportedError: This system or file system cannot; nothing was done.
        """
        renameat2(folder, name, other_folder, other_name, EXCHANGE)

    def move(self, folder: int, name: str, other_folder: int, other_name: str) -> None:
        """Give a file a name that nobody has; ``EEXIST`` if it is taken."""
        try:
            renameat2(folder, name, other_folder, other_name, NOREPLACE)
        except ExchangeUnsupportedError:
            os.link(name, other_name, src_dir_fd=folder, dst_dir_fd=other_folder)
            os.unlink(name, dir_fd=folder)

    def link(self, folder: int, name: str, other_folder: int, other_name: str) -> None:
        """Give a file a second name; ``EEXIST`` if it is taken."""
        os.link(name, other_name, src_dir_fd=folder, dst_dir_fd=other_folder)

    def replace(self, folder: int, name: str, other_folder: int, other_name: str) -> None:
        """Give a file a name, whatever had it before: only where names cannot be exchanged."""
        os.rename(name, other_name, src_dir_fd=folder, dst_dir_fd=other_folder)

    def unlink(self, folder: int, name: str) -> None:
        """Remove a name."""
        os.unlink(name, dir_fd=folder)


def mark_of(status: os.stat_result) -> Mark:
    """The mark of a file's state."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def digest_of(content: bytes) -> bytes:
    """What a text is known by in the record: its SHA-256."""
    digest: bytes = _sha256(content).digest()
    return digest


def objection(status: os.stat_result) -> str | None:
    """Why a file with this state is not one we read or write, or None if it is."""
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return "is a symbolic link"
    if stat.S_ISDIR(mode):
        return "is a folder"
    if stat.S_ISFIFO(mode):
        return "is a pipe"
    if not stat.S_ISREG(mode):
        return "is not a regular file"
    if status.st_uid != os.geteuid():
        return "belongs to somebody else"
    if status.st_nlink > 1:
        return "has a second name (a hard link)"
    return None


def permissions(status: os.stat_result) -> int:
    """The permission bits."""
    return stat.S_IMODE(status.st_mode)


def _sha256(content: bytes) -> Any:
    # hashlib loads OpenSSL, which takes longer than a whole read; Python brings an implementation of its own,
    # unless it was built without.
    if "hashlib" not in sys.modules:
        try:
            return __import__(_OWN_SHA256).sha256(content)
        except ImportError:
            pass
    from hashlib import sha256

    return sha256(content)


# --- system calls that Python does not have ------------------------------------


def _lease(descriptor: int, kind: str) -> str:
    import fcntl
    import signal

    if not hasattr(fcntl, "F_SETLEASE"):
        return LEASE_UNKNOWN
    try:
        # When somebody asks for a leased file its holder gets a signal, and the
        # default one (SIGIO) kills; SIGURG is ignored by default.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, getattr(fcntl, kind))
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EBUSY}:
            return LEASE_BUSY
        if error.errno in {
            errno.EINVAL,
            errno.EACCES,
            errno.EPERM,
            errno.ENOSYS,
            errno.EOPNOTSUPP,
            errno.ENOLCK,
        }:
            return LEASE_UNKNOWN
        raise
    return LEASE_FREE


def strength() -> str:
    """``exchange``, or ``replace`` where this system cannot exchange two names; a file system may still refuse."""
    return "replace" if renameat2_function() is None else "exchange"
