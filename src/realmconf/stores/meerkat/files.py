"""
A realm's files replaced: complete or not at all, with their mode, owner and symlink kept.

Decides how a file's content is made durable and takes another's place, and that an editor who saves in that instant
loses nothing: the two names are exchanged, and what came out is given back if it is not what was expected.  What the
files mean is not its business.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from contextlib import suppress

from realmconf.stores.meerkat.layout import CONFIG, LOCK, STATE
from realmconf.stores.renaming import ExchangeUnsupportedError, exchange_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    Stamp: TypeAlias = tuple[int, int, int, int, int] | None
    """Device, inode, size, mtime, ctime; None where there is no file, and no times where it cannot be reached."""

FILE_MODE = 0o600
FOLDER_MODE = 0o700


class OvertakenError(Exception):
    """Somebody saved in between: what they saved stands there. Never reaches a caller."""

    def __init__(self, *, was_there: bool = False) -> None:
        """*was_there*: what was to be written stood there for an instant, until it was seen what it had replaced."""
        super().__init__()
        self.was_there = was_there


def stamp(path: str) -> Stamp:
    """What says that a file may have changed."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        # Whoever reads it is told; whoever only looks for changes goes on with the other files.
        return (0, 0, -(error.errno or 1), 0, 0)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read(path: str, *, bytes_max: int) -> bytes | None:
    """
    The content, up to one byte more than *bytes_max*; None if there is no file.

    Raises:
        OSError: It cannot be read, or is no regular file: a folder, a pipe or a device states nothing.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        file = open(descriptor, "rb", closefd=False)  # noqa: SIM115 - the descriptor is closed below
        return file.read(bytes_max + 1)
    finally:
        os.close(descriptor)


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


LEFT_SECONDS = 60.0
"""A temporary file this old belongs to nobody who is still writing."""
LEFT_BYTES_MAX = 268_435_456
"""A longer text is nobody's document."""
OURS = ".realmconf"
"""How our temporary files end, which are otherwise called as the other program calls its own."""
_OF_A_WRITE = re.compile(
    rf"\.(.+)\.tmp\.[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}{re.escape(OURS)}"
)
_OF_A_LOCK = re.compile(rf"{re.escape(LOCK)}\.[0-9a-f]{{16}}")
SAVES_MAX = 16
"""More saves than that do not fall into one exchange."""
_RIGHTS = "system.posix_acl_access"
"""Rights beyond the mode; they state what the group may do, too."""


def temporary(folder: str, name: str) -> str:
    """A path beside the file *name* that nobody has."""
    return os.path.join(folder, f".{_stem(name)}.tmp.{_uuid7()}{OURS}")


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def sweep(
    folder: str,
    config: str,
    *,
    is_somebodys: Callable[[bytes], bool] = lambda text: False,
    name: str = "left",
) -> str:
    """
    Remove what those of ours who died left behind: the caller holds the lock, so nobody of ours is at work.

    A text that came out of the place of *config* and *is_somebodys* is kept beside it, under a name that ends with
    *name*; where, or empty.
    """
    kept = ""
    real = os.path.realpath(config)
    begin = f".{_stem(os.path.basename(real))}.tmp."
    for path in _left(folder, real):
        if os.path.basename(path).startswith(f"{LOCK}."):
            _remove_left_lock(path)
            continue
        with suppress(OSError):
            # Else it is somebody else's to remove.
            if os.path.basename(path).startswith(begin):
                text = read(path, bytes_max=LEFT_BYTES_MAX)
                if text is not None and is_somebodys(text):
                    kept = set_aside(real, name, source=path)
            os.unlink(path)
    return kept


def _left(folder: str, config: str) -> Iterator[str]:
    """What may have been left behind for the realm in *folder*, whose document is the file *config*."""
    elsewhere, linked = os.path.split(config)
    for name in os.listdir(folder):
        if _is_left(name, CONFIG, STATE, linked) or is_left_lock(name):
            yield os.path.join(folder, name)
    if os.path.realpath(folder) != elsewhere and os.path.isdir(elsewhere):
        for name in os.listdir(elsewhere):
            if _is_left(name, linked):
                yield os.path.join(elsewhere, name)


def is_left_lock(name: str) -> bool:
    """Whether *name* is what a lock of ours is called before it has its place."""
    return _OF_A_LOCK.fullmatch(name) is not None


def _is_left(name: str, *files: str) -> bool:
    """Whether *name* is a temporary one of ours for one of *files*: what only looks like it is somebody's own."""
    found = _OF_A_WRITE.fullmatch(name)
    return found is not None and found[1] in {_stem(file) for file in files}


