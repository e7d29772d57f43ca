"""
What a surface's input means where it differs from the document it becomes.

Decides two things.  A mark that stands for a redacted secret keeps the stored secret when it
comes back at its own pointer, and is refused anywhere else.  A JSON number that equals the stored
one keeps the stored type, because many JSON writers turn ``1.0`` into ``1``.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import Pointer
from realmconf.domain.secrets import MARK, redact
from realmconf.errors import SecretMarkMisplaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def has_mark(value: Any) -> bool:
    """Whether a mark stands anywhere in *value*."""
    if isinstance(value, dict):
        return any(has_mark(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(has_mark(item) for item in value)
    return isinstance(value, str) and MARK in value


def with_secrets(value: Any, stored: Any, *, at: Pointer) -> Any:
    """
    *value* with every mark replaced by what *stored* (both stand at the pointer *at*) has there.

    Raises:
        SecretMarkMisplaced: A mark where nothing secret is stored, inside a longer text, or in an array
            whose elements have moved, so that it cannot be told whose secret is meant.
    """
    if isinstance(value, dict):
        return {
            key: with_secrets(item, _member(stored, key), at=at.child(key))
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        if has_mark(value) and _moved(value, redact(stored, at=at)):
            raise SecretMarkMisplaced(pointer=str(at))
        return [
            with_secrets(item, _element(stored, place), at=at.child(str(place)))
            for place, item in enumerate(value)
        ]
    if not isinstance(value, str) or MARK not in value:
        return value
    if value == MARK and stored is not ABSENT and redact(stored, at=at) == MARK:
        return stored
    raise SecretMarkMisplaced(pointer=str(at))


def with_stored_number_types(value: Any, stored: Any) -> Any:
    """*value* with every number that equals the one *stored* at the same place written as that one."""
    if isinstance(value, dict):
        return {
            key: with_stored_number_types(item, _member(stored, key)) for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [
            with_stored_number_types(item, _element(stored, place))
            for place, item in enumerate(value)
        ]
    return stored if _is_number(value) and _is_number(stored) and value == stored else value


def _moved(value: Any, shown: Any) -> bool:
    """Whether *value* has elements of *shown* in other places: one more or less, or in another order."""
    if not isinstance(shown, list) or len(value) != len(shown):
        return True
    return any(item != own and item in shown for item, own in zip(value, shown, strict=True))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _member(value: Any, key: str) -> Any:
    return value.get(key, ABSENT) if isinstance(value, dict) else ABSENT


def _element(value: Any, place: int) -> Any:
    return value[place] if isinstance(value, (list, tuple)) and place < len(value) else ABSENT
