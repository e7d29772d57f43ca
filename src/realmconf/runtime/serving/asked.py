"""
Fields of a question to a store: of the kind that they are to be of, or refused by name.
"""

from __future__ import annotations

from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Asked = Mapping[str, Any]

TEXT_CHARS_MAX = 1_024


def whole(asked: Asked, key: str) -> int:
    """A whole number that a store can hold."""
    value = asked.get(key)
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise InvalidArgument(f"{key} is a whole number")
    return value


def text(asked: Asked, key: str) -> str:
    """A short text."""
    value = asked.get(key)
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
        raise InvalidArgument(f"{key} is text")
    return value
