"""
Composition turned round: the edit of a realm's own document that makes its configuration a wanted one.

Decides which places a realm must state so that, composed with what it inherits, the result is what its
owner made of it; nothing inherited is stated that was not changed.  Where arrays are put together from
several realms, the realm's own part of the wanted array is what it states.
"""

from __future__ import annotations

from realmconf.domain.composition import partners
from realmconf.domain.diff import changes
from realmconf.domain.document import ABSENT, same
from realmconf.domain.edit import edited
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.record import Record
from realmconf.domain.write import Edit
from realmconf.errors import InvalidDocument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.composition import Composed
    from realmconf.domain.document import Absent, Document, Value
    from realmconf.domain.schemas.shape import Shape


class Places(Record):
    """What stands at one place: in the composition, in what is inherited, in the realm's own document."""

    config: Value
    base: Value | Absent
    own: Value | Absent
    shape: Shape
    at: Pointer = ROOT

    def resolve(self, pointer: Pointer) -> Places:
        """The same of a place inside."""
        return Places(
            config=pointer.resolve(self.config),
            base=pointer.resolve(self.base),
            own=pointer.resolve(self.own),
            shape=self.shape.at(pointer),
            at=Pointer((*self.at, *pointer)),
        )


def edit_to(composed: Composed, came_from: Document, wanted: Document) -> Edit:
    """
    The edit of the own document after which the configuration differs from *came_from* as *wanted* does.

    *came_from* is *composed* as its owner was given it, with a type's defaults and forms.

    Raises:
        InvalidDocument: Inherited elements of an array were changed that the realm can only add to.
    """
    places = Places(
        config=composed.config, base=composed.base, own=composed.own, shape=composed.shape
    )
    return _edit(places, came_from, wanted)


def _edit(places: Places, came_from: Value, wanted: Value) -> Edit:
    assignments: dict[Pointer, Any] = {}
    removals: list[Pointer] = []
    for change in changes(came_from, wanted):
        pointer = change.pointer
        whole = _taken_whole(places, pointer)
        if whole is not None:
            assignments[whole] = _whole(places, whole, came_from, wanted)
        elif change.after is ABSENT:
            # An object that merely gains its first members stays: it may hold keys the type does not know.
            if not isinstance(pointer.resolve(wanted), dict):
                removals.append(_highest_absent(pointer, wanted))
        elif isinstance(change.after, list) and _is_joined(places.resolve(pointer)):
            inner = places.resolve(pointer)
            before = change.before if isinstance(change.before, list) else []
            assignments[pointer] = _own_elements(inner, before, change.after)
        elif (array := _array_above(places, pointer)) is not None:
            # An object takes the place of an array, whose elements are no members to set one by one.
            assignments[array] = array.resolve(wanted)
        elif change.after != {} or not isinstance(pointer.resolve(places.config), dict):
            assignments[pointer] = change.after
    return Edit(
        assignments=tuple(assignments.items()),
        removals=tuple(dict.fromkeys(removals)),
        kind="set",
    )


def _highest_absent(pointer: Pointer, wanted: Value) -> Pointer:
    """The place nearest the root, on the way to *pointer*, that *wanted* does not have: a whole part became None."""
    while pointer.parent and pointer.parent.resolve(wanted) is ABSENT:
        pointer = pointer.parent
    return pointer


def _array_above(places: Places, pointer: Pointer) -> Pointer | None:
    """The array on the way to *pointer*, if there is one where the wanted configuration has an object."""
    for depth in range(1, len(pointer)):
        place = Pointer(pointer[:depth])
        if isinstance(place.resolve(places.config), list):
            return place
    return None


# --- objects that are taken as one value ---------------------------------------------------


def _taken_whole(places: Places, pointer: Pointer) -> Pointer | None:
    """The place above or at *pointer* at which an inherited object would be replaced as a whole."""
    if not places.shape.has_merges:
        return None
    for depth in range(1, len(pointer) + 1):
        place = Pointer(pointer[:depth])
        if places.shape.at(place).merge == "replace" and isinstance(
            place.resolve(places.base), dict
        ):
            return place
    return None


def _whole(places: Places, place: Pointer, came_from: Value, wanted: Value) -> Value:
    """What stands at *place* now, with the changes in it: all of it is stated, and no default of a type."""
    before, after = place.resolve(came_from), place.resolve(wanted)
    stands = place.resolve(places.config)
    if not (isinstance(before, dict) and isinstance(after, dict) and isinstance(stands, dict)):
        return after
    inner = Places(config=stands, base=ABSENT, own=stands, shape=places.shape.at(place))
    return edited(stands, _edit(inner, before, after))


# --- arrays that are put together ----------------------------------------------------------


def _is_joined(places: Places) -> bool:
    """Whether an own array would be put together with an inherited one."""
    shape = places.shape
    return isinstance(places.base, list) and (
        shape.merge_key is not None or shape.merge == "append"
    )


def _own_elements(places: Places, came_from: list[Any], wanted: list[Any]) -> list[Any]:
    """The realm's own part of a wanted array."""
    base = places.base
    own = places.own if isinstance(places.own, list) else []
    assert isinstance(base, list)
    key = places.shape.merge_key
    joined = partners(base, own, key) if key is not None else [None] * len(own)
    behind = [element for element, place in zip(own, joined, strict=True) if place is None]
    added = [
        _as_it_was(places, came_from, wanted, len(base) + place, behind)
        for place in range(len(wanted) - len(base))
    ]
    mine = {place: element for element, place in zip(own, joined, strict=True) if place is not None}
    changed = []
    for place, inherited in enumerate(base):
        if place >= len(wanted) or place >= len(came_from):
            raise _unsayable(places, place)
        if same(came_from[place], wanted[place]):
            if place in mine:
                changed.append(mine[place])
            continue
        changed.append(_own_element(places, place, inherited, mine.get(place), came_from, wanted))
    return [*changed, *added]


def _own_element(
    places: Places,
    place: int,
    inherited: Value,
    own: Value | None,
    came_from: list[Any],
    wanted: list[Any],
) -> Value:
    """What the realm states of an inherited element that it has otherwise."""
    before, after = came_from[place], wanted[place]
    key = places.shape.merge_key
    if (
        key is None
        or not (isinstance(before, dict) and isinstance(after, dict))
        or not isinstance(inherited, dict)
        or not same(before.get(key, ABSENT), after.get(key, ABSENT))
        or key not in inherited
    ):
        raise _unsayable(places, place)
    stated = own if isinstance(own, dict) else {key: inherited[key]}
    at = Pointer((*places.at, str(place)))
    shape = places.shape.element(place)
    if shape.merge == "replace":
        stands = places.config[place]
        inner = Places(config=stands, base=ABSENT, own=stands, shape=shape, at=at)
        return edited(stands, _edit(inner, before, after))
    inner = Places(config=places.config[place], base=inherited, own=stated, shape=shape, at=at)
    return edited(stated, _edit(inner, before, after))


def _as_it_was(
    places: Places, came_from: list[Any], wanted: list[Any], place: int, behind: list[Any]
) -> Value:
    """An element of the realm's own: as it states it, where it was not changed."""
    index = place - len(places.base)  # type: ignore[arg-type]
    if place < len(came_from) and index < len(behind) and same(came_from[place], wanted[place]):
        return behind[index]
    return wanted[place]


def _unsayable(places: Places, place: int) -> InvalidDocument:
    return InvalidDocument(
        "the elements that the realm inherits come first; it can add to them, and no more be said of them here",
        pointer=str(Pointer((*places.at, str(place)))),
    )
