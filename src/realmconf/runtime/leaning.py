"""
Arrays of a model on their way back: an element is written as it was stated, with what was changed in it.

Decides which element is which one of before: an equal one, else the next of those that are left.  An array is one
value, so without this every default of each of its elements would be written with the first change in one of them.

    stated  [{id: a}, {id: b}]
    shown   [{id: a, on: true}, {id: b, on: true}]
    wanted  [{id: b, on: true}, {id: a, on: false}]
    leaned  [{id: b}, {id: a, on: false}]

Whether the type reads the result as what is wanted is for the caller to check.
"""

from __future__ import annotations

import json

from realmconf.domain.document import ABSENT, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def has_elements(value: Any) -> bool:
    """Whether there is an array of objects, or of arrays, in *value*: no other has defaults in it."""
    if isinstance(value, dict):
        return any(map(has_elements, value.values()))
    return isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value)


def as_stated(shown: Any, stated: Any) -> Any:
    """*shown*, with every array as it was *stated*, if the elements are those."""
    if isinstance(shown, dict):
        return {key: as_stated(item, _member(stated, key)) for key, item in shown.items()}
    return stated if _are_the_same_elements(shown, stated) else shown


def leaned(wanted: Any, shown: Any, stated: Any, slim: Any) -> Any:
    """
    *wanted*, with arrays that state no more than those of before, and what was changed.

    *shown* is what *stated* was read as; *slim* is *wanted* without the type's defaults, for what is new.
    """
    if isinstance(wanted, dict):
        return {
            key: leaned(item, _member(shown, key), _member(stated, key), _member(slim, key))
            for key, item in wanted.items()
        }
    return _array(wanted, shown, stated, slim) if isinstance(wanted, list) else wanted


def _array(wanted: list[Any], shown: Any, stated: Any, slim: Any) -> list[Any]:
    new = slim if isinstance(slim, list) and len(slim) == len(wanted) else wanted
    if not _are_the_same_elements(shown, stated):
        return new
    before = _places_before(wanted, shown)
    left = sorted(set(range(len(shown))) - set(before.values()), reverse=True)
    elements = []
    for place, element in enumerate(wanted):
        if place in before:
            elements.append(stated[before[place]])
        elif left:
            old = left.pop()
            elements.append(_changed(element, shown[old], stated[old], new[place]))
        else:
            elements.append(new[place])
    return elements


def _places_before(wanted: list[Any], shown: list[Any]) -> dict[int, int]:
    """For each place in *wanted* whose element was *shown* as well: where."""
    stayed = [place for place, pair in enumerate(zip(wanted, shown, strict=False)) if same(*pair)]
    found = dict(zip(stayed, stayed, strict=True))
    left: dict[str, list[int]] = {}
    for place in reversed(range(len(shown))):
        if place not in found:
            left.setdefault(_text(shown[place]), []).append(place)
    for place, element in enumerate(wanted):
        if place not in found and (places := left.get(_text(element))):
            found[place] = places.pop()
    return found


def _changed(wanted: Any, shown: Any, stated: Any, slim: Any) -> Any:
    """What was *stated* and read as *shown*, with what differs in *wanted*; ``ABSENT`` if it is stated by nobody."""
    if same(wanted, shown):
        return stated
    if isinstance(wanted, list):
        return _array(wanted, shown, stated, slim)
    if not all(isinstance(one, dict) for one in (wanted, shown, stated)):
        # What equals the default is not in the slim one, and is to be stated here all the same.
        return wanted if slim is ABSENT else slim
    members = {
        key: _changed(item, _member(shown, key), _member(stated, key), _member(slim, key))
        for key, item in wanted.items()
    }
    return {key: item for key, item in members.items() if item is not ABSENT}


def _are_the_same_elements(shown: Any, stated: Any) -> bool:
    both = isinstance(shown, list) and isinstance(stated, list)
    return both and len(shown) == len(stated)


def _text(value: Any) -> str:
    """The same for the same values alone."""
    return json.dumps(value, sort_keys=True)


def _member(value: Any, key: str) -> Any:
    return value.get(key, ABSENT) if isinstance(value, dict) else ABSENT
