"""
Where a composed value comes from: who states it, whom that shadows, who masks it.

Decides which members of a chain contribute to one place of the configuration, nearest first, and at
which place of their own documents.  Who wrote it there and when is told by their histories, which
this knows nothing of.
"""

from __future__ import annotations

from realmconf.domain.composition import element_named, partners
from realmconf.domain.diff import leaves
from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import ROOT, Pointer, array_index
from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from realmconf.domain.composition import Composed
    from realmconf.domain.document import Absent, Value
    from realmconf.domain.names import RealmName
    from realmconf.domain.schemas.shape import Shape


class Contribution(Record):
    """What one member states of a place."""

    __hidden__ = frozenset({"value"})

    member: Any
    """The ``Composed`` whose realm it is."""
    pointer: Pointer
    """Where it stands in the member's own document; elements of arrays that are put together move."""
    value: Value
    counts: bool
    """Whether it is part of the composed value; else it is shadowed, or masked."""
    masked_by: RealmName | None = None
    """The nearer realm that does not take it."""


class Tracer:
    """
    Answers for the places of one composition.

    How its arrays were put together is found out once, and not again for each of their elements.
    """

    __slots__ = ("_composed", "_joins")

    def __init__(self, composed: Composed) -> None:
        self._composed = composed
        self._joins = _Joins()

    def contributions(self, pointer: Pointer) -> tuple[Contribution, ...]:
        """Everybody in the chain who states something at *pointer* of the configuration, nearest first."""
        return tuple(_trace(self._composed, pointer, self._joins, counts=True, masked_by=None))

    def parts_of(self, pointer: Pointer) -> tuple[Pointer, ...]:
        """
        The places below *pointer* that have an origin of their own: the leaves, and what is in arrays put together.

        Empty for a leaf, which is explained by itself.
        """
        value = pointer.resolve(self._composed.config)
        if not value or not isinstance(value, (dict, list)):
            return ()
        return tuple(place for place in self._parts(value, pointer) if place != pointer)

    def _parts(self, value: Value, at: Pointer) -> Iterator[Pointer]:
        for pointer, leaf in leaves(value, at):
            if isinstance(leaf, list) and leaf and self._is_put_together(pointer):
                for index, element in enumerate(leaf):
                    yield from self._parts(element, pointer.child(str(index)))
            else:
                yield pointer

    def _is_put_together(self, pointer: Pointer) -> bool:
        return sum([one.counts for one in self.contributions(pointer)]) > 1


def _trace(
    composed: Composed,
    pointer: Pointer,
    joins: _Joins,
    *,
    counts: bool,
    masked_by: RealmName | None,
) -> Iterator[Contribution]:
    way = _Way(composed, joins)
    for part in pointer:
        way.enter(part)
    if way.own is not ABSENT:
        yield Contribution(
            member=composed,
            pointer=way.own_pointer,
            value=way.own,
            counts=counts,
            masked_by=masked_by,
        )
    if composed.parent is None:
        return
    replaced = way.own is not ABSENT and not way.joins
    masked = joins.masked_places(composed)
    mask = composed.realm if any(map(way.inherited_pointer.within, masked)) else None
    yield from _trace(
        composed.parent,
        way.inherited_pointer,
        joins,
        counts=counts and not replaced and not way.is_cut and mask is None,
        masked_by=masked_by or mask,
    )


