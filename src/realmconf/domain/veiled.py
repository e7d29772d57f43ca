"""
Documents in which something is withheld, as they are handed out: like any other, until the withheld value is read.

Decides that whatever would give the value away, or a text in its place, raises; that the rest of the document can be
read, copied and changed; and that what was not touched goes back as it came.
"""

from __future__ import annotations

from realmconf.domain.frozen import FrozenDict, FrozenList
from realmconf.domain.withheld import Withheld

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterator, ValuesView
    from typing import Any

    _Dict = dict[str, Any]
    _List = list[Any]
else:
    _Dict, _List = dict, list


def _seen(item: Any) -> Any:
    if type(item) is Withheld:
        item.refuse()
    return item


class _VeiledMembers(_Dict):
    """Reading of an object. Overriding ``__iter__`` is what makes ``dict(…)`` and ``{**…}`` ask for each value."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        return _seen(dict.__getitem__(self, key))

    def __iter__(self) -> Iterator[str]:
        return dict.__iter__(self)

    def get(self, key: str, default: Any = None) -> Any:
        """As of a plain one."""
        return _seen(dict.get(self, key, default))

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """As of a plain one."""
        found = dict.values(self)
        for item in found:
            _seen(item)
        return found

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """As of a plain one."""
        self.values()
        return dict.items(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _VeiledMembers):
            return dict.__eq__(self, other)
        if not isinstance(other, dict) or self.keys() != other.keys():
            return False
        return all(self[key] == item for key, item in dict.items(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    __hash__ = None


class _VeiledElements(_List):
    """Reading of an array."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        found = list.__getitem__(self, index)
        if isinstance(index, slice):
            for item in found:
                _seen(item)
        return _seen(found)

    def __iter__(self) -> Iterator[Any]:
        return map(_seen, list.__iter__(self))

    def __reversed__(self) -> Iterator[Any]:
        return map(_seen, list.__reversed__(self))

    def __contains__(self, item: object) -> bool:
        return any(item is one or item == one for one in self)

    def index(self, *wanted: Any) -> int:
        """As of a plain one."""
        return list(self).index(*wanted)

    def count(self, wanted: Any) -> int:
        """As of a plain one."""
        return list(self).count(wanted)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _VeiledElements):
            return list.__eq__(self, other)
        return isinstance(other, list) and len(self) == len(other) and list(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __add__(self, other: Any) -> Any:
        return list(self) + other

    def __radd__(self, other: Any) -> Any:
        return other + list(self)

    def __mul__(self, number: Any) -> Any:
        return list(self) * number

    __rmul__ = __mul__

    def __lt__(self, other: Any) -> bool:
        return bool(list(self) < other)

    def __le__(self, other: Any) -> bool:
        return bool(list(self) <= other)

    def __gt__(self, other: Any) -> bool:
        return bool(list(self) > other)

    def __ge__(self, other: Any) -> bool:
        return bool(list(self) >= other)

    __hash__ = None


class VeiledDict(_VeiledMembers, FrozenDict):  # type: ignore[misc]
    """An object that cannot change and of which something is withheld."""

    __slots__ = ()


class VeiledList(_VeiledElements, FrozenList):  # type: ignore[misc]
    """An array that cannot change and of which something is withheld."""

    __slots__ = ()


class DraftDict(_VeiledMembers):
    """An object to be changed and sent back: what is withheld can be replaced and removed, and not read."""

    __slots__ = ()

    def pop(self, key: str, *default: Any) -> Any:
        """As of a plain one; what is withheld stays."""
        self.get(key)
        return dict.pop(self, key, *default)

    def popitem(self) -> tuple[str, Any]:
        """As of a plain one; what is withheld stays."""
        self.values()
        return dict.popitem(self)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """As of a plain one."""
        return _seen(dict.setdefault(self, key, default))

    def copy(self) -> Any:
        """Another draft that shares nothing with this one."""
        from realmconf.domain.frozen import thaw

        return thaw(self)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: object) -> Any:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return (DraftDict, (list(dict.items(self)),))

    def __repr__(self) -> str:
        from realmconf.domain.secrets import redact

        return repr(redact(self))


class DraftList(_VeiledElements):
    """An array to be changed and sent back."""

    __slots__ = ()

    def pop(self, *index: Any) -> Any:
        """As of a plain one; what is withheld stays."""
        self[index[0] if index else -1]
        return list.pop(self, *index)

    def copy(self) -> Any:
        """Another draft that shares nothing with this one."""
        from realmconf.domain.frozen import thaw

        return thaw(self)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: object) -> Any:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_draft_of, (tuple(list.__iter__(self)),))

    def __repr__(self) -> str:
        from realmconf.domain.secrets import redact

        return repr(redact(self))


def _draft_of(elements: tuple[Any, ...]) -> DraftList:
    return DraftList(elements)
