"""
Where a realm's files are while somebody works on them: its folder, and the shelf.

Decides names and how the two folders are opened; knows nothing of contents.  The
spare, and what was set aside, stand on the shelf (``.store/working``) and not beside
the file, because the realm's folder belongs to the person who edits it and often to
a version control system.
"""

from __future__ import annotations

import errno
import os

from realmconf.stores.embedded.layout import FOLDER, WORKING_COPY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from realmconf.domain.names import RealmName
    from realmconf.stores.embedded.files import Files

SHELF = "working"
CONTESTED = f"{WORKING_COPY}.contested-"


class RefusedFolderError(Exception):
    """The realm's folder is not one of ours to work in; the text says why, after its path."""


class Desk:
    """The open folders of one realm; a context manager that closes them."""

    def __init__(self, files: Files, root: str, realm: RealmName) -> None:
        self._files = files
        self._root = root
        self.realm = realm
        self.path = os.path.join(root, realm)
        self.folder: int | None = None
        """The realm's folder; None if there is none."""
        self._shelf: int | None = None

    def __enter__(self) -> Self:
        try:
            self.folder = self._open_own(self.path)
        except FileNotFoundError:
            self.folder = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.folder is not None:
                self._files.close(self.folder)
        finally:
            if self._shelf is not None:
                self._files.close(self._shelf)

    def make_folder(self) -> int:
        """The realm's folder, made (mode 0700, its name durable) if it is missing."""
        if self.folder is None:
            try:
                self._files.make_folder(self.path)
            except FileExistsError:
                pass
            self._sync_parent(self._root)
            self.folder = self._open_own(self.path)
        return self.folder

    @property
    def shelf(self) -> int:
        """The folder of the spare and of what was set aside, made if it is missing."""
        if self._shelf is None:
            path = self._shelf_path
            try:
                self._shelf = self._open_own(path)
            except FileNotFoundError:
                try:
                    self._files.make_folder(path)
                except FileExistsError:
                    pass
                self._shelf = self._open_own(path)
        return self._shelf

    @property
    def _shelf_path(self) -> str:
        return os.path.join(self._root, FOLDER, SHELF)

    @property
    def spare(self) -> str:
        """The spare's name on the shelf."""
        return f"{self.realm}.spare"

    def aside(self) -> tuple[str, ...]:
        """What is on the shelf for this realm besides the spare."""
        if self._shelf is None:
            try:
                self._shelf = self._open_own(self._shelf_path)
            except FileNotFoundError:
                return ()
        prefix = f"{self.realm}.aside-"
        return tuple(
            sorted(name for name in self._files.names(self._shelf) if name.startswith(prefix))
        )

    def set_aside(self, folder: int, name: str, *, seen: int | None) -> str:
        """
        Move a file to the shelf under a name of its own, until it is known what it is.

        The name keeps *seen*, the generation its file was last known to be in step
        with: by the time somebody's edit is found in it, the realm has moved on.
        """
        return self._move_to_free(folder, name, self.shelf, f"{self.realm}.aside-{seen or 0}-")

    def link_aside(self, folder: int, name: str, *, seen: int | None) -> str:
        """Give a file a second name on the shelf, as ``set_aside`` would name it."""
        return self._under_free_name(
            lambda free: self._files.link(folder, name, self.shelf, free),
            f"{self.realm}.aside-{seen or 0}-",
        )

    def keep_contested(self, folder: int, name: str) -> str:
        """Move a file beside ``config.toml``, where its author finds it; returns its new name."""
        return self._move_to_free(folder, name, self.make_folder(), CONTESTED)

    def contested(self) -> tuple[str, ...]:
        """Names of the edits that were kept beside the file, oldest first."""
        if self.folder is None:
            return ()
        numbered = [
            (int(name[len(CONTESTED) :]), name)
            for name in self._files.names(self.folder)
            if name.startswith(CONTESTED) and name[len(CONTESTED) :].isdigit()
        ]
        return tuple(name for _, name in sorted(numbered))

    def sync(self) -> None:
        """
        Make the names in the realm's folder durable.

        A file system keeps both halves of a rename or an exchange, or neither: the
        shelf's half comes with it.
        """
        if self.folder is not None:
            self._files.sync_folder(self.folder)

    def sync_shelf(self) -> None:
        """Make the names on the shelf durable: somebody's work was given one of its own there."""
        self._files.sync_folder(self.shelf)

    def _open_own(self, path: str) -> int:
        try:
            descriptor = self._files.open_folder(path)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise RefusedFolderError("is a symbolic link, or none") from None
            raise
        own = False
        try:
            own = self._files.stat_open(descriptor).st_uid == os.geteuid()
        finally:
            if not own:
                self._files.close(descriptor)
        if not own:
            raise RefusedFolderError("belongs to somebody else")
        return descriptor

    def _sync_parent(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._files.sync_folder(descriptor)
        finally:
            self._files.close(descriptor)

    def _move_to_free(self, folder: int, name: str, other_folder: int, prefix: str) -> str:
        return self._under_free_name(
            lambda free: self._files.move(folder, name, other_folder, free), prefix
        )

    def _under_free_name(self, take: Callable[[str], None], prefix: str) -> str:
        number = 1
        while True:
            free = f"{prefix}{number}"
            try:
                take(free)
            except FileExistsError:
                number += 1
            else:
                return free


def seen_in(aside: str) -> int | None:
    """The generation that ``set_aside`` put into a name."""
    return int(aside.rsplit("-", 2)[1]) or None
