"""
What a failed call of the system means where nothing was being committed: a typed error, by its exact code.

Commits have a table of their own (``database.explain_commit``), because their failure may leave an
outcome open.  Here nothing was changed.
"""

from __future__ import annotations

import errno
from functools import wraps

import apsw

from realmconf.errors import StoreFull, StoreReadOnly, StoreUnavailable
from realmconf.stores.embedded import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    from realmconf.errors import RealmconfError

    Parameters = ParamSpec("Parameters")
    Result = TypeVar("Result")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def typed(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let *function* raise only typed errors for what the system or SQLite refuses."""

    @wraps(function)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except apsw.Error as error:
            raise database.explain(error, "the store") from error
        except OSError as error:
            raise explain_system(error) from error

    return guarded


def explain_system(error: OSError) -> RealmconfError:
    """What an ``OSError`` means."""
    where = error.filename if isinstance(error.filename, str) else "the store"
    if error.errno in _FULL:
        return StoreFull(f"no space left for {where}; free some, reads go on meanwhile")
    if error.errno in _READ_ONLY:
        return StoreReadOnly(f"{where} cannot be written from here: {error.strerror}")
    return StoreUnavailable(f"{where}: {error.strerror or type(error).__name__}")
