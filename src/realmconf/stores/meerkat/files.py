"""
A realm's files replaced: complete or not at all, with their mode, owner and symlink kept.

Decides how a file's content is made durable and takes another's place, and that an editor who saves in that instant
loses nothing: the two names are exchanged, and what came out is given back if it is not what was expected.  What the
files mean is not its business.
"""

from __future__ import annotations

import os
import stat
import time

from realmconf.stores.renaming import ExchangeUnsupportedError, exchange_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Stamp: TypeAlias = tuple[int, int, int, int, int] | None
    """Device, inode, size, mtime, ctime; None where there is no file."""

FILE_MODE = 0o600
FOLDER_MODE = 0o700


class OvertakenError(Exception):
    """Somebody saved in between: nothing was changed. Never reaches a caller."""


def stamp(path: str) -> Stamp:
    """What says that a file may have changed."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read(path: str, *, bytes_max: int) -> bytes | None:
    """The content, up to one byte more than *bytes_max*; None if there is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with open(descriptor, "rb") as file:
        return file.read(bytes_max + 1)


def make_folder(path: str) -> None:
    """Make the folder and those above it."""
    os.makedirs(path, mode=FOLDER_MODE, exist_ok=True)


def remove_if_empty(path: str) -> None:
    """Remove a folder that was made for nothing."""
    try:
        os.rmdir(path)
    except OSError:
        pass


def sync_folder(path: str) -> None:
    """Make the folder's names durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


OURS = ".realmconf"
"""How our temporary files end, which are otherwise called as the other program calls its own."""


def temporary(folder: str, name: str) -> str:
    """A path beside the file *name* that nobody has."""
    return os.path.join(folder, f".{name.partition('.')[0]}.tmp.{_uuid7()}{OURS}")


def sweep(folder: str) -> None:
    """Remove what those of ours who died left behind: the caller holds the lock, so nobody of ours is at work."""
    for name in os.listdir(folder):
        if name.startswith(".") and name.endswith(OURS):
            try:
                os.unlink(os.path.join(folder, name))
            except OSError:
                # Somebody else's to remove.
                pass


def take_away(path: str, expected: bytes) -> str:
    """
    Remove the file at *path* if its content is *expected*; the folder that it was in.

    A symlink stays, and the file that it leads to is removed.

    Raises:
        OvertakenError: It has another content, and is still there.
    """
    path = os.path.realpath(path) if os.path.islink(path) else path
    folder, name = os.path.split(path)
    aside = temporary(folder, name)
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        raise OvertakenError from None
    if read(aside, bytes_max=len(expected)) != expected:
        try:
            os.link(aside, path)
        except FileExistsError:
            # Yet another save: the older one is set aside for good, under a name that tells.
            os.rename(aside, f"{path}.saved")
        else:
            os.unlink(aside)
        raise OvertakenError
    os.unlink(aside)
    return folder


class Replacement:
    """
    New content for a file, durable under a temporary name beside it: nothing that can fail for want of space is left.

    A symlink is followed: it stays, and the file that it leads to is replaced.
    """

    def __init__(self, path: str, content: bytes) -> None:
        self._path = os.path.realpath(path) if os.path.islink(path) else path
        folder, name = os.path.split(self._path)
        self.folder = folder
        self._temporary = temporary(folder, name)
        self._is_there = False
        self._write(content)

    def _write(self, content: bytes) -> None:
        descriptor = os.open(
            self._temporary,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW,
            FILE_MODE,
        )
        self._is_there = True
        try:
            with open(descriptor, "wb") as file:
                self._like_before(file.fileno())
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            self.discard()
            raise

    def _like_before(self, descriptor: int) -> None:
        """Give it the mode, owner and attributes of the file that it is to replace."""
        try:
            old = os.stat(self._path)
        except FileNotFoundError:
            return
        new = os.fstat(descriptor)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            try:
                os.fchown(descriptor, old.st_uid, old.st_gid)
            except PermissionError:
                # Only the system's administrator may; the mode below still keeps others out.
                pass
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        if hasattr(os, "listxattr"):
            try:
                for name in os.listxattr(self._path):
                    os.setxattr(descriptor, name, os.getxattr(self._path, name))
            except OSError:
                # Attributes that only the system sets, or a file system without any.
                pass

    def put(self) -> None:
        """Let it take the file's name, whatever has it."""
        os.rename(self._temporary, self._path)
        self._is_there = False

    def put_over(self, expected: bytes | None) -> None:
        """
        Let it take the name of a file that has the content *expected* (None: that is not there).

        Raises:
            OvertakenError: It has another content; that is what stands there again.
        """
        if expected is None:
            self._put_new()
            return
        try:
            exchange_paths(self._temporary, self._path)
        except FileNotFoundError:
            raise OvertakenError from None
        except ExchangeUnsupportedError:
            # A save between the last look and this instant is lost here; nothing narrower can be had.
            self.put()
            return
        if read(self._temporary, bytes_max=len(expected)) == expected:
            self.discard()
            return
        exchange_paths(self._temporary, self._path)
        self.discard()
        raise OvertakenError

    def _put_new(self) -> None:
        try:
            os.link(self._temporary, self._path)
        except FileExistsError:
            raise OvertakenError from None
        except OSError:
            # A file system without second names.
            self.put()
            return
        self.discard()

    def discard(self) -> None:
        """Remove what is left under the temporary name. Idempotent."""
        if self._is_there:
            self._is_there = False
            try:
                os.unlink(self._temporary)
            except FileNotFoundError:
                pass


def _uuid7() -> str:
    """A name that sorts by time, in the form of the other program's temporary files."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
