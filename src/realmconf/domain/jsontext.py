"""
JSON text in, within bounds.

Decides what is read at all: RFC 8259 in UTF-8, with no key twice and no number that
would not come back as it was.  Knows nothing of what makes a value a document or a
patch.
"""

from __future__ import annotations

import json
from math import isfinite

from realmconf.domain.document import INTEGER_MAX, INTEGER_MIN, canonical_bytes
from realmconf.domain.names import LIMITS
from realmconf.errors import InvalidDocument, LimitExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from realmconf.domain.document import Document, Value
    from realmconf.domain.names import Limits

_WRAPPING_DEPTH = 8
"""Containers that a request may put around a document before it counts as too deep."""

_TEXT_FACTOR = 4
"""JSON text may be this many times as long as the canonical form: indentation, escapes, wrapping."""

_INTEGER_CHARS_MAX = 20
_FLOAT_CHARS_MAX = 1_000


def parse_json(text: str | bytes, *, limits: Limits = LIMITS) -> Value:
    """
    Read one JSON value, in time and memory bounded by the limits.

    The value may still be no document: nulls, and any type at the top, are for
    ``check_document``, ``check_patch`` or ``check_operations`` to judge.

    Raises:
        InvalidDocument: Not JSON (RFC 8259) in UTF-8 without a byte order mark, or with
            a repeated key, a number that is not finite or not an int64, or half a surrogate pair.
        LimitExceeded: Too long, or too deep.
    """
    text = _decoded(text, limits)
    _check_nesting(text, limits.depth + _WRAPPING_DEPTH)
    try:
        value = _decoder().decode(text)
    except json.JSONDecodeError as error:
        raise InvalidDocument(
            f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})",
            line=error.lineno,
            column=error.colno,
        ) from None
    except RecursionError:
        # The text is shallow; it is the caller's stack that is nearly full.
        raise InvalidDocument("no stack is left to read it") from None
    except MemoryError:
        raise InvalidDocument("no memory is left to read it") from None
    if "\\ud" in text or "\\uD" in text:
        _check_pairs(value)
    return value


def _decoded(text: str | bytes, limits: Limits) -> str:
    bytes_max = _TEXT_FACTOR * limits.document_bytes
    if isinstance(text, (bytes, bytearray)):
        _check_text_size(len(text), bytes_max)
        text = _from_utf8(text)
    elif isinstance(text, str):
        # No text has more characters than bytes: what is far too long need not be encoded to know it.
        _check_text_size(len(text), bytes_max)
        _check_text_size(_utf8_size_bytes(text), bytes_max)
    else:
        raise InvalidDocument(f"JSON is text or bytes, not {type(text).__name__}")
    if text.startswith("\ufeff"):
        raise InvalidDocument("JSON has no byte order mark", line=1)
    return text


def _check_text_size(size_bytes: int, bytes_max: int) -> None:
    if size_bytes > bytes_max:
        raise LimitExceeded("document_bytes", size_bytes, maximum=bytes_max)


def _from_utf8(raw: bytes | bytearray) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidDocument(f"not UTF-8 (line {line})", line=line) from None


def _utf8_size_bytes(text: str) -> int:
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise InvalidDocument(
            f"half a surrogate pair is not text (line {line})", line=line
        ) from None


def _check_nesting(text: str, depth_max: int) -> None:
    """
    Refuse text that opens more than *depth_max* brackets inside each other.

    A parser recurses once a level, and how deep that may go without a crash of
    the process is not ours to know.
    """
    if text.count("{") + text.count("[") <= depth_max:
        return
    import re

    # A string, also one that is never closed, is skipped in one step: the pattern
    # matches wherever it starts and gives nothing back, so the scan is linear.
    brackets = re.sub(
        r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[^][{}"]++', "", text, flags=re.DOTALL
    )
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in "{[" else -1
        if depth > depth_max:
            raise LimitExceeded("depth", depth, maximum=depth_max)


def _object(pairs: list[tuple[str, Value]]) -> Document:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidDocument(f"the key {repeated[:100]!a} is there twice in one object")
    return members


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= _INTEGER_CHARS_MAX else INTEGER_MAX + 1
    if not INTEGER_MIN <= number <= INTEGER_MAX:
        raise InvalidDocument("an integer is outside the range of 64 bits")
    return number


def _float(digits: str) -> float:
    if len(digits) > _FLOAT_CHARS_MAX:
        raise InvalidDocument(f"a number has more than {_FLOAT_CHARS_MAX} characters")
    number = float(digits)
    if not isfinite(number):
        raise InvalidDocument("a number is too large for a 64-bit float")
    return number


def _constant(name: str) -> NoReturn:
    raise InvalidDocument(f"{name} is not JSON")


_decoder_once: json.JSONDecoder | None = None


def _decoder() -> json.JSONDecoder:
    global _decoder_once
    if _decoder_once is None:
        _decoder_once = json.JSONDecoder(
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    return _decoder_once


def _check_pairs(value: Value) -> None:
    try:
        canonical_bytes(value)
    except UnicodeEncodeError:
        raise InvalidDocument("half a surrogate pair is not text") from None
