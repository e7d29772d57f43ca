"""
Documents that cannot change, as they are handed out.

Decides how a document looks to whoever reads it: like plain ``dict`` and ``list``, in
everything but that.  Knows nothing of what is in it.
"""

from __future__ import annotations

from realmconf.domain.withheld import Withheld

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from realmconf.domain.document import Value


def _frozen(*_: object, **__: object) -> NoReturn:
    raise TypeError("a configuration is immutable; change a copy: .copy() gives a plain one")


def _shown(value: Value) -> str:
    from realmconf.domain.secrets import redact

    return repr(redact(value))


class FrozenDict(dict[str, Any] if TYPE_CHECKING else dict):  # type: ignore[misc]
    """
    An object that cannot change: equal to the plain ``dict``, and everything that reads one takes it.

    ``copy()``, ``copy.copy`` and ``copy.deepcopy`` give a plain, deep, mutable copy.  Its
    ``repr``, which ends up in logs, leaves out what looks secret by the names in it.
    """

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _frozen
    clear = pop = popitem = setdefault = update = _frozen

    def __repr__(self) -> str:
        return _shown(self)

    def copy(self) -> dict[str, Any]:
        """A plain, deep, mutable copy."""
        return _thawed_dict(self)

    def __copy__(self) -> dict[str, Any]:
        return _thawed_dict(self)

    def __deepcopy__(self, memo: object) -> dict[str, Any]:
        return _thawed_dict(self)

    def __reduce__(self) -> tuple[Callable[[Value], Value], tuple[dict[str, Any]]]:
        return (freeze, (_thawed_dict(self),))


class FrozenList(list[Any] if TYPE_CHECKING else list):  # type: ignore[misc]
    """An array that cannot change; as ``FrozenDict``."""

    __slots__ = ()

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _frozen
    append = extend = insert = pop = remove = clear = sort = reverse = _frozen

    def __repr__(self) -> str:
        return _shown(self)

    def copy(self) -> list[Any]:
        """A plain, deep, mutable copy."""
        return _thawed_list(self)

    def __copy__(self) -> list[Any]:
        return _thawed_list(self)

    def __deepcopy__(self, memo: object) -> list[Any]:
        return _thawed_list(self)

    def __reduce__(self) -> tuple[Callable[[Value], Value], tuple[list[Any]]]:
        return (freeze, (_thawed_list(self),))


def freeze(value: Value) -> Value:
    """*value* with every object and array in it immutable, as a copy; what is frozen already is returned as it is."""
    if isinstance(value, dict):
        if isinstance(value, FrozenDict):
            return value
        members = {key: freeze(item) for key, item in dict.items(value)}
        if Withheld in map(type, members.values()):
            from realmconf.domain.veiled import VeiledDict

            return VeiledDict(members)
        return FrozenDict(members)
    if isinstance(value, list):
        if isinstance(value, FrozenList):
            return value
        elements = [freeze(item) for item in list.__iter__(value)]
        if Withheld in map(type, elements):
            from realmconf.domain.veiled import VeiledList

            return VeiledList(elements)
        return FrozenList(elements)
    return value


def thaw(value: Value) -> Value:
    """A plain, deep, mutable copy of *value*."""
    if isinstance(value, dict):
        return _thawed_dict(value)
    if isinstance(value, list):
        return _thawed_list(value)
    return value


def _thawed_dict(value: dict[str, Any]) -> dict[str, Any]:
    thawed = {
        key: thaw(item) if isinstance(item, (dict, list)) else item
        for key, item in dict.items(value)
    }
    if Withheld in map(type, thawed.values()):
        from realmconf.domain.veiled import DraftDict

        return DraftDict(thawed)
    return thawed


def _thawed_list(value: list[Any]) -> list[Any]:
    thawed = [
        thaw(item) if isinstance(item, (dict, list)) else item for item in list.__iter__(value)
    ]
    if Withheld in map(type, thawed):
        from realmconf.domain.veiled import DraftList

        return DraftList(thawed)
    return thawed
