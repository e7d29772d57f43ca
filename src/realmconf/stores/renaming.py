"""
Two names that change places in one step, where the system can.

Decides how that system call is reached; what is exchanged, and what is done where it cannot be, is its callers'.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NOREPLACE = 1
EXCHANGE = 2

AT_FDCWD = -100
"""Instead of a folder: names are paths."""


class ExchangeUnsupportedError(Exception):
    """Two names cannot be exchanged here."""


_found: list[Any] = []


def renameat2_function() -> Any | None:
    """The C library's function; None where it has none."""
    if not _found:
        # ctypes costs milliseconds to import, and only those who render need it.
        import ctypes

        _found.append(getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None))
    return _found[0]


def renameat2(folder: int, name: str, other_folder: int, other_name: str, flags: int) -> None:
    """
    Rename with *flags*.

    Raises:
        ExchangeUnsupportedError: This system or file system cannot; nothing was done.
        OSError: It was refused; nothing was done.
    """
    function = renameat2_function()
    if function is None:
        raise ExchangeUnsupportedError
    if function(folder, os.fsencode(name), other_folder, os.fsencode(other_name), flags) == 0:
        return
    import ctypes

    number = ctypes.get_errno()
    if number in {errno.ENOSYS, errno.EINVAL}:
        raise ExchangeUnsupportedError
    raise OSError(number, os.strerror(number), other_name)


def exchange_paths(path: str, other: str) -> None:
    """Let the files at two paths change places; raises as ``renameat2``."""
    renameat2(AT_FDCWD, path, AT_FDCWD, other, EXCHANGE)
