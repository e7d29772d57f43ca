"""
Values in PostgreSQL's binary form, as they are sent and as they come.

Decides nothing.  Numbers of types are those of the catalogue, which never change.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BOOL, BYTEA, INT8, INT4, TEXT, JSON = 16, 17, 20, 23, 25, 114
BOOLS, BYTEAS, INT8S, TEXTS = 1000, 1001, 1016, 1009

_INT8 = struct.Struct(">q")
_INT4 = struct.Struct(">i")
_ARRAY = struct.Struct(">iiIii")
_SINGLE = struct.Struct(">iiIiii")
_EMPTY = struct.Struct(">iiI")
_NULL = _INT4.pack(-1)
_NONE_OF = {element: _EMPTY.pack(0, 0, element) for element in (BOOL, BYTEA, INT8, TEXT)}


def int8(value: int) -> bytes:
    return _INT8.pack(value)


def int4(value: int) -> bytes:
    return _INT4.pack(value)


def array(element: int, values: Sequence[bytes | None]) -> bytes:
    """An array of *values*, which are in binary form, of the type *element*."""
    if not values:
        return _NONE_OF[element]
    # Most writes are one of each kind.
    if len(values) == 1 and (only := values[0]) is not None:
        return _SINGLE.pack(1, 0, element, 1, 1, len(only)) + only
    parts = [_ARRAY.pack(1, 1, element, len(values), 1)]
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            parts += (_INT4.pack(len(value)), value)
    return b"".join(parts)


def texts(values: Iterable[str | None]) -> bytes:
    return array(TEXT, [None if value is None else value.encode() for value in values])


def int8s(values: Iterable[int]) -> bytes:
    return array(INT8, [_INT8.pack(value) for value in values])


def bools(values: Iterable[bool]) -> bytes:
    return array(BOOL, [b"\1" if value else b"\0" for value in values])


def byteas(values: Sequence[bytes]) -> bytes:
    return array(BYTEA, values)


def number(value: bytes | None) -> int:
    """An integer that came."""
    assert value is not None
    return int.from_bytes(value, "big", signed=True)


def text(value: bytes | None) -> str:
    """A text that came."""
    assert value is not None
    return value.decode()


def optional_text(value: bytes | None) -> str | None:
    """A text that came, or null."""
    return None if value is None else value.decode()
