"""
Lengths of time as Meerkat's files have them: ``1m 30s``, milliseconds, or ``{secs = 90, nanos = 0}``.

Decides what each form means and how one is printed: as the original's library prints it, so that a file that both
programs write does not change back and forth.  A month is 30.44 days there, and a year 365.25.

    1h 30min2s  ->  5402 s  ->  1h 30m 2s
"""

from __future__ import annotations

import re
from datetime import timedelta

from realmconf.meerkat.words import UNITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FORM = "a length of time such as 500ms, 30s, 10m or 1m 30s"

TOO_LARGE = "a number in it is too large"

_NANOSECONDS = (
    1,
    1_000,
    1_000_000,
    1_000_000_000,
    60 * 1_000_000_000,
    3_600 * 1_000_000_000,
    86_400 * 1_000_000_000,
    7 * 86_400 * 1_000_000_000,
    2_630_016 * 1_000_000_000,
    31_557_600 * 1_000_000_000,
)
"""Of each of ``UNITS``."""

_OF_UNIT = {
    name: length for names, length in zip(UNITS, _NANOSECONDS, strict=True) for name in names
}
_NANOSECOND, _MICROSECOND, _SECOND, _MINUTE = 1, 1_000, 1_000_000_000, 60 * 1_000_000_000

_PRINTED = (
    ("year", 31_557_600 * _SECOND),
    ("month", 2_630_016 * _SECOND),
    ("day", 86_400 * _SECOND),
    ("h", 3_600 * _SECOND),
    ("m", _MINUTE),
    ("s", _SECOND),
    ("ms", 1_000_000),
    ("us", _MICROSECOND),
)
_WITH_PLURAL = ("year", "month", "day")

_SPAN = re.compile(r"(?P<whole>[0-9][0-9\s]*)(?:\.(?P<part>[0-9\s]*))?(?P<unit>[A-Za-zµ]+)\s*")
_U64_MAX = 2**64 - 1
_DIGITS_MAX = 400
"""Far beyond any number that is taken; Python is slow with longer ones."""


def parse_duration(text: str) -> timedelta:
    """
    The length of time that *text* says.

    Raises:
        ValueError: The original does not take it either; or it is finer than a microsecond or longer than
            ``timedelta.max``, which the original takes and Python cannot hold.
    """
    if text == "0":
        return timedelta()
    rest = text.strip()
    if not rest:
        raise ValueError(f"{FORM} is wanted")
    nanoseconds = 0
    while rest:
        span = _SPAN.match(rest)
        if span is None or span["unit"] not in _OF_UNIT:
            raise ValueError(f"{FORM} is wanted")
        nanoseconds += _of_span(span)
        rest = rest[span.end() :]
    return _from_nanoseconds(nanoseconds)


def _of_span(span: re.Match[str]) -> int:
    unit = _OF_UNIT[span["unit"]]
    nanoseconds = _number(span["whole"]) * unit
    if unit < _SECOND:
        _check_size(nanoseconds)
    if span["part"] is not None:
        digits = "".join(span["part"].split())
        if not digits:
            raise ValueError(f"{FORM} is wanted")
        # A part of an hour or of anything longer must be whole seconds, as the original counts it.
        finest = _SECOND if unit > _MINUTE else _NANOSECOND
        numerator, denominator = _number(digits) * (unit // finest), 10 ** len(digits)
        _check_size(max(numerator, denominator))
        part, left = divmod(numerator, denominator)
        if left or unit == _NANOSECOND:
            raise ValueError("it is too fine: the original does not take it")
        nanoseconds += part * finest
    return nanoseconds


def _number(digits: str) -> int:
    digits = "".join(digits.split())
    if len(digits) > _DIGITS_MAX:
        raise ValueError(TOO_LARGE)
    return _check_size(int(digits))


def _check_size(number: int) -> int:
    """*number*, if the original has room for it: it counts in 64 bits, also on the way to the result."""
    if number > _U64_MAX:
        raise ValueError(TOO_LARGE)
    return number


def _from_nanoseconds(nanoseconds: int) -> timedelta:
    microseconds, left = divmod(nanoseconds, _MICROSECOND)
    if left:
        raise ValueError("it is finer than a microsecond")
    try:
        return timedelta(microseconds=microseconds)
    except OverflowError:
        raise ValueError("it is too long") from None


def format_duration(length: timedelta) -> str:
    """
    *length* as the original prints it.

    Raises:
        ValueError: It is less than nothing.
    """
    left = _nanoseconds(length)
    if not left:
        return "0s"
    spans: list[str] = []
    for name, unit in _PRINTED:
        count, left = divmod(left, unit)
        if count:
            plural = "s" if count > 1 and name in _WITH_PLURAL else ""
            spans.append(f"{count}{name}{plural}")
    return " ".join(spans)


def duration_from_milliseconds(milliseconds: int) -> timedelta:
    """
    The length of time that an integer says, where one may stand for one.

    Raises:
        ValueError: It is less than nothing, or longer than ``timedelta.max``.
    """
    if milliseconds < 0:
        raise ValueError("milliseconds are not below 0")
    return _from_nanoseconds(milliseconds * 1_000_000)


def duration_from_table(table: Mapping[str, Any]) -> timedelta:
    """
    The length of time that ``{secs, nanos}`` says.

    Raises:
        ValueError: It is another table, or one that ``parse_duration`` would not take as text.
    """
    if set(table) != {"secs", "nanos"}:
        raise ValueError("secs and nanos are wanted, and nothing else")
    seconds, nanoseconds = table["secs"], table["nanos"]
    if type(seconds) is not int or type(nanoseconds) is not int:
        raise ValueError("secs and nanos are integers")
    if not 0 <= seconds <= _U64_MAX or not 0 <= nanoseconds < 2**32:
        raise ValueError("secs or nanos is out of its range")
    return _from_nanoseconds(seconds * _SECOND + nanoseconds)


def duration_to_table(length: timedelta) -> dict[str, int]:
    """
    *length* as ``{secs, nanos}``.

    Raises:
        ValueError: It is less than nothing.
    """
    seconds, nanoseconds = divmod(_nanoseconds(length), _SECOND)
    return {"secs": seconds, "nanos": nanoseconds}


def _nanoseconds(length: timedelta) -> int:
    if length < timedelta():
        raise ValueError("a length of time is not below 0")
    return (length // timedelta(microseconds=1)) * _MICROSECOND
