"""What a failed call of the system means where nothing was committed: a typed error, by its exact code."""

from __future__ import annotations

import errno
from functools import wraps

from realmconf.errors import StoreFull, StoreReadOnly, StoreUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    from realmconf.errors import RealmconfError

    Parameters = ParamSpec("Parameters")
    Result = TypeVar("Result")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def explained(error: OSError) -> RealmconfError:
    """What an ``OSError`` means: nothing was changed."""
    where = error.filename if isinstance(error.filename, str) else "the store"
    if error.errno in _FULL:
        return StoreFull(f"no space left for {where}; free some, reads go on meanwhile")
    if error.errno in _READ_ONLY:
        return StoreReadOnly(f"{where} cannot be written from here: {error.strerror}")
    return StoreUnavailable(f"{where}: {error.strerror or type(error).__name__}")


def typed(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let *function* raise only typed errors for what the system refuses."""

    @wraps(function)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except OSError as error:
            raise explained(error) from error

    return guarded