class _Way:
    """A walk into one member's step: what is inherited and what is own at one place of the result, side by side."""

    def __init__(self, composed: Composed, joins: _Joins) -> None:
        self._joins = joins
        self.shape: Shape = composed.shape
        self.own: Value | Absent = composed.own
        self.own_pointer = ROOT
        self.base: Value | Absent = composed.base
        self.inherited: Value | Absent = {} if composed.parent is None else composed.parent.config
        self.inherited_pointer = ROOT
        self.is_cut = False
        """Whether something of the realm's own, on the way, takes the place of all that is inherited there."""

    @property
    def joins(self) -> bool:
        """Whether own and inherited are put together here, rather than one taking the other's place."""
        own, base, shape = self.own, self.base, self.shape
        if isinstance(own, dict) and isinstance(base, dict):
            return shape.merge != "replace"
        if isinstance(own, list) and isinstance(base, list):
            return shape.merge_key is not None or shape.merge == "append"
        return False

    def enter(self, part: str) -> None:
        """Go on to the member or element *part* of the result."""
        if self.own is not ABSENT and not self.joins:
            self.is_cut = True
        if isinstance(self.own, list) and isinstance(self.base, list) and self.joins:
            self._enter_joined(part)
        else:
            self._enter_own(part)
            self._enter_inherited(part)
        self.shape = self.shape.step(part)

    def _enter_own(self, part: str) -> None:
        self.own = Pointer((part,)).resolve(self.own)
        self.own_pointer = self.own_pointer.child(part)

    def _enter_inherited(self, part: str) -> None:
        base = Pointer((part,)).resolve(self.base)
        if isinstance(self.base, list) and isinstance(self.inherited, list) and base is not ABSENT:
            # A mask may have taken elements away before this one.
            before = self._joins.before_masks(self.inherited, self.base, self.shape.merge_key)
            part = str(before[int(part)])
        self.base = base
        self.inherited = Pointer((part,)).resolve(self.inherited)
        self.inherited_pointer = self.inherited_pointer.child(part)

    def _enter_joined(self, part: str) -> None:
        base, own = self.base, self.own
        assert isinstance(base, list)
        assert isinstance(own, list)
        mine_at, behind = self._joins.of(base, own, self.shape.merge_key)
        place = array_index(part)
        place = len(base) + len(own) if place is None else place
        if place < len(base):
            mine = mine_at.get(place)
            self._enter_inherited(part)
        else:
            mine = behind[place - len(base)] if place - len(base) < len(behind) else None
            self.base = self.inherited = ABSENT
            self.inherited_pointer = self.inherited_pointer.child("-")
        if mine is None:
            self.own = ABSENT
            self.own_pointer = self.own_pointer.child("-")
        else:
            self._enter_own(str(mine))


class _Joins:
    """How arrays came about, by the arrays themselves: compositions do not change, and are alive all the time."""

    __slots__ = ("_joined", "_masked", "_places")

    def __init__(self) -> None:
        self._joined: dict[tuple[int, int], tuple[dict[int, int], list[int]]] = {}
        self._places: dict[tuple[int, int], list[int]] = {}
        self._masked: dict[int, tuple[Pointer, ...]] = {}

    def of(
        self, base: list[Any], own: list[Any], key: str | None
    ) -> tuple[dict[int, int], list[int]]:
        """Which of *own* is at a place of *base*; and which are behind it."""
        found = self._joined.get((id(base), id(own)))
        if found is None:
            joined = [None] * len(own) if key is None else partners(base, own, key)
            mine_at = {place: mine for mine, place in enumerate(joined) if place is not None}
            behind = [mine for mine, place in enumerate(joined) if place is None]
            found = self._joined[id(base), id(own)] = (mine_at, behind)
        return found

    def before_masks(self, inherited: list[Any], base: list[Any], key: str | None) -> list[int]:
        """Where each element of *base*, what is left of *inherited*, stood before."""
        found = self._places.get((id(inherited), id(base)))
        if found is None:
            found = list(range(len(inherited)))
            if len(inherited) != len(base):
                found = _places_before(inherited, base, key)
            self._places[id(inherited), id(base)] = found
        return found

    def masked_places(self, composed: Composed) -> tuple[Pointer, ...]:
        """The places of what a member inherits that it does not take."""
        found = self._masked.get(id(composed))
        if found is None:
            inherited = {} if composed.parent is None else composed.parent.config
            found = self._masked[id(composed)] = tuple(
                place
                for mask in composed.masks
                for place in _masked_places(inherited, mask, composed.shape)
            )
        return found


def _places_before(inherited: list[Any], base: list[Any], key: str | None) -> list[int]:
    places: list[int] = []
    for index, element in enumerate(inherited):
        if len(places) == len(base):
            break
        kept = base[len(places)]
        if element is kept or partners([kept], [element], key) == [0]:
            places.append(index)
    return places


def _masked_places(config: Value, mask: Pointer, shape: Shape) -> Iterator[Pointer]:
    """The place that *mask* names; an element that it names by its key is at a place of its own."""
    place: list[str] = []
    value: Any = config
    for part in mask:
        if isinstance(value, list):
            index = element_named(value, part, shape.merge_key)
            if index is None:
                return
            part = str(index)
        place.append(part)
        value = Pointer((part,)).resolve(value)
        shape = shape.step(part)
    yield Pointer(place)
