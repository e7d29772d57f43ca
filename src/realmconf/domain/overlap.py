"""
Which places differ between two documents, and which places meet.

Decides what is one place for the sake of conflicts; knows nothing of writes and
revisions.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT, same
from realmconf.domain.pointer import ROOT, Pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from realmconf.domain.document import Absent, Document, Value


def changed_places(before: Document | None, after: Document | None) -> frozenset[Pointer]:
    """
    The topmost places in which two documents differ.

    Unlike the leaves of a diff, an object that was removed, or that took the place of
    something else, is one place: whoever adds to it meets its removal.  No document
    counts as an empty one.
    """
    return frozenset(_differing(before or {}, after or {}, ROOT))


def _differing(before: Value | Absent, after: Value | Absent, at: Pointer) -> Iterator[Pointer]:
    if before is ABSENT and after and isinstance(after, dict):
        before = {}
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            old, new = before.get(key, ABSENT), after.get(key, ABSENT)
            if old is not new:
                yield from _differing(old, new, at.child(key))
    elif not same(before, after):
        yield at


def places_in_patch(patch: dict[str, Any]) -> frozenset[Pointer]:
    """The places that a merge patch names, whatever stands there."""
    return frozenset(_named(patch, ROOT))


def _named(patch: dict[str, Any], at: Pointer) -> Iterator[Pointer]:
    for key, change in patch.items():
        if change and isinstance(change, dict):
            yield from _named(change, at.child(key))
        else:
            yield at.child(key)


def outside_arrays(pointer: Pointer, document: Document) -> Pointer:
    """*pointer*, or the array that it leads into: an index means nothing after another write."""
    value: Value | Absent = document
    for depth, part in enumerate(pointer):
        if isinstance(value, list):
            return Pointer(pointer[:depth])
        value = value.get(part, ABSENT) if isinstance(value, dict) else ABSENT
    return pointer


class Overlaps:
    """A set of places that answers "which of you meet this one" without looking at each."""

    def __init__(self, places: Iterable[Pointer]) -> None:
        self._places = frozenset(places)
        self._below: dict[tuple[str, ...], list[Pointer]] = {}
        for place in self._places:
            for depth in range(len(place)):
                self._below.setdefault(place[:depth], []).append(place)

    def meeting(self, other: Pointer) -> Iterator[Pointer]:
        """The places that are *other*, above it or below it."""
        for depth in range(len(other) + 1):
            above = Pointer(other[:depth])
            if above in self._places:
                yield above
        yield from self._below.get(tuple(other), ())
