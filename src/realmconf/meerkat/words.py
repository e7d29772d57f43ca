"""
The words of a JSON Schema that Meerkat's sections are written with: numbers, texts, durations, tables.

Decides how a type of the original is said in JSON Schema.  Knows none of the sections.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Said: TypeAlias = dict[str, Any]
else:
    Said = dict

U16_MAX = 2**16 - 1
U32_MAX = 2**32 - 1
U64_MAX = 2**63 - 1
"""TOML has no integer above it, so the upper half of the original's u64 cannot stand in a file."""

PROVIDERS = ("anthropic", "openai", "gemini")

UNITS = (
    ("nanos", "nsec", "ns"),
    ("usec", "us", "µs"),
    ("millis", "msec", "ms"),
    ("seconds", "second", "secs", "sec", "s"),
    ("minutes", "minute", "mins", "min", "m"),
    ("hours", "hour", "hrs", "hr", "h"),
    ("days", "day", "d"),
    ("weeks", "week", "wks", "wk", "w"),
    ("months", "month", "M"),
    ("years", "year", "yrs", "yr", "y"),
)
"""What each unit of a duration may be called, the smallest unit first."""

_UNIT = "|".join(name for names in UNITS for name in names)
# Blanks may stand anywhere but inside of a unit; a unit ends where a blank or the next number begins.
_SPAN = rf"[0-9][0-9\s]*(\.\s*[0-9][0-9\s]*)?({_UNIT})"
DURATION = rf"^(0|\s*{_SPAN}(\s*{_SPAN})*\s*)$"

_UUID_DIGITS = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_UUID_NAMESPACE = "[uU][rR][nN]:[uU][uU][iI][dD]:"
UUID = rf"^([0-9a-fA-F]{{32}}|({_UUID_NAMESPACE})?{_UUID_DIGITS}|\{{{_UUID_DIGITS}\}})$"
SKILL_NAME = "^[a-z0-9]+(-[a-z0-9]+)*$"


def canonical_uuid(uuid: str) -> str:
    """*uuid*, which has one of the forms of ``UUID``, in small letters with dashes."""
    digits = uuid.lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def text(description: str = "", **more: Any) -> Said:
    """Any text."""
    return _said({"type": "string", **more}, description)


def secret(description: str = "") -> Said:
    """A text that is written and not shown."""
    return _said({"type": "string", "writeOnly": True}, description)


def choice(*values: str, description: str = "", **more: Any) -> Said:
    """One of *values*."""
    return _said({"type": "string", "enum": list(values), **more}, description)


def flag(description: str = "", **more: Any) -> Said:
    """True or false."""
    return _said({"type": "boolean", **more}, description)


def number(description: str = "", **more: Any) -> Said:
    """Any number."""
    return _said({"type": "number", **more}, description)


def whole(maximum: int, description: str = "", *, minimum: int = 0, **more: Any) -> Said:
    """An integer from *minimum* to *maximum*, which the original does not take as 5.0."""
    said = {"type": "integer", "x-integer": True, "minimum": minimum, "maximum": maximum}
    return _said({**said, **more}, description)


def u32(description: str = "", **more: Any) -> Said:
    """An integer of 32 bits."""
    return whole(U32_MAX, description, **more)


def u64(description: str = "", **more: Any) -> Said:
    """An integer as large as TOML has one."""
    return whole(U64_MAX, description, **more)


def duration(description: str = "", **more: Any) -> Said:
    """A text such as ``1m 30s``."""
    return _said({"$ref": "#/$defs/duration", **more}, description)


def duration_or_milliseconds(description: str = "") -> Said:
    """A text such as ``1m 30s``, or milliseconds."""
    return _said({"$ref": "#/$defs/duration_or_milliseconds"}, description)


def listed(items: Said, description: str = "", **more: Any) -> Said:
    """An array of *items*."""
    return _said({"type": "array", "items": items, **more}, description)


def mapped(values: Said, description: str = "", **more: Any) -> Said:
    """An object of any keys, with *values*."""
    return _said({"type": "object", "additionalProperties": values, **more}, description)


def table(
    properties: Said, *, required: tuple[str, ...] = (), description: str = "", **more: Any
) -> Said:
    """An object of these *properties* and no others."""
    said: Said = {"type": "object", "properties": properties}
    if required:
        said["required"] = list(required)
    return _said({**said, "additionalProperties": False, **more}, description)


def anything(description: str = "") -> Said:
    """An object of which nothing is said."""
    return _said({"type": "object"}, description)


def _said(said: Said, description: str) -> Said:
    return {**said, "description": description} if description else said
