"""
Records of which a value may be withheld, as they are handed out: everything else can be read.

Decides that reading such a field raises, that comparing and keeping the record reads nothing, and how whoever shows a
mark in the place of the value gets at it.
"""

from __future__ import annotations

from realmconf.domain.diff import Change
from realmconf.domain.document import ABSENT
from realmconf.domain.frozen import freeze
from realmconf.domain.withheld import Withheld, withheld_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from realmconf.domain.record import Record


class Unread:
    """A field of a record that raises ``SecretWithheld`` where its value is withheld."""

    def __init__(self, slot: Any) -> None:
        self.slot = slot

    def __get__(self, record: Any, owner: object = None) -> Any:
        if record is None:
            return self
        found = self.slot.__get__(record)
        if type(found) is Withheld:
            found.refuse()
        return found

    def __set__(self, record: Any, value: object) -> None:
        self.slot.__set__(record, value)


def unread(record: Record, name: str) -> Any:
    """The field as it is, for whoever shows it by its mark; of any record."""
    found = getattr(type(record), name)
    return (found.slot if type(found) is Unread else found).__get__(record)


class Unseen:
    """What a record with such fields has besides."""

    __slots__ = ()
    __fields__: tuple[str, ...]

    def _values(self) -> tuple[Any, ...]:
        return tuple(unread(self, name) for name in self.__fields__)  # type: ignore[arg-type]


class VeiledChange(Unseen, Change):
    """A change of what is withheld."""

    before = Unread(Change.before)
    after = Unread(Change.after)

    def __repr__(self) -> str:
        before, after = (repr(one) if one is ABSENT else "…" for one in self._values()[1:])
        return f"Change({str(self.pointer)!r}, before={before}, after={after})"


def side(value: Any) -> Any:
    """*value* as it is handed out in a record: what is withheld inside it refuses to be read."""
    if isinstance(value, (dict, list)) and next(withheld_in(value), None) is not None:
        return freeze(value)
    return value


def handed_out(changes: Iterable[Change]) -> tuple[Change, ...]:
    """*changes* for whoever asked for them."""
    return tuple(map(_handed_out, changes))


def _handed_out(change: Change) -> Change:
    before, after = side(change.before), side(change.after)
    if type(before) is Withheld or type(after) is Withheld:
        return VeiledChange(pointer=change.pointer, before=before, after=after)
    if before is change.before and after is change.after:
        return change
    return Change(pointer=change.pointer, before=before, after=after)
