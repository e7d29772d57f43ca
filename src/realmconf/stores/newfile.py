"""
The file of a backup: new, private to its owner, and complete and durable, name and all, or not there.

Decides how one is made and what is left of one that fails; what is in it is its writer's.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from realmconf.errors import InvalidArgument, StoreUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def new_backup(path: str) -> Iterator[BinaryIO]:
    """
    An empty file at *path*, to be filled while the block runs.

    Raises:
        InvalidArgument: Something is there.
        StoreUnavailable: It cannot be written; nothing is left of it.
    """
    try:
        descriptor = os.open(path, _FLAGS, 0o600)
    except FileExistsError:
        raise InvalidArgument(f"{path} exists already; a backup never overwrites a file") from None
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with open(descriptor, "wb") as file:
            # Whatever the mask of new files takes away.
            os.fchmod(descriptor, 0o600)
            yield file
            file.flush()
            os.fsync(descriptor)
        _sync_folder(path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(path)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def _sync_folder(path: str) -> None:
    """Make the name durable as well: a file without one is found by nobody after a power cut."""
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unwritable(path: str, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"cannot write the backup {path}: {error.strerror or error}")
