"""
Errors from their JSON form: what a server answered, raised here as what it was there.

Decides the class by the code, and by the fields where a family shares one.  Knows nothing of how it came here.
"""

from __future__ import annotations

from realmconf import errors
from realmconf.errors import RealmconfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_NO_FIELDS = frozenset(("code", "message", "retryable", "type", "title", "status", "detail"))
"""What every error has, and what RFC 9457 adds."""
_TUPLES = frozenset(("contested", "violations", "chain", "pointers", "roots"))
"""Fields that are tuples in Python."""


def error_from(found: Mapping[str, Any]) -> RealmconfError | None:
    """
    The error that ``to_dict`` made *found* of, of the same class and with the same fields.

    None if it is none of ours: members that are missing, or a code that a newer release has.
    """
    code, message = found.get("code"), found.get("message")
    if not isinstance(code, str) or not isinstance(message, str):
        return None
    cls = _lineage_error(found) if code == errors.LineageError.code else _classes().get(code)
    if cls is None:
        return None
    fields: dict[str, Any] = {
        name: None for one in cls.__mro__ for name in vars(one).get("__annotations__", ())
    }
    fields |= {
        name: tuple(value) if name in _TUPLES and isinstance(value, list) else value
        for name, value in found.items()
        if name not in _NO_FIELDS
    }
    error = cls.__new__(cls)
    RealmconfError.__init__(error, message, **fields)
    if isinstance(found.get("retryable"), bool) and found["retryable"] != cls.retryable:
        error.retryable = found["retryable"]
    return error


def _lineage_error(found: Mapping[str, Any]) -> type[RealmconfError]:
    if "parent" in found:
        return errors.ParentNotFound
    return errors.LineageTooDeep if "depth_max" in found else errors.LineageCycle


_known: dict[str, type[RealmconfError]] = {}


def _classes() -> Mapping[str, type[RealmconfError]]:
    if not _known:
        _known.update((cls.code, cls) for cls in _concrete(RealmconfError))
    return _known


def _concrete(root: type[RealmconfError]) -> Iterator[type[RealmconfError]]:
    for below in root.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from list(_concrete(below)) or [below]
