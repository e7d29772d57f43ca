"""
Where things are below a root, and how they are made: names, modes, the file system's fitness.

The only place that knows a file name of the store.  It never opens the database's
own three files: closing any descriptor on them drops SQLite's locks in this process.
"""

from __future__ import annotations

import os
import stat

from realmconf.errors import StoreReadOnly, StoreUnavailable, UnsupportedFilesystem

FOLDER = ".store"
DATABASE = "realmconf.db"
WORKING_COPY = "config.toml"

FOLDER_MODE = 0o700
FILE_MODE = 0o600

# File systems whose locks or shared memory do not hold between machines or at all.
UNFIT = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "fuse.sshfs",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
    }
)


class Layout:
    """The paths of one root."""

    __slots__ = ("counters", "database", "folder", "line", "root", "turn", "wake")

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.folder = os.path.join(self.root, FOLDER)
        self.database = os.path.join(self.folder, DATABASE)
        self.counters = os.path.join(self.folder, "counters")
        self.line = os.path.join(self.folder, "line.lock")
        self.turn = os.path.join(self.folder, "turn.lock")
        self.wake = os.path.join(self.folder, "wake")

    @property
    def database_files(self) -> tuple[str, str, str]:
        """The database, its log and the index of its log: looked at by ``stat``, never opened."""
        return (self.database, f"{self.database}-wal", f"{self.database}-shm")

    def prepare(self) -> None:
        """
        Make the folders, mode 0700 whatever the umask.

        Raises:
            StoreReadOnly: They are missing and cannot be made.
            StoreUnavailable: Something that is not a folder is in the way.
        """
        for folder in (self.root, self.folder):
            make_folder(folder)

    def refuse_unfit_filesystem(self) -> None:
        """
        Raises:
            UnsupportedFilesystem: The root is on a network, where neither locks nor shared memory can be trusted.
        """
        kind = filesystem_of(self.root)
        if kind in UNFIT:
            raise UnsupportedFilesystem(
                f"{self.root} is on {kind}, which cannot give several machines one set of locks and shared memory; "
                "keep the root on a local disk, or use a server store"
            )

    def realm_folders(self) -> list[str]:
        """Names of the folders under the root that hold a working copy."""
        try:
            with os.scandir(self.root) as entries:
                names = [
                    entry.name
                    for entry in entries
                    if not entry.name.startswith(".") and entry.is_dir()
                ]
        except OSError:
            return []
        return sorted(
            name for name in names if os.path.lexists(os.path.join(self.root, name, WORKING_COPY))
        )


def make_folder(path: str) -> None:
    """Make *path* with its parents; new ones get mode 0700, existing ones are left as they are."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent and not os.path.isdir(parent):
        make_folder(parent)
    try:
        os.mkdir(path, FOLDER_MODE)
        os.chmod(path, FOLDER_MODE)
    except FileExistsError:
        if not os.path.isdir(path):
            raise StoreUnavailable(f"{path} is in the way: it is not a folder") from None
    except OSError as error:
        raise StoreReadOnly(f"cannot make the folder {path}: {error.strerror}") from error


def open_private(path: str, flags: int) -> int:
    """Open *path* close-on-exec and never through a symlink; a new file gets mode 0600 under any umask."""
    try:
        return os.open(path, (flags & ~os.O_CREAT) | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    # The umask can only have taken bits away; a file that another process made meanwhile is not touched.
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & FILE_MODE != FILE_MODE:
        os.fchmod(descriptor, FILE_MODE)
    return descriptor


def is_at(descriptor: int, path: str) -> bool:
    """Whether *path* names the file that is open."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def filesystem_of(path: str) -> str:
    """The type of the file system *path* is on, as the kernel names it; empty where it cannot be told."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
            lines = table.read().splitlines()
    except OSError:
        return ""
    real = os.path.realpath(path)
    best, kind = -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        mount = left.split(" ")[4].replace("\\040", " ")
        if (real == mount or real.startswith(mount.rstrip("/") + "/")) and len(mount) >= best:
            best, kind = len(mount), right.split(" ")[0]
    return kind
