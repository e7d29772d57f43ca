"""
Arrays whose elements have names, seen as objects, so that changes to different elements do not meet.

Decides how such an array is written as an object and back.  Where a schema gives an array ``x-merge-key``, two
people who change two of its elements have not touched the same place; an index could not say that.

    [{"name": "a", "port": 1}]   as seen here   {NUL: True, NUL + "s:a": {"name": "a", "port": 1}}
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import Pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.document import Absent, Document, Value
    from realmconf.domain.schemas.shape import Shape

SIGN = "\0"
"""The member by which an array is known that is seen as an object; names begin with it too."""

_KINDS = {str: "s", int: "i", float: "f", bool: "b"}


def unfold(document: Document, shape: Shape) -> Document:
    """*document* with every array of named elements as an object; itself if there is none."""
    if not shape.has_merges:
        return document
    unfolded: Document = _unfolded(document, shape)
    return unfolded


def _unfolded(value: Value, shape: Shape) -> Value:
    if isinstance(value, dict):
        changed = {key: _unfolded(item, shape.member(key)) for key, item in value.items()}
        return changed if any(changed[key] is not value[key] for key in changed) else value
    if isinstance(value, list) and shape.merge_key is not None:
        names = [_name(element, shape.merge_key) for element in value]
        if None not in names and len(set(names)) == len(names):
            element_shape = shape.element(0)
            return {SIGN: True} | {
                str(name): _unfolded(element, element_shape)
                for name, element in zip(names, value, strict=True)
            }
    return value


def _name(element: Value, key: str) -> str | None:
    value = element.get(key, ABSENT) if isinstance(element, dict) else ABSENT
    kind = _KINDS.get(type(value))
    return None if kind is None else f"{SIGN}{kind}:{value}"


def fold(value: Value) -> Any:
    """What ``unfold`` was given, with whatever was changed since."""
    if isinstance(value, dict):
        if SIGN in value:
            return [fold(item) for key, item in value.items() if key != SIGN]
        changed = {key: fold(item) for key, item in value.items()}
        return changed if any(changed[key] is not value[key] for key in changed) else value
    return value


def is_unfolded(value: Value | Absent) -> bool:
    """Whether *value* is an array seen as an object."""
    return isinstance(value, dict) and SIGN in value


def shown(pointer: Pointer) -> Pointer:
    """*pointer* as people read it: an element by its name."""
    if not any(part.startswith(SIGN) for part in pointer):
        return pointer
    return Pointer([part[3:] if part.startswith(SIGN) else part for part in pointer])
