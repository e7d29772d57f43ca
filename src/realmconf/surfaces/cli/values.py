"""
From the text of one argument to a valid value, or a typed error.

Decides how numbers, times, pointers and names are written on the command line.
A precondition that does not parse is an error and never ignored: ``-1``, ``1.0``, ``+5``,
``true`` and ``٥`` are not generations.
"""

from __future__ import annotations

from realmconf.domain.names import LIMITS, RealmName
from realmconf.domain.pointer import Pointer
from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SECONDS_PER_UNIT = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
PORT_MAX = 65_535
SECONDS_MAX = 10 * 365 * 86_400


def whole_number(text: str, *, least: int, meaning: str) -> int:
    """A plain decimal number without sign, leading zero or separator, from *least* to the largest generation."""
    most = LIMITS.generation
    plain = text.isascii() and text.isdigit() and (len(text) == 1 or text[0] != "0")
    if not plain or len(text) > len(str(most)) or not least <= int(text) <= most:
        raise InvalidArgument(f"{meaning} is a whole number from {least} to {most}")
    return int(text)


def generation(text: str) -> int:
    """A generation; 0 is that of a realm never written."""
    return whole_number(text, least=0, meaning="a generation")


def revision(text: str) -> int:
    """The generation of a revision, which starts at 1."""
    return whole_number(text, least=1, meaning="a generation")


def count(text: str) -> int:
    """At least one."""
    return whole_number(text, least=1, meaning="a count")


def port(text: str) -> int:
    """A TCP port; 0 is any that is free."""
    if whole_number(text, least=0, meaning="a port") > PORT_MAX:
        raise InvalidArgument(f"a port is a whole number from 0 to {PORT_MAX}")
    return int(text)


def seconds(text: str) -> float:
    """A positive time in seconds: ``5``, ``0.25``."""
    try:
        number = float(text) if text.isascii() and "_" not in text else -1.0
    except ValueError:
        number = -1.0
    # Also refuses nan, which is neither smaller nor larger.
    if not 0 < number <= SECONDS_MAX:
        raise InvalidArgument("a time-out is a positive number of seconds")
    return number


def duration(text: str) -> float:
    """An age in seconds, written with its unit: ``90d``, ``12h``, ``30m``, ``45s``, ``2w``."""
    unit = SECONDS_PER_UNIT.get(text[-1:])
    if unit is None:
        raise InvalidArgument("an age is a whole number with its unit: 90d, 12h, 30m, 45s or 2w")
    return float(whole_number(text[:-1], least=0, meaning="an age") * unit)


PARSERS: dict[str, Callable[[str], Any]] = {
    "generation": generation,
    "revision": revision,
    "count": count,
    "port": port,
    "seconds": seconds,
    "duration": duration,
    "pointer": Pointer.parse,
    "realm": RealmName,
    "text": str,
    "file": str,
    "choice": str,
}
"""By the ``kind`` of an option or operand."""
