"""
The ids of requests in a message that is not read: too long, too deep, or with values that are not taken.

Decides whom a refusal is addressed to, so that nobody waits for an answer for ever.  Reads no more than that, and
in time and memory that grow with a bounded part of the message.
"""

from __future__ import annotations

import json
import re

from realmconf.surfaces.rpc.messages import is_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCANNED_BYTES_MAX = 1024 * 1024
"""What is looked at; an id that stands later is not found."""

# A string that is not closed, as at the end of a beginning, is no token.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[][{}:,]|[^][{}:,"\s]++', re.DOTALL)


def ids_in(raw: bytes, *, at_most: int) -> list[Any]:
    """
    The ids of the requests in *raw*, which may be cut off; none if there are more than *at_most*.

    A request that states its id twice has none.
    """
    is_batch = raw.lstrip()[:1] == b"["
    found: list[Any] = []
    for stated in _stated(raw[:SCANNED_BYTES_MAX], 2 if is_batch else 1):
        if len(stated) == 1:
            found += [identity for identity in map(_value, stated) if is_id(identity)]
        if len(found) > at_most:
            return []
    return found


def _stated(raw: bytes, level: int) -> list[list[bytes]]:
    """For each object that is opened as bracket number *level*, the values of its members named ``id``."""
    objects: list[list[bytes]] = []
    depth = 0
    last: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    for match in _TOKENS.finditer(raw):
        token = match[0]
        if token in b"{[":
            depth += 1
            if depth == level and token == b"{":
                objects.append([])
        if depth == level and objects:
            is_stated = last[0] in (b"{", b",") and last[1] == b'"id"' and last[2] == b":"
            # What the end of a beginning cuts through may be another number.
            if is_stated and match.end() < len(raw):
                objects[-1].append(token)
            last = (last[1], last[2], token)
        if token in b"}]":
            depth -= 1
    return objects


def _value(token: bytes) -> Any:
    """What a single value says; for everything else, and what cannot be given back, something that is no id."""
    try:
        value = json.loads(token)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return True
    return value
