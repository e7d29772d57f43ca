"""
Arrays whose elements have names, seen as objects, so that changes to different elements do not meet.

Decides when such an array is seen as an object, how it is written, and how it comes back.  Where a schema
gives an array ``x-merge-key``, two people who change two of its elements have not touched the same place; an
index could not say that.  An array whose elements were put in another order is one value all the same: its
order is what was changed.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import Pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.document import Absent, Document, Value
    from realmconf.domain.schemas.shape import Shape


class _Sign(str):
    """A key that no document has: equal to itself alone."""

    __slots__ = ()
    __hash__ = object.__hash__
    __eq__ = object.__eq__
    __ne__ = object.__ne__


SIGN = _Sign("")
"""The member by which an array is known that is seen as an object."""

_PREFIX = "\0"
_KINDS = {str: "s", int: "i", float: "f", bool: "b"}


def unfold(document: Document, shape: Shape, reference: Document) -> Document:
    """
    *document* with the arrays of named elements as objects; itself if there is none.

    Those stay arrays whose elements are in another order than in *reference*, or have a new one before them.
    """
    if not shape.has_merges:
        return document
    unfolded: Document = _unfolded(document, shape, reference)
    return unfolded


def _unfolded(value: Value, shape: Shape, reference: Value | Absent) -> Value:
    if isinstance(value, dict):
        others = reference if isinstance(reference, dict) else {}
        changed = {
            key: _unfolded(item, shape.member(key), others.get(key, ABSENT))
            for key, item in value.items()
        }
        return changed if any(changed[key] is not value[key] for key in changed) else value
    if isinstance(value, list) and shape.merge_key is not None:
        named = _named(value, shape.merge_key)
        before = _named(reference, shape.merge_key) if isinstance(reference, list) else {}
        if named is not None and before is not None and _in_order(named, before):
            inner = shape.element(0)
            return {SIGN: True} | {
                name: _unfolded(element, inner, before.get(name, ABSENT))
                for name, element in named.items()
            }
    return value


def _named(elements: list[Any], key: str) -> dict[str, Any] | None:
    """The elements by their names; None if one has none, or another's."""
    named: dict[str, Any] = {}
    for element in elements:
        value = element.get(key, ABSENT) if isinstance(element, dict) else ABSENT
        kind = _KINDS.get(type(value))
        name = f"{_PREFIX}{kind}:{value}"
        if kind is None or name in named:
            return None
        named[name] = element
    return named


def _in_order(named: dict[str, Any], others: dict[str, Any]) -> bool:
    """Whether *named* has what it shares with *others* first, in the same order, and new ones behind."""
    shared = [name for name in others if name in named]
    return list(named)[: len(shared)] == shared


def fold(value: Value) -> Any:
    """What ``unfold`` was given, with whatever was changed since."""
    if isinstance(value, dict):
        if SIGN in value:
            return [fold(item) for key, item in value.items() if key is not SIGN]
        changed = {key: fold(item) for key, item in value.items()}
        return changed if any(changed[key] is not value[key] for key in changed) else value
    return value


def is_unfolded(value: Value | Absent) -> bool:
    """Whether *value* is an array seen as an object."""
    return isinstance(value, dict) and SIGN in value


def shown(pointer: Pointer) -> Pointer:
    """*pointer* as people read it: an element by its name."""
    if not any(part.startswith(_PREFIX) for part in pointer):
        return pointer
    return Pointer([part[3:] if part.startswith(_PREFIX) else part for part in pointer])
