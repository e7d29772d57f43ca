"""
The short way for what is plainly a document: exact built-in types, text in ASCII, nothing large or deep.

Decides nothing that ``domain.document`` does not: it copies, or says that it cannot
tell, and then the long way says what is wrong and where.  It takes a third of the time,
because it keeps no path.
"""

from __future__ import annotations

from math import isfinite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits

NODES_MAX = 5_000
CHARS_MAX = 100_000
"""Beyond either, the long way watches the size. (Parts may be shared, so a small value can be a large text.)"""

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1


class _Unclear(Exception):
    """The long way has to look."""


def copy_plain(value: dict[Any, Any], limits: Limits) -> Document | None:
    """A copy of *value* that shares nothing with it; None if it is not plainly a document within *limits*."""
    # The worst that so many nodes and characters can be written as.
    if limits.document_bytes < 28 * NODES_MAX + 6 * CHARS_MAX or limits.keys < NODES_MAX:
        return None
    copying = _Copying(limits.key_bytes // 4)
    try:
        copied = copying.members(value, limits.depth)
    except _Unclear:
        return None
    return copied if copying.chars_left >= 0 else None


class _Copying:
    """One walk."""

    __slots__ = ("_key_chars_max", "_nodes_left", "chars_left")

    def __init__(self, key_chars_max: int) -> None:
        self._key_chars_max = key_chars_max
        self._nodes_left = NODES_MAX
        self.chars_left = CHARS_MAX

    def members(self, source: dict[Any, Any], depth_left: int) -> Document:
        self._enter(len(source), depth_left)
        key_chars_max = self._key_chars_max
        chars = 0
        members: Document = {}
        for key, item in source.items():
            if type(key) is not str or len(key) > key_chars_max or not key.isascii():
                raise _Unclear
            chars += len(key)
            kind = type(item)
            if kind is str:
                if not item.isascii():
                    raise _Unclear
                chars += len(item)
            elif kind is int:
                if not INTEGER_MIN <= item <= INTEGER_MAX:
                    raise _Unclear
            elif kind is dict:
                item = self.members(item, depth_left - 1)
            elif kind is list:
                item = self._elements(item, depth_left - 1)
            elif kind is float:
                if not isfinite(item):
                    raise _Unclear
            elif kind is not bool:
                raise _Unclear
            members[key] = item
        self.chars_left -= chars
        return members

    def _elements(self, source: list[Any], depth_left: int) -> list[Any]:
        self._enter(len(source), depth_left)
        elements = []
        for item in source:
            kind = type(item)
            if kind is str:
                if not item.isascii():
                    raise _Unclear
                self.chars_left -= len(item)
            elif kind is int:
                if not INTEGER_MIN <= item <= INTEGER_MAX:
                    raise _Unclear
            elif kind is dict:
                item = self.members(item, depth_left - 1)
            elif kind is list:
                item = self._elements(item, depth_left - 1)
            elif kind is float:
                if not isfinite(item):
                    raise _Unclear
            elif kind is not bool:
                raise _Unclear
            elements.append(item)
        return elements

    def _enter(self, size: int, depth_left: int) -> None:
        self._nodes_left -= size
        if depth_left < 1 or self._nodes_left < 0 or self.chars_left < 0:
            raise _Unclear
