"""
The short way for what is plainly a document: exact built-in types, text in ASCII, nothing too large or too deep.

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

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1


class _Unclear(Exception):
    """The long way has to look."""


class Copied:
    """A copy that shares nothing with what was copied, and the most bytes that it can be written as."""

    __slots__ = ("bytes_max", "document")

    def __init__(self, document: Document, *, bytes_max: int) -> None:
        self.document = document
        self.bytes_max = bytes_max


def copy_plain(value: dict[Any, Any], limits: Limits) -> Copied | None:
    """A copy of *value*; None if it is not plainly a document, or plainly too large a one, within *limits*."""
    copying = _Copying(limits)
    try:
        document = copying.members(value, limits.depth)
        copying.enter(0, 1)
    except _Unclear:
        return None
    return Copied(document, bytes_max=copying.bytes_max)


class _Copying:
    """
    One walk, which ends where even the least that it can be written as is too much.

    Parts may be shared, so a small value can be a large text.
    """

    __slots__ = ("_bytes_max", "_chars", "_key_chars_max", "_keys_left", "_nodes")

    def __init__(self, limits: Limits) -> None:
        self._key_chars_max = limits.key_bytes // 4
        self._keys_left = limits.keys
        self._bytes_max = limits.document_bytes
        self._nodes = 0
        self._chars = 0

    @property
    def bytes_max(self) -> int:
        """Six bytes are the most for one character, 28 those of a number and its key's punctuation."""
        return 6 * self._chars + 28 * self._nodes

    def members(self, source: dict[Any, Any], depth_left: int) -> Document:
        self.enter(len(source), depth_left)
        self._keys_left -= len(source)
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
        self._chars += chars
        return members

    def _elements(self, source: list[Any], depth_left: int) -> list[Any]:
        self.enter(len(source), depth_left)
        chars = 0
        elements = []
        for item in source:
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
            elements.append(item)
        self._chars += chars
        return elements

    def enter(self, size: int, depth_left: int) -> None:
        """Refuse to copy a part of *size* members or elements if it is too deep, or all is too large with it."""
        self._nodes += size
        if (
            depth_left < 1
            or self._keys_left < 0
            or self._chars + 2 * self._nodes > self._bytes_max + 2
        ):
            raise _Unclear