def _remove_left_lock(path: str) -> None:
    """Whoever wants the lock has one under another name for an instant, without holding it yet."""
    with suppress(OSError):
        if time.time() - os.lstat(path).st_mtime > LEFT_SECONDS:
            os.unlink(path)


def set_aside(path: str, name: str, *, source: str | None = None) -> str:
    """
    Give the file at *path* a second name beside it that nobody has, which is returned: it stays when it is replaced.

    A symlink is followed.  With *source* it is that file which gets such a name.
    """
    path = os.path.realpath(path) if os.path.islink(path) else path
    source = path if source is None else source
    aside, number = f"{path}.{name}", 1
    while True:
        try:
            os.link(source, aside)
        except FileExistsError:
            if os.path.samefile(source, aside):
                return aside
            number += 1
            aside = f"{path}.{name}-{number}"
        else:
            sync_folder(os.path.dirname(path))
            return aside


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
    if not _has(aside, expected):
        try:
            os.link(aside, path)
        except PermissionError:
            # Nothing that can have two names, as a folder.
            os.rename(aside, path)
        except FileExistsError:
            # Yet another save: the older one is set aside for good, under a name that tells.
            os.rename(aside, f"{path}.saved")
        else:
            os.unlink(aside)
        raise OvertakenError(was_there=True)
    _remove(aside)
    return folder


def _has(path: str, expected: bytes) -> bool:
    try:
        return read(path, bytes_max=len(expected)) == expected
    except OSError:
        return False


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
        self._content = content
        self._identity = (0, 0)
        self._is_there = False
        self._write(content)

    def _write(self, content: bytes) -> None:
        descriptor = os.open(
            self._temporary,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW,
            FILE_MODE,
        )
        self._is_there = True
        made = os.fstat(descriptor)
        self._identity = (made.st_dev, made.st_ino)
        try:
            self._like_before(descriptor)
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except BaseException:
            self.discard()
            raise
        finally:
            os.close(descriptor)

    def _like_before(self, descriptor: int) -> None:
        """Give it the mode, owner and attributes of the file that it is to replace."""
        try:
            old = os.stat(self._path)
        except FileNotFoundError:
            return
        mode, is_of_group = stat.S_IMODE(old.st_mode), _given_to(descriptor, old)
        # What one group may do is no other group's right.
        os.fchmod(descriptor, mode if is_of_group else mode & ~stat.S_IRWXG)
        if not hasattr(os, "listxattr"):
            return
        names: list[str] = []
        with suppress(OSError):
            # A file system without any has none.
            names = os.listxattr(self._path)
        for name in names:
            if name == _RIGHTS and not is_of_group:
                continue
            with suppress(OSError):
                # One that only the system sets keeps back none of the others.
                os.setxattr(descriptor, name, os.getxattr(self._path, name))

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
        # Until it is known for what was expected it may be the only copy of what somebody has saved.
        self._is_there = False
        try:
            is_expected = read(self._temporary, bytes_max=len(expected)) == expected
        except OSError:
            self._give_back()
            raise
        if not is_expected:
            self._give_back()
            raise OvertakenError(was_there=True)
        self._is_there = True
        self.discard()

    def _give_back(self) -> None:
        """
        Put what came out back into its place, and remove what stood there meanwhile.

        Where that is not ours it was saved since, and is newer than what came out: then it is given back in turn, and
        the older one is kept beside it.
        """
        put: tuple[tuple[int, int], bytes | None] = (self._identity, self._content)
        for number in range(SAVES_MAX):
            given = _there(self._temporary)
            exchange_paths(self._temporary, self._path)
            if _there(self._temporary) == put:
                if number:
                    set_aside(self._path, "saved", source=self._temporary)
                self._is_there = True
                self.discard()
                return
            put = given
        set_aside(self._path, "saved", source=self._temporary)

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
            _remove(self._temporary)


def _there(path: str) -> tuple[tuple[int, int], bytes | None]:
    """Which file it is, and what it says if it is one."""
    found = os.lstat(path)
    content = None
    with suppress(OSError):
        content = read(path, bytes_max=LEFT_BYTES_MAX)
    return (found.st_dev, found.st_ino), content


def _given_to(descriptor: int, old: os.stat_result) -> bool:
    """Whether the file has got the group of *old*, and its owner if only that can be had: few may give files away."""
    new = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) == (new.st_uid, new.st_gid):
        return True
    for owner in (old.st_uid, -1):
        with suppress(OSError):
            os.fchown(descriptor, owner, old.st_gid)
            return True
    return old.st_gid == new.st_gid


def _remove(path: str) -> None:
    """
    Remove what nobody needs.

    Where that fails the next writer sweeps it away: it must not turn what is done into a failure.
    """
    with suppress(OSError):
        os.unlink(path)


def _uuid7() -> str:
    """A name that sorts by time, in the form of the other program's temporary files."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
